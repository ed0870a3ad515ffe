//! A bound on the handlers that run at once, and the queue of requests when no more may.

use crate::lock::lock;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Hands out the permits to run a handler, in order.
///
/// A loop keeps one permit in reserve, so that the usual request never comes here.
pub(crate) struct Admission<T> {
    state: Mutex<Queue<T>>,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
    most_waiting: usize,
}

struct Queue<T> {
    permits: usize,
    waiting: VecDeque<(Instant, T)>,
}

/// The result of asking for a permit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admitted<T> {
    /// It has a permit.
    Entered(T),
    /// It waits.
    Queued,
    /// The queue is full.
    Full(T),
}

impl<T> Admission<T> {
    pub(crate) fn new(permits: usize, most_waiting: usize) -> Admission<T> {
        Admission {
            state: Mutex::new(Queue {
                permits,
                waiting: VecDeque::new(),
            }),
            waiting: AtomicUsize::new(0),
            most_waiting,
        }
    }

    /// Takes a permit for `thing`, or queues it.
    pub(crate) fn acquire(&self, thing: T, now: Instant) -> Admitted<T> {
        let mut state = lock(&self.state);
        if state.permits > 0 {
            state.permits -= 1;
            return Admitted::Entered(thing);
        }
        if state.waiting.len() >= self.most_waiting {
            return Admitted::Full(thing);
        }
        state.waiting.push_back((now, thing));
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        Admitted::Queued
    }

    /// Returns a permit, or passes it on: to what has waited longest, which is returned with the time since when.
    pub(crate) fn release(&self) -> Option<(Instant, T)> {
        let mut state = lock(&self.state);
        let next = state.waiting.pop_front();
        match next {
            Some(_) => self.waiting.store(state.waiting.len(), Ordering::SeqCst),
            None => state.permits += 1,
        }
        next
    }

    /// Returns how many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Takes what has waited longest, for a caller that already has a permit.
    pub(crate) fn next_waiting(&self) -> Option<(Instant, T)> {
        if !self.has_waiting() {
            return None;
        }
        let mut state = lock(&self.state);
        let next = state.waiting.pop_front();
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_goes_to_whoever_has_waited_longest() {
        let now = Instant::now();
        let admission = Admission::new(1, 2);
        assert_eq!(admission.acquire('a', now), Admitted::Entered('a'));
        assert_eq!(admission.acquire('b', now), Admitted::Queued);
        assert_eq!(admission.acquire('c', now), Admitted::Queued);
        assert_eq!(admission.acquire('d', now), Admitted::Full('d'));
        assert_eq!(admission.release(), Some((now, 'b')));
        assert_eq!(admission.acquire('e', now), Admitted::Queued);
        assert_eq!(admission.next_waiting(), Some((now, 'c')));
        assert_eq!(admission.release(), Some((now, 'e')));
        assert_eq!(admission.release(), None);
        assert_eq!(admission.acquire('f', now), Admitted::Entered('f'));
        assert_eq!(admission.next_waiting(), None);
    }
}
