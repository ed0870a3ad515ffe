//! The loop's way to its end: draining, then stopping.

use std::time::Duration;

use super::EventLoop;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::{DRAINING, READABLE, STOPPING};
use crate::server::connection::{Connection, Waits};
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;

/// How long a connection may still ask something when the server stops: one that has not asked anything
/// yet, and one that was busy until now and is likely to have the next request on its way.
const LAST_WORD: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Follows the server into draining and stopping.
    pub(super) fn follow(&mut self, shared: &Shared) {
        let phase = shared.lifecycle.phase(self.now);
        if phase <= Phase::Leaving {
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
        // Those of the health lane hold up the end for their last word only.
        let in_service = self.slots.len() - self.vacant.len() - self.probes.len() - self.lost_slots;
        // In this order: once nobody accepts, nothing new comes into the inbox.
        let is_empty = !shared.lifecycle.is_accepting() && in_service == 0 && shared.loops[self.index].inbox.is_empty();
        if is_empty && !self.listeners.is_empty() {
            // The health lane lasts as long as anything else.
            self.leave(0, shared);
        }
        if self.phase == Phase::Stopping || (is_empty && self.probes.is_empty()) {
            self.has_ended = true;
            self.listeners.clear();
            shared.loop_has_ended();
        }
    }

    /// Stops accepting, and closes what is idle.
    fn drain(&mut self, shared: &Shared) {
        shared.entrance.stop_listening();
        // With a successor, whoever asks is told how that one is.
        let kept = if shared.health.has_successor() {
            0
        } else {
            self.health_listeners
        };
        self.leave(kept, shared);
        shared.loop_has_stopped_accepting();
    }

    /// Leaves all listeners but the first `kept`. Who is connected, and has nothing under way, has the last word.
    fn leave(&mut self, kept: usize, shared: &Shared) {
        self.accept_again = None;
        // Whoever is in the kernel's queue has been told that he is connected: he is served.
        loop {
            self.accepting = (0..self.listeners.len()).collect();
            self.accept(shared);
            if self.accepting.is_empty() {
                break;
            }
        }
        self.listeners.truncate(kept);
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
                self.ready.push_back(key);
            }
        }
    }

    /// Puts back an idle connection of a server that drains, if it may still ask something.
    pub(super) fn rest_while_draining(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        // What has begun to ask has its time for that.
        if !connection.has_begun() {
            connection.shorten(LAST_WORD);
        }
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
                    if connection.lane == Lane::Service {
                        shared.lifecycle.count_cut();
                    }
                    self.close(connection, shared);
                }
                None => {
                    let slot = &self.slots[key];
                    if let (Some(link), false) = (&slot.link, slot.is_lost) {
                        link.note(STOPPING);
                        link.cut();
                        shared.lifecycle.count_cut();
                    }
                }
            }
        }
    }
}
