//! A place for one more connection, and the loop that might free one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::descriptors::{Allowance, Reserve};

/// The answer to a new connection that asks for a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    Enough,
    /// It can only be told that there is no place.
    Scarce,
    /// So many are being told already that this one cannot be kept until it has read the response.
    None,
}

impl Room {
    /// Returns the room for one more beside `others`, if `most` may stay and a few more may be turned away.
    pub(crate) fn among(others: usize, most: usize, turned_away: usize) -> Room {
        if others < most {
            Room::Enough
        } else if others < most.saturating_add(turned_away) {
            Room::Scarce
        } else {
            Room::None
        }
    }
}

/// The reason for which a new connection has no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// All places are taken.
    Place,
    /// The process has no descriptors left, and this one is from the reserve.
    Descriptor,
}

/// The number of available places, shared by all loops.
pub(crate) struct Capacity {
    allowance: Allowance,
    pub(crate) reserve: Reserve,
    began: Instant,
    /// For each loop, the milliseconds since the start before which it has no connection that is idle long enough to be
    /// closed for another.
    none_idle: Vec<AtomicU64>,
}

impl Capacity {
    pub(crate) fn new(allowance: Allowance, loops: usize, reserve: Reserve) -> Capacity {
        Capacity {
            allowance,
            reserve,
            began: Instant::now(),
            none_idle: (0..loops).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Returns the room for one more beside that many connections.
    pub(crate) fn beside(&self, others: usize) -> Room {
        Room::among(others, self.allowance.connections, self.allowance.turned_away)
    }

    /// Notes that a loop has no connection that can be closed for another, and will have none before `when`.
    pub(crate) fn none_idle_before(&self, index: usize, when: Instant) {
        if let Some(none) = self.none_idle.get(index) {
            // Rounded up, so that the last millisecond is not retried over and over.
            none.store(self.age(when).saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Returns true if a loop may have one, as far as is known.
    pub(crate) fn may_have_idle(&self, index: usize, now: Instant) -> bool {
        let none = self.none_idle.get(index);
        none.is_some_and(|none| none.load(Ordering::Relaxed) <= self.age(now))
    }

    /// Returns a loop other than `own` that may have one.
    pub(crate) fn other_with_idle(&self, own: usize, now: Instant) -> Option<usize> {
        (0..self.none_idle.len()).find(|&index| index != own && self.may_have_idle(index, now))
    }

    fn age(&self, at: Instant) -> u64 {
        let age: Duration = at.saturating_duration_since(self.began);
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_more_than_may_stay_are_told_so() {
        let room = |others| Room::among(others, 3, 2);
        assert_eq!(
            [room(2), room(3), room(4), room(5)],
            [Room::Enough, Room::Scarce, Room::Scarce, Room::None]
        );
        assert_eq!(Room::among(9, usize::MAX, 256), Room::Enough);
    }

    #[test]
    fn a_loop_that_has_nobody_to_close_is_not_asked_before_it_may() {
        let allowance = Allowance {
            connections: 1,
            turned_away: 1,
        };
        let capacity = Capacity::new(allowance, 3, Reserve::none());
        let now = Instant::now();
        assert_eq!(capacity.other_with_idle(0, now), Some(1));
        capacity.none_idle_before(1, now + Duration::from_secs(1));
        assert_eq!(capacity.other_with_idle(0, now), Some(2));
        capacity.none_idle_before(2, now + Duration::from_secs(5));
        assert_eq!(capacity.other_with_idle(0, now), None, "and never the one that asks");
        assert!(capacity.may_have_idle(0, now));
        assert_eq!(capacity.other_with_idle(0, now + Duration::from_secs(2)), Some(1));
        let last = capacity.began + Duration::from_micros(1_500);
        capacity.none_idle_before(0, last);
        assert!(
            !capacity.may_have_idle(0, last),
            "not over and over within a millisecond"
        );
        assert!(capacity.may_have_idle(0, last + Duration::from_millis(1)));
    }
}
