//! Responses that are complete and not yet sent, to be sent one after the other.
//!
//! A client on the same machine, such as a balancer, is woken once for all of them. Waking it for each costs a tenth of
//! a small request.

use std::time::Duration;

/// The most responses that are sent together. Each waits for the others.
const TOGETHER: usize = 32;

/// After a call that takes no longer, the next one follows so soon that the response may wait for it. Without
/// optimisation the same call takes several times as long, and tests should see what clients see.
const BRISK: Duration = Duration::from_micros(if cfg!(debug_assertions) { 80 } else { 10 });

/// Responses that are complete and not yet sent, and the connections that they belong to.
///
/// The connections are in their slots meanwhile. So their work goes to the next one at once, while it is in the
/// processor's nearest cache, and only the bytes of the response are kept.
#[derive(Default)]
pub(super) struct Unsent {
    keys: Vec<usize>,
    /// The first of these contain the responses, in the same order; the others are spare.
    buffers: Vec<Vec<u8>>,
    /// The last call that was timed took next to no time.
    is_brisk: bool,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes note of how long a call took.
    pub(super) fn note_call(&mut self, took: Duration) {
        self.is_brisk = took <= BRISK;
    }

    /// True if the next call ends so soon that a response may wait for it.
    pub(super) fn may_wait(&self) -> bool {
        self.is_brisk
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= TOGETHER
    }

    /// Takes the content of `out`, and leaves another buffer.
    pub(super) fn keep(&mut self, key: usize, out: &mut Vec<u8>) {
        let place = self.keys.len();
        match self.buffers.get_mut(place) {
            Some(spare) => std::mem::swap(spare, out),
            None => self.buffers.push(std::mem::take(out)),
        }
        self.keys.push(key);
    }

    /// Returns the response at `place`, and the key of its connection.
    pub(super) fn at_mut(&mut self, place: usize) -> Option<(usize, &mut Vec<u8>)> {
        Some((*self.keys.get(place)?, self.buffers.get_mut(place)?))
    }

    /// Notes that all are sent.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Frees the memory after a while without connections.
    pub(super) fn forget(&mut self) {
        if self.is_empty() {
            self.buffers = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_may_wait_for_the_next_as_long_as_the_last_call_was_brisk() {
        let mut unsent = Unsent::default();
        assert!(!unsent.may_wait(), "nothing is known yet");
        for (took, may_wait) in [(BRISK / 2, true), (BRISK * 2, false), (BRISK, true)] {
            unsent.note_call(took);
            assert_eq!(unsent.may_wait(), may_wait, "after {took:?}");
        }
    }
}
