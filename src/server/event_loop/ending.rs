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
            #[cfg(feature = "websocket")]
            self.close_sockets();
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::{clients, connected, event_loop, shared, taken};
    use crate::server::shared::loop_link::Arrival;
    use std::io::{Read, Write};
    use std::time::Instant;

    const HOUR: Duration = Duration::from_secs(3600);

    fn with_health_listener() -> EventLoop {
        let listener = mio::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listeners = vec![crate::server::net::socket::Acceptor::Tcp(listener)];
        EventLoop::new(0, listeners, 1, false).unwrap().0
    }

    #[test]
    #[cfg(feature = "activation")]
    fn a_drain_keeps_only_the_listeners_of_the_health_lane_and_not_even_those_if_there_is_a_successor() {
        for has_successor in [false, true] {
            let shared = shared();
            let listener = || {
                let bound = crate::server::net::listen::Bound::tcp("127.0.0.1:0").unwrap();
                bound.for_loop().unwrap()
            };
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

    #[test]
    fn a_loop_follows_the_server_from_its_drain_to_the_end_of_its_last_connection() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 2);
        event_loop.ready.take_all();
        event_loop.follow(&shared);
        assert!(event_loop.phase == Phase::Running && shared.lifecycle.is_accepting());
        let checked_out = taken(&mut event_loop, 1);
        shared.lifecycle.drain(HOUR, HOUR);
        event_loop.follow(&shared);
        assert!(event_loop.phase == Phase::Running, "it leaves first");
        shared.lifecycle.drain(HOUR, HOUR);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        assert!(event_loop.phase == Phase::Draining && !shared.lifecycle.is_accepting());
        let draining = checked_out.transport.await_end(DRAINING, Instant::now());
        assert_eq!(draining, DRAINING, "whoever streams is told");
        assert_eq!(event_loop.ready.take_all(), [0], "one that is idle is looked at");
        assert!(event_loop.go_on(0, &shared).is_none());
        assert!(event_loop.slots.at(0).is_some(), "its request may be on its way");
        event_loop.now += 2 * LAST_WORD;
        event_loop.expire(&shared);
        assert!(event_loop.slots.at(0).is_none());
        assert_eq!(clients[0].1.read(&mut [0]).unwrap(), 0);
        event_loop.follow(&shared);
        assert!(!event_loop.has_ended, "one is checked out");
        event_loop.close(checked_out, &shared);
        event_loop.follow(&shared);
        assert!(event_loop.has_ended && shared.lifecycle.have_all_ended());
    }

    #[test]
    fn what_lies_in_the_inbox_is_taken_before_the_end() {
        let shared = shared();
        let mut event_loop = event_loop();
        let (_client, accepted) = connected();
        shared.loops[0].connection_opened();
        assert!(!shared.loops[0].inbox.push(Arrival::Accepted(accepted)));
        shared.lifecycle.drain(Duration::ZERO, HOUR);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        assert!(!event_loop.has_ended);
        event_loop.collect(&shared);
        assert_eq!(event_loop.slots.in_service(), 1);
    }

    #[test]
    fn a_request_that_has_begun_when_the_server_drains_has_its_usual_time() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 1);
        clients[0].1.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        event_loop.slots.at_mut(0).unwrap().note(READABLE);
        assert!(event_loop.go_on(0, &shared).is_none());
        shared.lifecycle.drain(Duration::ZERO, HOUR);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        for key in event_loop.ready.take_all() {
            assert!(event_loop.go_on(key, &shared).is_none());
        }
        event_loop.now += 2 * LAST_WORD;
        event_loop.expire(&shared);
        assert!(event_loop.slots.at(0).is_some());
    }

    #[test]
    fn when_the_server_stops_everything_is_cut_and_counted_but_lost_threads_and_probes() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 4);
        event_loop.slots.at_mut(3).unwrap().lane = Lane::Health;
        event_loop.slots.add_probe(3);
        let out = [1, 2].map(|key| taken(&mut event_loop, key));
        event_loop.slots.lose(2);
        shared.lifecycle.drain(Duration::ZERO, Duration::ZERO);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        assert!(event_loop.has_ended && event_loop.phase == Phase::Stopping);
        assert_eq!(shared.lifecycle.finished_and_cut(), (0, 2));
        let ends = out.each_ref().map(|connection| connection.transport.is_interrupted());
        assert_eq!(
            ends,
            [true, false],
            "the client of a lost thread has its response already"
        );
        for key in [0, 1, 3] {
            assert_eq!(clients[key].1.read(&mut [0]).unwrap(), 0);
        }
        let left = out.map(|connection| std::sync::Arc::strong_count(&connection.transport.link));
        assert_eq!(left, [1, 1], "nobody else has their sockets");
    }

    #[test]
    fn the_last_connections_of_the_health_lane_have_their_responses_first() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 1);
        event_loop.slots.at_mut(0).unwrap().lane = Lane::Health;
        event_loop.slots.add_probe(0);
        shared.loops[0].connection_closed();
        shared.lifecycle.drain(Duration::ZERO, HOUR);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        assert!(!event_loop.has_ended);
        let probe = taken(&mut event_loop, 0);
        event_loop.close(probe, &shared);
        event_loop.follow(&shared);
        assert!(event_loop.has_ended);
    }

    #[test]
    fn the_health_lane_is_open_as_long_as_anything_is_in_flight() {
        let shared = shared();
        let mut event_loop = with_health_listener();
        let _clients = clients(&mut event_loop, &shared, 1);
        let busy = taken(&mut event_loop, 0);
        shared.lifecycle.drain(Duration::ZERO, HOUR);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        assert!(!event_loop.listeners.is_empty());
        event_loop.close(busy, &shared);
        event_loop.follow(&shared);
        assert!(event_loop.listeners.is_empty() && event_loop.has_ended);
    }

    #[test]
    fn nobody_enters_the_health_lane_once_only_that_is_left() {
        let shared = shared();
        let mut event_loop = with_health_listener();
        let _clients = clients(&mut event_loop, &shared, 1);
        event_loop.slots.at_mut(0).unwrap().lane = Lane::Health;
        event_loop.slots.add_probe(0);
        shared.loops[0].connection_closed();
        shared.lifecycle.drain(Duration::ZERO, HOUR);
        event_loop.now = Instant::now();
        event_loop.follow(&shared);
        assert!(event_loop.listeners.is_empty() && !event_loop.has_ended);
    }

    #[test]
    fn when_a_drain_begins_those_that_are_idle_or_have_asked_nothing_are_looked_at() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 3);
        event_loop.ready.take_all();
        for (key, reason) in [(0, Waits::Idle), (1, Waits::Client)] {
            let connection = event_loop.slots.at_mut(key).unwrap();
            connection.is_used = true;
            connection.wait.reason = reason;
        }
        event_loop.drain(&shared);
        assert_eq!(event_loop.ready.take_all(), [0, 2], "the other one is sent something");
    }
}
