//! Things that return to the loop: connections with a response, and whatever other threads have left.

use super::EventLoop;
use crate::exchange::KEPT;
use crate::server::connection::Connection;
use crate::server::connection::lane::Lane;
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;
use crate::server::shared::loop_link::Arrival;

/// The most responses of other threads that are sent in a row. What their clients request next should begin before more
/// are sent: handlers that begin together end together, and the processor is idle in between.
const COLLECTED: usize = 6;

/// How many messages of sockets, which another thread has left, weigh as much as a response: there may be one for each of
/// ten thousand sockets, and others have their turn after about a hundred.
const RESPONSE: usize = 20;

impl EventLoop {
    /// Takes what other threads have left, or the first part of it.
    #[inline]
    pub(super) fn collect(&mut self, shared: &Shared) {
        if shared.loops[self.index].inbox.may_have() {
            self.collect_some(shared);
        }
    }

    #[inline(never)]
    fn collect_some(&mut self, shared: &Shared) {
        let mut weight = 0;
        while weight < COLLECTED * RESPONSE {
            let Some(arrival) = shared.loops[self.index].inbox.pop() else {
                break;
            };
            match arrival {
                Arrival::Returned(connection) => {
                    weight += RESPONSE;
                    self.take_back(connection, shared);
                }
                Arrival::Read(connection) => {
                    weight += RESPONSE;
                    self.take_back_read(connection);
                }
                Arrival::ReadingPlace => self.begin_next_read(shared),
                Arrival::Pushed(topic) => self.begin_to_push(topic),
                #[cfg(feature = "websocket")]
                Arrival::OfSocket(key) => {
                    weight += 1;
                    self.send_of_socket(key, shared);
                }
                Arrival::Recovered(key) => self.recover(key),
                Arrival::Accepted(accepted) => {
                    self.welcome(accepted, shared);
                }
                Arrival::OneTooMany(accepted, want) => {
                    shared.loops[self.index].connection_closed();
                    self.squeeze_in(accepted, want, shared);
                }
            }
        }
    }

    /// Takes back a connection that was checked out.
    pub(crate) fn take_back(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if self.has_ended {
            return shared.drop_queue.push(connection);
        }
        connection.transport.link.claim.reset();
        connection.note(connection.transport.take_noted());
        #[cfg(feature = "websocket")]
        if connection.socket.is_some() {
            return self.take_back_socket(connection, shared);
        }
        connection.answered(self.now, &shared.limits);
        let is_answered = || connection.work.as_ref().is_none_or(|work| !work.needs_place());
        if !shared.lifecycle.is_running() && connection.lane == Lane::Service && is_answered() {
            shared.lifecycle.count_finished();
        }
        if !self.may_keep_responses() {
            return self.send(connection);
        }
        let key = connection.key;
        let Some(out) = connection.lone_response() else {
            return self.send(connection);
        };
        self.unsent.keep(key, out);
        connection.has_unsent = true;
        self.rest(connection);
        if self.unsent.is_full() {
            self.send_unsent(shared);
        }
    }

    /// Returns true if a response may wait for others, because others will follow soon.
    fn may_keep_responses(&self) -> bool {
        let are_others = !self.read_ahead.is_empty() || self.poller.has_next();
        are_others && self.unsent.may_wait() && self.phase == Phase::Running
    }

    /// Sends the responses that have waited for others.
    pub(crate) fn send_unsent(&mut self, shared: &Shared) {
        let mut place = 0;
        while let Some((key, out)) = self.unsent.at_mut(place) {
            place += 1;
            // It is in its slot: whatever happens to it next sends this first.
            if let Some(connection) = self.slots.at_mut(key) {
                connection.has_unsent = false;
                // A permanent error is found again when the connection continues.
                let sent = connection.transport.try_write(out).done();
                if sent < out.len() {
                    let out = std::mem::take(out);
                    self.send_rest(key, out, sent, shared);
                    continue;
                }
            }
            out.clear();
            if out.capacity() > KEPT {
                *out = Vec::new();
            }
        }
        self.unsent.clear();
    }

    /// Continues a connection whose client has accepted only the beginning of `out`.
    #[cold]
    fn send_rest(&mut self, key: usize, out: Vec<u8>, sent: usize, shared: &Shared) {
        let Some(mut connection) = self.slots.take(key) else {
            return;
        };
        self.equip(&mut connection, shared);
        if let Some(work) = &mut connection.work {
            work.out = out;
            work.sent = sent;
        }
        self.put_ready(connection);
    }

    /// Sends the response of a connection.
    fn send(&mut self, mut connection: Box<Connection>) {
        connection.send_now();
        if connection.can_rest() && self.phase == Phase::Running {
            self.rest(connection);
        } else {
            // Other connections get their turn before what has arrived after it.
            self.put_ready(connection);
        }
    }

    /// Puts a connection into its slot, to continue in the next round.
    pub(super) fn put_ready(&mut self, connection: Box<Connection>) {
        self.ready.push(connection.key);
        self.slots.put_back(connection);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::Response;
    use crate::operations::RequestSpan;
    use crate::server::connection::link::{READABLE, WRITABLE};
    use crate::server::connection::work::Parked;
    use crate::server::event_loop::fixture::{clients, event_loop, shared, taken};
    use std::io::{Read, Write};
    use std::time::Duration;

    #[test]
    fn a_response_waits_for_others_while_it_is_quick_to_come_and_never_in_a_drain() {
        for (phase, waits) in [(Phase::Running, true), (Phase::Draining, false)] {
            let shared = shared();
            let mut event_loop = event_loop();
            let mut clients = clients(&mut event_loop, &shared, 2);
            event_loop.unsent.note_call(Duration::ZERO);
            event_loop.phase = phase;
            // The other one has sent something, which is read and is to be seen to.
            clients[1].1.write_all(b"GET").unwrap();
            let mut other = taken(&mut event_loop, 1);
            other.note(READABLE);
            assert!(event_loop.read_ahead.read(&mut other));
            event_loop.put(other);
            let mut connection = taken(&mut event_loop, 0);
            let mut work = shared.new_work();
            work.out.extend_from_slice(b"response");
            connection.work = Some(work);
            event_loop.take_back(connection, &shared);
            assert_eq!(event_loop.unsent.is_empty(), !waits, "{phase:?}");
            let is_idle = |event_loop: &EventLoop| event_loop.slots.at(0).unwrap().idle_since().is_some();
            if waits {
                assert!(!is_idle(&event_loop), "its response is not sent");
                event_loop.send_unsent(&shared);
                assert!(is_idle(&event_loop));
            }
            let mut response = [0; 8];
            clients[0].1.read_exact(&mut response).unwrap();
            assert_eq!(&response, b"response");
        }
    }

    #[test]
    fn who_has_begun_a_request_is_not_idle() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 1);
        let is_idle = |event_loop: &EventLoop| event_loop.slots.at(0).unwrap().idle_since().is_some();
        assert!(is_idle(&event_loop));
        clients[0].1.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        event_loop.slots.at_mut(0).unwrap().note(READABLE);
        assert!(event_loop.go_on(0, &shared).is_none());
        assert!(
            event_loop.slots.at(0).unwrap().work.is_none(),
            "it has no more than what has come"
        );
        assert!(!is_idle(&event_loop));
    }

    #[test]
    fn after_a_few_responses_of_other_threads_what_their_clients_ask_next_has_its_turn() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 8);
        event_loop.ready.take_all();
        for key in 0..8 {
            let connection = taken(&mut event_loop, key);
            let arrival = if key % 2 == 0 { Arrival::Returned } else { Arrival::Read };
            assert!(!shared.loops[0].inbox.push(arrival(connection)));
        }
        let returned = |event_loop: &EventLoop| event_loop.slots.iter().count();
        event_loop.collect(&shared);
        assert_eq!(returned(&event_loop), COLLECTED);
        event_loop.collect(&shared);
        assert_eq!(returned(&event_loop), 8);
    }

    #[test]
    fn in_a_drain_each_connection_of_the_service_that_is_answered_counts_as_finished() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 4);
        let finished = |shared: &Shared| shared.lifecycle.finished_and_cut().0;
        let bring_back = |event_loop: &mut EventLoop, key| {
            let connection = taken(event_loop, key);
            event_loop.take_back(connection, &shared);
        };
        bring_back(&mut event_loop, 0);
        assert_eq!(finished(&shared), 0, "it runs");
        shared.lifecycle.drain(Duration::ZERO, Duration::from_secs(3600));
        assert!(shared.lifecycle.phase(std::time::Instant::now()) == Phase::Draining);
        bring_back(&mut event_loop, 1);
        assert_eq!(finished(&shared), 1);
        event_loop.slots.at_mut(2).unwrap().lane = Lane::Health;
        bring_back(&mut event_loop, 2);
        assert_eq!(finished(&shared), 1, "probes are nobody's requests");
        let mut work = shared.new_work();
        work.parked = Some(Box::new(Parked {
            response: Response::new("waits for a place"),
            span: RequestSpan::none(),
            since: event_loop.now,
        }));
        event_loop.slots.at_mut(3).unwrap().work = Some(work);
        bring_back(&mut event_loop, 3);
        assert_eq!(finished(&shared), 1, "its response is not sent");
    }

    #[test]
    fn what_a_client_does_not_take_of_responses_that_leave_together_is_sent_later() {
        const LARGE: usize = 1024 * 1024;
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 2);
        event_loop.ready.take_all();
        for (key, len) in [(0, LARGE), (1, 5)] {
            event_loop.unsent.keep(key, &mut vec![b'x'; len]);
            event_loop.slots.at_mut(key).unwrap().has_unsent = true;
        }
        event_loop.send_unsent(&shared);
        assert!(event_loop.unsent.is_empty());
        assert_eq!(event_loop.ready.take_all(), [0], "the other one has it all");
        assert!(event_loop.slots.iter().all(|connection| !connection.has_unsent));
        clients[1].1.read_exact(&mut [0; 5]).unwrap();
        let mut received = 0;
        clients[0].1.set_nonblocking(true).unwrap();
        while received < LARGE {
            received += clients[0].1.read(&mut [0; 64 * 1024]).unwrap();
            event_loop.slots.at_mut(0).unwrap().note(WRITABLE);
            assert!(event_loop.go_on(0, &shared).is_none());
        }
        assert_eq!(received, LARGE);
    }

    #[test]
    fn buffers_of_responses_are_kept_unless_they_have_become_large() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 1);
        for (len, is_kept) in [(KEPT, true), (KEPT + 1, false)] {
            let mut out = Vec::with_capacity(len);
            out.push(b'x');
            event_loop.unsent.keep(0, &mut out);
            event_loop.send_unsent(&shared);
            let mut spare = Vec::new();
            event_loop.unsent.keep(0, &mut spare);
            assert_eq!((spare.capacity() > 0, spare.is_empty()), (is_kept, true), "{len}");
            event_loop.unsent.clear();
            event_loop.unsent.forget();
        }
    }
}
