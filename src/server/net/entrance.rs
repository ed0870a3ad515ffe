//! Where connections come in, and from whom.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::Trust;
use crate::lock::lock;

use super::channel::Channel;
use super::door::Door;
use super::listen::Bound;
use super::proxy_header::ParseProxyHeader;
use super::socket::{Accepted, Acceptor, Stream};

pub(crate) struct Entrance {
    /// The listeners, besides those of the loops, to be handed over. None may stay open when the loops stop accepting:
    /// clients that connect then would wait for nobody.
    listeners: Mutex<Vec<Bound>>,
    /// Those of the health lane, likewise.
    health: Mutex<Vec<Bound>>,
    /// One for each listener, in the order of the loops.
    doors: Vec<Door>,
    pub(crate) trust: Option<Arc<Trust>>,
}

impl Entrance {
    pub(crate) fn new(
        listeners: Vec<Bound>,
        health: Vec<Bound>,
        doors: Vec<Door>,
        trust: Option<Arc<Trust>>,
    ) -> Entrance {
        Entrance {
            listeners: Mutex::new(listeners),
            health: Mutex::new(health),
            doors,
            trust,
        }
    }

    /// Returns the listeners for one of the loops, those of the health lane first, and how many those are.
    pub(crate) fn for_loop(&self) -> io::Result<(Vec<Acceptor>, usize)> {
        let (health, others) = (lock(&self.health), lock(&self.listeners));
        let mut listeners = Vec::with_capacity(health.len() + others.len());
        for bound in health.iter().chain(&*others) {
            listeners.push(bound.for_loop()?);
        }
        Ok((listeners, health.len()))
    }

    /// Returns true if a peer is trusted.
    pub(crate) fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.admits_peer(peer))
    }

    /// Returns the parser of the PROXY header with which a connection must begin, if it must.
    pub(crate) fn proxy_header(&self, accepted: &Accepted) -> Option<ParseProxyHeader> {
        let parse = self.doors.get(accepted.listener)?.proxy_protocol?;
        self.trusts(accepted.visitor.address).then_some(parse)
    }

    /// Returns true if a connection must be encrypted.
    pub(crate) fn is_secure(&self, accepted: &Accepted) -> bool {
        self.doors.get(accepted.listener).is_some_and(Door::is_secure)
    }

    /// Returns a new connection, as its listener lets it in.
    pub(crate) fn open(&self, stream: Stream, listener: usize) -> io::Result<Channel> {
        match self.doors.get(listener) {
            Some(door) => door.open(stream),
            None => Ok(Channel::plain(stream)),
        }
    }

    /// Returns the listeners, for another process.
    #[cfg(unix)]
    pub(crate) fn listeners(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        let listeners = lock(&self.listeners);
        if listeners.is_empty() {
            return Err(has_stopped());
        }
        listeners.iter().map(Bound::descriptor).collect()
    }

    /// Shows each listener, and whether it belongs to the health lane, to what passes them to a successor.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn for_each_listener(&self, mut show: impl FnMut(&Bound, bool) -> io::Result<()>) -> io::Result<()> {
        let (health, others) = (lock(&self.health), lock(&self.listeners));
        if others.is_empty() {
            return Err(has_stopped());
        }
        others.iter().try_for_each(|listener| show(listener, false))?;
        health.iter().try_for_each(|listener| show(listener, true))
    }

    /// Takes over the paths that came with the listeners: this process removes them from now on, not the predecessor.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn take_paths(&self) {
        lock(&self.listeners).iter_mut().for_each(Bound::take_path);
    }

    /// Leaves the paths of Unix sockets to whoever has them now.
    #[cfg(unix)]
    pub(crate) fn leave_paths(&self) {
        lock(&self.listeners).iter_mut().for_each(Bound::leave_path);
    }

    /// Closes the copies of the listeners, before the loops take what waits there and close theirs. Removes the paths
    /// of Unix sockets that nobody else needs: from here on another server may have them.
    pub(crate) fn stop_listening(&self) {
        lock(&self.health).clear();
        lock(&self.listeners).clear();
    }
}

#[cfg(unix)]
fn has_stopped() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the server has stopped listening")
}

#[cfg(all(test, unix, feature = "activation"))]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_stopped_listening_has_nothing_to_hand_over() {
        let bound = || vec![Bound::tcp("127.0.0.1:0").unwrap()];
        let entrance = Entrance::new(bound(), bound(), Vec::new(), None);
        let mut shown = Vec::new();
        let mut show = |_: &Bound, is_health| {
            shown.push(is_health);
            Ok(())
        };
        entrance.for_each_listener(&mut show).unwrap();
        assert_eq!(entrance.listeners().unwrap().len(), 1);
        entrance.stop_listening();
        let error = entrance.for_each_listener(&mut show).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert_eq!(entrance.listeners().unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert_eq!(shown, [false, true], "each was shown once, with its purpose");
    }
}
