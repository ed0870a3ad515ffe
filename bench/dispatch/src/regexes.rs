//! A thousand regular expressions in one pass, compared with trying them one by one as the seed does.

use std::fmt::Write;
use std::hint::black_box;

use hansel::{App, Application, Request, Routes};

use crate::peers::timed;
use crate::{interleaved, next};

const ROUTES: usize = 1_000;
const ASKED: usize = 64;

pub(crate) fn report(report: &mut String) {
    let expression = |i: usize| format!(r"^/r{i}/(?P<name>\w+)/(\d+)/$");
    let add = |all: Routes, i| {
        all.regex(&expression(i), |name: &str, n: u32| {
            black_box((name.len(), n));
        })
    };
    let app = App::new((0..ROUTES).fold(Routes::new(), add));
    let one_by_one: Vec<_> = (0..ROUTES)
        .map(|i| regex::Regex::new(&expression(i)).unwrap())
        .collect();

    let mut state = 3;
    let medians = interleaved(2, |one| {
        let path = |n| format!("/r{}/name/{n}/", next(&mut state) % ROUTES);
        let paths: Vec<String> = (0..ASKED).map(path).collect();
        let (found, took) = if one == 0 {
            let requests = paths.iter().map(|path| Request::get(path)).collect();
            timed(requests, |request| app.call(request).status() == 204)?
        } else {
            timed(paths, |path| {
                one_by_one.iter().find_map(|regex| regex.captures(path)).is_some()
            })?
        };
        assert_eq!(found, ASKED);
        Some(took.as_secs_f64() * 1e9 / ASKED as f64)
    });
    let [Some(ours), Some(theirs)] = medians[..] else {
        return;
    };
    let _ = writeln!(
        report,
        "\n## Regular expressions\n\n{ROUTES} of them: {ours:.0} ns for a whole call, decided in one pass; {theirs:.0} ns \
         for trying one by one with the same library. {:.0} times as fast.",
        theirs / ours
    );
}
