//! Connections whose deadline has passed.

use super::EventLoop;
use crate::server::shared::Shared;

impl EventLoop {
    /// Handles the connections whose deadline has passed.
    pub(super) fn expire(&mut self, shared: &Shared) {
        self.slots.tidy_timers();
        while let Some(key) = self.slots.due(self.now) {
            let Some(mut connection) = self.slots.take(key) else {
                self.look_at_call(key, shared);
                continue;
            };
            if connection.wait.deadline <= self.now && connection.has_begun() {
                self.equip(&mut connection, shared);
            }
            if connection.wait.deadline > self.now {
                self.put(connection);
            } else if connection.pushed.is_some() {
                self.push_due(connection, shared);
            } else if connection.is_conversing() {
                #[cfg(feature = "websocket")]
                self.socket_due(connection);
            } else if connection.overdue(&self.date) {
                // It just got 408, so it cannot have a request.
                let _ = self.advance(connection, shared);
            } else {
                self.close(connection, shared);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use crate::server::connection::link::READABLE;
    use crate::server::event_loop::fixture::{clients, event_loop, shared};
    use std::io::{Read, Write};
    use std::time::Duration;

    #[test]
    fn a_deadline_holds_however_many_connections_that_are_gone_have_left_theirs() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 1);
        for n in 0..10_000 {
            let later = event_loop.now + Duration::from_secs(3600 + n);
            event_loop.slots.leave_timer(later, 7);
        }
        event_loop.expire(&shared);
        assert!(event_loop.slots.at(clients[0].0).is_some());
        event_loop.now += shared.limits.head_time.max(shared.limits.idle);
        event_loop.expire(&shared);
        assert!(event_loop.slots.at(clients[0].0).is_none());
    }

    #[test]
    fn a_deadline_that_has_moved_holds_as_well() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 1);
        let key = clients[0].0;
        event_loop.now += shared.limits.head_time / 2;
        let now = event_loop.now;
        event_loop.slots.at_mut(key).unwrap().answered(now, &shared.limits);
        // Its timer comes up for the deadline that it had.
        event_loop.now += shared.limits.head_time;
        event_loop.expire(&shared);
        assert!(event_loop.slots.at(key).is_some());
        event_loop.now = now + shared.limits.idle;
        event_loop.expire(&shared);
        assert!(event_loop.slots.at(key).is_none(), "no idle connection stays for ever");
    }

    #[test]
    fn who_has_begun_a_request_and_does_not_end_it_is_told_and_who_has_not_is_not() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 2);
        clients[0].1.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        event_loop.slots.at_mut(0).unwrap().note(READABLE);
        assert!(event_loop.go_on(0, &shared).is_none());
        event_loop.now += shared.limits.head_time;
        event_loop.expire(&shared);
        let mut status = [0; 12];
        clients[0].1.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 408");
        assert_eq!(clients[1].1.read(&mut status).unwrap(), 0);
    }
}
