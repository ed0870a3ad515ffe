//! The trailer section after a chunked body (RFC 9112 §7.1.2).

use std::fmt;

use crate::lines;
use crate::span::Span;

/// Fields that decide how a message is framed, routed, authenticated or processed, in lower case.
///
/// RFC 9110 §6.5.1: "Many fields cannot be processed outside the header section because their
/// evaluation is necessary prior to receiving the content, such as those that describe message
/// framing, routing, authentication, request modifiers, response controls, or content format."
const NEVER: [&str; 30] = [
    "age",
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
];

/// Iterates over the fields of a trailer section, in order.
///
/// Created from the `trailers` of [`Received::End`](crate::Received::End). Fields that must not be trailers (those of
/// framing, routing, authentication, conditions and content) are left out. So what a client sends after its body cannot
/// pass for what should have come before it.
///
/// ```
/// use hansel_proto::Trailers;
///
/// let section = b"Checksum: 1f\r\nHost: evil.example\r\n";
/// assert_eq!(Trailers::of(section).collect::<Vec<_>>(), [("Checksum", &b"1f"[..])]);
/// ```
#[derive(Clone)]
pub struct Trailers<'b> {
    section: &'b [u8],
    at: usize,
}

impl<'b> Trailers<'b> {
    /// Returns the fields of this trailer section, which is given without the empty line that ends it.
    pub fn of(section: &'b [u8]) -> Trailers<'b> {
        Trailers { section, at: 0 }
    }

    fn text(&self, span: Span) -> &'b str {
        std::str::from_utf8(span.of(self.section)).unwrap_or_default()
    }
}

impl<'b> Iterator for Trailers<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<(&'b str, &'b [u8])> {
        // `receive` has checked its sections. In any other, the first invalid line ends the iteration.
        while let Ok(Some((field, next))) = lines::field_line(self.section, self.at) {
            self.at = next;
            let name = self.text(field.name);
            if is_allowed(name) {
                return Some((name, field.value.of(self.section)));
            }
        }
        self.at = self.section.len();
        None
    }
}

/// Shows the names that are left, but not the values: they may be secrets.
impl fmt::Debug for Trailers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|(name, _)| name)).finish()
    }
}

fn is_allowed(name: &str) -> bool {
    let is = |forbidden: &&str| name.eq_ignore_ascii_case(forbidden);
    let content = name
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("content-"));
    let forwarded = name
        .get(..12)
        .is_some_and(|start| start.eq_ignore_ascii_case("x-forwarded-"));
    !content && !forwarded && !NEVER.iter().any(is)
}
