//! What connections need while something is under way, kept for the next one that needs it.

use std::time::Instant;

use super::super::connection::Work;
use super::super::shared::Shared;
use super::EventLoop;
use crate::spares::Spares;

/// How many are kept at most.
const MOST: usize = 256;

/// Idle [`Work`]s. Each has buffers as large as what it was used for, so after a rush they are given back.
pub(super) struct Works(Spares<Box<Work>>);

impl Works {
    pub(super) fn new(now: Instant) -> Works {
        Works(Spares::new(now))
    }

    pub(super) fn take(&mut self) -> Option<Box<Work>> {
        self.0.take()
    }

    pub(super) fn keep(&mut self, mut work: Box<Work>) {
        if self.0.count() < MOST {
            work.reset();
            self.0.keep(work);
        }
    }

    /// Gives back those that nobody needs, when it is time. Says whether those were the last: the loop has had
    /// nothing to do for a while.
    fn tidy(&mut self, now: Instant) -> Option<bool> {
        let gone = self.0.tidy(now)?.count();
        Some(gone > 0 && self.0.count() == 0)
    }

    /// When there is something to tidy.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.next()
    }
}

impl EventLoop {
    /// Gives back memory that nobody has needed for a while.
    pub(super) fn tidy(&mut self, shared: &Shared) {
        let Some(rests) = self.works.tidy(self.now) else { return };
        shared.pool.tidy(self.now);
        if rests {
            self.sections.forget();
            self.unsent.forget();
            shared.pool.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Pool;
    use std::sync::Arc;

    #[test]
    fn no_more_are_kept_than_are_allowed() {
        let mut works = Works::new(Instant::now());
        for _ in 0..MOST + 1 {
            works.keep(Box::new(Work::new(Arc::default(), 0, &Pool::new(0, 0))));
        }
        assert_eq!(works.0.count(), MOST);
    }
}
