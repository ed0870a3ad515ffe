//! The request line (RFC 9112 §3), and how a repeated one is recognised.

use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};
use crate::scan::{self, TOKEN};
use crate::span::Span;
use crate::target::Target;
use crate::version::Version;

/// RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line
/// (CRLF) received prior to the request-line". A few are accepted, but not any number.
const EMPTY_LINES: usize = 8;

/// The longest registered method has 17 bytes (UPDATEREDIRECTREF).
const METHOD_BYTES: usize = 64;

/// A parsed request line.
///
/// Clients repeat requests, so a repeated line is recognised, not reparsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestLine {
    pub(crate) method: Span,
    pub(crate) target: Target,
    pub(crate) version: Version,
    /// The bytes that it was parsed from, including the end of the line. Empty unless they were valid and began with
    /// the method.
    bytes: Vec<u8>,
}

impl RequestLine {
    /// Returns the number of its bytes, if it was parsed from the beginning of a head.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true if `bytes` start with the line that was parsed last, within these limits. Then it already describes
    /// the line at their start.
    #[inline]
    pub(crate) fn comes_again(&self, bytes: &[u8], limits: &Limits) -> bool {
        !self.bytes.is_empty() && self.target.whole.len() <= limits.target_bytes && bytes.starts_with(&self.bytes)
    }

    /// RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`.
    ///
    /// Returns the index of the next line, or `None` if the line has not completely arrived.
    pub(crate) fn parse(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        self.bytes.clear();
        let Some(method) = beginning(bytes)? else {
            return Ok(None);
        };
        self.method = method;
        let target_start = method.end as usize + 1;
        if !self.target.scan(bytes, target_start, limits.target_bytes)? {
            return Ok(None);
        }
        let Some((version, line_end)) = version(bytes, self.target.whole.end as usize + 1)? else {
            return Ok(None);
        };
        self.target.settle(bytes, method.of(bytes))?;
        self.version = version;
        if method.start == 0 {
            self.bytes.extend_from_slice(bytes.get(..line_end).unwrap_or_default());
        }
        Ok(Some(line_end))
    }
}

/// Returns the method, after empty lines that may precede it; `None` if it has not completely arrived.
#[inline(always)]
fn beginning(bytes: &[u8]) -> Result<Option<Span>, Refusal> {
    match empty_lines(bytes)? {
        Some(start) => method(bytes, start),
        None => Ok(None),
    }
}

/// Returns the index after the empty lines that may precede a request; `None` if the bytes end inside one.
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
    Ok(Some(at))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TargetForm;

    /// Returns what a line was parsed to.
    fn read(line: &RequestLine, bytes: &[u8]) -> String {
        let Target {
            whole,
            form,
            scheme,
            authority,
            path,
            query,
            path_has_escapes,
            ..
        } = line.target;
        // In every other form, these are left over from an earlier line.
        let (scheme, authority) = match form {
            TargetForm::Absolute => (scheme, authority),
            TargetForm::Authority => (Span::default(), authority),
            TargetForm::Origin | TargetForm::Asterisk => Default::default(),
        };
        let parts = [line.method, whole, scheme, authority, path].map(|span| span.of(bytes));
        let query = query.map(|span| span.of(bytes));
        format!("{parts:?} {query:?} {form:?} {path_has_escapes} {:?}", line.version)
    }

    /// Parses a line with everything that is remembered, and compares the result with a fresh parse. Returns true if
    /// the line was recognised.
    fn check(kept: &mut RequestLine, bytes: &[u8], limits: &Limits) -> bool {
        let mut fresh = RequestLine::default();
        let outcome = fresh.parse(bytes, limits);
        let text = bytes.escape_ascii();
        let is_known = kept.comes_again(bytes, limits);
        if is_known {
            assert_eq!(Ok(Some(kept.len())), outcome, "{text}");
        } else {
            assert_eq!(kept.parse(bytes, limits), outcome, "{text}");
        }
        if let Ok(Some(_)) = outcome {
            assert_eq!(read(kept, bytes), read(&fresh, bytes), "{text}");
        }
        is_known
    }

    #[test]
    fn whatever_byte_is_another_one_than_before_a_line_reads_as_if_it_were_the_first() {
        let limits = Limits::default();
        for base in [
            "GET / HTTP/1.1\r\n",
            "GET /shops/12/items?page=34&q HTTP/1.1\r\n",
            "POST /a%20b/c?d=%41&e HTTP/1.1\r\n",
            "HEAD /?%41 HTTP/1.0\r\n",
            "GET http://a.test:80/b?c HTTP/1.1\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "CONNECT a.test:443 HTTP/1.1\r\n",
            "\r\nGET /a HTTP/1.1\r\n",
        ] {
            let base = [base.as_bytes(), b"Host: a.test\r\n\r\n"].concat();
            let mut kept = RequestLine::default();
            let len = kept.parse(&base, &limits).unwrap().unwrap();
            for at in 0..len {
                for byte in 0..=255 {
                    let mut bytes = base.clone();
                    bytes[at] = byte;
                    // The base comes again: what was refused must leave nothing behind.
                    for bytes in [&base, &bytes, &base] {
                        check(&mut kept, bytes, &limits);
                    }
                }
            }
            for end in 0..len {
                check(&mut kept, &base[..end], &limits);
                check(&mut kept, &base, &limits);
            }
        }
    }

    #[test]
    fn a_line_is_known_if_it_is_the_last_one_to_the_byte() {
        let limits = Limits::default();
        let mut kept = RequestLine::default();
        let is_known = |kept: &mut RequestLine, line: &str| check(kept, line.as_bytes(), &limits);
        for line in [
            "GET /users/17?page=12 HTTP/1.1\r\n",
            "GET /users/17?page=13 HTTP/1.1\r\n",
            "GET /users/1?page=123 HTTP/1.1\r\n",
            "GET /users/17?page=1 HTTP/1.1\r\n",
            "GET /users/17?page=%41 HTTP/1.1\r\n",
            "PUT /users/17?page=%41 HTTP/1.1\r\n",
            "PUT /users/17?page=%4Z HTTP/1.1\r\n",
            "PUT /users/%41?page=12 HTTP/1.1\r\n",
            "PUT /users/%42?page=12 HTTP/1.1\r\n",
            "PUT /users/%42?page=12 HTTP/1.0\r\n",
        ] {
            assert!(!is_known(&mut kept, line), "{line}");
            assert_eq!(is_known(&mut kept, line), kept.len() > 0, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_known_still_has_its_limits() {
        let line = b"GET /users/17?page=12 HTTP/1.1\r\n";
        let limits = |target_bytes| Limits {
            target_bytes,
            ..Limits::default()
        };
        let mut kept = RequestLine::default();
        assert!(!check(&mut kept, line, &limits(17)));
        assert!(check(&mut kept, line, &limits(17)));
        assert!(!check(&mut kept, line, &limits(16)));
    }
}
