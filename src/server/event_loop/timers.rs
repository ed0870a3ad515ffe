//! The deadlines of connections, in the order in which they come up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines, soonest first.
///
/// The deadline of a connection moves with every request, mostly to later. So each connection has at most a few entries
/// here, and an entry that comes up too early is put back: nothing is done per request. Entries of closed connections
/// are dropped when they come up, or when they outnumber the others.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// Capacity for this many entries is never freed.
const ROOM: usize = 1024;

impl Timers {
    /// Makes `key` come up at `when`.
    pub(crate) fn add(&mut self, when: Instant, key: usize) {
        self.heap.push(Reverse((when, key)));
    }

    /// Removes the entries that are not needed, once they outnumber the others. `places` is how many can be needed at
    /// most.
    pub(crate) fn tidy(&mut self, places: usize, is_needed: impl Fn(Instant, usize) -> bool) {
        if self.heap.len() > ROOM + 2 * places {
            self.heap.retain(|Reverse((when, key))| is_needed(*when, *key));
            self.shrink();
        }
    }

    /// Returns the soonest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Removes a key that is due at `now`, with its deadline.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(Instant, usize)> {
        if self.next()? > now {
            return None;
        }
        let due = self.heap.pop().map(|Reverse(entry)| entry);
        self.shrink();
        due
    }

    fn shrink(&mut self) {
        if self.heap.capacity() > ROOM && self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to((self.heap.capacity() / 2).max(ROOM));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn room_that_is_not_needed_any_more_is_given_back() {
        let start = Instant::now();
        let mut timers = Timers::default();
        (0..100 * ROOM).for_each(|key| timers.add(start, key));
        assert!(timers.heap.capacity() >= 100 * ROOM);
        while timers.due(start).is_some() {
            assert!(timers.heap.len() >= timers.heap.capacity() / 4 || timers.heap.capacity() <= 2 * ROOM);
        }
        assert!(timers.heap.capacity() <= 2 * ROOM);
    }

    #[test]
    fn what_the_dead_leave_is_never_more_than_the_living_need() {
        let now = Instant::now();
        let later = |n| now + Duration::from_millis(n);
        let mut timers = Timers::default();
        // One slot, used by one short connection after the other.
        for n in 0..1000 * ROOM as u64 {
            timers.add(later(n), 7);
            timers.tidy(1, |when, key| (when, key) == (later(n), 7));
            assert!(timers.heap.len() <= ROOM + 2);
        }
        assert_eq!(timers.heap.capacity().max(4 * ROOM), 4 * ROOM);
        while timers.next() < Some(later(1000 * ROOM as u64 - 1)) {
            timers.due(later(1000 * ROOM as u64)).unwrap();
        }
        assert_eq!(timers.heap.len(), 1, "what is needed is there");
    }

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

    #[test]
    fn entries_are_looked_through_only_once_they_outnumber_the_places() {
        let now = Instant::now();
        for places in [0, 1, 1000] {
            let most = ROOM + 2 * places;
            let mut timers = Timers::default();
            (0..most).for_each(|key| timers.add(now, key));
            timers.tidy(places, |_, _| false);
            assert_eq!(timers.heap.len(), most, "so many may be needed");
            timers.add(now, 7);
            timers.add(now, 8);
            timers.tidy(places, |_, _| false);
            assert_eq!(timers.heap.len(), 0);
        }
    }
}
