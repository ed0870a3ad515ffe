//! Handing over to another process: it gets the listeners while this one still serves, so nothing that
//! waits to be accepted is lost.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Handle;
use super::activation;
use super::notify;
use super::seconds::Seconds;
use super::shared::Shared;

/// How often it is looked whether the successor has died or is not wanted any more.
const LOOK: Duration = Duration::from_millis(100);

/// What the application's listeners are called.
const SERVICE: &str = "service";

/// How often descriptors are copied in search of a row of them.
const COPIES: usize = 4096;

impl Handle {
    /// Starts `successor`, which gets this server's listeners, and waits until it serves as well. Then
    /// [`shutdown`](Handle::shutdown) ends this one, at once without the
    /// [delay](crate::Server::drain_delay), and no connection is lost or refused. The listeners of the
    /// [health lane](crate::Server::health_on) are among them, and `/readyz` affirms all the while.
    ///
    /// The successor takes the listeners by [`Server::activated`](crate::Server::activated), and says
    /// that it serves as it would to a service manager: [`Server::serve`](crate::Server::serve) does,
    /// with `READY=1` at `NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// If it can't be started, ends, or is not ready after `patience`; then it is killed, and this
    /// server goes on.
    pub fn hand_over(&self, successor: Command, patience: Duration) -> io::Result<Child> {
        self.shared.hand_over(successor, patience, || false)
    }
}

impl Shared {
    /// As [`Handle::hand_over`]; what is `cancelled` meanwhile fails.
    pub(super) fn hand_over(
        &self,
        mut successor: Command,
        patience: Duration,
        cancelled: impl FnMut() -> bool,
    ) -> io::Result<Child> {
        let mut listeners = self.entrance.listeners()?;
        let mut names = vec![SERVICE; listeners.len()];
        listeners.extend(self.entrance.health_listeners()?);
        names.resize(listeners.len(), activation::HEALTH);
        successor.env(activation::NAMES, names.join(":"));
        let child = start(&listeners, successor, patience, cancelled)?;
        self.entrance.leave_paths();
        self.health.hand_over();
        Ok(child)
    }
}

/// Starts `successor` with `listeners`, and waits until it says that it serves.
///
/// If it ends, or has not said so after `patience`, or is `cancelled` meanwhile, it is killed and
/// waited for, and this process is where it was.
fn start(
    listeners: &[OwnedFd],
    mut successor: Command,
    patience: Duration,
    mut cancelled: impl FnMut() -> bool,
) -> io::Result<Child> {
    let ready = ReadySocket::bind()?;
    let row = in_a_row(listeners)?;
    let first = row.first().ok_or(io::ErrorKind::NotConnected)?.as_raw_fd();
    for listener in &row {
        // What another thread starts in this moment gets them too; it does not know of them.
        SockRef::from(listener).set_cloexec(false)?;
    }
    successor
        .env("LISTEN_FDS", row.len().to_string())
        // The usual numbers would begin at 3, which may be taken here.
        .env("LISTEN_FDS_FIRST_FD", first.to_string())
        // It would have to be the successor's, which does not exist yet; without it, it is not looked at.
        .env_remove("LISTEN_PID")
        .env(notify::SOCKET, &ready.path);
    let mut child = successor.spawn()?;
    drop(row);
    let outcome = await_ready(&ready, &mut child, patience, &mut cancelled);
    if outcome.is_err() {
        // It may be dead already; it must not be left half-started.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome.map(|()| child)
}

fn await_ready(
    ready: &ReadySocket,
    child: &mut Child,
    patience: Duration,
    cancelled: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        if ready.has_heard()? {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("the successor ended at once: {status}")));
        }
        if cancelled() {
            return Err(io::Error::other("the successor is not wanted any more"));
        }
        if Instant::now() >= deadline {
            let text = format!("the successor was not ready after {}", Seconds(patience));
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    }
}

/// Copies of `listeners` whose numbers follow one another, as they are passed on.
fn in_a_row(listeners: &[OwnedFd]) -> io::Result<Vec<OwnedFd>> {
    let mut row: Vec<OwnedFd> = Vec::with_capacity(listeners.len());
    // What does not fit is kept until the row is whole, lest it come again.
    let mut apart = Vec::new();
    for _ in 0..COPIES {
        let Some(next) = listeners.get(row.len()) else { break };
        let copy = next.try_clone()?;
        let follows = row.last().is_none_or(|last| last.as_raw_fd() + 1 == copy.as_raw_fd());
        if follows {
            row.push(copy);
        } else {
            apart.append(&mut row);
            apart.push(copy);
        }
    }
    if row.len() < listeners.len() {
        return Err(io::Error::other("no free descriptor numbers that follow one another"));
    }
    Ok(row)
}

/// Where the successor says that it is ready, in the way it would say it to a service manager.
struct ReadySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl ReadySocket {
    fn bind() -> io::Result<ReadySocket> {
        // Nobody else can know the name beforehand.
        let name = format!("hansel-ready-{:016x}", RandomState::new().hash_one(std::process::id()));
        let path = std::env::temp_dir().join(name);
        let socket = UnixDatagram::bind(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("can't make {}: {error}", path.display())))?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(ReadySocket { socket, path })
    }

    /// Waits a moment for the word.
    fn has_heard(&self) -> io::Result<bool> {
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(n) => {
                let lines = message.get(..n).unwrap_or(&[]).split(|byte| *byte == b'\n');
                Ok(lines.into_iter().any(|line| line == notify::READY.as_bytes()))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for ReadySocket {
    fn drop(&mut self) {
        // Whoever has removed it has done our work.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn listeners(count: usize) -> Vec<OwnedFd> {
        let bound = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        bound.map(OwnedFd::from).collect()
    }

    #[test]
    fn copies_follow_one_another_whatever_is_free_between() {
        let listeners = listeners(4);
        // Holes of one number each.
        let mut others: Vec<_> = (0..20).map(|_| Some(listeners[0].try_clone().unwrap())).collect();
        for other in others.iter_mut().step_by(2) {
            *other = None;
        }
        let row = in_a_row(&listeners).unwrap();
        for (index, copy) in row.iter().enumerate() {
            assert_eq!(copy.as_raw_fd(), row[0].as_raw_fd() + index as i32);
            let address = |fd| SockRef::from(fd).local_addr().unwrap();
            assert_eq!(address(copy), address(&listeners[index]));
        }
        assert_eq!(row.len(), 4);
        drop(others);
    }

    #[test]
    fn a_successor_that_does_not_serve_is_not_left_behind() {
        let listeners = listeners(1);
        let forever = || false;
        let patience = Duration::from_secs(60);
        let error = start(&listeners, Command::new("/nonexistent"), patience, forever).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = start(&listeners, Command::new("true"), patience, forever).unwrap_err();
        assert!(error.to_string().contains("ended at once"), "{error}");
        let mut sleeper = Command::new("sleep");
        sleeper.arg("60");
        let error = start(&listeners, sleeper, patience, || true).unwrap_err();
        assert!(error.to_string().contains("not wanted"), "{error}");
        let mut sleeper = Command::new("sleep");
        sleeper.arg("60");
        let error = start(&listeners, sleeper, Duration::ZERO, forever).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
