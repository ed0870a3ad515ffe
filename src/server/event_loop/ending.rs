//! The loop's way to its end: draining, then stopping.

use std::time::Duration;

use super::super::connection::{Connection, Waits};
use super::super::health::Lane;
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
        let in_service = self.slots.len() - self.vacant.len() - self.health_connections - self.lost_slots;
        // In this order: once nobody accepts, nothing new comes into the inbox.
        let is_empty = !shared.is_accepting() && in_service == 0 && shared.loops[self.index].inbox.is_empty();
        if is_empty && self.phase != Phase::Stopping {
            self.leave_health(shared);
        }
        if self.phase == Phase::Stopping || (is_empty && self.health_connections == 0) {
            self.has_ended = true;
            self.listeners.clear();
            shared.loop_has_ended();
        }
    }

    /// Ends the health lane, which lasts as long as anything else: who is connected to it and has not been answered
    /// may still ask.
    fn leave_health(&mut self, shared: &Shared) {
        self.accept_all(shared);
        self.listeners.clear();
        for key in 0..self.slots.len() {
            let is_health = |connection: &mut Box<Connection>| connection.lane == Lane::Health;
            let Some(mut connection) = self.slots[key].connection.take_if(is_health) else {
                continue;
            };
            if connection.waits_for == Waits::Idle && !connection.is_ready() {
                self.close(connection, shared);
            } else {
                connection.shorten(LAST_WORD);
                self.put(connection);
            }
        }
    }

    /// Stops accepting, and closes what is idle.
    fn drain(&mut self, shared: &Shared) {
        shared.entrance.stop_listening();
        self.accept_all(shared);
        if shared.health.has_successor() {
            // Whoever asks is told how that one is.
            self.listeners.clear();
        } else {
            self.listeners.truncate(self.health_listeners);
        }
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

    /// Takes in whoever is in the kernel's queue: he has been told that he is connected, and is served.
    fn accept_all(&mut self, shared: &Shared) {
        self.accept_again = None;
        loop {
            self.accepting = (0..self.listeners.len()).collect();
            self.accept(shared);
            if self.accepting.is_empty() {
                break;
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
                        shared.count_cut();
                    }
                    self.close(connection, shared);
                }
                None => {
                    let slot = &self.slots[key];
                    if let (Some(link), false) = (&slot.link, slot.is_lost) {
                        link.note(STOPPING);
                        link.cut();
                        shared.count_cut();
                    }
                }
            }
        }
    }
}
