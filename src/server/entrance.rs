//! Where connections come in, and from whom.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Trust;

use super::channel::Channel;
use super::connection::ReceiveProxyHeader;
use super::door::Door;
use super::listen::{Bound, Place};
use super::socket::{Accepted, Listener, Stream};

pub(super) struct Entrance {
    /// The listeners, besides the loops' own, to be given to others. Not one may be left open when the
    /// loops stop accepting: who connected then would wait for nobody.
    listeners: Mutex<Vec<Bound>>,
    /// Those of the health lane, likewise.
    health: Mutex<Vec<Bound>>,
    /// Whether somebody else has the Unix sockets too, and needs their paths.
    leaves_paths: AtomicBool,
    /// Paths of Unix sockets that are closed.
    places: Mutex<Vec<Box<dyn Place>>>,
    /// One for each listener, as the loops number them.
    doors: Vec<Door>,
    pub(super) trust: Option<Arc<Trust>>,
}

impl Entrance {
    pub(super) fn new(
        listeners: Vec<Bound>,
        health: Vec<Bound>,
        doors: Vec<Door>,
        trust: Option<Arc<Trust>>,
    ) -> Entrance {
        Entrance {
            listeners: Mutex::new(listeners),
            health: Mutex::new(health),
            leaves_paths: AtomicBool::new(false),
            places: Mutex::new(Vec::new()),
            doors,
            trust,
        }
    }

    /// The listeners, for one of the loops: those of the health lane first, and how many those are.
    pub(super) fn for_loop(&self) -> io::Result<(Vec<Listener>, usize)> {
        let (health, others) = (lock(&self.health), lock(&self.listeners));
        let mut listeners = Vec::with_capacity(health.len() + others.len());
        for bound in health.iter().chain(&*others) {
            listeners.push(bound.for_loop()?);
        }
        Ok((listeners, health.len()))
    }

    /// Whether a peer's word is taken.
    pub(super) fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.admits_peer(peer))
    }

    /// What receives the PROXY header with which a connection is to begin, if it is.
    pub(super) fn proxy_header(&self, accepted: &Accepted) -> Option<ReceiveProxyHeader> {
        let receive = self.doors.get(accepted.listener)?.proxy_protocol?;
        self.trusts(accepted.visitor.address).then_some(receive)
    }

    /// Whether a connection is to be encrypted.
    pub(super) fn is_secure(&self, accepted: &Accepted) -> bool {
        self.doors.get(accepted.listener).is_some_and(Door::is_secure)
    }

    /// A new connection, as its listener has it come in.
    pub(super) fn open(&self, stream: Stream, listener: usize) -> io::Result<Channel> {
        match self.doors.get(listener) {
            Some(door) => door.open(stream),
            None => Ok(Channel::plain(stream)),
        }
    }

    /// The listeners, for another process.
    #[cfg(unix)]
    pub(super) fn listeners(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        let listeners = lock(&self.listeners);
        if listeners.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the server has stopped listening",
            ));
        }
        listeners.iter().map(Bound::descriptor).collect()
    }

    /// The listeners of the health lane, for another process.
    #[cfg(all(unix, feature = "activation"))]
    pub(super) fn health_listeners(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        lock(&self.health).iter().map(Bound::descriptor).collect()
    }

    /// Leaves the paths of Unix sockets to whoever has them now.
    #[cfg(unix)]
    pub(super) fn leave_paths(&self) {
        self.leaves_paths.store(true, Ordering::SeqCst);
    }

    /// Gives up what was kept of the listeners, before the loops take what waits there and close theirs.
    pub(super) fn stop_listening(&self) {
        lock(&self.health).clear();
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        let leaves_paths = self.leaves_paths.load(Ordering::SeqCst);
        for place in listeners.into_iter().filter_map(Bound::into_place) {
            if leaves_paths {
                place.leave();
            } else {
                lock(&self.places).push(place);
            }
        }
    }

    /// Removes the paths of Unix sockets that nobody else needs.
    pub(super) fn remove_paths(&self) {
        lock(&self.places).clear();
    }
}

// In several places, none of which is on the way of a usual request.
#[inline(never)]
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
