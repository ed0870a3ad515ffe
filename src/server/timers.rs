//! When to look at which connection again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines, soonest first.
///
/// A connection's deadline moves with every request, mostly away. So each connection has at most a few
/// entries here, and an entry that comes up too early is put back: nothing is done per request.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Timers {
    /// Has `key` come up at `when`.
    pub(super) fn add(&mut self, when: Instant, key: usize) {
        self.heap.push(Reverse((when, key)));
    }

    /// The soonest of all.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes out a key that has come up by `now`, with the moment it was added for.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Instant, usize)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn keys_come_up_in_the_order_of_their_deadlines_and_not_before() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        timers.add(at(3), 30);
        timers.add(at(1), 10);
        timers.add(at(2), 20);
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.due(start), None);
        assert_eq!(timers.due(at(2)), Some((at(1), 10)));
        assert_eq!(timers.due(at(2)), Some((at(2), 20)));
        assert_eq!(timers.due(at(2)), None);
        assert_eq!(timers.due(at(9)), Some((at(3), 30)));
        assert_eq!(timers.next(), None);
    }
}
