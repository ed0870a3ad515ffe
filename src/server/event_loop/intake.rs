//! New connections: accepted, placed on a loop, or turned away.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::super::connection::Connection;
use super::super::health::Lane;
use super::super::link::Transport;
use super::super::peers::Visitor;
use super::super::shared::{Arrival, Room, Shared};
use super::super::socket::{Accepted, Listener, is};
use super::super::tally::TurnedAway;
use super::{EventLoop, Slot};

/// Connections accepted at least before others get their turn; and as many as others got one before.
const ACCEPTED: usize = 64;

/// How many connections of the health lane each loop has at most.
const PROBING: usize = 64;

/// How long accepting rests when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much busier than the least busy loop this one may be before it gives a new connection away.
const IMBALANCE: usize = 4;

impl EventLoop {
    pub(super) fn accept(&mut self, shared: &Shared) {
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
            self.accept_from(listener, shared);
        }
    }

    fn accept_from(&mut self, listener: usize, shared: &Shared) {
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
                }
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => return,
                // accept(2): the connection was gone before it was accepted; the next one may not be.
                Err(error)
                    if is(&error, io::ErrorKind::ConnectionAborted)
                        || is(&error, io::ErrorKind::ConnectionReset)
                        || is(&error, io::ErrorKind::Interrupted) => {}
                Err(error) => {
                    // No descriptors or no memory left (EMFILE, ENFILE, ENOBUFS, ENOMEM). No event
                    // will tell when there are some again.
                    if self.accept_again.is_none() {
                        log::warn!("can't accept connections for now: {error}");
                    }
                    shared.tally.accept_failed();
                    // By the clock: a round may have taken long, and what has failed must not be tried in a row.
                    self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        self.accepting.push(listener);
    }

    /// Gives a new connection to the loop that has the fewest.
    fn place(&mut self, mut accepted: Accepted, shared: &Shared) {
        shared.tally.accepted();
        // An answer would take a handshake, which costs more than the request there is no room for.
        let is_secure = shared.entrance.is_secure(&accepted);
        let told = |room| {
            if is_secure && room == Room::Scarce {
                Room::None
            } else {
                room
            }
        };
        let of_peer = told(shared.admit(&mut accepted.visitor));
        match (told(shared.room()), of_peer) {
            // Too many are being turned away already.
            (Room::None, _) | (_, Room::None) => shared.tally.turned_away(TurnedAway::Untold),
            (Room::Scarce, _) => {
                shared.tally.turned_away(TurnedAway::Limit);
                self.turn_away(accepted, "too many connections", shared);
            }
            (Room::Enough, Room::Scarce) => {
                shared.tally.turned_away(TurnedAway::Peer);
                self.turn_away(accepted, "too many connections from one address", shared);
            }
            (Room::Enough, Room::Enough) => {
                let index = shared.least_busy(self.index, IMBALANCE);
                shared.connection_opened(index);
                if index == self.index {
                    self.welcome(accepted, shared);
                } else {
                    shared.leave(index, Arrival::Accepted(accepted));
                }
            }
        }
    }

    /// Takes in a connection of the health lane. It stays on this loop, and takes no place of others, nor
    /// they its.
    fn place_apart(&mut self, accepted: Accepted, shared: &Shared) {
        if self.health_connections == PROBING {
            return;
        }
        let key = self.take_in(accepted, shared);
        let slot = key.and_then(|key| self.slots.get_mut(key));
        if let Some(connection) = slot.and_then(|slot| slot.connection.as_mut()) {
            connection.lane = Lane::Health;
            self.health_connections += 1;
        }
    }

    /// Answers a connection that is one too many.
    fn turn_away(&mut self, accepted: Accepted, reason: &str, shared: &Shared) {
        shared.connection_opened(self.index);
        let Some(key) = self.welcome(accepted, shared) else {
            return;
        };
        let Some(connection) = &mut self.slots[key].connection else {
            return;
        };
        let mut work = shared.new_work();
        let status = StatusCode::SERVICE_UNAVAILABLE;
        work.exchange.refuse_with(status, reason, &self.date, &mut work.out);
        connection.work = Some(work);
        connection.close_after_sending();
    }

    /// Takes in a new connection that has been counted. Says where, unless that failed.
    pub(super) fn welcome(&mut self, accepted: Accepted, shared: &Shared) -> Option<usize> {
        let key = self.take_in(accepted, shared);
        if key.is_none() {
            shared.connection_closed(self.index);
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
                log::warn!("can't take in a new connection: {error}");
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
