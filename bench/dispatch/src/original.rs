//! hansel's originals in Python: `original.py`, used over a pipe. It measures its own time.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::peer::Peer;

pub(crate) struct Original {
    process: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    patience: usize,
}

impl Original {
    /// Returns the dispatcher by regular expressions; `None` if there is no Python here.
    pub(crate) fn of_patterns(routes: usize) -> Option<Original> {
        // It compiles and tries one expression after the other, and Python keeps 512 compiled ones.
        let patience = match routes {
            0..=10 => 256,
            11..=100 => 64,
            101..=1_000 => 2,
            _ => 1,
        };
        Original::start("patterns", routes, patience)
    }

    /// Returns the dispatcher by function names.
    pub(crate) fn of_names(names: usize) -> Option<Original> {
        Original::start("names", names, 256)
    }

    fn start(style: &str, count: usize, patience: usize) -> Option<Original> {
        let mut process = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/original.py"))
            .args([style, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let pipes = RefCell::new((process.stdin.take()?, BufReader::new(process.stdout.take()?)));
        Some(Original {
            process,
            pipes,
            patience,
        })
    }
}

impl Peer for Original {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        let (asked, responses) = &mut *self.pipes.borrow_mut();
        writeln!(asked, "{}", paths.join(" ")).ok()?;
        let mut response = String::new();
        responses.read_line(&mut response).ok()?;
        let (found, nanoseconds) = response.trim().split_once(' ')?;
        Some((found.parse().ok()?, Duration::from_nanos(nanoseconds.parse().ok()?)))
    }

    fn patience(&self) -> usize {
        self.patience
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
