//! Functions by name: hansel's `Methods`, and Python's original.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use hansel::{App, Application, Methods, Request};

use crate::original::Original;
use crate::peer::Peer;
use crate::peers::timed;
use crate::{ASKED, interleaved, next, row};

struct Finds(App);
struct Responses(App);

pub(crate) fn report(report: &mut String) {
    let _ = writeln!(
        report,
        "\n## Functions by name\n\n| functions, paths | hansel finds | hansel answers | Python's original |"
    );
    let _ = writeln!(report, "|---|---:|---:|---:|");
    for functions in [10, 100, 1_000, 10_000] {
        let peers: [Option<Box<dyn Peer>>; 3] = [
            Some(Box::new(Finds(app(functions)))),
            Some(Box::new(Responses(app(functions)))),
            Original::of_names(functions).map(|python| Box::new(python) as Box<dyn Peer>),
        ];
        for is_hit in [true, false] {
            let mut state = 5;
            let medians = interleaved(peers.len(), |one| {
                let path = |n| {
                    let function = next(&mut state) % functions;
                    format!("/{}{function}/{}/{n}", if is_hit { "f" } else { "g" }, n * 31)
                };
                let paths: Vec<String> = (0..ASKED).map(path).collect();
                let (found, took) = peers[one].as_ref()?.ask(&paths)?;
                assert_eq!(found, if is_hit { ASKED } else { 0 });
                Some(took.as_secs_f64() * 1e9 / ASKED as f64)
            });
            let kind = if is_hit { "random" } else { "misses" };
            row(report, &format!("{functions}, {kind}"), &medians);
        }
    }
}

fn app(functions: usize) -> App {
    let methods = Methods::new();
    for i in 0..functions {
        methods.insert(&format!("f{i}"), |a: u32, b: u32| {
            black_box((a, b));
        });
    }
    App::new(methods)
}

impl Peer for Finds {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        let requests = paths.iter().map(|path| Request::get(path)).collect();
        timed(requests, |request| self.0.reaches(request).is_ok())
    }
}

impl Peer for Responses {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        let requests = paths.iter().map(|path| Request::get(path)).collect();
        timed(requests, |request| self.0.call(request).status() == 204)
    }
}
