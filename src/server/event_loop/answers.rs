//! Answers that have been made, on their way out.
//!
//! As long as there is more to do, answers that took little time are kept, and sent one right behind the
//! other: a client on the same machine, such as a balancer, is woken once for all of them. Waking it for
//! each costs a tenth of what a small request does.

use super::super::connection::Connection;
use super::super::health::Lane;
use super::super::shared::{Phase, Shared};
use super::EventLoop;

/// Answers that are sent together at most. Each of them waits for the others.
const TOGETHER: usize = 32;

impl EventLoop {
    /// Takes back a connection that was out.
    pub(in super::super) fn take_back(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        connection.transport.link.claim.settle();
        connection.note(connection.transport.take_noted());
        connection.answered(self.now, &shared.limits);
        if !shared.is_running() && connection.lane == Lane::Service {
            shared.count_finished();
        }
        let key = connection.key;
        if self.may_keep_answers()
            && let Some(slot) = self.slots.get_mut(key)
        {
            slot.connection = Some(connection);
            self.unsent.push(key);
            if self.unsent.len() == TOGETHER {
                self.send_unsent();
            }
            return;
        }
        self.send(connection);
    }

    /// Whether an answer may wait for others: there will be others soon.
    fn may_keep_answers(&self) -> bool {
        !self.batch.is_empty() && self.suspicion.is_brisk() && self.phase == Phase::Running
    }

    /// Sends the answers that have waited for others.
    pub(in super::super) fn send_unsent(&mut self) {
        for i in 0..self.unsent.len() {
            // It is out if an event has come for it meanwhile.
            let slot = self.unsent.get(i).and_then(|key| self.slots.get_mut(*key));
            if let Some(connection) = slot.and_then(|slot| slot.connection.take()) {
                self.send(connection);
            }
        }
        self.unsent.clear();
    }

    /// Sends the answer that a connection has.
    fn send(&mut self, mut connection: Box<Connection>) {
        connection.send_now();
        let key = connection.key;
        if connection.can_rest() && self.phase == Phase::Running {
            self.rest(connection);
        } else if let Some(slot) = self.slots.get_mut(key) {
            // Others get their turn before what has arrived behind it.
            slot.connection = Some(connection);
            self.ready.push_back(key);
        }
    }
}
