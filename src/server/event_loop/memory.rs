//! The handling of bodies when the memory that all connections share is used up.
//!
//! A connection that needs more has the rest read by its handler, if there is a place for that; otherwise it waits and
//! is not read. Meanwhile the slowest connections with memory make room, so that clients who send little do not hold it
//! for long. Each loop handles its own connections. A loop without a slow one asks the others.

use std::sync::atomic::Ordering;

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::shared::Shared;

impl EventLoop {
    /// Handles a connection that has no memory for more of its body.
    // Not on the path of a usual request.
    #[inline(never)]
    pub(super) fn starve(&mut self, mut connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        let peer = shared.told_apart(connection.peer);
        connection.place = shared.uploads.take(peer, &connection.transport.link);
        if let (Some(_), Some(work)) = (&connection.place, &mut connection.work) {
            work.exchange.hand_live();
            return Some(connection);
        }
        shared.uploads.make_room(peer, self.now, &shared.limits);
        self.waiting.want_memory();
        self.wait_for_place(connection, shared)
    }

    /// Returns true if another loop needs memory, and has none that it could free.
    pub(super) fn is_asked_for_memory(&self, shared: &Shared) -> bool {
        // Others write here only when memory is short.
        shared.loops[self.index].is_asked_for_memory.load(Ordering::Relaxed)
    }

    /// Gives up the slowest of the clients that hold memory, if some connection needs it.
    pub(super) fn make_memory(&mut self, shared: &Shared) {
        let is_asked = shared.loops[self.index]
            .is_asked_for_memory
            .swap(false, Ordering::Relaxed);
        let is_own = self.waiting.takes_want_of_memory(self.now);
        if !is_asked && !is_own {
            return;
        }
        let has_made_room = self.give_up_slowest(shared);
        if is_own && !has_made_room {
            self.ask_others(shared);
        }
    }

    fn ask_others(&self, shared: &Shared) {
        for (index, other) in shared.loops.iter().enumerate() {
            if index != self.index {
                other.is_asked_for_memory.store(true, Ordering::Relaxed);
            }
        }
        shared.wake_others(self.index);
    }

    /// Returns true if there was one.
    fn give_up_slowest(&mut self, shared: &Shared) -> bool {
        let slow = |connection: &Connection| Some((connection.pace_if_slow(self.now, &shared.limits)?, connection.key));
        let Some((_, key)) = self.slots.iter().filter_map(slow).min() else {
            return false;
        };
        let Some(mut connection) = self.slots.take(key) else {
            return false;
        };
        connection.refuse_unavailable("the body arrived too slowly, and others need its memory", &self.date);
        // It closes, so it cannot have a request.
        let _ = self.advance(connection, shared);
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::connection::Waits;
    use crate::server::connection::link::{AWAITED, OUSTED, READABLE, Transport};
    use crate::server::event_loop::fixture::{clients, event_loop, shared, shared_by, taken};
    use crate::server::event_loop::waiting_room::PAUSE;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// Returns a loop with one client for each of `sent`. Each client holds memory for its body and has sent that many
    /// bytes of it, which is slow. One more client waits for memory, and it is time to look for some.
    fn holders(sent: &[usize], shared: &Shared) -> (EventLoop, Vec<UnixStream>) {
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, shared, sent.len() + 1);
        for (key, client) in &mut clients[..sent.len()] {
            let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
            send(&mut event_loop, (*key, client), head, shared);
        }
        for ((key, client), &bytes) in clients.iter_mut().zip(sent) {
            send(&mut event_loop, (*key, client), &vec![b'x'; bytes], shared);
        }
        let waiting = taken(&mut event_loop, sent.len());
        event_loop.waiting.want_memory();
        assert!(event_loop.wait_for_place(waiting, shared).is_none());
        event_loop.now += shared.limits.transfer_time / 2;
        (event_loop, clients.into_iter().map(|(_, client)| client).collect())
    }

    fn send(event_loop: &mut EventLoop, (key, client): (usize, &mut UnixStream), bytes: &[u8], shared: &Shared) {
        client.write_all(bytes).unwrap();
        event_loop.slots.at_mut(key).unwrap().note(READABLE);
        assert!(event_loop.go_on(key, shared).is_none());
    }

    /// Returns the clients whose memory a loop has taken: they got a response.
    fn given_up(clients: &mut [UnixStream]) -> Vec<usize> {
        let is_told = |client: &mut UnixStream| {
            client.set_nonblocking(true).unwrap();
            let mut status = [0; 12];
            client.read(&mut status).is_ok() && &status == b"HTTP/1.1 503"
        };
        (0..clients.len()).filter(|&key| is_told(&mut clients[key])).collect()
    }

    fn are_asked(shared: &Shared) -> Vec<bool> {
        let is_asked = |index: usize| shared.loops[index].is_asked_for_memory.load(Ordering::Relaxed);
        (0..shared.loops.len()).map(is_asked).collect()
    }

    #[test]
    fn of_those_who_hold_memory_the_slowest_gives_it_up_and_no_other_loop_is_asked() {
        let shared = shared_by(2);
        let (mut event_loop, mut clients) = holders(&[700, 50, 4000], &shared);
        event_loop.make_memory(&shared);
        assert_eq!(given_up(&mut clients), [1]);
        assert_eq!(are_asked(&shared), [false, false]);
        event_loop.make_memory(&shared);
        assert_eq!(given_up(&mut clients), [0; 0], "nobody has asked again");
    }

    #[test]
    fn a_loop_that_has_nobody_who_is_slow_asks_the_others_and_wakes_them() {
        let shared = shared_by(3);
        let (mut event_loop, _clients) = holders(&[], &shared);
        for cell in &shared.loops {
            assert!(cell.inbox.fall_asleep());
        }
        event_loop.make_memory(&shared);
        assert_eq!(are_asked(&shared), [false, true, true]);
        let are_asleep: Vec<_> = shared.loops.iter().map(|cell| cell.inbox.is_asleep()).collect();
        assert_eq!(are_asleep, [true, false, false]);
    }

    #[test]
    fn a_loop_that_is_asked_gives_up_its_slowest_or_nothing_and_asks_nobody() {
        let shared = shared_by(2);
        let (mut event_loop, mut clients) = holders(&[700, 50], &shared);
        for slowest in [Some(1), Some(0), None] {
            event_loop.waiting.forget_memory();
            shared.loops[0].is_asked_for_memory.store(true, Ordering::Relaxed);
            event_loop.call_waiting(&shared);
            assert_eq!(given_up(&mut clients), Vec::from_iter(slowest));
            assert_eq!(are_asked(&shared), [false, false]);
        }
    }

    #[test]
    fn what_arrives_after_a_wait_for_memory_earns_its_client_time() {
        const BODY: usize = 150_000;
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 1);
        event_loop.ready.take_all();
        // All memory is in use, and so is the place of a handler that would read the body.
        let most = shared.limits.body_memory;
        assert!(shared.pool.reserve(most));
        let link = event_loop.slots.link(0).unwrap().clone();
        let _place = shared.uploads.take(None, &link).unwrap();
        let (_, client) = &mut clients[0];
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", BODY + 1);
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&vec![b'x'; BODY]).unwrap();
        event_loop.slots.at_mut(0).unwrap().note(READABLE);
        assert!(event_loop.go_on(0, &shared).is_none());
        assert_eq!(event_loop.slots.at(0).unwrap().wait.reason, Waits::Place);
        shared.pool.take_back(Vec::new(), most);
        event_loop.now += PAUSE;
        event_loop.call_waiting(&shared);
        assert_eq!(event_loop.ready.take_all(), [0]);
        assert!(event_loop.go_on(0, &shared).is_none());
        let wait = &event_loop.slots.at(0).unwrap().wait;
        assert_eq!(wait.reason, Waits::Body);
        let of_none = shared.limits.transfer_deadline(event_loop.now, 0);
        assert!(
            wait.deadline > of_none,
            "it is charged from now on, and its bytes count"
        );
    }

    #[test]
    fn who_finds_no_memory_waits_and_the_slowest_upload_makes_room_for_him() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 2);
        let mut uploading = taken(&mut event_loop, 0);
        let link = &uploading.transport.link;
        uploading.place = shared.uploads.take(None, link);
        link.note(AWAITED);
        let holder = &uploading.place.as_ref().unwrap().holder;
        holder.clock().begin_wait(event_loop.now, &shared.limits);
        event_loop.now += shared.limits.transfer_time / 2;
        let starving = taken(&mut event_loop, 1);
        assert!(event_loop.starve(starving, &shared).is_none());
        let mut upload = Transport::of(uploading.transport.link.clone());
        upload.interrupts = OUSTED;
        assert!(upload.is_interrupted());
        let starving = event_loop.slots.at(1).unwrap();
        assert_eq!(starving.wait.reason, Waits::Place);
        assert!(event_loop.waiting.wants_memory());
    }
}
