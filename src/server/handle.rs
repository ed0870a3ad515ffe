//! A server that is serving.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::threads;

use crate::server::shared::Shared;
use crate::server::shared::watch;
use crate::server::threads::runner;

/// How long the threads of handlers that were cut off are waited for. They can't be ended.
const LAST_THREADS: Duration = Duration::from_millis(100);

/// How long the access log may take to write what is left.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A server that is serving. Dropping the handle changes nothing: the server goes on.
#[must_use = "the server goes on by itself; keep the handle to stop it"]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    health_addresses: Vec<SocketAddr>,
}

impl Handle {
    /// Of a server that is still to be [started](Handle::start).
    pub(super) fn new(shared: Arc<Shared>, addresses: Vec<SocketAddr>, health_addresses: Vec<SocketAddr>) -> Handle {
        Handle {
            shared,
            addresses,
            health_addresses,
        }
    }

    pub(super) fn start(&self) -> io::Result<()> {
        let watched = Arc::clone(&self.shared);
        threads::start("hansel-watch".into(), Box::new(move || watch::keep(&watched)))?;
        runner::start(&self.shared).inspect_err(|_| self.shared.drain(Duration::ZERO))?;
        #[cfg(all(unix, feature = "activation"))]
        self.shared.entrance.succeed();
        Ok(())
    }

    /// The first address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses
            .first()
            .copied()
            .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// The addresses it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// One more descriptor of each listener, to be given to another process: while that has it, nobody
    /// who connects is refused. The paths of Unix sockets are left in place from now on.
    ///
    /// # Errors
    /// If the server has stopped listening, or has no descriptors left.
    #[cfg(unix)]
    pub fn listeners(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        let listeners = self.shared.entrance.listeners()?;
        self.shared.entrance.leave_paths();
        Ok(listeners)
    }

    /// The addresses that [`Server::health_on`](crate::Server::health_on) has asked for.
    pub fn health_addrs(&self) -> &[SocketAddr] {
        &self.health_addresses
    }

    /// Says whether the application is ready to serve; it is, until it is said not to be. While it is
    /// not, `/readyz` of the [health lane](crate::Server::health) answers 503, and nothing else changes.
    pub fn set_ready(&self, is_ready: bool) {
        self.shared.health.set_ready(is_ready);
    }

    /// Stops accepting, closes idle connections, and finishes what is in flight, for `grace` at most;
    /// then cuts off the rest. Returns at once: [`wait`](Handle::wait) tells when it is done.
    ///
    /// With [`Duration::MAX`] it waits for what is in flight, however long that takes.
    ///
    /// All this begins after the [delay](crate::Server::drain_delay), if there is one. Called again, it
    /// ends the delay and can shorten the grace.
    pub fn shutdown(&self, grace: Duration) {
        self.shared.drain(grace);
    }

    /// Waits until the server has ended, and says what became of what was in flight.
    ///
    /// A handler that runs on after that can't be ended: its thread goes on without a connection.
    pub fn wait(&self) -> Drained {
        self.shared.wait();
        self.shared.crew.wait_until_gone(after(Instant::now(), LAST_THREADS));
        if let Some(log) = &self.shared.observation.log {
            log.wait_until_written(after(Instant::now(), LAST_LINES));
        }
        self.shared.drained()
    }
}

/// What became of the connections that were busy when a server was told to stop, or became so before it
/// had.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that were answered while the server drained, streams to their end.
    pub finished: usize,
    /// Connections that the end of the grace has cut off.
    pub cut: usize,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.finished, self.cut) {
            (0, 0) => f.write_str("nothing was in flight"),
            (finished, 0) => write!(f, "all {finished} connections in flight were finished"),
            (finished, cut) => write!(f, "{finished} connections in flight were finished, {cut} cut off"),
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
