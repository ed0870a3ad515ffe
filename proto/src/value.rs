//! Values that a server adds to its responses, checked once instead of with each response.

use std::fmt;

use crate::scan::{self, VALUE};

/// A field value that can be sent: it has no control bytes, so it ends where its line ends (RFC 9110 §5.5).
///
/// ```
/// use hansel_proto::FieldValue;
///
/// const TEXT: FieldValue = FieldValue::new(b"text/plain").unwrap();
/// assert_eq!(TEXT.bytes(), b"text/plain");
/// assert!(FieldValue::new(b"text/plain\r\nSet-Cookie: a=b").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldValue<'a>(&'a [u8]);

impl<'a> FieldValue<'a> {
    /// Checks these bytes. Returns `None` if they cannot be sent.
    pub const fn new(bytes: &'a [u8]) -> Option<FieldValue<'a>> {
        if are_in_a_value(bytes) {
            Some(FieldValue(bytes))
        } else {
            None
        }
    }

    /// Returns the bytes as they are sent.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldValue({:?})", String::from_utf8_lossy(self.0))
    }
}

/// A time in the form of RFC 9110 §5.6.7: `Fri, 20 Nov 2026 12:00:00 GMT`.
///
/// ```
/// use hansel_proto::HttpDate;
///
/// let date = HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT");
/// assert!(date.is_some());
/// assert!(HttpDate::new(b"Friday, 20-Nov-26 12:00:00 GMT").is_none(), "obsolete, and not to be sent");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HttpDate([u8; LENGTH]);

/// The length of an IMF-fixdate, in which every part has a fixed place.
const LENGTH: usize = 29;

impl HttpDate {
    /// Checks that these bytes have the form of an IMF-fixdate, and returns `None` otherwise. Whether such a day exists
    /// is not checked.
    pub const fn new(bytes: &[u8]) -> Option<HttpDate> {
        match bytes.first_chunk::<LENGTH>() {
            Some(whole) if bytes.len() == LENGTH && is_imf_fixdate(whole) => Some(HttpDate(*whole)),
            _ => None,
        }
    }

    /// Returns the date of the second that begins this many seconds after the beginning of 1970. Years have four
    /// digits: 10000 becomes 0000.
    ///
    /// ```
    /// let date = hansel_proto::HttpDate::at(1_795_176_000);
    /// assert_eq!(date.to_string(), "Fri, 20 Nov 2026 12:00:00 GMT");
    /// ```
    pub fn at(seconds: u64) -> HttpDate {
        let (days, second) = (seconds / DAY, seconds % DAY);
        let (year, month, day) = gregorian(days);
        let mut bytes = *b"Aaa, 00 Aaa 0000 00:00:00 GMT";
        bytes[..3].copy_from_slice(&WEEKDAYS[(days % 7) as usize]);
        bytes[8..11].copy_from_slice(&MONTHS[(month % 12) as usize]);
        write(&mut bytes[5..7], day);
        write(&mut bytes[12..16], year);
        write(&mut bytes[17..19], second / 3600);
        write(&mut bytes[20..22], second / 60 % 60);
        write(&mut bytes[23..25], second % 60);
        HttpDate(bytes)
    }

    /// Returns the bytes as they are sent.
    pub const fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpDate({self})")
    }
}

/// The seconds of a day. HTTP has no leap seconds.
const DAY: u64 = 86_400;

/// The days of a week, from the one that 1970 began with.
const WEEKDAYS: [[u8; 3]; 7] = [*b"Thu", *b"Fri", *b"Sat", *b"Sun", *b"Mon", *b"Tue", *b"Wed"];

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov", *b"Dec",
];

/// Returns the year, the month counted from 0, and the day counted from 1, of the day this many days after 1970-01-01.
fn gregorian(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that a leap day is the last of its year, and in eras of 400 years, which all
    // have the same number of days. The first era began 719,468 days before 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, every five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    (era * 400 + year + u64::from(is_next_year), (month + 2) % 12, day)
}

/// Writes the last digits of a number.
#[inline(never)]
fn write(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

const fn are_in_a_value(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if !scan::is(bytes[at], VALUE) {
            return false;
        }
        at += 1;
    }
    true
}

/// RFC 9110 §5.6.7: `IMF-fixdate = day-name "," SP date1 SP time-of-day SP GMT`.
const fn is_imf_fixdate(bytes: &[u8; LENGTH]) -> bool {
    let form = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    let mut at = 0;
    while at < LENGTH {
        let fits = match form[at] {
            b'0' => bytes[at].is_ascii_digit(),
            b'A' => bytes[at].is_ascii_uppercase(),
            b'a' => bytes[at].is_ascii_lowercase(),
            other => bytes[at] == other,
        };
        if !fits {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_differs_from_its_form_nowhere() {
        let good = *b"Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(HttpDate::new(&good).map(|date| date.0), Some(good));
        for at in 0..LENGTH {
            for byte in [b'\r', b'\n', b' ', b'\0', b'~'] {
                let mut bad = good;
                bad[at] = byte;
                assert_eq!(HttpDate::new(&bad).is_some(), bad == good, "{byte} at {at}");
            }
        }
        assert!(HttpDate::new(&good[1..]).is_none());
        assert!(HttpDate::new(b"Sun, 06 Nov 1994 08:49:37 GMT\r\nX: y").is_none());
        assert!(HttpDate::new(b"").is_none());
    }

    /// RFC 9110 §5.6.7, beside a calendar that is counted day by day, over more than the 400 years after which it repeats.
    #[test]
    fn a_date_is_that_of_the_calendar() {
        let months = [
            ("Jan", 31),
            ("Feb", 28),
            ("Mar", 31),
            ("Apr", 30),
            ("May", 31),
            ("Jun", 30),
            ("Jul", 31),
            ("Aug", 31),
            ("Sep", 30),
            ("Oct", 31),
            ("Nov", 30),
            ("Dec", 31),
        ];
        let mut names = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"].iter().cycle();
        let mut days = 0;
        for year in 1970..2405 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for (month, length) in months {
                let length = length + u64::from(is_leap && month == "Feb");
                for day in 1..=length {
                    // Another second each day.
                    let second = days * 7919 % 86_400;
                    let (hours, minutes, seconds) = (second / 3600, second % 3600 / 60, second % 60);
                    let name = names.next().unwrap();
                    let wanted = format!("{name}, {day:02} {month} {year} {hours:02}:{minutes:02}:{seconds:02} GMT");
                    assert_eq!(HttpDate::at(days * 86_400 + second).bytes()[..], *wanted.as_bytes());
                    days += 1;
                }
            }
        }
        for (seconds, wanted) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (86_399, "Thu, 01 Jan 1970 23:59:59 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (253_402_300_800, "Sat, 01 Jan 0000 00:00:00 GMT"),
        ] {
            assert_eq!(HttpDate::at(seconds).bytes()[..], *wanted.as_bytes());
        }
    }

    #[test]
    fn a_value_holds_what_a_field_may() {
        for byte in 0..=255 {
            assert_eq!(FieldValue::new(&[b'a', byte]).is_some(), scan::is_value(&[b'a', byte]));
        }
    }
}
