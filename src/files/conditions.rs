//! Conditional requests: RFC 9110 §13.

use std::time::UNIX_EPOCH;

use super::validators::Validators;
use crate::Request;

/// The effect of the conditions of a request on its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of them hold, or there are none.
    Perform,
    /// 304: the client has the current version.
    NotModified,
    /// 412: the client expects another version.
    Failed,
}

/// Evaluates the conditions of a request by GET or HEAD for something that exists, in the order of RFC 9110 §13.2.2.
pub(super) fn evaluate(request: &Request, current: &Validators) -> Outcome {
    // "1. When recipient is the origin server and If-Match is present, evaluate the If-Match precondition: .. if false,
    // respond 412".
    match request.if_match(current.tag()) {
        Some(true) => {}
        Some(false) => return Outcome::Failed,
        // "2. .. If-Match is not present, and If-Unmodified-Since is present, evaluate ..".
        None if is_unmodified_since(request, "if-unmodified-since", current) == Some(false) => return Outcome::Failed,
        None => {}
    }
    // "3. When If-None-Match is present, evaluate .. if false for GET/HEAD, respond 304".
    match request.if_none_match(current.tag()) {
        Some(true) => Outcome::NotModified,
        Some(false) => Outcome::Perform,
        // "4. When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present ..".
        None if is_unmodified_since(request, "if-modified-since", current) == Some(true) => Outcome::NotModified,
        None => Outcome::Perform,
    }
}

/// Returns whether the range that is asked for is one of the current version: RFC 9110 §13.1.5.
pub(super) fn is_range_current(request: &Request, current: &Validators) -> bool {
    match request.single_header_bytes("if-range") {
        Ok(None) => true,
        Ok(Some(value)) => current.is_strongly(value) || current.is_date_in_range(value),
        Err(_) => false,
    }
}

/// Returns whether the file has not been modified since the date in this header. None if there is no such header, or
/// it does not count.
fn is_unmodified_since(request: &Request, name: &'static str, current: &Validators) -> Option<bool> {
    // RFC 9110 §13.1.3: "A recipient MUST ignore the If-Modified-Since header field if the received field value is not
    // a valid HTTP-date, the field value has more than one member", and "if the resource does not have a modification
    // date available". §13.1.4 says the same of If-Unmodified-Since.
    let modified = current.modified()?;
    let value = request.single_header_bytes(name).ok()??;
    // What a client has got it usually sends back.
    if current.last_modified().is_some_and(|date| date.bytes() == value) {
        return Some(true);
    }
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    Some(modified <= date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a version with a strong tag, which was modified at 08:49:37.
    fn outcome(fields: &[(&str, &str)]) -> Outcome {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.with_header(name, value);
        }
        evaluate(&request, &Validators::of_test("\"v\"", 784_111_777))
    }

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    #[test]
    fn s13_1_1_if_match_compares_strongly() {
        for (value, expected) in [
            ("\"v\"", Outcome::Perform),
            ("*", Outcome::Perform),
            ("\"x\", \"v\"", Outcome::Perform),
            ("\"x\"", Outcome::Failed),
            ("W/\"v\"", Outcome::Failed),
            ("v", Outcome::Failed),
            ("", Outcome::Failed),
        ] {
            assert_eq!(outcome(&[("If-Match", value)]), expected, "{value}");
        }
        assert_eq!(
            outcome(&[("If-Match", "\"x\""), ("If-Match", "\"v\"")]),
            Outcome::Perform,
            "lines are one list"
        );
    }

    #[test]
    fn s13_1_2_if_none_match_compares_weakly() {
        for (value, expected) in [
            ("\"v\"", Outcome::NotModified),
            ("W/\"v\"", Outcome::NotModified),
            ("*", Outcome::NotModified),
            ("\"x\",\"v\"", Outcome::NotModified),
            ("\"x\"", Outcome::Perform),
            ("v", Outcome::Perform),
            ("\"x\", *", Outcome::Perform),
        ] {
            assert_eq!(outcome(&[("If-None-Match", value)]), expected, "{value}");
        }
    }

    #[test]
    fn s13_1_3_and_4_dates_are_compared_by_the_second() {
        for (date, since, unmodified) in [
            (EARLIER, Outcome::Perform, Outcome::Failed),
            (SAME, Outcome::NotModified, Outcome::Perform),
            (LATER, Outcome::NotModified, Outcome::Perform),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Outcome::NotModified, Outcome::Perform),
            ("Sun Nov  6 08:49:37 1994", Outcome::NotModified, Outcome::Perform),
            ("yesterday", Outcome::Perform, Outcome::Perform),
            ("", Outcome::Perform, Outcome::Perform),
            ("784111777", Outcome::Perform, Outcome::Perform),
        ] {
            assert_eq!(outcome(&[("If-Modified-Since", date)]), since, "{date}");
            assert_eq!(outcome(&[("If-Unmodified-Since", date)]), unmodified, "{date}");
        }
        let twice = [("If-Modified-Since", SAME), ("If-Modified-Since", SAME)];
        assert_eq!(outcome(&twice), Outcome::Perform, "more than one member");
    }

    #[test]
    fn s13_2_2_conditions_have_an_order() {
        for (fields, expected) in [
            (
                &[("If-Match", "\"v\""), ("If-Unmodified-Since", EARLIER)][..],
                Outcome::Perform,
            ),
            (
                &[("If-Match", "\"x\""), ("If-Unmodified-Since", LATER)],
                Outcome::Failed,
            ),
            (
                &[("If-None-Match", "\"x\""), ("If-Modified-Since", LATER)],
                Outcome::Perform,
            ),
            (
                &[("If-None-Match", "\"v\""), ("If-Modified-Since", EARLIER)],
                Outcome::NotModified,
            ),
            (&[("If-Match", "\"x\""), ("If-None-Match", "\"v\"")], Outcome::Failed),
            (
                &[("If-Match", "\"v\""), ("If-None-Match", "\"v\"")],
                Outcome::NotModified,
            ),
            (
                &[("If-Unmodified-Since", EARLIER), ("If-None-Match", "\"v\"")],
                Outcome::Failed,
            ),
            (
                &[("If-Unmodified-Since", LATER), ("If-Modified-Since", LATER)],
                Outcome::NotModified,
            ),
        ] {
            assert_eq!(outcome(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn without_a_validator_only_what_exists_matches() {
        let outcome = |name, value| evaluate(&Request::get("/").with_header(name, value), &Validators::default());
        assert_eq!(outcome("If-Match", "*"), Outcome::Perform);
        assert_eq!(outcome("If-Match", "\"\""), Outcome::Failed);
        assert_eq!(outcome("If-None-Match", "*"), Outcome::NotModified);
        assert_eq!(outcome("If-None-Match", "\"\""), Outcome::Perform);
        assert_eq!(outcome("If-Modified-Since", LATER), Outcome::Perform);
        assert_eq!(outcome("If-Unmodified-Since", EARLIER), Outcome::Perform);
    }

    #[test]
    fn s13_1_5_if_range_is_the_exact_strong_validator() {
        let current = Validators::of_test("\"v\"", 784_111_777);
        let is_current = |value| is_range_current(&Request::get("/").with_header("If-Range", value), &current);
        assert!(is_range_current(&Request::get("/"), &current));
        assert!(is_current("\"v\"") && is_current(SAME));
        for stale in [
            "W/\"v\"",
            "\"x\"",
            EARLIER,
            LATER,
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "*",
            "",
            "\"v\", \"v\"",
        ] {
            assert!(!is_current(stale), "{stale}");
        }
        let twice = Request::get("/")
            .with_header("If-Range", "\"v\"")
            .with_header("If-Range", "\"v\"");
        assert!(!is_range_current(&twice, &current));
    }
}
