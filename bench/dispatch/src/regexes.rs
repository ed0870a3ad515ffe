//! A thousand regular expressions in one pass, beside trying them one by one as the seed does.

use std::hint::black_box;
use std::time::Instant;

use hansel::{App, Application, Request, Routes};

const ROUTES: usize = 1_000;
const ASKED: usize = 64;
const ROUNDS: usize = 11;

pub(crate) fn compare() {
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
    let paths: Vec<_> = (0..ASKED)
        .map(|n| format!("/r{}/name/{n}/", crate::next(&mut state) % ROUTES))
        .collect();
    let requests: Vec<_> = paths.iter().map(|path| Request::get(path)).collect();
    let ours = time(|| {
        requests
            .iter()
            .filter(|request| app.call(request).status() == 204)
            .count()
    });
    let theirs = time(|| {
        let find = |path: &String| one_by_one.iter().find_map(|regex| regex.captures(path)).is_some();
        paths.iter().filter(|path| find(path)).count()
    });
    println!(
        "\n{ROUTES} regular expressions: {ours:.0} ns in one pass, {theirs:.0} ns one by one, {:.0} times as fast",
        theirs / ours
    );
}

/// The median nanoseconds for each path.
fn time(mut ask: impl FnMut() -> usize) -> f64 {
    assert!(ask() > 0, "nothing was found");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        black_box(ask());
        times.push(began.elapsed().as_secs_f64() * 1e9 / ASKED as f64);
    }
    crate::median(times)
}
