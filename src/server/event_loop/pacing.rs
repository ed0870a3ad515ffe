//! Telling handlers that block from those that return at once.
//!
//! A handler that runs on the loop's thread delays everything else that the loop has to do, so slow ones must be found.
//! There are three ways.
//! - The [watch](crate::server::shared::watch) checks a loop that has been released for a tick or more, and asks the
//!   system whether its thread sleeps. That finds everything that blocks for milliseconds. A thread that computes for
//!   several ticks, or gets no processor for that long, counts as slow as well.
//! - [`Suspicion`] times one call in several, and every call for a while after a long one. A single long call proves
//!   nothing on a busy machine, where any thread may be interrupted. Several among the next few do.
//! - A handler may [announce it](crate::blocking).
//!
//! An endpoint that was found to be slow releases the loop to another thread before it starts, and is timed there.
//! Enough fast calls in a row make it fast again ([`Pace`]).

use std::time::Duration;

use crate::pace::Pace;

/// A call that takes longer than handing the loop over and acquiring it again should have handed it over.
pub(crate) const LONG: Duration = Duration::from_micros(100);

/// One call in this many is timed as long as nothing is suspected. Reading the clock costs a hundredth of a small
/// request.
const SAMPLED: u8 = 8;

/// The number of calls that are timed after a long one.
const WATCHED: u8 = 32;
/// The number of them that must be long.
const PROVEN: u8 = 6;

/// Counts long calls of the endpoint that had the last one.
#[derive(Debug, Default)]
pub(crate) struct Suspicion {
    suspect: Option<Pace>,
    calls_left: u8,
    long_calls: u8,
    calls_skipped: u8,
}

impl Suspicion {
    /// Returns true if the next call should be [observed](Suspicion::observe).
    pub(crate) fn wants_next(&mut self) -> bool {
        if self.suspect.is_some() {
            return true;
        }
        self.calls_skipped = (self.calls_skipped + 1) % SAMPLED;
        self.calls_skipped == 0
    }

    /// Records a call on the loop's thread.
    pub(crate) fn observe(&mut self, pace: Pace, took: Duration) {
        if took < LONG {
            if self.suspect == Some(pace) {
                self.count();
            }
            return;
        }
        if self.suspect != Some(pace) {
            *self = Suspicion {
                suspect: Some(pace),
                calls_left: WATCHED,
                ..Suspicion::default()
            };
        }
        self.long_calls += 1;
        if self.long_calls >= PROVEN {
            pace.found_slow();
            self.suspect = None;
        } else {
            self.count();
        }
    }

    fn count(&mut self) {
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left == 0 {
            self.suspect = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Opinion;

    fn is_slow(pace: Pace) -> bool {
        pace.opinion() == Opinion::Slow
    }

    const QUICK: Duration = Duration::from_micros(5);
    const SLOW: Duration = Duration::from_micros(500);

    #[test]
    fn a_few_long_calls_close_together_prove_an_endpoint_slow() {
        let pace = Pace::new();
        let mut suspicion = Suspicion::default();
        for call in 0..PROVEN {
            assert!(!is_slow(pace), "after {call} calls");
            suspicion.observe(pace, SLOW);
        }
        assert!(is_slow(pace));
    }

    #[test]
    fn one_call_of_a_few_is_timed_and_every_one_of_a_suspect() {
        let pace = Pace::new();
        let mut suspicion = Suspicion::default();
        let wanted = |suspicion: &mut Suspicion, calls: usize| (0..calls).filter(|_| suspicion.wants_next()).count();
        assert_eq!(wanted(&mut suspicion, 10 * usize::from(SAMPLED)), 10);
        suspicion.observe(pace, SLOW);
        assert_eq!(wanted(&mut suspicion, 10), 10);
    }

    #[test]
    fn rare_long_calls_prove_nothing() {
        let pace = Pace::new();
        let mut suspicion = Suspicion::default();
        for call in 0..10_000 {
            suspicion.observe(pace, if call % 20 == 0 { SLOW } else { QUICK });
        }
        assert!(!is_slow(pace));
    }

    #[test]
    fn long_calls_of_one_endpoint_are_not_held_against_another() {
        let (slow, quick) = (Pace::new(), Pace::new());
        let mut suspicion = Suspicion::default();
        for _ in 0..PROVEN {
            suspicion.observe(slow, SLOW);
            suspicion.observe(quick, QUICK);
        }
        assert!(is_slow(slow));
        assert!(!is_slow(quick));
    }
}
