//! The head's lines: request line and field lines (RFC 9112 §2 to §5), each byte looked at once.
//!
//! Everything goes from left to right and stops at the first byte that breaks a rule, so that a
//! head gives the same outcome however it was cut into pieces.

use crate::head::{Head, Span, Version};
use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};
use crate::scan::{self, TOKEN};
use crate::section::Field;

/// RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at
/// least one empty line (CRLF) received prior to the request-line". A few, but not without end.
const EMPTY_LINES: usize = 8;

/// The longest registered method has 17 bytes (UPDATEREDIRECTREF).
const METHOD_BYTES: usize = 64;

/// How far a section of lines could be read.
pub(crate) enum Lines {
    /// The empty line that ends the section ends at this index.
    End(usize),
    /// The bytes end inside the line that starts at `line`, after `fields` whole field lines.
    Open { line: usize, fields: usize },
}

/// Parses the head at the start of `bytes` into `head`, if all of it is there.
pub(crate) fn head(bytes: &[u8], limits: &Limits, head: &mut Head) -> Result<Lines, Refusal> {
    let Some(first_field) = request_line(bytes, limits, head)? else {
        return Ok(Lines::Open { line: 0, fields: 0 });
    };
    head.section_start = first_field;
    let section = bytes.get(first_field..).unwrap_or_default();
    if head.section.comes_again(section, head.version, limits) {
        head.len = first_field + head.section.len();
        return Ok(Lines::End(head.len));
    }
    match head.section.parse(section, head.version, limits)? {
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

/// RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`. The index of the line
/// behind it, or `None` if it has not all arrived.
fn request_line(bytes: &[u8], limits: &Limits, head: &mut Head) -> Result<Option<usize>, Refusal> {
    let Some(method) = beginning(bytes)? else {
        return Ok(None);
    };
    head.method = method;
    let target_start = method.end as usize + 1;
    if !head.target.scan(bytes, target_start, limits.target_bytes)? {
        return Ok(None);
    }
    let Some((version, line_end)) = version(bytes, head.target.whole.end as usize + 1)? else {
        return Ok(None);
    };
    head.target.settle(bytes, method.of(bytes))?;
    head.version = version;
    Ok(Some(line_end))
}

/// The method, behind empty lines that may precede it; `None` if it has not all arrived.
#[inline(always)]
fn beginning(bytes: &[u8]) -> Result<Option<Span>, Refusal> {
    if bytes.starts_with(b"GET ") {
        // What most requests begin with needs no closer look.
        return Ok(Some(Span::new(0, 3)));
    }
    match empty_lines(bytes)? {
        Some(start) => method(bytes, start),
        None => Ok(None),
    }
}

/// The index behind the empty lines that may precede a request; `None` if they may go on.
#[inline(always)]
fn empty_lines(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut at = 0;
    while bytes.get(at) == Some(&b'\r') {
        if at == 2 * EMPTY_LINES {
            return Err(Refusal::limit(Reason::EmptyLines, EMPTY_LINES as u64));
        }
        match bytes.get(at + 1) {
            None => return Ok(None),
            Some(b'\n') => at += 2,
            Some(_) => return Err(Refusal::new(Reason::BareCr)),
        }
    }
    Ok((at < bytes.len()).then_some(at))
}

#[inline(always)]
fn method(bytes: &[u8], start: usize) -> Result<Option<Span>, Refusal> {
    let within = bytes.get(..start + METHOD_BYTES + 1).unwrap_or(bytes);
    let end = scan::run(within, start, TOKEN);
    match within.get(end) {
        Some(b' ') if end > start => Ok(Some(Span::new(start, end))),
        Some(b'\n') => Err(Refusal::new(Reason::BareLf)),
        Some(&byte) => Err(Refusal::byte(Reason::Method, byte)),
        // RFC 9112 §3: "A server that receives a method longer than any that it implements SHOULD
        // respond with a 501 (Not Implemented) status code."
        None if end - start > METHOD_BYTES => Err(Refusal::limit(Reason::MethodTooLong, METHOD_BYTES as u64)),
        None => Ok(None),
    }
}

/// RFC 9112 §2.3: `HTTP-version = HTTP-name "/" DIGIT "." DIGIT`, and the end of the line.
#[inline(always)]
fn version(bytes: &[u8], start: usize) -> Result<Option<(Version, usize)>, Refusal> {
    let rest = bytes.get(start..).unwrap_or_default();
    if rest.starts_with(b"HTTP/1.1\r\n") {
        return Ok(Some((Version::Http11, start + 10)));
    }
    any_version(rest).map(|version| version.map(|version| (version, start + 10)))
}

fn any_version(rest: &[u8]) -> Result<Option<Version>, Refusal> {
    for (&byte, &wanted) in rest.iter().zip(b"HTTP/0.0\r\n") {
        let right = if wanted == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == wanted
        };
        if !right {
            return Err(match (wanted, byte) {
                (b'\n', _) => Refusal::new(Reason::BareCr),
                (b'\r', b'\n') => Refusal::new(Reason::BareLf),
                _ => Refusal::byte(Reason::Version, byte),
            });
        }
    }
    let &[_, _, _, _, _, major, _, minor, _, _, ..] = rest else {
        return Ok(None);
    };
    match (major, minor) {
        (b'1', b'0') => Ok(Some(Version::Http10)),
        // RFC 9110 §2.5: "A recipient that receives a message with a major version number that it
        // implements and a minor version number higher than what it implements SHOULD process the
        // message as if it was in the highest minor version".
        (b'1', _) => Ok(Some(Version::Http11)),
        _ => Err(Refusal::byte(Reason::UnsupportedVersion, major)),
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
