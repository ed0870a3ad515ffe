//! The date of a cookie, in whatever form it is: RFC 6265bis §5.1.1.

/// The names of the months begin with these.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Returns the second since 1970 that `text` names, 0 for those before.
pub(super) fn parse_date(text: &str) -> Option<u64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() {
            time = parse_time(token);
            if time.is_some() {
                continue;
            }
        }
        if day.is_none() {
            day = leading_number(token, 1, 2);
            if day.is_some() {
                continue;
            }
        }
        if month.is_none() {
            let start = token.get(..3).map(str::to_ascii_lowercase);
            month = MONTHS.iter().position(|month| start.as_deref() == Some(month));
            if month.is_some() {
                continue;
            }
        }
        if year.is_none() {
            year = leading_number(token, 2, 4);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let (day, month, (hour, minute, second)) = (day?, month?, time?);
    let is_date = year >= 1601 && (1..=days_of(month, year)).contains(&day);
    let is_time = hour <= 23 && minute <= 59 && second <= 59;
    let days = days_since_1970(year, month, day);
    (is_date && is_time).then(|| match days {
        0.. => days.unsigned_abs() * 86_400 + u64::from(hour * 3600 + minute * 60 + second),
        _ => 0,
    })
}

fn is_delimiter(letter: char) -> bool {
    matches!(letter, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// `hh:mm:ss`, each of one or two digits, and anything else behind it.
fn parse_time(token: &str) -> Option<(u32, u32, u32)> {
    let mut parts = token.splitn(3, ':');
    let mut whole = || parts.next().filter(|part| part.len() <= 2)?.parse::<u32>().ok();
    let (hour, minute) = (whole()?, whole()?);
    Some((hour, minute, leading_number(parts.next()?, 1, 2)?))
}

/// The number at the beginning, of so many digits.
fn leading_number(token: &str, least: usize, most: usize) -> Option<u32> {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    (least..=most).contains(&digits).then(|| token[..digits].parse().ok())?
}

fn is_leap(year: u32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The month is counted from 0.
fn days_of(month: usize, year: u32) -> u32 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: u32, month: usize, day: u32) -> i64 {
    let before = i64::from(year) - 1;
    let days_of_years = before * 365 + before / 4 - before / 100 + before / 400;
    let days_of_months: u32 = (0..month).map(|month| days_of(month, year)).sum();
    // 719,162 days were before 1970.
    days_of_years + i64::from(days_of_months + day) - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn s5_1_1_dates_of_all_forms_are_read() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("6 november 94 8:49:37", Some(784_111_777)),
            ("08:49:37x 06 Nov 1994 ignored", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Mon, 01 Jan 1601 00:00:00 GMT", Some(0)),
            ("Mon, 01 Jan 1600 00:00:00 GMT", None),
            ("01 Jan 69 00:00:00", Some(3_124_224_000)),
            ("29 Feb 2023 00:00:00", None),
            ("29 Feb 2024 00:00:00", Some(1_709_164_800)),
            ("0 Jan 2024 00:00:00", None),
            ("1 Jan 2024 24:00:00", None),
            ("1 Jan 2024 00:60:00", None),
            ("1 Jan 2024", None),
            ("1 2024 00:00:00", None),
            ("Jan 00:00:00", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_date_is_the_second_that_others_call_so(second in 0_u64..250_000_000_000) {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            prop_assert_eq!(parse_date(&text), Some(second));
        }

        #[test]
        fn no_text_panics(text in "[ -:a-z\\PC]{0,30}") {
            let _ = parse_date(&text);
        }
    }
}
