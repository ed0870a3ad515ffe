//! Requests that wait for a place among those whose bodies are transferred while their handlers run, or for memory for
//! their bodies. Waiting takes no thread.
//!
//! Places are freed on any thread and any loop. Nobody announces them: a loop looks every few milliseconds as long as
//! some of its connections wait. So nothing can be lost between two threads, and it costs nothing while nobody waits.

use super::EventLoop;
use crate::server::connection::{Connection, Waits};
use crate::server::shared::Shared;

impl EventLoop {
    /// Finds the place that the connection's request needs. If there is none, the request waits or is refused.
    pub(super) fn seat(&mut self, mut connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        let Some(places) = shared.places_for(&connection) else {
            return Some(connection);
        };
        // Those that already wait have their turn first.
        let is_turn = connection.wait.reason == Waits::Place || self.waiting.is_empty();
        let peer = shared.told_apart(connection.peer);
        if is_turn {
            connection.place = places.take(peer, &connection.transport.link);
            if connection.place.is_some() {
                return Some(connection);
            }
            places.make_room(peer, self.now, &shared.limits);
        }
        self.wait_for_place(connection, shared)
    }

    pub(super) fn wait_for_place(
        &mut self,
        mut connection: Box<Connection>,
        shared: &Shared,
    ) -> Option<Box<Connection>> {
        if connection.wait.reason != Waits::Place {
            if self.waiting.len() >= shared.limits.queue {
                connection.refuse_unavailable("too many requests are waiting", &self.date);
                return self.advance(connection, shared);
            }
            connection.wait_for_place(self.now, &shared.limits);
        }
        if !self.slots.register(connection.key, &self.poller) {
            self.close(connection, shared);
            return None;
        }
        self.waiting.enter(connection.key, self.now);
        self.put(connection);
        None
    }

    /// Makes those that wait for a place look again when it is time, and frees memory for those that wait for it.
    #[inline]
    pub(super) fn call_waiting(&mut self, shared: &Shared) {
        if self.waiting.next_due().is_some() || self.is_asked_for_memory(shared) {
            self.call_due(shared);
        }
    }

    #[cold]
    fn call_due(&mut self, shared: &Shared) {
        self.make_memory(shared);
        if !self.waiting.is_due(self.now) {
            return;
        }
        for key in self.waiting.take_all() {
            // It may have had its turn, or have ended.
            if self.slots.at(key).is_some_and(|here| here.wait.reason == Waits::Place) {
                self.ready.push(key);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::waiting_room::PAUSE;
    use super::*;
    use crate::Response;
    use crate::operations::RequestSpan;
    use crate::server::connection::work::Parked;
    use crate::server::event_loop::fixture::{clients, event_loop, shared, taken};

    /// Gives the connection at `key` a response that a thread has to send.
    fn has_response(event_loop: &mut EventLoop, key: usize, shared: &Shared) {
        let mut work = shared.new_work();
        work.parked = Some(Box::new(Parked {
            response: Response::new("unused"),
            span: RequestSpan::none(),
            since: event_loop.now,
        }));
        event_loop.slots.at_mut(key).unwrap().work = Some(work);
    }

    /// Gives the connection at `key` a request whose body its handler reads.
    fn has_upload(event_loop: &mut EventLoop, key: usize, shared: &Shared) {
        let mut work = shared.new_work();
        work.exchange.hand_live();
        event_loop.slots.at_mut(key).unwrap().work = Some(work);
    }

    /// Looks for a place for the connection at `key`. Returns true if it has one now.
    fn is_seated(event_loop: &mut EventLoop, key: usize, shared: &Shared) -> bool {
        let connection = taken(event_loop, key);
        match event_loop.seat(connection, shared) {
            None => false,
            Some(connection) => {
                assert!(connection.place.is_some());
                event_loop.put(connection);
                true
            }
        }
    }

    fn leave_place(event_loop: &mut EventLoop, key: usize) {
        event_loop.slots.at_mut(key).unwrap().place = None;
    }

    #[test]
    fn those_who_wait_first_have_their_turn_first_even_if_a_place_is_free() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 4);
        event_loop.ready.take_all();
        for (key, _) in &clients {
            has_response(&mut event_loop, *key, &shared);
        }
        assert!(is_seated(&mut event_loop, 2, &shared), "there is one place");
        assert!(!is_seated(&mut event_loop, 3, &shared));
        assert!(!is_seated(&mut event_loop, 0, &shared));
        leave_place(&mut event_loop, 2);
        assert!(!is_seated(&mut event_loop, 1, &shared), "others were there before");
        for turn in [3, 0, 1] {
            event_loop.now += PAUSE;
            event_loop.call_waiting(&shared);
            let called = event_loop.ready.take_all();
            assert_eq!(called.first(), Some(&turn));
            let seated: Vec<_> = called
                .into_iter()
                .filter(|&key| is_seated(&mut event_loop, key, &shared))
                .collect();
            assert_eq!(seated, [turn]);
            event_loop.slots.at_mut(turn).unwrap().wait.reason = Waits::Client;
            leave_place(&mut event_loop, turn);
        }
        event_loop.now += PAUSE;
        event_loop.call_waiting(&shared);
        assert!(event_loop.ready.is_empty(), "nobody waits any more");
    }
    #[test]
    fn who_waits_for_a_place_of_one_kind_keeps_nobody_from_one_of_the_other() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 4);
        event_loop.ready.take_all();
        (0..3).for_each(|key| has_response(&mut event_loop, key, &shared));
        has_upload(&mut event_loop, 3, &shared);
        assert!(
            is_seated(&mut event_loop, 0, &shared),
            "there is one place of each kind"
        );
        for key in 1..4 {
            assert!(!is_seated(&mut event_loop, key, &shared));
        }
        // It is about to end.
        event_loop.slots.at_mut(2).unwrap().wait.reason = Waits::End;
        event_loop.now += PAUSE;
        event_loop.call_waiting(&shared);
        assert_eq!(event_loop.ready.take_all(), [1, 3]);
        assert_eq!(event_loop.waiting.next_due(), None);
        assert!(!is_seated(&mut event_loop, 1, &shared));
        assert!(is_seated(&mut event_loop, 3, &shared));
        assert!(event_loop.waiting.next_due().is_some());
    }
}
