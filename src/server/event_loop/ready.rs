//! Connections that continue although no event will come for them.

use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Ready {
    keys: VecDeque<usize>,
    /// The number of those that belong to the current round.
    now: usize,
}

impl Ready {
    pub(super) fn push(&mut self, key: usize) {
        self.keys.push_back(key);
    }

    /// Begins a round: those that are added from here on belong to the next one.
    pub(super) fn begin_round(&mut self) {
        self.now = self.keys.len();
    }

    /// Returns the next one of the current round.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.now = self.now.checked_sub(1)?;
        self.keys.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    #[cfg(test)]
    pub(super) fn take_all(&mut self) -> Vec<usize> {
        self.now = 0;
        std::mem::take(&mut self.keys).into()
    }
}
