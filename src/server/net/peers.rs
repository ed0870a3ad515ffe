//! The number of connections of each peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use super::room::Room;
use crate::lock::lock;

/// The most connections of one peer that may be getting a 503.
const TURNED_AWAY: usize = 16;

/// Connections by peer.
pub(crate) struct Peers {
    most: usize,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts(Mutex<HashMap<IpAddr, usize>>);

/// The peer of a connection. As long as this lives, the connection counts as one of that peer's.
#[derive(Default)]
pub(crate) struct Visitor {
    pub(crate) address: Option<SocketAddr>,
    /// Uncounts the connection when it is dropped.
    #[expect(dead_code, reason = "it counts as long as it lives")]
    counted: Option<Counted>,
}

struct Counted {
    peer: IpAddr,
    counts: Arc<Counts>,
}

impl Visitor {
    /// Returns a visitor that is not counted.
    pub(crate) fn of(address: Option<SocketAddr>) -> Visitor {
        Visitor { address, counted: None }
    }
}

impl Peers {
    pub(crate) fn new(most: usize) -> Peers {
        Peers {
            most,
            counts: Arc::default(),
        }
    }

    /// Counts a connection, and returns whether its peer may have it. Clients of Unix sockets are neither distinguished
    /// nor limited.
    pub(crate) fn admit(&self, address: Option<SocketAddr>) -> (Visitor, Room) {
        let Some(known) = address else {
            return (Visitor::of(address), Room::Enough);
        };
        let peer = peer_of(known.ip());
        let mut counts = lock(&self.counts.0);
        let count = counts.entry(peer).or_default();
        let room = Room::among(*count, self.most, TURNED_AWAY);
        *count += 1;
        drop(counts);
        let counted = Some(Counted {
            peer,
            counts: Arc::clone(&self.counts),
        });
        (Visitor { address, counted }, room)
    }
}

impl Counts {
    fn uncount(&self, peer: IpAddr) {
        let mut counts = lock(&self.0);
        if let Some(count) = counts.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&peer);
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.uncount(self.peer);
    }
}

/// Returns the address that stands for the peer.
pub(crate) fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        // RFC 7421 §1: "a fixed 64-bit boundary": one household or host has the whole network.
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(peers: &Peers, address: &str) -> (Visitor, Room) {
        peers.admit(Some(SocketAddr::new(address.parse().unwrap(), 4711)))
    }

    #[test]
    fn each_peer_has_its_own_number_and_gets_back_what_it_leaves() {
        let peers = Peers::new(2);
        let first = admit(&peers, "192.0.2.1");
        let mapped = admit(&peers, "::ffff:192.0.2.1");
        assert_eq!([first.1, mapped.1], [Room::Enough; 2]);
        assert_eq!(admit(&peers, "192.0.2.1").1, Room::Scarce, "the third of one peer");
        assert_eq!(admit(&peers, "192.0.2.2").1, Room::Enough);
        drop(mapped);
        assert_eq!(admit(&peers, "192.0.2.1").1, Room::Enough);
        let crowd: Vec<_> = (0..2 + TURNED_AWAY).map(|_| admit(&peers, "192.0.2.1")).collect();
        assert_eq!(crowd.last().map(|visit| visit.1), Some(Room::None));
        drop(crowd);
        drop(first);
        assert!(
            lock(&peers.counts.0).is_empty(),
            "nothing is kept of those who are gone"
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let peers = Peers::new(1);
        let _first = admit(&peers, "2001:db8::1");
        assert_eq!(admit(&peers, "2001:db8::ffff:1").1, Room::Scarce);
        assert_eq!(admit(&peers, "2001:db8:0:1::1").1, Room::Enough);
    }

    #[test]
    fn without_an_address_nothing_is_counted() {
        assert_eq!(Peers::new(0).admit(None).1, Room::Enough);
    }
}
