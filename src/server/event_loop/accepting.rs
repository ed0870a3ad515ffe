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
