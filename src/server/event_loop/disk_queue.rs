//! Connections of a loop that need a thread without a loop: for a piece of a file that is not in memory, or to send a large
//! file from there.

use std::collections::VecDeque;

use crate::server::connection::Connection;

#[derive(Default)]
pub(super) struct DiskQueue {
    /// Connections that have a place among the reading threads, and are to be given to one.
    next: VecDeque<Box<Connection>>,
    /// The same for those whose file seems to be in memory, and is to be sent from there.
    to_send: VecDeque<Box<Connection>>,
    /// Connections that wait for a place, in their slots.
    waiting: VecDeque<usize>,
}

impl DiskQueue {
    pub(super) fn has_next(&self) -> bool {
        !(self.next.is_empty() && self.to_send.is_empty())
    }

    /// Returns the next connection for which a file is to be read now.
    pub(super) fn next(&mut self) -> Option<Box<Connection>> {
        self.next.pop_front()
    }

    /// Returns the next connection whose file is to be sent from memory now.
    pub(super) fn next_to_send(&mut self) -> Option<Box<Connection>> {
        self.to_send.pop_front()
    }

    /// Queues this connection, which has a place, for sending.
    pub(super) fn grant_to_send(&mut self, connection: Box<Connection>) {
        self.to_send.push_back(connection);
    }

    /// Queues this connection, which has a place, for reading.
    pub(super) fn grant(&mut self, connection: Box<Connection>) {
        self.next.push_back(connection);
    }

    /// Makes the connection at `key` wait for a place.
    pub(super) fn wait(&mut self, key: usize) {
        self.waiting.push_back(key);
    }

    /// Returns the connection that has waited longest for a place.
    pub(super) fn next_waiting(&mut self) -> Option<usize> {
        self.waiting.pop_front()
    }

    /// Removes the connection at `key`, which has ended. Returns true if it was waiting.
    pub(super) fn withdraw(&mut self, key: usize) -> bool {
        // Connections that end have mostly waited long, so they are in front.
        let place = self.waiting.iter().position(|&waiting| waiting == key);
        place.and_then(|place| self.waiting.remove(place)).is_some()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<usize> {
        self.waiting.iter().copied().collect()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::{clients, event_loop, shared, taken};

    #[test]
    fn who_has_a_place_is_next_and_who_waits_is_not() {
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared(), 1);
        let mut queue = DiskQueue::default();
        queue.wait(7);
        assert!(!queue.has_next() && queue.next().is_none());
        queue.grant(taken(&mut event_loop, 0));
        assert!(queue.has_next() && queue.next().is_some() && !queue.has_next());
        assert!(!queue.withdraw(8) && queue.withdraw(7) && queue.next_waiting().is_none());
    }
}
