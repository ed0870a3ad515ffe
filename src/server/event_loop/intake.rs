//! New connections: accepted, and placed on a loop.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::report;

use super::{EventLoop, Slot};
use crate::server::connection::Connection;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::Transport;
use crate::server::net::peers::Visitor;
use crate::server::net::room::{Room, Want};
use crate::server::net::socket::{Accepted, Listener, is};
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;
use crate::server::shared::loop_link::Arrival;
use crate::server::shared::tally::TurnedAway;

/// Connections accepted at least before others get their turn; and as many as others got one before.
const ACCEPTED: usize = 64;

/// How many connections of the health lane each loop has at most.
const PROBING: usize = 64;

/// How long accepting rests when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much busier than the least busy loop this one may be before it gives a new connection away.
const IMBALANCE: usize = 4;

impl EventLoop {
    #[inline]
    pub(super) fn accept(&mut self, shared: &Shared) {
        shared.capacity.reserve.refill();
        if !self.accepting.is_empty() || self.accept_again.is_some() {
            self.accept_now(shared);
        }
    }

    #[inline(never)]
    fn accept_now(&mut self, shared: &Shared) {
        match self.accept_again {
            Some(when) if when <= self.now => {
                self.accept_again = None;
                self.accepting = (0..self.listeners.len()).collect();
            }
            // Whoever has come meanwhile is found then.
            Some(_) => self.accepting.clear(),
            None => {}
        }
        for listener in std::mem::take(&mut self.accepting) {
            // Where one can't accept, the others can't either.
            if self.accept_again.is_none() {
                self.accept_from(listener, shared);
            }
        }
    }

    /// Accepts from this listener at the end of the round.
    pub(super) fn accept_later(&mut self, listener: usize) {
        if !self.accepting.contains(&listener) {
            self.accepting.push(listener);
        }
    }

    fn accept_from(&mut self, listener: usize, shared: &Shared) {
        let reserve = &shared.capacity.reserve;
        for _ in 0..ACCEPTED.max(self.batch.len()) {
            let Some(accepted) = self.listeners.get(listener).map(Listener::accept) else {
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
                    if listener < self.health_listeners {
                        self.place_apart(accepted, shared);
                    } else {
                        self.place(accepted, shared);
                    }
                    // If it has been turned away, it has left its descriptor.
                    reserve.refill();
                }
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => return,
                // accept(2): the connection was gone before it was accepted; the next one may not be.
                Err(error)
                    if is(&error, io::ErrorKind::ConnectionAborted)
                        || is(&error, io::ErrorKind::ConnectionReset)
                        || is(&error, io::ErrorKind::Interrupted) => {}
                Err(error) if reserve.gives_up_one(&error) => {
                    shared.tally.accept_failed();
                }
                Err(error) => {
                    // No descriptors or no memory left (EMFILE, ENFILE, ENOBUFS, ENOMEM), nor any in reserve. No
                    // event will tell when there are some again.
                    if self.accept_again.is_none() {
                        report::warn!("can't accept connections for now: {error}");
                    }
                    shared.tally.accept_failed();
                    // By the clock: a round may have taken long, and what has failed must not be tried in a row.
                    self.accept_again = Some(after(Instant::now(), ACCEPT_PAUSE));
                    return;
                }
            }
        }
        self.accept_later(listener);
    }

    /// Gives a new connection to the loop that has the fewest, if there is a place for it.
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
            shared.leave(index, Arrival::Accepted(accepted));
        }
    }

    /// Takes in a connection that there is no room for, if an idle one can be closed for it: of this loop, or else of
    /// another.
    pub(super) fn squeeze_in(&mut self, accepted: Accepted, want: Want, shared: &Shared) {
        let has_place = want == Want::Place && shared.room() == Room::Enough;
        if has_place || self.close_idlest(shared) {
            shared.loops[self.index].connection_opened();
            self.welcome(accepted, shared);
        } else if let Some(other) = self.other_with_idle(shared) {
            // It has its descriptor meanwhile, so it counts.
            shared.loops[other].connection_opened();
            shared.leave(other, Arrival::OneTooMany(accepted, want));
        } else {
            let room = match want {
                Want::Place => shared.room(),
                Want::Descriptor => Room::None,
            };
            self.turn_away(accepted, TurnedAway::Limit, room, shared);
        }
    }

    /// Another loop that may close an idle connection for a new one, if there is one, and not too many ask for that.
    fn other_with_idle(&self, shared: &Shared) -> Option<usize> {
        if self.phase != Phase::Running || shared.room() == Room::None {
            return None;
        }
        shared.capacity.other_with_idle(self.index, self.now)
    }

    /// Takes in a connection of the health lane. It stays on this loop, and takes no place of others, nor
    /// they its.
    fn place_apart(&mut self, accepted: Accepted, shared: &Shared) {
        if self.probes.len() == PROBING && !self.close_idlest_probe(shared) {
            return;
        }
        let key = self.take_in(accepted, shared);
        let slot = key.and_then(|key| self.slots.get_mut(key));
        if let Some(connection) = slot.and_then(|slot| slot.connection.as_mut()) {
            connection.lane = Lane::Health;
            self.probes.push(connection.key);
        }
    }

    /// Takes in a new connection that has been counted. Says where, unless that failed.
    pub(super) fn welcome(&mut self, accepted: Accepted, shared: &Shared) -> Option<usize> {
        let key = self.take_in(accepted, shared);
        if key.is_none() {
            shared.loops[self.index].connection_closed();
        }
        key
    }

    /// Makes a connection of a socket. Says where, unless that failed.
    fn take_in(&mut self, accepted: Accepted, shared: &Shared) -> Option<usize> {
        let key = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let proxy_header = shared.entrance.proxy_header(&accepted);
        let Accepted {
            stream,
            visitor,
            listener,
        } = accepted;
        let opened = shared.entrance.open(stream, listener);
        #[cfg(not(unix))]
        let opened = opened.and_then(|mut channel| {
            let registered = channel.register(self.poll.registry(), mio::Token(key));
            registered.map(|()| channel)
        });
        let transport = match opened {
            Ok(channel) => Transport::new(channel),
            Err(error) => {
                report::warn!("can't take in a new connection: {error}");
                self.vacant.push(key);
                return None;
            }
        };
        let slot = &mut self.slots[key];
        slot.link = Some(Arc::clone(&transport.link));
        let peer = visitor.address;
        slot.visitor = visitor;
        let mut connection = Connection::new(transport, peer, key, self.index, self.now, &shared.limits);
        connection.proxy_header = proxy_header;
        slot.connection = Some(Box::new(connection));
        self.ready.push_back(key);
        Some(key)
    }
}
