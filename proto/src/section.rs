//! The header section of a request: its field lines, and what they decide.

use crate::framing::{self, Decided, Framing};
use crate::limits::Limits;
use crate::lines::{self, Field, Lines};
use crate::refusal::Refusal;
use crate::span::Span;
use crate::version::Version;

/// A longer section is not kept for the next request: it would double the memory of a long head.
const REMEMBERED: usize = 4 * 1024;

/// A parsed header section. Its spans count from its own start, so they stay valid wherever the same bytes come again.
///
/// Clients repeat most of their fields, and clients behind one proxy send many of the same. So a repeated section is
/// recognised, not reparsed. In a different section, a field line is not parsed again if the last section had the same
/// line at the same place in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) fields: Vec<Field>,
    pub(crate) decided: Decided,
    /// The bytes that it was parsed from, including the empty line, and the version that it was parsed for. Empty if
    /// they were invalid or too many.
    bytes: Vec<u8>,
    version: Version,
    /// The fields of the last section, while this one is parsed; otherwise only their memory.
    last_fields: Vec<Field>,
}

impl Section {
    /// Returns the number of its bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true if these bytes start with the section that was parsed last, within these limits. Then it already
    /// describes the section at their start.
    #[inline]
    pub(crate) fn comes_again(&self, bytes: &[u8], version: Version, limits: &Limits) -> bool {
        !self.bytes.is_empty()
            && self.version == version
            && self.fields.len() <= limits.fields
            && self.check_length(limits).is_ok()
            && bytes.starts_with(&self.bytes)
    }

    /// Parses the section at the start of `bytes`, if it has completely arrived. Its length is not
    /// [checked](Section::check_length) yet.
    pub(crate) fn parse(&mut self, bytes: &[u8], version: Version, limits: &Limits) -> Result<Lines, Refusal> {
        let mut last = std::mem::take(&mut self.bytes);
        std::mem::swap(&mut self.fields, &mut self.last_fields);
        let known_host = self.decided.host.map_or(&[][..], |host| host.of(&last));
        self.clear();
        let Section {
            fields, last_fields, ..
        } = self;
        let lines = lines::field_lines(bytes, 0, 0, limits.fields, |at, index| {
            let again = repeated_line(bytes, at, &last, last_fields, index);
            let line = again.map_or_else(|| lines::field_line(bytes, at), |line| Ok(Some(line)))?;
            Ok(line.map(|(field, next)| {
                fields.push(field);
                next
            }))
        })?;
        if let Lines::End(len) = lines {
            self.decided = framing::settle(&self.fields, bytes, version, known_host)?;
            if len <= REMEMBERED {
                last.clear();
                last.extend_from_slice(bytes.get(..len).unwrap_or_default());
                self.bytes = last;
            }
            self.version = version;
        }
        Ok(lines)
    }

    /// Checks the announced length, whose section is whole.
    pub(crate) fn check_length(&self, limits: &Limits) -> Result<(), Refusal> {
        match self.decided.framing {
            Framing::Length(length) if length > limits.body_bytes => Err(Refusal::content_too_large(limits.body_bytes)),
            _ => Ok(()),
        }
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.decided = Decided::default();
    }
}

/// Returns the line that begins at `at`, and the index of the next one, if it equals the line with this `index` in the
/// `last` section. Whether a line is valid depends only on its bytes (RFC 9112 §5).
#[inline]
fn repeated_line(bytes: &[u8], at: usize, last: &[u8], last_fields: &[Field], index: usize) -> Option<(Field, usize)> {
    let field = last_fields.get(index)?;
    let start = field.name.start as usize;
    // The empty line follows the last field line.
    let next = last_fields.get(index + 1);
    let end = next.map_or(last.len().checked_sub(2)?, |next| next.name.start as usize);
    let line = last.get(start..end)?;
    if !bytes.get(at..)?.starts_with(line) {
        return None;
    }
    let moved = |span: Span| Span::new(span.start as usize - start + at, span.end as usize - start + at);
    let field = Field {
        name: moved(field.name),
        value: moved(field.value),
    };
    Some((field, at + line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Head;
    use crate::parse::{Known, head as parse_head};

    fn parsed(text: &str, limits: &Limits, head: &mut Head) -> Result<usize, Refusal> {
        match parse_head(text.as_bytes(), limits, head, Known::Nothing)? {
            Lines::End(len) => Ok(len),
            Lines::Open { .. } => Ok(0),
        }
    }

    #[test]
    fn a_repeated_section_reads_as_it_did_the_first_time() {
        let limits = Limits::default();
        let section = "Host: a.test\r\nContent-Length: 3\r\nCookie: a=b\r\n\r\n";
        let mut kept = Head::new();
        for line in [
            "GET / HTTP/1.1",
            "POST /longer?than=before HTTP/1.1",
            "PUT /x HTTP/1.0",
            "GET / HTTP/1.1",
        ] {
            let text = format!("{line}\r\n{section}");
            let bytes = text.as_bytes();
            let mut fresh = Head::new();
            assert_eq!(parsed(&text, &limits, &mut kept), parsed(&text, &limits, &mut fresh));
            assert_eq!(kept.len(), text.len());
            assert_eq!(kept.method(bytes), fresh.method(bytes));
            assert_eq!(kept.target(bytes), fresh.target(bytes));
            assert_eq!(kept.authority(bytes), Some("a.test"));
            assert_eq!(kept.framing(), Framing::Length(3));
            assert_eq!(kept.keep_alive(), fresh.keep_alive(), "{line}");
            assert!(kept.fields(bytes).eq(fresh.fields(bytes)));
        }
    }

    #[test]
    fn a_long_section_is_not_kept_and_a_short_one_is() {
        let mut section = Section::default();
        for (length, kept) in [(REMEMBERED, REMEMBERED), (REMEMBERED + 1, 0), (20, 20)] {
            let text = format!(
                "Host: a\r\nX: {}\r\n\r\n",
                "x".repeat(length - "Host: a\r\nX: \r\n\r\n".len())
            );
            let read = section.parse(text.as_bytes(), Version::Http11, &Limits::default());
            assert!(matches!(read, Ok(Lines::End(len)) if len == length));
            assert_eq!(section.bytes.len(), kept, "of {length}");
        }
    }

    #[test]
    fn lines_that_come_again_read_as_they_did_wherever_they_are() {
        let limits = Limits::default();
        let mut kept = Head::new();
        for section in [
            "Host: a.test\r\nCookie: a=b\r\nAccept: */*\r\n\r\n",
            "Host: a.test\r\nCookie: longer=than before\r\nAccept: */*\r\n\r\n",
            "Host: a.test\r\nAccept: */*\r\n\r\n",
            "Host: a.test\r\nAccept: */*  \r\nX: \r\n\r\n",
            "Host: b.test\r\nAccept: */*  \r\nX: \r\nConnection: close\r\n\r\n",
            "Host: b.test\r\nAccept: */*\r\nX: \r\nConnection: closed\r\n\r\n",
            "Host: b.test\r\nContent-Length: 7\r\nX: \r\nConnection: closed\r\n\r\n",
            "Host: b.test\r\nContent-Length: 8\r\nX: \r\n\r\n",
            "Host: b.test\r\n\r\n",
        ] {
            let text = format!("GET / HTTP/1.1\r\n{section}");
            let bytes = text.as_bytes();
            let mut fresh = Head::new();
            assert_eq!(parsed(&text, &limits, &mut kept), parsed(&text, &limits, &mut fresh));
            assert_eq!(kept.authority(bytes), fresh.authority(bytes));
            assert_eq!(kept.framing(), fresh.framing());
            assert_eq!(kept.keep_alive(), fresh.keep_alive());
            assert!(kept.fields(bytes).eq(fresh.fields(bytes)), "{section:?}");
        }
        for wrong in [
            "Host: b.test\r\nHost: b.test\r\n\r\n",
            "Host: b.test\r\n X: y\r\n\r\n",
            "X: y\r\n\r\n",
        ] {
            let text = format!("GET / HTTP/1.1\r\n{wrong}");
            assert!(parsed("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", &limits, &mut kept).is_ok());
            assert!(parsed(&text, &limits, &mut kept).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_differs_in_one_byte_or_was_refused_is_parsed_anew() {
        let limits = Limits::default();
        let mut head = Head::new();
        assert!(parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &limits, &mut head).is_ok());
        assert!(parsed("GET / HTTP/1.1\r\nHost: b\r\n\r\n", &limits, &mut head).is_ok());
        assert_eq!(head.authority(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"), Some("b"));
        for _ in 0..2 {
            assert!(parsed("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", &limits, &mut head).is_err());
        }
        assert_eq!(parsed("GET / HTTP/1.1\r\nHost: a\r\n", &limits, &mut head), Ok(0));
    }

    #[test]
    fn whatever_byte_is_another_one_than_before_a_section_reads_as_if_it_were_the_first() {
        let limits = Limits::default();
        let base = "POST / HTTP/1.1\r\nHost: a.test\r\nCookie: a=bc; d\r\nX:\r\nContent-Length: 17\r\nConnection: close\r\n\
                    Expect:  \r\nY: \tz \r\n\r\nrest";
        let (mut kept, mut whole) = (Head::new(), 0);
        for at in "POST / HTTP/1.1\r\n".len()..base.len() {
            for byte in 0..=255 {
                let mut bytes = base.as_bytes().to_vec();
                bytes[at] = byte;
                // The base comes again: what was refused must leave nothing behind.
                for bytes in [base.as_bytes(), &bytes, base.as_bytes()] {
                    let mut fresh = Head::new();
                    let read = |head: &mut Head| {
                        parse_head(bytes, &limits, head, Known::Nothing).map(|lines| match lines {
                            Lines::End(len) => Some(len),
                            Lines::Open { .. } => None,
                        })
                    };
                    let outcome = read(&mut kept);
                    assert_eq!(outcome, read(&mut fresh), "{byte:02x} at {at}");
                    if outcome.is_ok_and(|len| len.is_some()) {
                        whole += 1;
                        assert_eq!(kept.authority(bytes), fresh.authority(bytes), "{byte:02x} at {at}");
                        assert_eq!(kept.framing(), fresh.framing(), "{byte:02x} at {at}");
                        assert_eq!(kept.keep_alive(), fresh.keep_alive(), "{byte:02x} at {at}");
                        assert_eq!(kept.expects_continue(), fresh.expects_continue(), "{byte:02x} at {at}");
                        assert!(kept.fields(bytes).eq(fresh.fields(bytes)), "{byte:02x} at {at}");
                    }
                }
            }
        }
        assert!(whole > base.len() * 256);
    }

    #[test]
    fn limits_hold_for_a_repeated_section() {
        let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
        let mut head = Head::new();
        assert!(parsed(text, &Limits::default(), &mut head).is_ok());
        let small = Limits {
            body_bytes: 8,
            ..Limits::default()
        };
        assert_eq!(parsed(text, &small, &mut head).unwrap_err().status(), 413);
        assert!(parsed(text, &Limits::default(), &mut head).is_ok());
        let few = Limits {
            fields: 1,
            ..Limits::default()
        };
        assert_eq!(parsed(text, &few, &mut head).unwrap_err().status(), 431);
    }
}
