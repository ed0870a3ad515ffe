//! Parses a head: its request line, and the header section after it (RFC 9112 §3, §5). Each byte is looked at once.
//!
//! Parsing goes from left to right and stops at the first byte that breaks a rule, so the result is the same however
//! the head was split.

use crate::head::Head;
use crate::limits::Limits;
use crate::lines::Lines;
use crate::refusal::Refusal;

/// The part of a head that is the same as in the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// The request line, but not the header section.
    Line,
    All,
}

/// Returns how much of the head at the start of `bytes` is the same as the last one, which was parsed into `head`. If all
/// of it is, `head` already describes these bytes.
#[inline]
pub(crate) fn known(bytes: &[u8], limits: &Limits, head: &mut Head) -> Known {
    let line = head.line.len();
    if line > limits.head_bytes || !head.line.comes_again(bytes, limits) {
        return Known::Nothing;
    }
    let section = bytes.get(line..).unwrap_or_default();
    if !head.section.comes_again(section, head.line.version, limits) {
        return Known::Line;
    }
    head.section_start = line;
    head.len = line + head.section.len();
    if head.len > limits.head_bytes {
        return Known::Line;
    }
    Known::All
}

/// Parses the head at the start of `bytes` into `head`, if it has completely arrived.
pub(crate) fn head(bytes: &[u8], limits: &Limits, head: &mut Head, known: Known) -> Result<Lines, Refusal> {
    let first_field = match known {
        Known::Nothing => head.line.parse(bytes, limits)?,
        Known::Line | Known::All => Some(head.line.len()),
    };
    let Some(first_field) = first_field else {
        return Ok(Lines::Open { line: 0, fields: 0 });
    };
    let version = head.line.version;
    head.section_start = first_field;
    let section = bytes.get(first_field..).unwrap_or_default();
    if known == Known::Nothing && head.section.comes_again(section, version, limits) {
        head.len = first_field + head.section.len();
        return Ok(Lines::End(head.len));
    }
    match head.section.parse(section, version, limits)? {
        Lines::Open { line, fields } => Ok(Lines::Open {
            line: first_field + line,
            fields,
        }),
        Lines::End(len) => {
            // Before the length is refused: whoever is told of the refusal may read the head.
            head.len = first_field + len;
            head.section.check_length(limits)?;
            Ok(Lines::End(head.len))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Connection, Received};

    #[test]
    fn a_head_that_is_known_still_has_its_limits() {
        let bytes = b"GET /users/17?page=12 HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n\r\n";
        for head_bytes in 1..=bytes.len() {
            let limits = Limits {
                head_bytes,
                ..Limits::default()
            };
            let mut kept = Head::new();
            let whole = Connection::new(Limits::default()).receive(bytes, &mut kept);
            assert_eq!(whole, Ok(Received::Head { len: bytes.len() }));
            let outcome = Connection::new(limits.clone()).receive(bytes, &mut kept);
            assert_eq!(
                outcome,
                Connection::new(limits).receive(bytes, &mut Head::new()),
                "{head_bytes}"
            );
            assert_eq!(outcome.is_ok(), head_bytes == bytes.len(), "{head_bytes}");
        }
    }
}
