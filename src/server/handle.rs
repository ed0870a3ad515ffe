//! A server that is serving.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(all(unix, feature = "activation"))]
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::seconds::Seconds;
use crate::threads;

#[cfg(all(unix, feature = "activation"))]
use super::process::passing::Predecessor;
#[cfg(all(unix, feature = "activation"))]
use super::process::successor;
use super::threads::engine::Engine;
use super::threads::{runner, watching};

/// The time for which the threads of handlers whose connections were cut are waited for. They cannot be ended.
const LAST_THREADS: Duration = Duration::from_millis(100);

/// The time that the access log may take to write what is left.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A server that is serving. Dropping the handle changes nothing: the server goes on.
#[must_use = "the server goes on by itself; keep the handle to stop it"]
pub struct Handle {
    pub(super) engine: Arc<Engine>,
    addresses: Vec<SocketAddr>,
    health_addresses: Vec<SocketAddr>,
}

impl Handle {
    /// Creates the handle of a server that is not [started](Handle::start) yet.
    pub(super) fn new(engine: Arc<Engine>, addresses: Vec<SocketAddr>, health_addresses: Vec<SocketAddr>) -> Handle {
        Handle {
            engine,
            addresses,
            health_addresses,
        }
    }

    pub(super) fn start(&self) -> io::Result<()> {
        let watched = Arc::clone(&self.engine);
        threads::start("hansel-watch".into(), Box::new(move || watching::keep(&watched)))?;
        runner::start(&self.engine).inspect_err(|_| self.engine.shared.drain(Duration::ZERO))
    }

    /// Tells the predecessor, if there is one, that this process serves. From now on this process removes the paths of
    /// Unix sockets.
    #[cfg(all(unix, feature = "activation"))]
    pub(super) fn succeed(&self, predecessor: Option<Predecessor>) {
        if let Some(predecessor) = predecessor {
            predecessor.tell();
            self.engine.shared.entrance.take_paths();
        }
    }

    /// Returns the first address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses
            .first()
            .copied()
            .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// Returns the addresses it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns another descriptor of each listener, to be given to another process: while that has it, no client that
    /// connects is refused. The paths of Unix sockets stay from now on.
    ///
    /// # Errors
    /// Returns an error if the server has stopped listening, or has no descriptors left.
    #[cfg(unix)]
    pub fn listeners(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        let listeners = self.engine.shared.entrance.listeners()?;
        self.engine.shared.entrance.leave_paths();
        Ok(listeners)
    }

    /// Returns the addresses that were set by [`Server::health_on`](crate::Server::health_on).
    pub fn health_addrs(&self) -> &[SocketAddr] {
        &self.health_addresses
    }

    /// Sets whether the application is ready to serve. It is, until this says otherwise. While it is not, `/readyz` of
    /// the [health lane](crate::Server::health) responds with 503, and nothing else changes.
    pub fn set_ready(&self, is_ready: bool) {
        self.engine.shared.health.set_ready(is_ready);
    }

    /// Stops accepting, closes idle connections, and finishes what is in flight, within `grace`; then cuts the rest.
    /// Returns at once: [`wait`](Handle::wait) waits for the end.
    ///
    /// With [`Duration::MAX`] it waits for what is in flight, however long that takes.
    ///
    /// All this begins after the [delay](crate::Server::drain_delay), if there is one. Another call ends the delay and
    /// can shorten the grace.
    pub fn shutdown(&self, grace: Duration) {
        self.engine.shared.drain(grace);
    }

    /// Starts `successor`, which gets this server's listeners, and waits until it serves as well. Then
    /// [`shutdown`](Handle::shutdown) ends this server, at once without the [delay](crate::Server::drain_delay), and no
    /// connection is lost or refused. The listeners of the [health lane](crate::Server::health_on) are handed over too,
    /// and `/readyz` responds with 200 all the while.
    ///
    /// The successor must be a program that takes the listeners by [`Server::activated`](crate::Server::activated), and
    /// serves. They come over its standard input, whatever the command says about that, and `activated` then restores
    /// this process's standard input: no other child of this process inherits a listener. The paths of Unix sockets
    /// belong to the successor from then on.
    ///
    /// As process 1 of a container, do not end after that: the kernel would end the successor as well.
    ///
    /// Requires the feature `activation`.
    ///
    /// # Errors
    /// Returns an error if the successor cannot be started, ends, closes the listeners, or does not serve within
    /// `patience`. Then it is killed, and this server goes on.
    #[cfg(all(unix, feature = "activation"))]
    pub fn hand_over(&self, successor: Command, patience: Duration) -> io::Result<Child> {
        successor::hand_over(&self.engine.shared, successor, patience, || false)
    }

    /// Waits until the server has ended, and returns what happened to the connections in flight.
    ///
    /// A handler that still runs after that cannot be ended: its thread goes on without a connection.
    pub fn wait(&self) -> Drained {
        self.engine.shared.lifecycle.wait_until(None);
        self.end_by(None)
    }

    /// Waits until the server has ended, but not longer than `time`. Returns `None` if it has not ended by then.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = hansel::Server::bind("127.0.0.1:0")?.spawn(|| "Hello, world!")?;
    /// assert!(server.wait_timeout(Duration::from_millis(1)).is_none(), "it serves");
    /// server.shutdown(Duration::ZERO);
    /// assert!(server.wait_timeout(Duration::MAX).is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(&self, time: Duration) -> Option<Drained> {
        let deadline = after(Instant::now(), time);
        let has_ended = self.engine.shared.lifecycle.wait_until(Some(deadline));
        has_ended.then(|| self.end_by(Some(deadline)))
    }

    /// Waits for what may last a little longer than the loops.
    fn end_by(&self, deadline: Option<Instant>) -> Drained {
        let shared = &self.engine.shared;
        let within = |time| {
            let last = after(Instant::now(), time);
            deadline.map_or(last, |deadline| deadline.min(last))
        };
        shared.crew.wait_until_gone(within(LAST_THREADS));
        if let Some(log) = &shared.observation.log {
            log.wait_until_written(within(LAST_LINES));
        }
        let (finished, cut) = shared.lifecycle.finished_and_cut();
        Drained {
            finished,
            cut,
            running: self.running(),
        }
    }

    /// Returns the handlers that run although all loops have ended.
    fn running(&self) -> Vec<RunningHandler> {
        let shared = &self.engine.shared;
        if shared.crew.census().handling == 0 {
            // Threads that are about to end run nothing.
            return Vec::new();
        }
        let now = Instant::now();
        let running = shared.runs.busy().into_iter().map(|(pace, since)| RunningHandler {
            endpoint: pace
                .map(|pace| shared.application.patterns_of(pace.index()))
                .filter(|patterns| !patterns.is_empty()),
            // More is not known exactly, and not worth reading.
            time: since.map(|since| Duration::from_millis(now.saturating_duration_since(since).as_millis() as u64)),
        });
        running.collect()
    }
}

/// The fate of the connections that were busy when a server was told to stop, or became busy before it had
/// stopped.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let server = hansel::Server::bind("127.0.0.1:0")?.spawn(|| "Hello, world!")?;
/// server.shutdown(std::time::Duration::from_secs(10));
/// let drained = server.wait();
/// assert_eq!((drained.finished, drained.cut), (0, 0), "nobody was there");
/// assert_eq!(drained.to_string(), "nothing was in flight");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that got their responses while the server drained, streams to their end.
    pub finished: usize,
    /// Connections that were cut at the end of the grace.
    pub cut: usize,
    /// Handlers that still run. Their threads go on without a connection, until they return or the process ends.
    pub running: Vec<RunningHandler>,
}

/// A handler that has not returned although its server has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RunningHandler {
    /// The pattern of its route, if that is known: `/reports/{id}`. It is several patterns, with "or" in between, if they lead
    /// to the same function.
    pub endpoint: Option<String>,
    /// The time for which it has been running, if that is known. It may be a few milliseconds longer.
    pub time: Option<Duration>,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.finished, self.cut) {
            (0, 0) => f.write_str("nothing was in flight"),
            (finished, 0) => write!(f, "all {finished} connections in flight were finished"),
            (finished, cut) => write!(f, "{finished} connections in flight were finished, {cut} were cut"),
        }?;
        for (index, handler) in self.running.iter().enumerate() {
            f.write_str(if index == 0 { "; still running: " } else { ", " })?;
            handler.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for RunningHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.endpoint.as_deref().unwrap_or("a handler"))?;
        match self.time {
            Some(time) => write!(f, " for {}", Seconds(time)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
