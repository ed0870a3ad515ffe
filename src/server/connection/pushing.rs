//! A connection that subscribes to a topic: what it is sent, as far as its client takes it.

use std::time::{Duration, Instant};

use super::link::Attempt;
use super::pushed::Pushed;
use super::{Connection, Waits};
use crate::exchange::Payload;
use crate::response::Done;
use crate::server::limits::Limits;
use crate::topic::Piece;

/// The number of bytes behind a request that are read, and dropped, at once.
const DISCARDED: usize = 512;

/// The most messages that are sent to one connection before others have their turn.
const TOGETHER: usize = 64;

/// The outcome of pushing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It has everything, and waits.
    Waits,
    /// Its client does not take more.
    Blocked,
    /// There is more, after others had their turn.
    More,
    /// It ends in order.
    Ends,
    /// Its client is gone, or is too slow to be told.
    Gone,
}

impl Connection {
    /// Makes it one that subscribes, by the payload of its response. Returns false if that is another.
    pub(crate) fn subscribe(&mut self) -> bool {
        let Some(work) = &mut self.work else { return false };
        let Some(Payload::Pushed(subscribed)) = work.payload.take() else {
            return false;
        };
        self.pushed = Some(Box::new(Pushed::new(*subscribed)));
        true
    }

    /// Sends what there is, as far as the client takes it, and sets until when it waits.
    pub(crate) fn push(&mut self, now: Instant, limits: &Limits) -> Outcome {
        let outcome = self.try_push(now);
        match outcome {
            // It has the time of a client that reads a response.
            Outcome::Blocked => self.wait.go_on(Waits::Client, now, limits),
            Outcome::Waits | Outcome::More => {
                let next = self.pushed.as_ref().and_then(|pushed| pushed.push.next_due());
                let time = next.map_or(Duration::MAX, |next| next.saturating_duration_since(now));
                self.wait.begin(Waits::Push, now, time);
            }
            Outcome::Ends | Outcome::Gone => {}
        }
        outcome
    }

    fn try_push(&mut self, now: Instant) -> Outcome {
        if self.readiness.readable && !self.discard_ahead() {
            return Outcome::Gone;
        }
        let Some(pushed) = &mut self.pushed else {
            return Outcome::Gone;
        };
        if !self.readiness.writable {
            return if pushed.push.holds_on() {
                Outcome::Blocked
            } else {
                Outcome::Gone
            };
        }
        for _ in 0..TOGETHER {
            let rest = match pushed.push.piece(pushed.is_chunked, now) {
                Piece::Bytes(rest) => rest,
                Piece::Nothing if !pushed.has_left => return Outcome::Waits,
                Piece::Nothing | Piece::Over => return Outcome::Ends,
            };
            match self.transport.try_write(rest) {
                Attempt::Done(n) => {
                    self.wait.passed(n);
                    pushed.content += pushed.push.sent(n, pushed.is_chunked, now);
                }
                Attempt::TooEarly => {
                    self.readiness.writable = false;
                    return Outcome::Blocked;
                }
                Attempt::Failed => return Outcome::Gone,
            }
        }
        Outcome::More
    }

    /// Sends a sign of life, if it is time for one. Returns false if its client should have read something by now.
    pub(crate) fn send_heartbeat(&mut self, now: Instant) -> bool {
        if self.wait.reason == Waits::Client && self.wait.deadline <= now {
            return false;
        }
        let Some(pushed) = &mut self.pushed else { return false };
        pushed.push.beat(now);
        true
    }

    /// Reads what the client sends, which concerns nobody. Returns false if it is gone.
    fn discard_ahead(&mut self) -> bool {
        let Some(pushed) = &mut self.pushed else { return false };
        let mut nowhere = [0; DISCARDED];
        match self.transport.try_read(&mut nowhere) {
            // A client has nothing to say here. If it goes on, it is read at its next event only.
            Attempt::Done(1..) => {}
            Attempt::TooEarly => self.readiness.readable = false,
            // It gets what is there. Most clients that send an end have left, and the others need not wait for more.
            Attempt::Done(0) => {
                self.readiness.readable = false;
                pushed.has_left = true;
            }
            Attempt::Failed => return false,
        }
        true
    }

    /// Ends the subscription in order: what is left to be sent is in `out` of its work. Returns what it was.
    pub(crate) fn end_push(&mut self, retry: Option<Duration>) -> Option<Box<Pushed>> {
        let mut pushed = self.pushed.take()?;
        let work = self.work.as_mut()?;
        pushed.push.end(retry, pushed.is_chunked, &mut work.out);
        if pushed.is_chunked {
            hansel_proto::chunk::finish(&mut work.out);
        }
        if let (Some(on_done), false) = (&mut pushed.on_done, pushed.has_left) {
            on_done.set(Done::Sent);
        }
        Some(pushed)
    }
}
