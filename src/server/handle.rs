//! A server that is serving.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(all(unix, feature = "activation"))]
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::threads;

#[cfg(all(unix, feature = "activation"))]
use super::process::passing::Predecessor;
#[cfg(all(unix, feature = "activation"))]
use super::process::successor;
use super::threads::engine::Engine;
use super::threads::{runner, watching};

/// How long the threads of handlers whose connections were cut are waited for. They cannot be ended.
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
        self.engine.shared.lifecycle.wait();
        self.engine
            .shared
            .crew
            .wait_until_gone(after(Instant::now(), LAST_THREADS));
        if let Some(log) = &self.engine.shared.observation.log {
            log.wait_until_written(after(Instant::now(), LAST_LINES));
        }
        let (finished, cut) = self.engine.shared.lifecycle.finished_and_cut();
        Drained { finished, cut }
    }
}

/// What happened to the connections that were busy when a server was told to stop, or became busy before it had
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that got their responses while the server drained, streams to their end.
    pub finished: usize,
    /// Connections that were cut at the end of the grace.
    pub cut: usize,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.finished, self.cut) {
            (0, 0) => f.write_str("nothing was in flight"),
            (finished, 0) => write!(f, "all {finished} connections in flight were finished"),
            (finished, cut) => write!(f, "{finished} connections in flight were finished, {cut} were cut"),
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
