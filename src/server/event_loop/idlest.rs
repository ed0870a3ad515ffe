//! The connections that have been idle longest.

use std::time::{Duration, Instant};

use crate::deadline::after;

use super::slots::Slots;

/// The time for which a connection must have been idle. The next request of one that was just opened or served is probably on its
/// way.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// The time for which a loop that found no connection to close does not search again, for each 16,384 of its slots.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that had been idle for a [`MOMENT`] when this list was made, and since when. The one that has been idle
/// longest comes last.
///
/// A connection that becomes idle later is idle for a shorter time. So the list stays valid until it is used up,
/// whatever happens to its connections meanwhile, and making it again is worth a pass over all slots. (This does not
/// hold within the moment: a connection that was just accepted counts as idle from then on, but only once the loop has
/// checked whether it has sent something.)
#[derive(Default)]
pub(super) struct Idlest {
    by_age: Vec<(Instant, usize)>,
    /// The moment from which making the list again is worth it, once it is used up.
    again: Option<Instant>,
}

impl Idlest {
    /// Removes the connection that has been idle longest, if that is long enough.
    pub(super) fn next(&mut self, slots: &Slots, now: Instant) -> Option<usize> {
        if self.by_age.is_empty() && self.again.is_none_or(|again| again <= now) {
            self.sort(slots, now);
        }
        while let Some((since, key)) = self.by_age.pop() {
            if slots.idle_since(key) == Some(since) {
                return Some(key);
            }
        }
        None
    }

    /// Returns until when no connection qualifies, if none does now.
    pub(super) fn none_before(&self) -> Option<Instant> {
        self.again
    }

    /// Collects the connections that have been idle long enough.
    fn sort(&mut self, slots: &Slots, now: Instant) {
        let mut by_age = std::mem::take(&mut self.by_age);
        by_age.extend((0..slots.len()).filter_map(|key| Some((slots.idle_since(key)?, key))));
        let first_of_age = by_age.iter().map(|(since, _)| after(*since, MOMENT)).min();
        by_age.retain(|(since, _)| after(*since, MOMENT) <= now);
        by_age.sort_unstable_by(|one, other| other.cmp(one));
        let pause = after(now, PAUSE.saturating_mul(1 + (slots.len() >> 14) as u32));
        *self = Idlest {
            by_age,
            again: first_of_age.map_or(Some(pause), |first| Some(first.max(pause))),
        };
    }
}
