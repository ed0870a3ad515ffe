//! Reading header fields that may be repeated.

use crate::Request;

/// The value of a header that a request has at most once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Only<'r> {
    Absent,
    Value(&'r [u8]),
    /// There are several, of which none counts.
    Several,
}

/// Returns the value of a header that is no list.
pub(super) fn only<'r>(request: &'r Request, name: &'static str) -> Only<'r> {
    let mut lines = request
        .headers()
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    match (lines.next(), lines.next()) {
        (None, _) => Only::Absent,
        (Some(value), None) => Only::Value(value),
        (Some(_), Some(_)) => Only::Several,
    }
}
