//! Connections that have been idle longest, closed to make room for new ones.
//!
//! RFC 9112 §9.5: "A client, server, or proxy MAY close the transport connection at any time." So an idle connection is
//! kept as long as there is room, and a crowd of them keeps nobody out.

use std::time::{Duration, Instant};

use crate::deadline::after;

use super::EventLoop;
use crate::server::connection::lane::Lane;
use crate::server::shared::Shared;

/// How long a connection must have been idle: of one that has just been opened, or answered, the next request is likely
/// to be on its way.
const MOMENT: Duration = Duration::from_secs(1);

/// How long a loop that has found nobody to close does not look again, for each 16,384 places that it has.
const PAUSE: Duration = Duration::from_millis(100);

/// Those that had been idle for a [`MOMENT`] when this was made, and since when: the one that has been idle longest comes
/// last.
///
/// Whoever is idle later is so for a shorter time. So this holds good until it is used up, however the connections in it
/// fare meanwhile, and to make it anew is worth going through all of them. (Not so within the moment: one that has just
/// been accepted counts as idle from then on, but only once the loop has looked whether it asks something.)
#[derive(Default)]
pub(super) struct Idlest {
    by_age: Vec<(Instant, usize)>,
    /// When it is worth making anew, once it is used up.
    again: Option<Instant>,
}

impl EventLoop {
    /// Closes the connection of the service that has been idle longest. Says whether there was one.
    pub(super) fn close_idlest(&mut self, shared: &Shared) -> bool {
        while let Some(key) = self.idlest(shared) {
            let Some(connection) = self.slots.get_mut(key).and_then(|slot| slot.connection.take()) else {
                continue;
            };
            if connection.transport.channel().has_unread() {
                // Its request has come in this moment.
                self.slots[key].connection = Some(connection);
                continue;
            }
            shared.tally.made_room();
            self.close(connection, shared);
            return true;
        }
        false
    }

    /// Takes out the connection that has been idle longest, if that is long enough.
    fn idlest(&mut self, shared: &Shared) -> Option<usize> {
        if self.idlest.by_age.is_empty() && self.idlest.again.is_none_or(|again| again <= self.now) {
            self.find_idle();
        }
        while let Some((since, key)) = self.idlest.by_age.pop() {
            if self.idle_since(key) == Some(since) {
                return Some(key);
            }
        }
        if let Some(again) = self.idlest.again {
            shared.capacity.none_idle_before(self.index, again);
        }
        None
    }

    /// Looks who has been idle long enough.
    fn find_idle(&mut self) {
        let mut by_age = std::mem::take(&mut self.idlest.by_age);
        by_age.extend((0..self.slots.len()).filter_map(|key| Some((self.idle_since(key)?, key))));
        let first_of_age = by_age.iter().map(|(since, _)| after(*since, MOMENT)).min();
        by_age.retain(|(since, _)| after(*since, MOMENT) <= self.now);
        by_age.sort_unstable_by(|one, other| other.cmp(one));
        let pause = after(self.now, PAUSE.saturating_mul(1 + (self.slots.len() >> 14) as u32));
        self.idlest = Idlest {
            by_age,
            again: first_of_age.map_or(Some(pause), |first| Some(first.max(pause))),
        };
    }

    /// Since when the connection at `key` has been idle, if it has, and is one of the service.
    fn idle_since(&self, key: usize) -> Option<Instant> {
        let connection = self.slots.get(key)?.connection.as_ref()?;
        (connection.lane == Lane::Service).then(|| connection.idle_since())?
    }

    /// Closes the connection of the health lane that has been idle longest. Says whether there was one.
    pub(super) fn close_idlest_probe(&mut self, shared: &Shared) -> bool {
        let since = |key: usize| self.slots.get(key)?.connection.as_ref()?.idle_since();
        let idle = self.probes.iter().filter_map(|&key| Some((since(key)?, key)));
        let Some((_, key)) = idle.min() else { return false };
        if let Some(connection) = self.slots.get_mut(key).and_then(|slot| slot.connection.take()) {
            self.close(connection, shared);
        }
        true
    }

    /// Nobody has come for a while: gives the memory back.
    pub(super) fn forget_idlest(&mut self) {
        self.idlest = Idlest::default();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::connection::link::READABLE;
    use crate::server::event_loop::fixture::{clients, event_loop, shared};
    use std::io::Write;

    fn is_there(event_loop: &EventLoop, key: usize) -> bool {
        event_loop.slots[key].connection.is_some()
    }

    #[test]
    fn a_connection_whose_request_has_just_come_is_not_closed_for_another() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = clients(&mut event_loop, &shared, 2);
        event_loop.now += 5 * MOMENT;
        // No event has told the loop of it yet.
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
        event_loop.slots[first].connection.as_mut().unwrap().note(READABLE);
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
        event_loop.slots[clients[0].0].connection.as_mut().unwrap().lane = Lane::Health;
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
        event_loop.slots[*key].connection.as_mut().unwrap().note(READABLE);
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
