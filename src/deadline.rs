//! The only way in which hansel adds a time to a moment.

use std::time::{Duration, Instant};

/// Practically for ever: longer than anybody waits, and short enough that every system's clock can add it to a moment
/// several times.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Returns the moment `time` after `start`; a moment that never comes if the clock can't tell that one, as for
/// [`Duration::MAX`].
#[inline]
pub(crate) fn after(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or_else(|| never(start))
}

/// Returns the earlier of two moments that may not exist.
#[inline]
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cold]
fn never(start: Instant) -> Instant {
    // If the clock cannot represent even this, `start` itself never comes.
    start.checked_add(FOR_EVER).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_moment_is_as_far_away_as_the_time_says_or_never_comes(seconds: u64, nanoseconds in 0_u32..1_000_000_000) {
            let start = Instant::now();
            for time in [Duration::new(seconds, nanoseconds), Duration::from_nanos(seconds), Duration::ZERO] {
                let moment = after(start, time);
                let is_told = start.checked_add(time).is_some();
                prop_assert_eq!(moment - start, if is_told { time } else { FOR_EVER });
            }
        }
    }

    #[test]
    fn what_never_comes_is_never_sooner_for_being_added_to() {
        let mut moment = Instant::now();
        for _ in 0..100 {
            let later = after(moment, Duration::MAX);
            assert!(later >= moment);
            moment = later;
        }
        assert!(moment - Instant::now() > FOR_EVER);
    }
}
