//! A head: its request line, and the field lines behind it (RFC 9112 §5), each byte looked at once.
//!
//! Everything goes from left to right and stops at the first byte that breaks a rule, so that a
//! head gives the same outcome however it was cut into pieces.

use crate::head::{Head, Span};
use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};
use crate::scan::{self, TOKEN};
use crate::section::Field;

/// How far a section of lines could be read.
pub(crate) enum Lines {
    /// The empty line that ends the section ends at this index.
    End(usize),
    /// The bytes end inside the line that starts at `line`, after `fields` whole field lines.
    Open { line: usize, fields: usize },
}

/// How much of a head is known from the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// The request line. The fields are not.
    Line,
    All,
}

/// How much of the head at the start of `bytes` is like the last one, which was parsed into `head`: the same but for parts
/// on which nothing else depends. If all of it is, `head` is this one now, without having been parsed.
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

/// Parses the head at the start of `bytes` into `head`, if all of it is there.
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
            head.len = first_field + len;
            Ok(Lines::End(head.len))
        }
    }
}

/// Goes over field lines from `start` until the empty line: `most` of them at most, `known` of which
/// came before. `read` is given where a line begins and how many came before it; it says where the next
/// one begins, or `None` if the bytes end first. The same for heads and for trailers.
#[inline(always)]
pub(crate) fn field_lines(
    bytes: &[u8],
    start: usize,
    known: usize,
    most: usize,
    mut read: impl FnMut(usize, usize) -> Result<Option<usize>, Refusal>,
) -> Result<Lines, Refusal> {
    let mut line = start;
    let mut fields = known;
    loop {
        let open = Ok(Lines::Open { line, fields });
        let Some(&first) = bytes.get(line) else {
            return open;
        };
        if first == b'\r' {
            return match bytes.get(line + 1) {
                None => open,
                Some(b'\n') => Ok(Lines::End(line + 2)),
                Some(_) => Err(Refusal::new(Reason::BareCr)),
            };
        }
        if fields == most {
            // A bare LF would be the empty line to a lenient reader, and no field too many.
            return Err(match first {
                b'\n' => Refusal::new(Reason::BareLf),
                _ => Refusal::limit(Reason::TooManyFields, most as u64),
            });
        }
        let Some(next) = read(line, fields)? else {
            return open;
        };
        fields += 1;
        line = next;
    }
}

/// As [`field_line`], for whoever only wants to know that it is right, and where it ends.
#[inline(never)]
pub(crate) fn skip_field_line(bytes: &[u8], start: usize) -> Result<Option<usize>, Refusal> {
    Ok(field_line(bytes, start)?.map(|(_, next)| next))
}

/// RFC 9112 §5: `field-line = field-name ":" OWS field-value OWS`. The field and the index of the
/// next line, or `None` if the bytes end first.
#[inline(always)]
pub(crate) fn field_line(bytes: &[u8], start: usize) -> Result<Option<(Field, usize)>, Refusal> {
    let colon = scan::run(bytes, start, TOKEN);
    match bytes.get(colon) {
        Some(b':') if colon > start => {}
        Some(&byte) => return Err(not_a_name(byte, colon == start)),
        None => return Ok(None),
    }
    let mut value_start = colon + 1;
    while matches!(bytes.get(value_start), Some(b' ' | b'\t')) {
        value_start += 1;
    }
    let line_end = scan::value_end(bytes, value_start);
    match (bytes.get(line_end), bytes.get(line_end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (None, _) | (Some(b'\r'), None) => return Ok(None),
        (Some(b'\r'), Some(_)) => return Err(Refusal::new(Reason::BareCr)),
        (Some(b'\n'), _) => return Err(Refusal::new(Reason::BareLf)),
        (Some(&byte), _) => return Err(Refusal::byte(Reason::FieldValue, byte)),
    }
    let mut value_end = line_end;
    while value_end > value_start && matches!(bytes[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    let field = Field {
        name: Span::new(start, colon),
        value: Span::new(value_start, value_end),
    };
    Ok(Some((field, line_end + 2)))
}

/// What is wrong with a field line whose name ends with `byte` instead of a colon.
#[cold]
fn not_a_name(byte: u8, at_start: bool) -> Refusal {
    match byte {
        // RFC 9112 §5.2: "A server that receives an obs-fold in a request message that is not
        // within a "message/http" container MUST either reject the message [...] or replace each".
        // §2.2 has the same for whitespace before the first field line.
        b' ' | b'\t' if at_start => Refusal::new(Reason::LeadingWhitespace),
        // RFC 9112 §5.1: "A server MUST reject, with a response status code of 400 (Bad Request),
        // any received request message that contains whitespace between a header field name and
        // colon."
        b' ' | b'\t' => Refusal::new(Reason::SpaceBeforeColon),
        b'\n' => Refusal::new(Reason::BareLf),
        _ => Refusal::byte(Reason::FieldName, byte),
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
