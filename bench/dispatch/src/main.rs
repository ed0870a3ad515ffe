//! Nanoseconds per dispatch, beside other routers: `cargo run --release` in this folder.
//!
//! Each router has the same templates, `/api/r<i>/{id}/items/{item}`, and is asked the same paths in the
//! same order: ten hot ones again and again, random ones, and ones that do not exist. All of them find the
//! place and read both arguments as numbers, so that the work is the same. The rounds are interleaved, and
//! the median is printed.

mod peers;
mod regexes;

use std::hint::black_box;
use std::time::Instant;

use peers::Peer;

/// How many paths are asked in one round.
const ASKED: usize = 4096;
const ROUNDS: usize = 31;

fn main() {
    println!("{:>7} {:>8} {}", "routes", "paths", names());
    for routes in [10, 100, 1_000, 10_000] {
        let peers = peers::all(routes);
        for (kind, paths) in [
            ("hot", hot(routes)),
            ("random", random(routes)),
            ("misses", misses(routes)),
        ] {
            let medians = medians(&peers, &paths, kind != "misses");
            let cell = |median: &Option<f64>| median.map_or("-".into(), |median| format!("{median:.0}"));
            let cells: String = medians.iter().map(|median| format!("{:>14}", cell(median))).collect();
            println!("{routes:>7} {kind:>8} {cells}");
        }
    }
    regexes::compare();
}

fn names() -> String {
    peers::NAMES.iter().map(|name| format!("{name:>14}")).collect()
}

/// The median nanoseconds per path, for each peer.
fn medians(peers: &[Option<Box<dyn Peer>>], paths: &[String], is_hit: bool) -> Vec<Option<f64>> {
    let mut asked: Vec<_> = peers.iter().map(|peer| Some(peer.as_ref()?.prepare(paths))).collect();
    for (asked, name) in asked.iter_mut().zip(peers::NAMES) {
        let expected = if is_hit { paths.len() } else { 0 };
        assert!(
            asked.as_mut().is_none_or(|asked| asked() == expected),
            "{name} is wrong"
        );
    }
    let mut times = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        for (asked, times) in asked.iter_mut().zip(&mut times) {
            let Some(asked) = asked else { continue };
            let began = Instant::now();
            black_box(asked());
            times.push(began.elapsed().as_secs_f64() * 1e9 / paths.len() as f64);
        }
    }
    times
        .into_iter()
        .map(|times| (!times.is_empty()).then(|| median(times)))
        .collect()
}

pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn path(route: usize, n: usize) -> String {
    format!("/api/r{route}/{}/items/{}", n % 10_000, n % 97)
}

fn hot(routes: usize) -> Vec<String> {
    (0..ASKED).map(|n| path((n % 10) * (routes / 10), n)).collect()
}

fn random(routes: usize) -> Vec<String> {
    let mut state = 7;
    (0..ASKED).map(|n| path(next(&mut state) % routes, n)).collect()
}

fn misses(routes: usize) -> Vec<String> {
    let mut state = 9;
    let miss = |n: usize, route: usize| match n % 3 {
        0 => format!("/api/s{route}/{n}/items/1"),
        1 => format!("/api/r{route}/{n}/item/1"),
        _ => format!("/api/r{route}/{n}"),
    };
    (0..ASKED).map(|n| miss(n, next(&mut state) % routes)).collect()
}

/// Numbers that look random and are the same each time.
pub(crate) fn next(state: &mut usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}
