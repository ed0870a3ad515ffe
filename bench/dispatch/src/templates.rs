//! Templates with two numbers: the same templates and paths for every router.

use std::fmt::Write;

use crate::peer::Peer;
use crate::peers::{self, Naming};
use crate::{ASKED, interleaved, next, row};

pub(crate) fn report(report: &mut String) {
    table("Templates", Naming::Numbers, report);
    table(
        "Templates, with letters that have gaps for digits",
        Naming::Letters,
        report,
    );
}

fn table(title: &str, naming: Naming, report: &mut String) {
    let _ = writeln!(
        report,
        "\n## {title}\n\n| routes, paths | {} |",
        peers::NAMES.join(" | ")
    );
    let _ = writeln!(report, "|---|{}", "---:|".repeat(peers::NAMES.len()));
    for routes in [10, 100, 1_000, 10_000] {
        let peers = peers::all(routes, naming);
        for kind in [Kind::Hot, Kind::Random, Kind::Misses] {
            let mut asked = 0;
            let medians = interleaved(peers.len(), |one| {
                asked += 1;
                ask(
                    &**peers[one].as_ref()?,
                    peers::NAMES[one],
                    (kind, naming),
                    routes,
                    asked,
                )
            });
            row(report, &format!("{routes}, {kind:?}").to_lowercase(), &medians);
        }
    }
}

/// Returns the nanoseconds per path.
fn ask(peer: &dyn Peer, name: &str, (kind, naming): (Kind, Naming), routes: usize, seed: usize) -> Option<f64> {
    let mut state = seed;
    let paths: Vec<String> = (0..peer.patience().min(ASKED))
        .map(|n| kind.path(naming, routes, seed * ASKED + n, next(&mut state) % routes))
        .collect();
    let (found, took) = peer.ask(&paths)?;
    let expected = if kind == Kind::Misses { 0 } else { paths.len() };
    assert_eq!(found, expected, "{name} is wrong");
    Some(took.as_secs_f64() * 1e9 / paths.len() as f64)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The same ten routes again and again.
    Hot,
    Random,
    Misses,
}

impl Kind {
    fn path(self, naming: Naming, routes: usize, n: usize, random: usize) -> String {
        let path = |route: usize| format!("/api/r{}/{}/items/{}", naming.name(route), n % 10_000, n % 97);
        let other = naming.name(random);
        match (self, n % 3) {
            (Kind::Hot, _) => path((n % 10) * (routes / 10)),
            (Kind::Random, _) => path(random),
            (Kind::Misses, 0) => format!("/api/s{other}/{n}/items/1"),
            (Kind::Misses, 1) => format!("/api/r{other}/{n}/item/1"),
            (Kind::Misses, _) => format!("/api/r{other}/{n}"),
        }
    }
}
