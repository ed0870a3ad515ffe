//! Which connections have been idle longest.

use std::time::{Duration, Instant};

use crate::deadline::after;

use super::slots::Slots;

/// How long a connection must have been idle: of one that has just been opened, or answered, the next request is likely
/// to be on its way.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// How long a loop that has found nobody to close does not look again, for each 16,384 places that it has.
const PAUSE: Duration = Duration::from_millis(100);

/// Those that had been idle for a [`MOMENT`] when this was made, and since when: the one that has been idle longest comes
/// last.
///
/// Whoever is idle later is so for a shorter time. So this holds good until it is used up, however the connections in it
/// fare meanwhile, and to make it anew is worth going through all of them. (Not so within the moment: one that has just
/// been accepted counts as idle from then on, but only once the loop has looked whether it asks something.)
#[derive(Default)]
pub(super) struct Idlest {
    by_age: Vec<(Instant, usize)>,
    /// When it is worth making anew, once it is used up.
    again: Option<Instant>,
}

impl Idlest {
    /// Takes out the connection that has been idle longest, if that is long enough.
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

    /// Before which moment there is nobody, if there was nobody now.
    pub(super) fn none_before(&self) -> Option<Instant> {
        self.again
    }

    /// Looks who has been idle long enough.
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
