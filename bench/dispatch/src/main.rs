//! Nanoseconds per dispatch, compared with other routers: `cargo run --release` in this directory. With `--write`, the
//! output goes into `RESULTS.md`, which says how to read it. Other arguments select sections: `cargo run --release --
//! templates regexes`.

mod adversarial;
mod by_name;
mod machine;
mod original;
mod peer;
mod peers;
mod regexes;
mod taking_up;
mod templates;

use std::fmt::Write;
use std::time::{Duration, Instant};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|name| *name != "--write")
        .collect();
    type Section = fn(&mut String);
    let sections: [(&str, Section); 5] = [
        ("templates", templates::report),
        ("path", taking_up::report),
        ("names", by_name::report),
        ("regexes", regexes::report),
        ("adversarial", adversarial::report),
    ];
    let mut report = include_str!("../how-to-read.md").to_owned();
    let _ = writeln!(report, "\n{}", machine::described());
    for (name, section) in sections {
        if wanted.is_empty() || wanted.contains(&name) {
            eprintln!("{name} ...");
            section(&mut report);
        }
    }
    print!("{report}");
    if arguments.iter().any(|argument| argument == "--write") {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md"), report)?;
    }
    Ok(())
}

/// How many paths are looked up at once. They are made just before, as a path that comes from a connection is.
const ASKED: usize = 256;
const ROUNDS: usize = 201;
/// A router is not timed for longer than this on one thing, once there is a median.
const PATIENCE: Duration = Duration::from_millis(400);

/// Times all routers in turns. Returns the median nanoseconds for each that takes part.
fn interleaved(count: usize, mut ask: impl FnMut(usize) -> Option<f64>) -> Vec<Option<f64>> {
    let mut times = vec![Vec::new(); count];
    let mut spent = vec![Duration::ZERO; count];
    for round in 0..ROUNDS {
        for one in 0..count {
            if round >= 3 && spent[one] > PATIENCE {
                continue;
            }
            let began = Instant::now();
            times[one].extend(ask(one));
            spent[one] += began.elapsed();
        }
    }
    times
        .into_iter()
        .map(|times| (!times.is_empty()).then(|| median(times)))
        .collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Writes a row of a table.
fn row(report: &mut String, first: &str, cells: &[Option<f64>]) {
    let cells: String = cells
        .iter()
        .map(|cell| cell.map_or(" – |".to_owned(), |cell| format!(" {cell:.0} |")))
        .collect();
    let _ = writeln!(report, "| {first} |{cells}");
}

/// Returns numbers that look random and are the same each time.
fn next(state: &mut usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}
