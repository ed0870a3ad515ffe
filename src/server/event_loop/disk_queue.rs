//! Connections of a loop that need a piece of a file which is not in memory.

use std::collections::VecDeque;

use crate::server::connection::Connection;

#[derive(Default)]
pub(super) struct DiskQueue {
    /// Those that have a place among the threads that read, and are to be given to one.
    next: VecDeque<Box<Connection>>,
    /// Those that wait for a place, in their slots.
    waiting: VecDeque<usize>,
}

impl DiskQueue {
    pub(super) fn has_next(&self) -> bool {
        !self.next.is_empty()
    }

    /// The next connection for which a file is to be read now.
    pub(super) fn next(&mut self) -> Option<Box<Connection>> {
        self.next.pop_front()
    }

    /// Has a file read for this connection, which has a place.
    pub(super) fn grant(&mut self, connection: Box<Connection>) {
        self.next.push_back(connection);
    }

    /// The connection at `key` waits for a place.
    pub(super) fn wait(&mut self, key: usize) {
        self.waiting.push_back(key);
    }

    /// Who has waited longest for a place.
    pub(super) fn next_waiting(&mut self) -> Option<usize> {
        self.waiting.pop_front()
    }

    /// The connection at `key` has ended. Says whether it has waited.
    pub(super) fn withdraw(&mut self, key: usize) -> bool {
        // Those that end mostly do so since they have waited long: they stand in front.
        let place = self.waiting.iter().position(|&waiting| waiting == key);
        place.and_then(|place| self.waiting.remove(place)).is_some()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<usize> {
        self.waiting.iter().copied().collect()
    }
}
