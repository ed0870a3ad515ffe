//! Connections of a loop that wait for a place for their handlers, or for memory for their bodies.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::deadline::after;

/// How long a place lies free at most while somebody waits for it.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Those that came first are in front.
#[derive(Default)]
pub(super) struct WaitingRoom {
    keys: VecDeque<usize>,
    /// When to look whether there is something for them.
    look: Option<Instant>,
    /// Some of them wait for memory.
    wants_memory: bool,
}

impl WaitingRoom {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The connection at `key` waits from now on.
    pub(super) fn enter(&mut self, key: usize, now: Instant) {
        self.keys.push_back(key);
        self.look.get_or_insert(after(now, PAUSE));
    }

    /// Whether it is time to look.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.look.is_some_and(|look| look <= now)
    }

    /// When to look next whether there is something for those who wait.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.look
    }

    /// All who wait, to look each of them: those for whom there is still nothing enter again.
    pub(super) fn take_all(&mut self) -> VecDeque<usize> {
        self.look = None;
        std::mem::take(&mut self.keys)
    }

    /// Some connection waits for memory.
    pub(super) fn want_memory(&mut self) {
        self.wants_memory = true;
    }

    /// Whether it is time to look for memory, and some connection waits for it. Asked again, it says no until another
    /// one does.
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
