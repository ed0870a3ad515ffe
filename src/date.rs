//! The value of the Date field, formatted once a second.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hansel_proto::HttpDate;

use crate::deadline::after;

/// A time in the form of RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) struct Date {
    second: u64,
    /// `None` before the clock was read.
    value: Option<HttpDate>,
    /// When the value changes.
    stale_at: Instant,
}

impl Date {
    pub(crate) fn now() -> Date {
        let mut date = Date {
            second: u64::MAX,
            value: None,
            stale_at: Instant::now(),
        };
        date.refresh(date.stale_at);
        date
    }

    #[cfg(test)]
    pub(crate) fn of_second(second: u64) -> Date {
        Date {
            second,
            value: Some(HttpDate::at(second)),
            stale_at: Instant::now(),
        }
    }

    /// Updates it from the clock, which is read once a second.
    pub(crate) fn refresh(&mut self, now: Instant) {
        if now < self.stale_at {
            return;
        }
        let (monotonic, now) = (now, SystemTime::now());
        // A clock before 1970 was never set.
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.stale_at = after(
            monotonic,
            Duration::from_nanos(u64::from(1_000_000_000 - since.subsec_nanos())),
        );
        let second = since.as_secs();
        if second != self.second {
            self.second = second;
            self.value = Some(HttpDate::at(second));
        }
    }

    /// Copies `other`, which is cheaper than reading the clock.
    pub(crate) fn catch_up(&mut self, other: &Date) {
        if self.second != other.second {
            self.second = other.second;
            self.value = other.value;
            self.stale_at = other.stale_at;
        }
    }

    /// Returns the seconds since 1970.
    pub(crate) fn second(&self) -> u64 {
        self.second
    }

    /// Returns the millisecond of `now` within its second, for a date that was refreshed at `now`.
    pub(crate) fn millisecond(&self, now: Instant) -> u32 {
        let left = self.stale_at.saturating_duration_since(now);
        999 - (left.as_millis().min(999) as u32)
    }

    /// Returns the value as it is sent.
    pub(crate) fn value(&self) -> Option<HttpDate> {
        self.value
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.value.as_ref().map_or(&[], |value| value.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_its_second() {
        let date = Date::now();
        let value = date.value().expect("the clock has been asked");
        let text = std::str::from_utf8(value.bytes()).unwrap();
        let said = httpdate::parse_http_date(text).unwrap();
        assert_eq!(said, UNIX_EPOCH + Duration::from_secs(date.second));
    }

    #[test]
    fn every_day_of_four_centuries_has_the_date_that_others_give_it() {
        for day in 0..=146_097 {
            let second = day * 86_400 + day % 86_400;
            let known = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            assert_eq!(HttpDate::at(second).bytes(), known.as_bytes());
        }
    }
}
