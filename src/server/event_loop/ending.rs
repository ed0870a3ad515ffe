//! The end of the loop: draining, then stopping.

use std::time::Duration;

use super::EventLoop;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::{DRAINING, READABLE, STOPPING};
use crate::server::connection::{Connection, Waits};
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;

/// The time for which a connection may still send a request when the server stops, if it has sent none yet, or was busy until now
/// and its next request is probably on its way.
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
            self.end_subscriptions();
        }
        if phase == Phase::Stopping && self.phase != Phase::Stopping {
            self.phase = Phase::Stopping;
            self.stop(shared);
        }
        // Connections of the health lane delay the end only until their last response. The order matters: once no loop
        // accepts, nothing new enters the inbox.
        let is_empty = !shared.lifecycle.is_accepting()
            && self.slots.in_service() == 0
            && shared.loops[self.index].inbox.is_empty();
        if is_empty && !self.listeners.is_empty() {
            // The health lane lasts as long as everything else.
            self.close_listeners(0, shared);
        }
        if self.phase == Phase::Stopping || (is_empty && self.slots.probes() == 0) {
            self.has_ended = true;
            self.listeners.close_all_but(0);
            // Threads that are still in handlers have the only other hold on their sockets.
            self.slots.forget_links();
            shared.loops[self.index].inbox.end();
            shared.discard_left(self.index);
            shared.loop_has_ended();
        }
    }

    /// Stops accepting, and closes idle connections.
    fn drain(&mut self, shared: &Shared) {
        shared.entrance.stop_listening();
        // With a successor, probes are about the successor.
        let kept = if shared.health.has_successor() {
            0
        } else {
            self.listeners.of_health()
        };
        self.close_listeners(kept, shared);
        shared.loop_has_stopped_accepting();
    }

    /// Closes all listeners except the first `kept`. A connected client with nothing in progress may send one more
    /// request.
    fn close_listeners(&mut self, kept: usize, shared: &Shared) {
        self.listeners.resume();
        // A client in the kernel's queue was told that it is connected, so it is served.
        loop {
            self.listeners.note_all();
            self.accept(shared);
            if !self.listeners.is_ready() {
                break;
            }
        }
        self.listeners.close_all_but(kept);
        self.listeners.resume();
        for key in 0..self.slots.len() {
            let Some(connection) = self.slots.at_mut(key) else {
                if let Some(link) = self.slots.link(key) {
                    link.note(DRAINING);
                }
                continue;
            };
            if connection.wait.reason == Waits::Idle || !connection.is_used {
                // A request may have arrived at this moment.
                connection.note(READABLE);
                self.ready.push(key);
            }
        }
    }

    /// Puts back an idle connection of a draining server, if it may still send a request.
    pub(super) fn rest_while_draining(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        // A request that has begun to arrive has its usual time.
        if !connection.has_begun() {
            connection.shorten(LAST_WORD);
        }
        if connection.wait.deadline <= self.now {
            self.close(connection, shared);
        } else {
            self.rest(connection);
        }
    }

    /// Ends everything.
    fn stop(&mut self, shared: &Shared) {
        for key in 0..self.slots.len() {
            match self.slots.take(key) {
                Some(connection) => {
                    if connection.lane == Lane::Service {
                        shared.lifecycle.count_cut();
                    }
                    self.close(connection, shared);
                }
                None => {
                    if let (Some(link), false) = (self.slots.link(key), self.slots.is_lost(key)) {
                        link.note(STOPPING);
                        link.cut();
                        shared.lifecycle.count_cut();
                    }
                }
            }
        }
    }
}

#[cfg(all(test, unix, feature = "activation"))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::shared;
    use crate::server::net::listen::Bound;

    #[test]
    fn a_drain_keeps_only_the_listeners_of_the_health_lane_and_not_even_those_if_there_is_a_successor() {
        for has_successor in [false, true] {
            let shared = shared();
            let listener = || Bound::tcp("127.0.0.1:0").unwrap().for_loop().unwrap();
            let (mut event_loop, _waker) = EventLoop::new(0, vec![listener(), listener()], 1, false).unwrap();
            if has_successor {
                shared.health.hand_over();
            }
            event_loop.drain(&shared);
            let [of_health, of_service] = [0, 1].map(|listener| event_loop.listeners.accept(listener).is_some());
            assert_eq!(of_health, !has_successor);
            assert!(!of_service);
        }
    }
}
