//! Handing over to another process. It gets the listeners while this one still serves, so nothing that waits to be
//! accepted is lost.

use std::io;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use super::passing::{Heard, Passing, Successor};
use crate::seconds::Seconds;
use crate::server::shared::Shared;

/// The interval between checks whether the successor has died or is no longer wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The time that a successor that has closed the listeners may take to end, and to report why.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Variables by which a service manager passes something, which does not belong to the successor.
const NOT_ITS_OWN: [&str; 4] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDS_FIRST_FD", "LISTEN_FDNAMES"];

/// Starts `successor` with this server's listeners, and leaves them and what belongs to them to it once it serves.
/// Fails if it is `cancelled` meanwhile.
pub(crate) fn hand_over(
    shared: &Shared,
    successor: Command,
    patience: Duration,
    cancelled: impl FnMut() -> bool,
) -> io::Result<Child> {
    let mut passing = Passing::default();
    let entrance = &shared.entrance;
    entrance.for_each_listener(|listener, is_health| passing.add(listener, is_health))?;
    let child = start(passing, successor, patience, cancelled)?;
    entrance.leave_paths();
    shared.health.hand_over();
    Ok(child)
}

/// Starts `successor` with the listeners, and waits until it reports that it serves.
///
/// If it ends, or has not reported within `patience`, or is `cancelled` meanwhile, it is killed and waited for, and
/// this process goes on as before.
fn start(
    listeners: Passing,
    mut successor: Command,
    patience: Duration,
    mut cancelled: impl FnMut() -> bool,
) -> io::Result<Child> {
    for name in NOT_ITS_OWN {
        successor.env_remove(name);
    }
    let (channel, mut child) = listeners.start(successor)?;
    let outcome = await_word(&channel, &mut child, patience, &mut cancelled);
    if outcome.is_err() {
        // It may be dead already. It must not be left half-started.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome.map(|()| child)
}

fn await_word(
    channel: &Successor,
    child: &mut Child,
    patience: Duration,
    cancelled: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    let begun = Instant::now();
    let has_passed = |time: Duration| begun.elapsed() >= time;
    let mut gives_up_at = None;
    loop {
        match channel.hear(LOOK)? {
            Heard::Serves => return Ok(()),
            Heard::Silent => {}
            Heard::Closed => {
                gives_up_at.get_or_insert_with(|| begun.elapsed().saturating_add(LAST_WORD));
                thread::sleep(LOOK);
            }
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("the successor ended at once: {status}")));
        }
        if cancelled() {
            return Err(io::Error::other(
                "the server is stopping, so the hand-over was cancelled",
            ));
        }
        if gives_up_at.is_some_and(has_passed) {
            return Err(io::Error::other("the successor closed the listeners and does not end"));
        }
        if has_passed(patience) {
            let text = format!(
                "the successor did not serve within {}: does it take its listeners by `Server::activated`?",
                Seconds(patience)
            );
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::net::listen::Bound;

    fn one() -> Passing {
        let mut passing = Passing::default();
        passing.add(&Bound::tcp("127.0.0.1:0").unwrap(), false).unwrap();
        passing
    }

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_successor_that_does_not_serve_is_not_left_behind() {
        let forever = || false;
        let patience = Duration::from_secs(60);
        let error = start(one(), Command::new("/nonexistent"), patience, forever).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = start(one(), Command::new("true"), patience, forever).unwrap_err();
        assert!(error.to_string().contains("ended at once"), "{error}");
        let error = start(one(), shell("exec 0</dev/null; sleep 1; exit 7"), patience, forever).unwrap_err();
        assert!(error.to_string().contains("exit status: 7"), "it may say why: {error}");
        let error = start(one(), shell("exec sleep 60"), patience, || true).unwrap_err();
        assert!(error.to_string().contains("is stopping"), "{error}");
        let error = start(one(), shell("exec sleep 60"), Duration::ZERO, forever).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("Server::activated"), "{error}");
    }

    #[test]
    fn a_successor_hears_nothing_of_what_a_service_manager_has_passed() {
        let mut successor = shell("test -z \"$LISTEN_FDS$LISTEN_PID$LISTEN_FDNAMES\" && exit 3");
        successor
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", "web")
            .env("LISTEN_PID", "1");
        let error = start(one(), successor, Duration::from_secs(60), || false).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
