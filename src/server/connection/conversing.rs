//! A connection that belongs to a socket: what its client sends, and what it is sent.

use std::time::{Duration, Instant};

use super::open_socket::OpenSocket;
use super::{Connection, Life, Waits};
use crate::exchange::Payload;
use crate::server::limits::Limits;
use crate::socket::{Flushed, Membership, Received, SocketExchange};

/// The most reads in a row before other connections have their turn.
const READS: usize = 16;

/// The next step of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conversed {
    /// The program is to be called.
    Call,
    /// It waits for an event, or its deadline.
    Wait,
    /// Something is to be received, for which it needs its work.
    Equip,
    /// There is more to do, after others had their turn.
    Again,
    /// It is over, and all is sent.
    Over,
}

impl Connection {
    /// Makes it one of a socket, by the payload of its response. Returns false if that is another.
    pub(crate) fn open_socket(&mut self, now: Instant) -> bool {
        let Some(work) = &mut self.work else { return false };
        let Some(Payload::Socket(switched)) = work.payload.take() else {
            return false;
        };
        work.exchange.hand_over();
        // That was the last response of HTTP.
        self.state = Life::Open;
        let socket = OpenSocket {
            exchange: SocketExchange::new(switched.opened, now),
            logged: switched.logged,
            counted: None,
        };
        // For whoever finds the connection checked out.
        self.transport.link.belong_to(&socket.exchange.line);
        self.socket = Some(Box::new(socket));
        true
    }

    /// Returns true if it belongs to a socket, or is about to.
    pub(crate) fn is_socket(&self) -> bool {
        let is_about_to =
            || matches!(self.work.as_deref(), Some(work) if matches!(work.payload, Some(Payload::Socket(_))));
        self.socket.is_some() || is_about_to()
    }

    /// Does everything that is possible without the program and without waiting.
    pub(crate) fn converse(&mut self, now: Instant, limits: &Limits, membership: &mut dyn Membership) -> Conversed {
        for _ in 0..READS {
            let is_blocked = match self.send_of_socket(now, membership) {
                Flushed::More => return Conversed::Again,
                Flushed::Blocked => true,
                Flushed::All | Flushed::Failed => false,
            };
            let Some(socket) = &mut self.socket else {
                return Conversed::Over;
            };
            if socket.exchange.is_over() && !is_blocked {
                return Conversed::Over;
            }
            // A client that takes nothing is not asked for more, but its program is told of the end.
            if socket.exchange.has_call() && (!is_blocked || socket.exchange.has_ended()) {
                return Conversed::Call;
            }
            if is_blocked {
                self.wait.go_on(Waits::Client, now, limits);
                return Conversed::Wait;
            }
            let received = match &mut self.work {
                Some(work) => {
                    let (unused, at) = work.exchange.unused();
                    let (n, received) = socket.exchange.receive(unused, at, now);
                    work.exchange.used(n);
                    received
                }
                None if self.readiness.readable => return Conversed::Equip,
                None => Received::More,
            };
            match received {
                Received::Call => {}
                Received::Later => {
                    self.await_socket(Waits::Place, now);
                    return Conversed::Wait;
                }
                Received::More if self.readiness.peer_finished => socket.exchange.lose("the client has left"),
                Received::More if self.readiness.readable => {
                    if let Some(work) = &mut self.work {
                        work.exchange.forget_used();
                    }
                    self.receive();
                }
                Received::More if socket.exchange.owes() => {}
                Received::More => {
                    self.await_socket(Waits::Push, now);
                    return Conversed::Wait;
                }
            }
        }
        Conversed::Again
    }

    /// Sends what the socket has, unless the client is known to take nothing.
    pub(crate) fn send_of_socket(&mut self, now: Instant, membership: &mut dyn Membership) -> Flushed {
        let Some(socket) = &mut self.socket else {
            return Flushed::All;
        };
        if self.wait.reason == Waits::Client && !self.readiness.writable {
            return Flushed::Blocked;
        }
        let transport = &mut self.transport;
        let before = socket.exchange.sent;
        let flushed = socket
            .exchange
            .flush(now, membership, &mut |bytes| transport.write(bytes));
        self.wait
            .passed(usize::try_from(socket.exchange.sent - before).unwrap_or(0));
        if flushed == Flushed::Blocked {
            self.readiness.writable = false;
        }
        flushed
    }

    /// Makes it wait until its socket has something to do by itself.
    pub(crate) fn await_socket(&mut self, reason: Waits, now: Instant) {
        let due = self.socket.as_ref().and_then(|socket| socket.exchange.due());
        let time = due.map_or(Duration::MAX, |due| due.saturating_duration_since(now));
        self.wait.begin(reason, now, time);
    }

    /// Returns true if nothing is left to be done for its socket before an event comes.
    pub(crate) fn socket_can_rest(&mut self) -> bool {
        let has_ended = self.socket.as_ref().is_none_or(|socket| socket.exchange.has_ended());
        let has_unused = self
            .work
            .as_mut()
            .is_some_and(|work| !work.exchange.unused().0.is_empty());
        !has_ended && !has_unused && !self.readiness.readable
    }
}
