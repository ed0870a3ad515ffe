//! The load: sends as many requests as it can, checks the responses, and reports how long they took.
//!
//! It is a closed loop: a connection sends its next requests when it has the responses to the last. The result is one
//! line of JSON on the standard output.

mod clients;
mod connection;
mod histogram;
mod idle;
mod options;
mod report;
mod requests;
mod responses;
mod rounds;
mod server;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use idle::Idle;
use options::Options;

fn main() -> ExitCode {
    let options = match Options::of(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", options::USAGE);
            return ExitCode::FAILURE;
        }
    };
    let outcome = if options.hold { hold(&options) } else { ask(&options) };
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the load and returns its result.
fn ask(options: &Options) -> io::Result<String> {
    let idle = Idle::open(options)?;
    let mut report = rounds::run(options)?;
    report.idle_open = idle.count_open();
    Ok(serde_json::to_string(&report)?)
}

/// Keeps idle connections open, and does nothing until a line comes from the standard input.
fn hold(options: &Options) -> io::Result<String> {
    let idle = Idle::open(options)?;
    println!("{}", idle.count_open());
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(idle.count_open().to_string())
}
