//! The loop's way to its end: draining, then stopping.

use std::time::Duration;

use super::super::connection::{Connection, Waits};
use super::super::link::{DRAINING, READABLE, STOPPING};
use super::super::shared::{Phase, Shared};
use super::EventLoop;

/// How long a connection may still ask something when the server stops: one that has not asked anything
/// yet, and one that was busy until now and is likely to have the next request on its way.
const LAST_WORD: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Follows the server into draining and stopping.
    pub(super) fn follow(&mut self, shared: &Shared) {
        let phase = shared.phase(self.now);
        if phase == Phase::Running {
            return;
        }
        if self.phase == Phase::Running {
            self.phase = Phase::Draining;
            self.drain(shared);
        }
        if phase == Phase::Stopping && self.phase != Phase::Stopping {
            self.phase = Phase::Stopping;
            self.stop(shared);
        }
        // In this order: once nobody accepts, nothing new comes into the inbox.
        let is_empty = !shared.is_accepting()
            && self.slots.len() == self.vacant.len()
            && shared.loops[self.index].inbox.is_empty();
        if is_empty || self.phase == Phase::Stopping {
            self.has_ended = true;
            shared.loop_has_ended();
        }
    }

    /// Stops accepting, and closes what is idle.
    fn drain(&mut self, shared: &Shared) {
        shared.stop_listening();
        // Whoever is in the kernel's queue has been told that he is connected: he is served.
        loop {
            self.accepting = (0..self.listeners.len()).collect();
            self.accept(shared);
            if self.accepting.is_empty() {
                break;
            }
        }
        self.listeners.clear();
        self.accept_again = None;
        shared.loop_has_stopped_accepting();
        for key in 0..self.slots.len() {
            let slot = &mut self.slots[key];
            let Some(connection) = &mut slot.connection else {
                if let Some(link) = &slot.link {
                    link.note(DRAINING);
                }
                continue;
            };
            if connection.waits_for == Waits::Idle || !connection.is_used {
                // A request may have arrived in this moment.
                connection.note(READABLE);
                self.ready.push_back(key);
            }
        }
    }

    /// Puts back an idle connection of a server that drains, if it may still ask something.
    pub(super) fn rest_while_draining(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        connection.shorten(LAST_WORD);
        if connection.deadline <= self.now {
            self.close(connection, shared);
        } else {
            self.rest(connection);
        }
    }

    /// Ends everything.
    fn stop(&mut self, shared: &Shared) {
        for key in 0..self.slots.len() {
            match self.slots[key].connection.take() {
                Some(connection) => {
                    shared.count_cut();
                    self.close(connection, shared);
                }
                None => {
                    if let Some(link) = &self.slots[key].link {
                        link.note(STOPPING);
                        link.cut();
                        shared.count_cut();
                    }
                }
            }
        }
    }
}
