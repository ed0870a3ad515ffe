//! The memory of connections on which something is in progress, kept for the next one that needs it.

use std::time::{Duration, Instant};

use crate::deadline::after;

use crate::server::connection::Work;

/// The most that are kept.
const MOST: usize = 256;

/// The time for which unused ones are kept; at most twice as long.
const PERIOD: Duration = Duration::from_secs(5);

/// Unused [`Work`]s. Each has buffers as large as what it was used for, so after a rush they are freed.
pub(super) struct Works {
    /// The one that was used last is used first, so unused ones collect at the beginning.
    #[expect(
        clippy::vec_box,
        reason = "a connection has its work in a box, which goes back and forth"
    )]
    kept: Vec<Box<Work>>,
    /// The number of those not needed since the period began.
    spare: usize,
    period_ends: Instant,
}

impl Works {
    pub(super) fn new(now: Instant) -> Works {
        Works {
            kept: Vec::new(),
            spare: 0,
            period_ends: now,
        }
    }

    pub(super) fn take(&mut self) -> Option<Box<Work>> {
        let work = self.kept.pop();
        self.spare = self.spare.min(self.kept.len());
        work
    }

    pub(super) fn keep(&mut self, mut work: Box<Work>) {
        if self.kept.len() < MOST {
            work.reset();
            self.kept.push(work);
        }
    }

    /// Returns true if it is time to free unused ones.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.period_ends
    }

    /// Frees unused ones. Returns true if those were the last: the loop has had nothing to do for a while.
    pub(super) fn tidy(&mut self, now: Instant) -> bool {
        let spare = self.spare;
        self.kept.drain(..spare);
        self.spare = self.kept.len();
        self.period_ends = after(now, PERIOD);
        spare > 0 && self.kept.is_empty()
    }

    /// Returns when there is something to free.
    pub(super) fn next_due(&self) -> Option<Instant> {
        (!self.kept.is_empty()).then_some(self.period_ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use std::sync::Arc;

    fn work() -> Box<Work> {
        Box::new(Work::new(
            Exchange::new(Arc::default(), 0, Arc::default()),
            Arc::default(),
        ))
    }

    #[test]
    fn those_that_nobody_needs_are_given_back_and_the_others_stay() {
        let start = Instant::now();
        let mut works = Works::new(start);
        assert_eq!(works.next_due(), None);
        (0..10).for_each(|_| works.keep(work()));
        // From here on three are in use at the same time.
        works.tidy(start);
        for _ in 0..5 {
            let used: Vec<_> = (0..3).map(|_| works.take().unwrap()).collect();
            used.into_iter().for_each(|work| works.keep(work));
        }
        assert!(!works.is_due(start + PERIOD / 2), "the period is not over");
        assert_eq!(works.kept.len(), 10);
        assert!(works.is_due(start + PERIOD));
        assert!(!works.tidy(start + PERIOD));
        assert_eq!(works.kept.len(), 3);
        assert_eq!(works.next_due(), Some(start + 2 * PERIOD));
        assert!(works.tidy(start + 2 * PERIOD), "those were the last");
        assert_eq!(works.next_due(), None, "nobody needs any");
        assert!(works.take().is_none());
    }

    #[test]
    fn no_more_are_kept_than_are_allowed() {
        let mut works = Works::new(Instant::now());
        (0..MOST + 1).for_each(|_| works.keep(work()));
        assert_eq!(works.kept.len(), MOST);
    }
}
