//! The record of a session: its times and its values, as one text.

use serde_json::{Map, Value};

use super::settings::Lifetime;

/// The version of the text.
const VERSION: &str = "1";

/// The record of a session. Times are in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    /// When it began, or got its id.
    created: u64,
    /// When it was last written.
    touched: u64,
    pub(super) values: Map<String, Value>,
}

impl Record {
    pub(super) fn new(now: u64) -> Record {
        Record {
            created: now,
            touched: now,
            values: Map::new(),
        }
    }

    /// Starts its life again, as for a new session.
    pub(super) fn restart(&mut self, now: u64) {
        (self.created, self.touched) = (now, now);
    }

    pub(super) fn touch(&mut self, now: u64) {
        self.touched = now;
    }

    /// Returns the second at which it ends.
    pub(super) fn end(&self, lifetime: Lifetime) -> u64 {
        let idle = self.touched.saturating_add(lifetime.idle);
        idle.min(self.end_at_most(lifetime))
    }

    /// Returns the second at which it ends however much it is used.
    pub(super) fn end_at_most(&self, lifetime: Lifetime) -> u64 {
        self.created.saturating_add(lifetime.absolute)
    }

    /// Returns true if its use has to be noted. It is noted once a minute at most, so a session may end by so much sooner.
    pub(super) fn is_touch_due(&self, now: u64, lifetime: Lifetime) -> bool {
        let interval = (lifetime.idle / 10).clamp(1, 60);
        now.saturating_sub(self.touched) >= interval
    }

    pub(super) fn text(&self) -> String {
        let values = serde_json::to_string(&self.values).unwrap_or_default();
        format!("{VERSION} {} {} {values}", self.created, self.touched)
    }

    pub(super) fn parse(text: &str) -> Option<Record> {
        let mut parts = text.splitn(4, ' ');
        if parts.next()? != VERSION {
            return None;
        }
        Some(Record {
            created: parts.next()?.parse().ok()?,
            touched: parts.next()?.parse().ok()?,
            values: serde_json::from_str(parts.next()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIFETIME: Lifetime = Lifetime {
        idle: 1000,
        absolute: 5000,
    };

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let mut record = Record::new(100);
        assert_eq!(record.end(LIFETIME), 1100);
        record.touch(4000);
        assert_eq!(record.end(LIFETIME), 5000);
        record.touch(4500);
        assert_eq!(
            record.end(LIFETIME),
            5100,
            "use does not prolong it beyond its absolute end"
        );
        record.restart(u64::MAX - 1);
        assert_eq!(record.end(LIFETIME), u64::MAX);
    }

    #[test]
    fn use_is_noted_once_a_minute_at_most() {
        let record = Record::new(100);
        for (now, expected) in [(0, false), (100, false), (159, false), (160, true), (u64::MAX, true)] {
            assert_eq!(record.is_touch_due(now, LIFETIME), expected, "{now}");
        }
        let short = Lifetime { idle: 10, ..LIFETIME };
        assert!(!record.is_touch_due(100, short) && record.is_touch_due(101, short));
    }

    proptest! {
        #[test]
        fn a_record_reads_back(created: u64, touched: u64, values in prop::collection::hash_map(".*", ".*", 0..4)) {
            let values = values.into_iter().map(|(key, value)| (key, Value::from(value)));
            let record = Record { created, touched, values: values.collect() };
            prop_assert_eq!(Record::parse(&record.text()), Some(record));
        }

        #[test]
        fn whatever_is_stored_panics_nowhere(text in "(1 )?[0-9 ]{0,8}(\\{\\})?.{0,8}") {
            let _ = Record::parse(&text);
        }
    }
}
