//! The loop's way to its end: draining, then stopping.

use std::time::Duration;

use super::super::connection::Waits;
use super::super::link::{DRAINING, READABLE, STOPPING};
use super::super::shared::{Phase, Shared};
use super::EventLoop;

/// How long a connection that has not asked anything yet may still do so when the server stops.
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
        let is_empty = self.slots.len() == self.vacant.len() && shared.loops[self.index].inbox.is_empty();
        if is_empty || self.phase == Phase::Stopping {
            self.has_ended = true;
            shared.loop_has_ended();
        }
    }

    /// Stops accepting, and closes what is idle.
    fn drain(&mut self, shared: &Shared) {
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
                connection.deadline = connection.deadline.min(self.now + LAST_WORD);
                self.ready.push_back(key);
            }
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
