//! The time that a client waits for a response, as it says in a header.

use std::time::Duration;

use crate::Request;

/// A header by which a client says how long it waits for the response: a handler whose client has given up works for
/// nobody.
///
/// It shortens the time of the handler, as [`RouteLimits::deadline`](super::RouteLimits::deadline) does, and never lengthens
/// it. Where clients are strangers it costs nothing to allow it.
///
/// ```
/// use hansel::{App, ClientDeadline, Request, RouteLimits, Routes, test::Client};
///
/// let limits = RouteLimits::new().client_deadline(ClientDeadline::seconds("Request-Timeout"));
/// let client = Client::new(App::new(Routes::new().get("/report", || "42").route_limits(limits)));
/// let request = |seconds: &str| Request::get("/report").with_header("Request-Timeout", seconds);
/// assert_eq!(client.send(request("2.5")).text(), "42");
/// assert_eq!(client.send(request("soon")).status(), 400);
/// ```
///
/// A value is a decimal number, with or without a fraction. Anything else, and a header that comes more than once, is a 400,
/// and the handler is not called. Without the header the other limits count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDeadline {
    name: Box<str>,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

impl ClientDeadline {
    /// Creates a deadline from a header whose value is in seconds, such as `Request-Timeout: 2.5`.
    ///
    /// # Panics
    /// If it is no name of a header.
    #[track_caller]
    pub fn seconds(name: impl Into<String>) -> ClientDeadline {
        ClientDeadline::new(name.into(), Unit::Seconds)
    }

    /// Creates a deadline from a header whose value is in milliseconds, such as `X-Timeout-Ms: 2500`.
    ///
    /// # Panics
    /// If it is no name of a header.
    #[track_caller]
    pub fn milliseconds(name: impl Into<String>) -> ClientDeadline {
        ClientDeadline::new(name.into(), Unit::Milliseconds)
    }

    #[track_caller]
    fn new(name: String, unit: Unit) -> ClientDeadline {
        assert!(
            http::HeaderName::from_bytes(name.as_bytes()).is_ok(),
            "{name:?} is no name of a header"
        );
        let name = name.into_boxed_str();
        ClientDeadline { name, unit }
    }

    /// Returns the name of the header.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns how long the client waits, if it says so.
    ///
    /// # Errors
    /// Returns the reason why the value does not count, as a sentence.
    pub(super) fn read(&self, request: &Request) -> Result<Option<Duration>, String> {
        let value = request.single_header(&self.name).map_err(|error| error.to_string())?;
        let Some(value) = value else { return Ok(None) };
        let time = self.unit.time(value);
        time.map(Some)
            .ok_or_else(|| format!("the header `{}` must be a number of {}", self.name, self.unit.name()))
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "milliseconds",
        }
    }

    /// The number of decimal places of a nanosecond.
    fn places(self) -> usize {
        match self {
            Unit::Seconds => 9,
            Unit::Milliseconds => 6,
        }
    }

    /// Returns so many units of time. What is beyond five centuries is five centuries, and what is less than a nanosecond
    /// is left out.
    fn time(self, number: &str) -> Option<Duration> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let places = fraction.bytes().chain(std::iter::repeat(b'0')).take(self.places());
        let nanoseconds = whole.bytes().chain(places).fold(0_u64, |nanoseconds, digit| {
            nanoseconds.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        });
        Some(Duration::from_nanos(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_a_decimal_number_and_nothing_else() {
        let longest = Duration::from_nanos(u64::MAX);
        for (number, seconds, milliseconds) in [
            ("0", Some(Duration::ZERO), Some(Duration::ZERO)),
            (
                "2.5",
                Some(Duration::from_millis(2500)),
                Some(Duration::from_micros(2500)),
            ),
            ("007", Some(Duration::from_secs(7)), Some(Duration::from_millis(7))),
            ("0.0000000019", Some(Duration::from_nanos(1)), Some(Duration::ZERO)),
            ("99999999999999999999999999", Some(longest), Some(longest)),
            ("", None, None),
            (".5", None, None),
            ("5.", None, None),
            ("-1", None, None),
            ("+1", None, None),
            ("1e3", None, None),
            ("1,5", None, None),
            ("1 s", None, None),
            ("1.2.3", None, None),
            ("\u{0664}", None, None),
        ] {
            assert_eq!(Unit::Seconds.time(number), seconds, "{number}");
            assert_eq!(Unit::Milliseconds.time(number), milliseconds, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_is_written(milliseconds in 0..u64::from(u32::MAX)) {
            let time = Some(Duration::from_millis(milliseconds));
            let seconds = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
            prop_assert_eq!(Unit::Seconds.time(&seconds), time);
            prop_assert_eq!(Unit::Milliseconds.time(&milliseconds.to_string()), time);
        }
    }

    #[test]
    fn what_a_client_says_twice_it_does_not_say() {
        let deadline = ClientDeadline::seconds("X-Wait");
        let request = Request::get("/").with_header("x-wait", "1");
        assert_eq!(deadline.read(&request), Ok(Some(Duration::from_secs(1))));
        assert_eq!(deadline.read(&Request::get("/")), Ok(None));
        let twice = request.with_header("X-Wait", "1");
        assert!(deadline.read(&twice).unwrap_err().contains("more than once"));
    }

    #[test]
    #[should_panic(expected = "no name of a header")]
    fn a_name_that_no_header_has_is_a_mistake_at_start() {
        let _ = ClientDeadline::seconds("Request Timeout");
    }
}
