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
//! Handlers that share something, such as the lock of an interpreter, can't run beside each other. Another thread would wait for
//! the one that computes, and they would take turns at every call. So there a call is long if it has waited, and one that has
//! computed must take longer ([`Took`]).
//!
//! An endpoint that was found to be slow releases the loop to another thread before it starts, and is timed there.
//! Enough fast calls in a row make it fast again ([`Pace`]).

use std::time::Duration;

use crate::pace::Pace;

/// A call that takes longer than handing the loop over and acquiring it again should have handed it over.
pub(crate) const LONG: Duration = Duration::from_micros(100);

/// The same for a call that computes, of an application with a [part in scheduling](crate::Scheduling). No other handler can run
/// meanwhile, so handing the loop over gains little, and what they share changes hands twice.
const LONG_COMPUTING: Duration = Duration::from_millis(1);

/// One call in this many is timed as long as nothing is suspected. Reading the clock costs a hundredth of a small
/// request.
const SAMPLED: u8 = 8;

/// The number of calls that are timed after a long one.
const WATCHED: u8 = 32;
/// The number of them that must be long.
const PROVEN: u8 = 6;

/// The time that a call took, without what it waited for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) time: Duration,
    /// The processor time in it, where handlers share something and it was measured.
    pub(crate) computed: Option<Duration>,
}

impl Took {
    /// Returns true if it should have handed its loop over.
    pub(crate) fn is_long(self) -> bool {
        match self.computed {
            Some(computed) if self.time < LONG_COMPUTING => self.time.saturating_sub(computed) >= LONG,
            _ => self.time >= LONG,
        }
    }
}

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
        if self.has_suspect() {
            return true;
        }
        self.calls_skipped = (self.calls_skipped + 1) % SAMPLED;
        self.calls_skipped == 0
    }

    /// Returns true if an endpoint is suspected, so that it is worth while to measure processor time.
    pub(crate) fn has_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    /// Records a call on the loop's thread.
    pub(crate) fn observe(&mut self, pace: Pace, took: Took) {
        if !took.is_long() {
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

    const QUICK: Took = took(5, None);
    const SLOW: Took = took(500, None);

    const fn took(micros: u64, computed: Option<u64>) -> Took {
        Took {
            time: Duration::from_micros(micros),
            computed: match computed {
                Some(micros) => Some(Duration::from_micros(micros)),
                None => None,
            },
        }
    }

    #[test]
    fn a_call_is_long_if_it_waits_and_where_handlers_share_something_one_that_computes_may_take_longer() {
        assert!(!took(99, None).is_long());
        assert!(took(100, None).is_long());
        assert!(!took(150, Some(149)).is_long());
        assert!(!took(999, Some(900)).is_long());
        assert!(took(200, Some(100)).is_long(), "it has waited for half of the time");
        assert!(took(1000, Some(1000)).is_long());
        assert!(!took(50, Some(60)).is_long(), "clocks differ");
    }

    #[test]
    fn what_only_computes_is_suspected_but_not_proven_slow_where_handlers_share_something() {
        let pace = Pace::new();
        let mut suspicion = Suspicion::default();
        for _ in 0..1000 {
            let computed = suspicion.has_suspect().then_some(290);
            suspicion.observe(pace, took(300, computed));
        }
        assert!(!is_slow(pace));
        for _ in 0..2 * WATCHED {
            let computed = suspicion.has_suspect().then_some(60);
            suspicion.observe(pace, took(300, computed));
        }
        assert!(is_slow(pace), "now it waits");
    }

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
