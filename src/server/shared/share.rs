//! The share of all connections that may subscribe to topics, so that there is always room for requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::server::limits::Limits;
use crate::server::net::peers::{Peers, Visitor};
use crate::server::net::room::Room;

/// The share of those who subscribe.
pub(crate) struct Share {
    most: usize,
    taken: Arc<AtomicUsize>,
    peers: Option<Peers>,
}

/// A part of the share. Dropping it gives it back.
pub(crate) struct Part {
    taken: Arc<AtomicUsize>,
    /// Kept for what its drop does.
    _of_peer: Option<Visitor>,
}

impl Share {
    pub(crate) fn new(limits: &Limits) -> Share {
        Share {
            most: limits.most_subscribers(),
            taken: Arc::default(),
            peers: limits.subscribers_per_peer.map(Peers::new),
        }
    }

    /// Returns how many subscribe.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes a part for one more, if there is one. `peer` is `None` where clients are not distinguished.
    pub(crate) fn take(&self, peer: Option<SocketAddr>) -> Option<Part> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        let mut part = Part {
            taken: Arc::clone(&self.taken),
            _of_peer: None,
        };
        if self.taken() > self.most {
            return None;
        }
        if let (Some(peers), Some(_)) = (&self.peers, peer) {
            let (visitor, room) = peers.admit(peer);
            part._of_peer = Some(visitor);
            if room != Room::Enough {
                return None;
            }
        }
        Some(part)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_free_again_when_it_is_dropped_and_one_that_was_refused_takes_none() {
        let limits = Limits::default().subscribers(2).subscribers_per_peer(1);
        let share = Share::new(&limits);
        let peer = |last| Some(SocketAddr::from(([192, 0, 2, last], 1)));
        let first = share.take(peer(1)).unwrap();
        assert!(share.take(peer(1)).is_none(), "its peer has one");
        assert_eq!(share.taken(), 1);
        let _second = share.take(peer(2)).unwrap();
        assert!(share.take(peer(3)).is_none(), "there are two");
        drop(first);
        assert!(share.take(peer(1)).is_some());
        assert_eq!(share.taken(), 1);
    }
}
