//! New connections: accepted, placed on a loop, or turned away.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mio::Token;

use super::super::connection::Connection;
use super::super::health::Lane;
use super::super::link::Transport;
use super::super::peers::Visitor;
use super::super::shared::{Arrival, Room, Shared};
use super::super::socket::{Listener, Stream};
use super::super::tally::TurnedAway;
use super::{EventLoop, Slot};

/// Connections accepted before others get their turn.
const ACCEPTED: usize = 64;

/// How many connections of the health lane each loop has at most.
const PROBING: usize = 64;

/// How long accepting rests when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much busier than the least busy loop this one may be before it gives a new connection away.
const IMBALANCE: usize = 4;

impl EventLoop {
    pub(super) fn accept(&mut self, shared: &Shared) {
        if self.accept_again.is_some_and(|when| when <= self.now) {
            self.accept_again = None;
            self.accepting = (0..self.listeners.len()).collect();
        }
        for listener in std::mem::take(&mut self.accepting) {
            self.accept_from(listener, shared);
        }
    }

    fn accept_from(&mut self, listener: usize, shared: &Shared) {
        for _ in 0..ACCEPTED {
            let Some(accepted) = self.listeners.get(listener).map(Listener::accept) else {
                return;
            };
            match accepted {
                Ok((stream, peer)) if listener < self.health_listeners => self.place_apart(stream, peer, shared),
                Ok((stream, peer)) => self.place(stream, peer, shared),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // accept(2): the connection was gone before it was accepted; the next one may not be.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    // No descriptors or no memory left (EMFILE, ENFILE, ENOBUFS, ENOMEM). No event
                    // will tell when there are some again.
                    if self.accept_again.is_none() {
                        log::warn!("can't accept connections for now: {error}");
                    }
                    shared.tally.accept_failed();
                    self.accept_again = Some(self.now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        self.accepting.push(listener);
    }

    /// Gives a new connection to the loop that has the fewest.
    fn place(&mut self, stream: Stream, peer: Option<SocketAddr>, shared: &Shared) {
        shared.tally.accepted();
        let (visitor, of_peer) = shared.peers.admit(peer);
        match (shared.room(), of_peer) {
            // Too many are being turned away already.
            (Room::None, _) | (_, Room::None) => shared.tally.turned_away(TurnedAway::Untold),
            (Room::Scarce, _) => {
                shared.tally.turned_away(TurnedAway::Limit);
                self.turn_away(stream, visitor, "too many connections", shared);
            }
            (Room::Enough, Room::Scarce) => {
                shared.tally.turned_away(TurnedAway::Peer);
                self.turn_away(stream, visitor, "too many connections from one address", shared);
            }
            (Room::Enough, Room::Enough) => {
                let index = shared.least_busy(self.index, IMBALANCE);
                shared.connection_opened(index);
                if index == self.index {
                    self.welcome(stream, visitor, shared);
                } else {
                    shared.leave(index, Arrival::Accepted(stream, visitor));
                }
            }
        }
    }

    /// Takes in a connection of the health lane. It stays on this loop, and takes no place of others, nor
    /// they its.
    fn place_apart(&mut self, stream: Stream, peer: Option<SocketAddr>, shared: &Shared) {
        if self.health_connections == PROBING {
            return;
        }
        let key = self.take_in(stream, Visitor::of(peer), shared);
        let slot = key.and_then(|key| self.slots.get_mut(key));
        if let Some(connection) = slot.and_then(|slot| slot.connection.as_mut()) {
            connection.lane = Lane::Health;
            self.health_connections += 1;
        }
    }

    /// Answers a connection that is one too many.
    fn turn_away(&mut self, stream: Stream, visitor: Visitor, reason: &str, shared: &Shared) {
        shared.connection_opened(self.index);
        let Some(key) = self.welcome(stream, visitor, shared) else {
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
    pub(super) fn welcome(&mut self, stream: Stream, visitor: Visitor, shared: &Shared) -> Option<usize> {
        let key = self.take_in(stream, visitor, shared);
        if key.is_none() {
            shared.connection_closed(self.index);
        }
        key
    }

    /// Makes a connection of a socket. Says where, unless that failed.
    fn take_in(&mut self, stream: Stream, visitor: Visitor, shared: &Shared) -> Option<usize> {
        let key = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let mut transport = Transport::new(stream);
        if let Err(error) = transport.register(self.poll.registry(), Token(key)) {
            log::warn!("can't watch a new connection: {error}");
            self.vacant.push(key);
            return None;
        }
        let slot = &mut self.slots[key];
        slot.link = Some(Arc::clone(&transport.link));
        let peer = visitor.address;
        slot.visitor = visitor;
        let connection = Connection::new(transport, peer, key, self.index, self.now, &shared.limits);
        slot.connection = Some(Box::new(connection));
        self.ready.push_back(key);
        Some(key)
    }
}
