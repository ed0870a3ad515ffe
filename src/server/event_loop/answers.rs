//! Answers that have been made, on their way out.
//!
//! As long as there is more to do, answers that took little time are kept, and sent one right behind the
//! other: a client on the same machine, such as a balancer, is woken once for all of them. Waking it for
//! each costs a tenth of what a small request does.

use std::io;

use super::super::connection::Connection;
use super::super::health::Lane;
use super::super::shared::{Phase, Shared};
use super::super::socket::is;
use super::EventLoop;
use crate::exchange::KEPT;

/// Answers that are sent together at most. Each of them waits for the others.
const TOGETHER: usize = 32;

/// Answers that are made and not sent, and the connections that they belong to.
///
/// The connections rest meanwhile, like others: so their work goes to the next one at once, while it is still
/// in the processor's nearest cache, and there is only the answer itself that lies about.
#[derive(Default)]
pub(super) struct Unsent {
    answers: Vec<(usize, Vec<u8>)>,
    /// Buffers for the next ones. There are never more of both than are sent together.
    spare: Vec<Vec<u8>>,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn is_full(&self) -> bool {
        self.answers.len() >= TOGETHER
    }

    /// Takes what `out` has, and leaves it another buffer.
    fn keep(&mut self, key: usize, out: &mut Vec<u8>) {
        let spare = self.spare.pop().unwrap_or_default();
        self.answers.push((key, std::mem::replace(out, spare)));
    }

    fn recycle(&mut self, mut out: Vec<u8>) {
        if out.capacity() <= KEPT {
            out.clear();
            self.spare.push(out);
        }
    }

    /// Nobody has come for a while: gives the memory back.
    pub(super) fn forget(&mut self) {
        self.spare = Vec::new();
    }
}

impl EventLoop {
    /// Takes back a connection that was out.
    pub(in super::super) fn take_back(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        connection.transport.link.claim.settle();
        connection.note(connection.transport.take_noted());
        connection.answered(self.now, &shared.limits);
        if !shared.is_running() && connection.lane == Lane::Service {
            shared.count_finished();
        }
        if !self.may_keep_answers() {
            return self.send(connection);
        }
        let key = connection.key;
        let Some(out) = connection.lone_answer() else {
            return self.send(connection);
        };
        self.unsent.keep(key, out);
        connection.has_unsent = true;
        self.rest(connection);
        if self.unsent.is_full() {
            self.send_unsent(shared);
        }
    }

    /// Whether an answer may wait for others: there will be others soon.
    fn may_keep_answers(&self) -> bool {
        !self.batch.is_empty() && self.suspicion.is_brisk() && self.phase == Phase::Running
    }

    /// Sends the answers that have waited for others.
    pub(in super::super) fn send_unsent(&mut self, shared: &Shared) {
        let mut answers = std::mem::take(&mut self.unsent.answers);
        for (key, out) in answers.drain(..) {
            // It is in its place: whatever goes on with it has this sent first.
            let slot = self.slots.get_mut(key);
            let Some(connection) = slot.and_then(|slot| slot.connection.as_mut()) else {
                continue;
            };
            connection.has_unsent = false;
            match connection.transport.write(&out) {
                Ok(n) if n == out.len() => self.unsent.recycle(out),
                outcome => self.send_rest(key, out, outcome, shared),
            }
        }
        self.unsent.answers = answers;
    }

    /// Goes on with a connection whose client has not taken all of `out` at once.
    #[cold]
    fn send_rest(&mut self, key: usize, out: Vec<u8>, sent: io::Result<usize>, shared: &Shared) {
        let Some(mut connection) = self.slots.get_mut(key).and_then(|slot| slot.connection.take()) else {
            return;
        };
        match sent {
            Err(error) if !is(&error, io::ErrorKind::WouldBlock) => connection.break_off(),
            sent => {
                self.equip(&mut connection, shared);
                if let Some(work) = &mut connection.work {
                    work.out = out;
                    work.sent = sent.unwrap_or(0);
                }
            }
        }
        self.put_ready(connection);
    }

    /// Sends the answer that a connection has.
    fn send(&mut self, mut connection: Box<Connection>) {
        connection.send_now();
        if connection.can_rest() && self.phase == Phase::Running {
            self.rest(connection);
        } else {
            // Others get their turn before what has arrived behind it.
            self.put_ready(connection);
        }
    }

    /// Puts a connection into its place that is to be gone on with in the next round.
    fn put_ready(&mut self, connection: Box<Connection>) {
        let key = connection.key;
        if let Some(slot) = self.slots.get_mut(key) {
            slot.connection = Some(connection);
            self.ready.push_back(key);
        }
    }
}
