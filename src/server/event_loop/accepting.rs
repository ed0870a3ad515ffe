//! New connections: accepted, and assigned to a loop.

use std::io;
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::report;

use super::EventLoop;
use crate::seconds::Seconds;
use crate::server::connection::Connection;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::Transport;
use crate::server::net::peers::Visitor;
use crate::server::net::room::{Room, Want};
use crate::server::net::socket::{Accepted, is};
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;
use crate::server::shared::loop_link::Arrival;
use crate::server::shared::tally::TurnedAway;

/// The fewest connections that are accepted before other work gets its turn. If more were accepted in the last turn,
/// that many.
const ACCEPTED: usize = 64;

/// The most connections of the health lane on each loop.
const PROBING: usize = 64;

/// The time for which accepting pauses when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The number of connections that this loop may have more than the least busy one before it gives a new connection away.
const IMBALANCE: usize = 4;

impl EventLoop {
    #[inline]
    pub(super) fn accept(&mut self, shared: &Shared) {
        shared.capacity.reserve.refill();
        if self.listeners.has_pending() {
            self.accept_now(shared);
        }
    }

    #[inline(never)]
    fn accept_now(&mut self, shared: &Shared) {
        for listener in self.listeners.take_pending(self.now) {
            // If one listener cannot accept, the others cannot either.
            if self.listeners.again().is_none() {
                self.accept_from(listener, shared);
            }
        }
    }

    fn accept_from(&mut self, listener: usize, shared: &Shared) {
        let reserve = &shared.capacity.reserve;
        for _ in 0..ACCEPTED.max(self.poller.batch_size()) {
            let Some(accepted) = self.listeners.accept(listener) else {
                return;
            };
            match accepted {
                Ok((stream, peer)) => {
                    let visitor = Visitor::of(peer);
                    let accepted = Accepted {
                        stream,
                        visitor,
                        listener,
                    };
                    if self.listeners.is_of_health(listener) {
                        self.place_apart(accepted, shared);
                    } else {
                        self.place(accepted, shared);
                    }
                    // A connection that was turned away has freed its descriptor.
                    reserve.refill();
                }
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => return,
                // accept(2): this connection was gone before it was accepted; the next one may not be.
                Err(error)
                    if is(&error, io::ErrorKind::ConnectionAborted)
                        || is(&error, io::ErrorKind::ConnectionReset)
                        || is(&error, io::ErrorKind::Interrupted) => {}
                Err(error) if reserve.gives_up_one(&error) => {
                    shared.tally.accept_failed();
                }
                Err(error) => {
                    // Descriptors or memory ran out (EMFILE, ENFILE, ENOBUFS, ENOMEM), and the reserve is empty. No
                    // event will announce that there are some again.
                    shared.tally.accept_failed();
                    // By the current time: a round may take long, and a failed accept must not be retried immediately.
                    if !self.listeners.pause_until(after(Instant::now(), ACCEPT_PAUSE)) {
                        report::warn!(
                            "can't accept connections: {error}; trying again in {}",
                            Seconds(ACCEPT_PAUSE)
                        );
                    }
                    return;
                }
            }
        }
        self.listeners.note(listener);
    }

    /// Gives a new connection to the loop with the fewest connections, if there is a place for it.
    fn place(&mut self, mut accepted: Accepted, shared: &Shared) {
        shared.tally.accepted();
        let of_peer = shared.admit(&mut accepted.visitor);
        if of_peer != Room::Enough {
            return self.turn_away(accepted, TurnedAway::Peer, of_peer, shared);
        }
        if !shared.capacity.reserve.refill() {
            return self.squeeze_in(accepted, Want::Descriptor, shared);
        }
        if shared.room() != Room::Enough {
            return self.squeeze_in(accepted, Want::Place, shared);
        }
        let index = shared.least_busy(self.index, IMBALANCE);
        shared.loops[index].connection_opened();
        if index == self.index {
            self.welcome(accepted, shared);
        } else {
            shared.deliver(index, Arrival::Accepted(accepted));
        }
    }

    /// Admits a connection for which there is no place, if an idle one can be closed for it: on this loop, or else on
    /// another.
    pub(super) fn squeeze_in(&mut self, accepted: Accepted, want: Want, shared: &Shared) {
        let has_place = want == Want::Place && shared.room() == Room::Enough;
        if has_place || self.close_idlest(shared) {
            shared.loops[self.index].connection_opened();
            self.welcome(accepted, shared);
        } else if let Some(other) = self.other_with_idle(shared) {
            // It uses a descriptor meanwhile, so it counts.
            shared.loops[other].connection_opened();
            shared.deliver(other, Arrival::OneTooMany(accepted, want));
        } else {
            let room = match want {
                Want::Place => shared.room(),
                Want::Descriptor => Room::None,
            };
            self.turn_away(accepted, TurnedAway::Limit, room, shared);
        }
    }

    /// Returns another loop that may close an idle connection for a new one, if there is one and not too many ask for
    /// that.
    fn other_with_idle(&self, shared: &Shared) -> Option<usize> {
        if self.phase != Phase::Running || shared.room() == Room::None {
            return None;
        }
        shared.capacity.other_with_idle(self.index, self.now)
    }

    /// Admits a connection of the health lane. It stays on this loop, and neither takes a place from others nor they
    /// from it.
    fn place_apart(&mut self, accepted: Accepted, shared: &Shared) {
        if self.slots.probes() == PROBING && !self.close_idlest_probe(shared) {
            return;
        }
        let Some(key) = self.take_in(accepted, shared) else {
            return;
        };
        if let Some(connection) = self.slots.at_mut(key) {
            connection.lane = Lane::Health;
            self.slots.add_probe(key);
        }
    }

    /// Admits a new connection that was counted. Returns its key, unless that failed.
    pub(super) fn welcome(&mut self, accepted: Accepted, shared: &Shared) -> Option<usize> {
        let key = self.take_in(accepted, shared);
        if key.is_none() {
            shared.loops[self.index].connection_closed();
        }
        key
    }

    /// Creates a connection from a socket. Returns its key, unless that failed.
    fn take_in(&mut self, accepted: Accepted, shared: &Shared) -> Option<usize> {
        let key = self.slots.reserve();
        let proxy_header = shared.entrance.proxy_header(&accepted);
        let Accepted {
            stream,
            visitor,
            listener,
        } = accepted;
        let opened = shared.entrance.open(stream, listener);
        #[cfg(not(unix))]
        let opened = opened.and_then(|mut channel| {
            let registered = self.poller.register(&mut channel, key);
            registered.map(|()| channel)
        });
        let transport = match opened {
            Ok(channel) => Transport::new(channel),
            Err(error) => {
                report::warn!("can't set a new connection up: {error}; it is closed");
                self.slots.release(key);
                return None;
            }
        };
        let peer = visitor.address;
        let mut connection = Connection::new(transport, peer, key, self.index, self.now, &shared.limits);
        connection.proxy_header = proxy_header;
        self.slots.begin(Box::new(connection), visitor);
        self.ready.push(key);
        Some(key)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::{clients, connected, event_loop, shared, shared_by};
    use crate::server::net::socket::Acceptor;
    use crate::server::shared::Shared;
    use std::io::Read;
    use std::net::{SocketAddr, TcpStream};
    use std::os::unix::net::UnixStream;

    /// The places that there are.
    const PLACES: usize = 9;

    /// Returns what a loop counts, as its metrics tell it.
    fn counted(shared: &Shared, name: &str) -> u64 {
        let mut text = crate::operations::Exposition::default();
        shared.tally.expose(&mut text);
        let text = text.into_text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    }

    /// Returns a loop with a listener, or with two of which the first is of the health lane, and where they are.
    fn listening(of_health: usize) -> (EventLoop, Vec<SocketAddr>) {
        let listeners: Vec<_> = (0..=of_health)
            .map(|_| mio::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap())
            .collect();
        let addresses = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        let listeners = listeners.into_iter().map(Acceptor::Tcp).collect();
        (EventLoop::new(0, listeners, of_health, false).unwrap().0, addresses)
    }

    fn is_open(client: &UnixStream) -> bool {
        client.set_nonblocking(true).unwrap();
        (&*client)
            .read(&mut [0])
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Lets one more client come in. Returns it.
    fn come_in(event_loop: &mut EventLoop, shared: &Shared) -> UnixStream {
        let (client, accepted) = connected();
        event_loop.place(accepted, shared);
        client
    }

    #[test]
    fn all_who_wait_are_accepted_and_none_when_nobody_has_come() {
        let shared = shared();
        let (mut event_loop, addresses) = listening(0);
        let _clients = [(); 3].map(|()| TcpStream::connect(addresses[0]).unwrap());
        event_loop.accept(&shared);
        assert_eq!(event_loop.slots.len(), 0, "no event has told of them");
        event_loop.listeners.note(0);
        event_loop.accept(&shared);
        assert_eq!((event_loop.slots.in_service(), shared.connections()), (3, 3));
        assert_eq!(counted(&shared, "hansel_connections_accepted_total"), 3);
        assert!(!event_loop.listeners.has_pending(), "nobody waits any more");
        assert_eq!(event_loop.ready.take_all(), [0, 1, 2]);
        let peer = event_loop.slots.at(0).unwrap().peer;
        assert!(peer.is_some() && peer == event_loop.slots.visitor(0).unwrap().address);
    }

    #[test]
    fn after_a_few_others_have_their_turn_before_more_are_accepted() {
        let shared = shared();
        let (mut event_loop, addresses) = listening(0);
        let _clients: Vec<_> = (0..ACCEPTED + 2)
            .map(|_| TcpStream::connect(addresses[0]).unwrap())
            .collect();
        event_loop.listeners.note(0);
        event_loop.accept(&shared);
        let accepted = || counted(&shared, "hansel_connections_accepted_total") as usize;
        assert_eq!((accepted(), event_loop.listeners.is_ready()), (ACCEPTED, true));
        event_loop.accept(&shared);
        assert_eq!((accepted(), event_loop.listeners.is_ready()), (ACCEPTED + 2, false));
    }

    #[test]
    fn a_connection_of_the_health_lane_takes_no_place_of_the_service() {
        let shared = shared();
        let (mut event_loop, addresses) = listening(1);
        let _clients = addresses
            .iter()
            .map(|address| TcpStream::connect(address).unwrap())
            .collect::<Vec<_>>();
        event_loop.listeners.note_all();
        event_loop.accept(&shared);
        assert_eq!(
            (
                event_loop.slots.probes(),
                event_loop.slots.in_service(),
                shared.connections()
            ),
            (1, 1, 1)
        );
        let lanes = [0, 1].map(|key| event_loop.slots.at(key).unwrap().lane);
        assert!(lanes == [Lane::Health, Lane::Service]);
    }

    #[test]
    fn when_the_health_lane_is_full_its_idlest_makes_room_and_if_none_is_idle_nobody_comes_in() {
        let shared = shared();
        let mut event_loop = event_loop();
        let probe = |event_loop: &mut EventLoop| {
            let (client, accepted) = connected();
            event_loop.place_apart(accepted, &shared);
            client
        };
        let mut probes: Vec<_> = (0..PROBING).map(|_| probe(&mut event_loop)).collect();
        assert_eq!(event_loop.slots.probes(), PROBING);
        probes.push(probe(&mut event_loop));
        assert!(
            !is_open(&probes[PROBING]),
            "those that have just come may have sent something"
        );
        for key in 0..PROBING {
            assert!(event_loop.go_on(key, &shared).is_none());
            event_loop.now += Duration::from_millis(1);
        }
        probes.push(probe(&mut event_loop));
        assert!(is_open(&probes[PROBING + 1]) && event_loop.slots.probes() == PROBING);
        let open = (0..PROBING).filter(|&probe| is_open(&probes[probe])).count();
        assert_eq!(open, PROBING - 1);
    }

    #[test]
    fn a_loop_that_has_many_more_connections_than_another_gives_it_the_next() {
        let shared = shared_by(2);
        let mut event_loop = event_loop();
        let _clients: Vec<_> = (0..=IMBALANCE).map(|_| come_in(&mut event_loop, &shared)).collect();
        assert_eq!(event_loop.slots.in_service(), IMBALANCE + 1);
        assert!(shared.loops[1].inbox.fall_asleep());
        let _given = come_in(&mut event_loop, &shared);
        assert_eq!(event_loop.slots.in_service(), IMBALANCE + 1);
        assert!(matches!(shared.loops[1].inbox.pop(), Some(Arrival::Accepted(_))));
        assert!(!shared.loops[1].inbox.is_asleep(), "it was woken");
        assert_eq!(
            [0, 1].map(|index| shared.loops[index].connections()),
            [IMBALANCE + 1, 1]
        );
    }

    #[test]
    fn without_a_place_an_idle_connection_makes_room_or_else_the_new_one_is_told() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, PLACES);
        let mut told = come_in(&mut event_loop, &shared);
        event_loop.ready.take_all();
        assert!(event_loop.go_on(PLACES, &shared).is_none());
        let mut status = [0; 12];
        told.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 503");
        assert_eq!(
            counted(&shared, "hansel_connections_refused_total{reason=\"limit\"}"),
            1
        );
        // It reads, and is gone.
        drop(told);
        event_loop
            .slots
            .at_mut(PLACES)
            .unwrap()
            .note(crate::server::connection::link::READABLE);
        assert!(event_loop.go_on(PLACES, &shared).is_none());
        assert_eq!(shared.connections(), PLACES);
        event_loop.now += Duration::from_secs(60);
        let new = come_in(&mut event_loop, &shared);
        assert!(
            is_open(&new) && !is_open(&clients[0].1),
            "the first has been idle longest"
        );
        assert_eq!((shared.connections(), event_loop.slots.in_service()), (PLACES, PLACES));
    }

    #[test]
    fn a_loop_without_an_idle_connection_asks_another_if_that_may_have_one() {
        let shared = shared_by(2);
        let mut event_loop = event_loop();
        for _ in 0..PLACES {
            shared.loops[1].connection_opened();
        }
        let _client = come_in(&mut event_loop, &shared);
        assert!(matches!(
            shared.loops[1].inbox.pop(),
            Some(Arrival::OneTooMany(_, Want::Place))
        ));
        assert_eq!(shared.loops[1].connections(), PLACES + 1, "it has a descriptor");
        assert!(event_loop.other_with_idle(&shared).is_none(), "too many ask");
        shared.loops[1].connection_closed();
        assert_eq!(event_loop.other_with_idle(&shared), Some(1));
        event_loop.phase = Phase::Draining;
        assert!(event_loop.other_with_idle(&shared).is_none(), "it may have ended");
        event_loop.phase = Phase::Running;
        shared
            .capacity
            .none_idle_before(1, after(event_loop.now, Duration::from_secs(1)));
        assert!(event_loop.other_with_idle(&shared).is_none(), "it has nobody to close");
    }

    #[test]
    fn who_comes_by_way_of_another_loop_has_the_place_that_has_become_free_meanwhile() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, PLACES - 1);
        let (client, accepted) = connected();
        // While it was on its way it counted as one of this loop.
        shared.loops[0].connection_opened();
        assert!(!shared.loops[0].inbox.push(Arrival::OneTooMany(accepted, Want::Place)));
        event_loop.collect(&shared);
        assert!(event_loop.go_on(PLACES - 1, &shared).is_none());
        assert!(is_open(&client), "it is told nothing");
        assert_eq!((event_loop.slots.in_service(), shared.connections()), (PLACES, PLACES));
        let (told, accepted) = connected();
        event_loop.squeeze_in(accepted, Want::Descriptor, &shared);
        assert!(!is_open(&told), "a place is no descriptor: it is told in passing");
        assert_eq!(shared.connections(), PLACES);
    }
}
