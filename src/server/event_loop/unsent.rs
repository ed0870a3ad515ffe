//! Answers that are made and not sent, kept to be sent one right behind the other.
//!
//! A client on the same machine, such as a balancer, is woken once for all of them. Waking it for each costs a tenth of
//! what a small request does.

use std::time::Duration;

/// Answers that are sent together at most. Each of them waits for the others.
const TOGETHER: usize = 32;

/// A call that takes no longer is followed by the next one so soon that its answer may wait for that. Compiled without
/// optimisation the same call takes several times as long, and tests are to see what clients see.
const BRISK: Duration = Duration::from_micros(if cfg!(debug_assertions) { 80 } else { 10 });

/// Answers that are made and not sent, and the connections that they belong to.
///
/// The connections rest meanwhile, like others: so their work goes to the next one at once, while it is still
/// in the processor's nearest cache, and there is only the answer itself that lies about.
#[derive(Default)]
pub(super) struct Unsent {
    keys: Vec<usize>,
    /// The first of these have their answers, in the same order; the others are spare.
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

    /// Whether the next call ends so soon that a response may wait for it.
    pub(super) fn may_wait(&self) -> bool {
        self.is_brisk
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= TOGETHER
    }

    /// Takes what `out` has, and leaves it another buffer.
    pub(super) fn keep(&mut self, key: usize, out: &mut Vec<u8>) {
        let place = self.keys.len();
        match self.buffers.get_mut(place) {
            Some(spare) => std::mem::swap(spare, out),
            None => self.buffers.push(std::mem::take(out)),
        }
        self.keys.push(key);
    }

    /// The answer at `place`, and the key of its connection.
    pub(super) fn at_mut(&mut self, place: usize) -> Option<(usize, &mut Vec<u8>)> {
        Some((*self.keys.get(place)?, self.buffers.get_mut(place)?))
    }

    /// All are sent.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Nobody has come for a while: gives the memory back.
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
