//! Things that are kept for whoever needs one next, as long as somebody does.

use std::time::{Duration, Instant};

/// How long those are kept that nobody needs, up to twice as long.
const PERIOD: Duration = Duration::from_secs(5);

/// What is not in use at present. After a rush, those that were needed only in it are given back.
pub(crate) struct Spares<T> {
    /// The one that was used last is used first, so those that nobody needs come to lie at the beginning.
    kept: Vec<T>,
    /// How many nobody has needed since the period began.
    unneeded: usize,
    period_ends: Instant,
}

impl<T> Spares<T> {
    pub(crate) fn new(now: Instant) -> Spares<T> {
        Spares {
            kept: Vec::new(),
            unneeded: 0,
            period_ends: now,
        }
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        let one = self.kept.pop();
        self.unneeded = self.unneeded.min(self.kept.len());
        one
    }

    pub(crate) fn keep(&mut self, one: T) {
        self.kept.push(one);
    }

    pub(crate) fn count(&self) -> usize {
        self.kept.len()
    }

    /// Takes out those that nobody needs, if it is time to.
    pub(crate) fn tidy(&mut self, now: Instant) -> Option<impl Iterator<Item = T>> {
        if now < self.period_ends {
            return None;
        }
        let unneeded = self.unneeded;
        self.unneeded = self.kept.len() - unneeded;
        self.period_ends = now + PERIOD;
        Some(self.kept.drain(..unneeded))
    }

    /// When there is something to tidy.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.kept.is_empty()).then_some(self.period_ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(spares: &mut Spares<u8>, now: Instant) -> Option<usize> {
        spares.tidy(now).map(Iterator::count)
    }

    #[test]
    fn those_that_nobody_needs_are_given_back_and_the_others_stay() {
        let start = Instant::now();
        let mut spares = Spares::new(start);
        assert_eq!(spares.next(), None);
        (0..10).for_each(|n| spares.keep(n));
        // From here on three are in use at the same time.
        assert_eq!(tidied(&mut spares, start), Some(0));
        for _ in 0..5 {
            let used: Vec<_> = (0..3).map(|_| spares.take().unwrap()).collect();
            used.into_iter().for_each(|one| spares.keep(one));
        }
        assert_eq!(tidied(&mut spares, start + PERIOD / 2), None, "the period is not over");
        assert_eq!(tidied(&mut spares, start + PERIOD), Some(7));
        assert_eq!(spares.count(), 3);
        assert_eq!(spares.next(), Some(start + 2 * PERIOD));
        assert_eq!(tidied(&mut spares, start + 2 * PERIOD), Some(3));
        assert_eq!(spares.next(), None, "nobody needs any");
        assert_eq!(spares.take(), None);
    }
}
