//! Responses that are complete and not yet sent, to be sent one after the other.
//!
//! A client on the same machine, such as a balancer, is woken once for all of them. Waking it for each costs a tenth of
//! a small request.

use std::time::Duration;

/// The most responses that are sent together. Each waits for the others.
const TOGETHER: usize = 32;

/// The longest that a response waits for those of other calls. Without optimisation the same calls take several times as
/// long, and tests should see what clients see.
const LONGEST_WAIT: Duration = Duration::from_micros(if cfg!(debug_assertions) { 1000 } else { 300 });

/// Responses that are complete and not yet sent, and the connections that they belong to.
///
/// The connections are in their slots meanwhile. So their work goes to the next one at once, while it is in the
/// processor's nearest cache, and only the bytes of the response are kept.
#[derive(Default)]
pub(super) struct Unsent {
    keys: Vec<usize>,
    /// The first of these contain the responses, in the same order; the others are spare.
    buffers: Vec<Vec<u8>>,
    /// The number of responses that are sent together while calls take as long as the last one that was timed.
    together: usize,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes note of how long a call took.
    pub(super) fn note_call(&mut self, took: Duration) {
        // The time is estimated by the number of calls: the clock is not read for each of them.
        let calls = LONGEST_WAIT.as_nanos() / took.as_nanos().max(1);
        self.together = usize::try_from(calls).unwrap_or(TOGETHER).min(TOGETHER);
    }

    /// Returns true if a response may wait for the next call.
    pub(super) fn may_wait(&self) -> bool {
        self.together > 1
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= self.together
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
    fn so_many_responses_wait_for_each_other_as_take_no_longer_together_than_is_allowed() {
        let mut unsent = Unsent::default();
        assert!(!unsent.may_wait(), "nothing is known yet");
        for (took, together) in [
            (Duration::ZERO, TOGETHER),
            (LONGEST_WAIT / 100, TOGETHER),
            (LONGEST_WAIT / 5, 5),
            (LONGEST_WAIT / 2, 2),
            (LONGEST_WAIT, 1),
            (LONGEST_WAIT * 2, 0),
        ] {
            unsent.note_call(took);
            assert_eq!(unsent.may_wait(), together > 1, "after {took:?}");
            if together > 1 {
                (1..together).for_each(|key| unsent.keep(key, &mut Vec::new()));
                assert!(!unsent.is_full(), "after {took:?}");
                unsent.keep(together, &mut Vec::new());
                assert!(unsent.is_full(), "after {took:?}");
                unsent.clear();
            }
        }
    }
}
