//! Closes the connections that have been idle longest, to make room for new ones.
//!
//! RFC 9112 §9.5: "A client, server, or proxy MAY close the transport connection at any time." So an idle connection is
//! kept as long as there is room, and a crowd of them keeps no client out.

use super::EventLoop;
use crate::server::shared::Shared;

impl EventLoop {
    /// Closes the connection of the service that has been idle longest. Returns true if there was one.
    pub(super) fn close_idlest(&mut self, shared: &Shared) -> bool {
        while let Some(key) = self.idlest.next(&self.slots, self.now) {
            let Some(connection) = self.slots.take(key) else {
                continue;
            };
            if connection.transport.channel().has_unread() {
                // Its request has arrived at this moment.
                self.slots.put_back(connection);
                continue;
            }
            shared.tally.made_room();
            self.close(connection, shared);
            return true;
        }
        if let Some(again) = self.idlest.none_before() {
            shared.capacity.none_idle_before(self.index, again);
        }
        false
    }

    /// Closes the connection of the health lane that has been idle longest. Returns true if there was one.
    pub(super) fn close_idlest_probe(&mut self, shared: &Shared) -> bool {
        let Some(key) = self.slots.idlest_probe() else {
            return false;
        };
        if let Some(connection) = self.slots.take(key) {
            self.close(connection, shared);
        }
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::idlest::MOMENT;
    use super::*;
    use crate::server::connection::lane::Lane;
    use crate::server::connection::link::READABLE;
    use crate::server::event_loop::fixture::{clients, event_loop, shared};
    use std::io::Write;

    fn is_there(event_loop: &EventLoop, key: usize) -> bool {
        event_loop.slots.at(key).is_some()
    }

    #[test]
    fn a_connection_whose_request_has_just_come_is_not_closed_for_another() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 2);
        event_loop.now += 5 * MOMENT;
        // The loop has had no event for it yet.
        clients[0].1.write_all(b"G").unwrap();
        assert!(event_loop.close_idlest(&shared));
        assert!(is_there(&event_loop, clients[0].0) && !is_there(&event_loop, clients[1].0));
        event_loop.now += 5 * MOMENT;
        assert!(!event_loop.close_idlest(&shared));
        assert!(is_there(&event_loop, clients[0].0));
    }

    #[test]
    fn one_that_is_not_idle_for_long_enough_is_still_the_next_to_be_closed() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 2);
        assert!(!event_loop.close_idlest(&shared));
        event_loop.now += MOMENT;
        assert!(event_loop.close_idlest(&shared));
        assert!(!is_there(&event_loop, clients[0].0) && is_there(&event_loop, clients[1].0));
    }

    #[test]
    fn one_that_was_not_looked_at_when_others_were_is_not_passed_over() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 2);
        let first = clients[0].0;
        // As if it had just been accepted: it may have sent something.
        event_loop.slots.at_mut(first).unwrap().note(READABLE);
        assert!(!event_loop.close_idlest(&shared));
        assert!(event_loop.go_on(first, &shared).is_none());
        event_loop.now += MOMENT;
        assert!(event_loop.close_idlest(&shared));
        assert!(!is_there(&event_loop, first) && is_there(&event_loop, clients[1].0));
    }

    #[test]
    fn no_connection_of_the_health_lane_is_closed_for_one_of_the_service() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 2);
        event_loop.slots.at_mut(clients[0].0).unwrap().lane = Lane::Health;
        event_loop.now += 5 * MOMENT;
        assert!(event_loop.close_idlest(&shared));
        assert!(is_there(&event_loop, clients[0].0) && !is_there(&event_loop, clients[1].0));
        assert!(!event_loop.close_idlest(&shared));
    }

    #[test]
    fn a_connection_that_was_answered_after_the_others_were_sorted_is_not_closed_before_them() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 3);
        event_loop.now += 5 * MOMENT;
        assert!(event_loop.close_idlest(&shared));
        assert!(!is_there(&event_loop, clients[0].0));
        let (key, client) = &mut clients[1];
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        event_loop.slots.at_mut(*key).unwrap().note(READABLE);
        assert!(event_loop.go_on(*key, &shared).is_none());
        event_loop.now += MOMENT / 2;
        assert!(event_loop.close_idlest(&shared));
        assert!(is_there(&event_loop, clients[1].0) && !is_there(&event_loop, clients[2].0));
        assert!(
            !event_loop.close_idlest(&shared),
            "it has a moment for its next request"
        );
        event_loop.now += MOMENT;
        assert!(event_loop.close_idlest(&shared));
    }
}
