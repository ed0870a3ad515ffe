//! Connections whose time is up.

use super::EventLoop;
use crate::server::shared::Shared;

impl EventLoop {
    /// Sees to the connections whose time is up.
    pub(super) fn expire(&mut self, shared: &Shared) {
        let slots = &self.slots;
        self.timers.tidy(slots.len(), |when, key| {
            slots.get(key).is_some_and(|slot| slot.scheduled == Some(when))
        });
        while let Some((when, key)) = self.timers.due(self.now) {
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if slot.scheduled != Some(when) {
                continue;
            }
            slot.scheduled = None;
            let Some(mut connection) = slot.connection.take() else {
                self.look_at_call(key, shared);
                continue;
            };
            if connection.deadline <= self.now && connection.has_begun() {
                self.equip(&mut connection, shared);
            }
            if connection.deadline > self.now {
                self.put(connection);
            } else if connection.overdue(&self.date) {
                // It has just been answered 408, so it can't have a request.
                let _ = self.settle(connection, shared);
            } else {
                self.close(connection, shared);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use crate::server::event_loop::fixture::{clients, event_loop, shared};
    use std::time::Duration;

    #[test]
    fn a_deadline_holds_however_many_connections_that_are_gone_have_left_theirs() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 1);
        for n in 0..10_000 {
            event_loop.timers.add(event_loop.now + Duration::from_secs(3600 + n), 7);
        }
        event_loop.expire(&shared);
        assert!(event_loop.slots[clients[0].0].connection.is_some());
        event_loop.now += shared.limits.head_time.max(shared.limits.idle);
        event_loop.expire(&shared);
        assert!(event_loop.slots[clients[0].0].connection.is_none());
    }
}
