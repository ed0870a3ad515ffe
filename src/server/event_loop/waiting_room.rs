//! Connections of a loop that wait for a place for their handlers, or for memory for their bodies.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::deadline::after;

/// The longest time for which a place stays free while a connection waits for it.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// The connections that came first are in front.
#[derive(Default)]
pub(super) struct WaitingRoom {
    keys: VecDeque<usize>,
    /// When to check whether there is something for them.
    look: Option<Instant>,
    /// True if some of them wait for memory.
    wants_memory: bool,
}

impl WaitingRoom {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Makes the connection at `key` wait from now on.
    pub(super) fn enter(&mut self, key: usize, now: Instant) {
        self.keys.push_back(key);
        self.look.get_or_insert(after(now, PAUSE));
    }

    /// Returns true if it is time to check.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.look.is_some_and(|look| look <= now)
    }

    /// Returns when to check next whether there is something for those that wait.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.look
    }

    /// Takes all that wait, to check each. Those for which there is still nothing enter again.
    pub(super) fn take_all(&mut self) -> VecDeque<usize> {
        self.look = None;
        std::mem::take(&mut self.keys)
    }

    /// Notes that some connection waits for memory.
    pub(super) fn want_memory(&mut self) {
        self.wants_memory = true;
    }

    /// Returns true if it is time to look for memory, and some connection waits for it. Then it returns false until
    /// another connection waits.
    pub(super) fn takes_want_of_memory(&mut self, now: Instant) -> bool {
        self.is_due(now) && std::mem::take(&mut self.wants_memory)
    }

    #[cfg(test)]
    pub(super) fn wants_memory(&self) -> bool {
        self.wants_memory
    }

    #[cfg(test)]
    pub(super) fn forget_memory(&mut self) {
        self.wants_memory = false;
    }
}
