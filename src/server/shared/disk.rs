//! A bound on the threads that wait for disks at once, and the queue of those that may not yet.
//!
//! These places are independent of the permits of handlers. So files that are slow to read delay no request, and
//! requests delay no file.

use crate::lock::lock;
use std::sync::Mutex;

/// The places of threads that read files.
///
/// A connection without one waits at its own loop, in order. Only their number is known here, and loops take turns.
pub(crate) struct DiskPlaces {
    state: Mutex<Turns>,
    /// The number of threads that may read at once.
    most: usize,
}

struct Turns {
    reading: usize,
    /// The number of connections that wait on each loop.
    waiting: Vec<usize>,
    /// The loop whose turn is next, if a connection waits there.
    next: usize,
}

impl DiskPlaces {
    pub(crate) fn new(most: usize, loops: usize) -> DiskPlaces {
        DiskPlaces {
            state: Mutex::new(Turns {
                reading: 0,
                waiting: vec![0; loops],
                next: 0,
            }),
            most,
        }
    }

    /// Takes a place for a connection of loop `index`. Returns true if there was one; otherwise loop `index` is granted
    /// one later.
    #[must_use = "the place must be left again"]
    pub(crate) fn acquire(&self, index: usize) -> bool {
        let mut state = lock(&self.state);
        let is_free = state.reading < self.most;
        if is_free {
            state.reading += 1;
        } else if let Some(waiting) = state.waiting.get_mut(index) {
            *waiting += 1;
        }
        is_free
    }

    /// Takes a place if there is one now.
    #[must_use = "the place must be left again"]
    pub(crate) fn try_acquire(&self) -> bool {
        let mut state = lock(&self.state);
        let is_free = state.reading < self.most;
        state.reading += usize::from(is_free);
        is_free
    }

    /// Notes that a connection of loop `index` no longer waits.
    pub(crate) fn withdraw(&self, index: usize) {
        if let Some(waiting) = lock(&self.state).waiting.get_mut(index) {
            // If none waits, the place is already on its way, and whoever gets it passes it on.
            *waiting = waiting.saturating_sub(1);
        }
    }

    /// Frees a place, or grants it to the loop where a connection waits.
    pub(crate) fn release(&self, grant: impl FnOnce(usize)) {
        let mut state = lock(&self.state);
        match state.take_turn() {
            // The lock is held: a loop that withdraws its last connection either finds the grant in its inbox, or gets
            // none.
            Some(index) => grant(index),
            None => state.reading -= 1,
        }
    }
}

impl Turns {
    /// Returns the next loop where a connection waits, which then no longer waits.
    fn take_turn(&mut self) -> Option<usize> {
        let loops = self.waiting.len();
        let index = (0..loops)
            .map(|behind| (self.next + behind) % loops)
            .find(|&index| self.waiting[index] > 0)?;
        self.waiting[index] -= 1;
        self.next = index + 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frees a place; returns to whom it was granted.
    fn left(disk: &DiskPlaces) -> Option<usize> {
        let mut granted = None;
        disk.release(|index| granted = Some(index));
        granted
    }

    #[test]
    fn places_are_granted_to_loops_in_turn_and_then_free() {
        let disk = DiskPlaces::new(2, 3);
        assert!(disk.acquire(0) && disk.acquire(0));
        for index in [0, 0, 0, 2] {
            assert!(!disk.acquire(index), "there are two places");
        }
        let granted: Vec<_> = std::iter::from_fn(|| left(&disk)).collect();
        assert_eq!(granted, [0, 2, 0, 0]);
        assert_eq!(left(&disk), None);
        assert!(disk.acquire(1) && disk.acquire(1) && !disk.acquire(1));
    }

    #[test]
    fn who_withdraws_is_not_granted_a_place() {
        let disk = DiskPlaces::new(1, 1);
        assert!(disk.acquire(0) && !disk.acquire(0) && !disk.acquire(0));
        disk.withdraw(0);
        assert_eq!(left(&disk), Some(0));
        disk.withdraw(0);
        assert_eq!(left(&disk), None, "it was granted before, and is passed on");
        assert!(disk.acquire(0));
    }
}
