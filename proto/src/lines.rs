//! Field lines (RFC 9112 §5) of heads and of trailers.

use crate::refusal::{Reason, Refusal};
use crate::scan::{self, TOKEN};
use crate::span::Span;

/// One field line: the spans of its name and its value, counted from the start of the section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// Returns the values of all fields with that name, in order.
pub(crate) fn values<'b>(fields: &[Field], bytes: &'b [u8], name: &[u8]) -> impl Iterator<Item = &'b [u8]> {
    fields
        .iter()
        .filter(move |field| scan::is_word(field.name.of(bytes), name))
        .map(move |field| field.value.of(bytes))
}

/// The progress of reading a section of lines.
pub(crate) enum Lines {
    /// The empty line that ends the section ends at this index.
    End(usize),
    /// The bytes end inside the line that starts at `line`, after `fields` whole field lines.
    Open { line: usize, fields: usize },
}

/// Reads field lines from `start` up to the empty line: at most `most` of them, of which `known` came before. `read`
/// gets the index of a line and the number of lines before it; it returns the index of the next line, or `None` if the
/// bytes end first. Heads and trailers share this function.
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
            // A lenient reader would take a bare LF for the empty line, and not for one field too many.
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

/// Checks a field line as [`field_line`] does, and returns only where it ends.
#[inline(never)]
pub(crate) fn skip_field_line(bytes: &[u8], start: usize) -> Result<Option<usize>, Refusal> {
    Ok(field_line(bytes, start)?.map(|(_, next)| next))
}

/// RFC 9112 §5: `field-line = field-name ":" OWS field-value OWS`. Returns the field and the index of the next line, or
/// `None` if the bytes end first.
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

/// Returns the refusal of a field line whose name ends with `byte` instead of a colon.
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
