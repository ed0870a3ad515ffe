//! The parsed head of a request, as spans of the bytes it was parsed from.

use std::fmt;

use crate::framing::Framing;
use crate::lines::{self, Field};
use crate::request_line::RequestLine;
use crate::section::Section;
use crate::span::text;
use crate::target::TargetForm;
use crate::version::Version;

/// A parsed request head. Reusing it for the next head allocates nothing.
///
/// Repeated request lines and header sections are recognised, not reparsed, if they are the same to the byte. In a
/// different section, so is each field line that the last section had at the same place: a client sends nearly the same
/// with every request.
///
/// It holds spans, not slices. Every accessor takes the bytes that were given to
/// [`Connection::receive`](crate::Connection::receive) (or the first [`len`](Head::len) of them, wherever they are now).
/// With other bytes the results are meaningless, but there is never a panic.
///
/// ```
/// use hansel_proto::{Connection, Head, Limits, Received};
///
/// let bytes = b"GET /cats?lives=9 HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n";
/// let mut head = Head::new();
/// let received = Connection::new(Limits::default()).receive(bytes, &mut head)?;
/// assert_eq!(received, Received::Head { len: bytes.len() });
/// assert_eq!(head.method(bytes), "GET");
/// assert_eq!(head.path(bytes), "/cats");
/// assert_eq!(head.query(bytes), Some("lives=9"));
/// assert_eq!(head.field(bytes, "accept"), Some(&b"*/*"[..]));
/// # Ok::<(), hansel_proto::Refusal>(())
/// ```
#[derive(Clone, Default)]
pub struct Head {
    pub(crate) len: usize,
    pub(crate) line: RequestLine,
    /// Index of the first byte of the header section.
    pub(crate) section_start: usize,
    /// Boxed, so that [swapping](Head::swap_last_section) it is cheap.
    pub(crate) section: Box<Section>,
}

impl Head {
    /// Creates an empty head, to be filled by [`Connection::receive`](crate::Connection::receive).
    pub fn new() -> Head {
        Head::default()
    }

    /// Returns the number of bytes of the head, including ignored empty lines before it and the empty line that ends
    /// it.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the method: any token (RFC 9110 §9.1), case-sensitive.
    pub fn method<'b>(&self, bytes: &'b [u8]) -> &'b str {
        self.line.method.text(bytes)
    }

    /// Returns true if the method is `method`. This is cheaper than [reading it](Head::method).
    #[inline]
    pub fn is_method(&self, bytes: &[u8], method: &str) -> bool {
        self.line.method.of(bytes) == method.as_bytes()
    }

    /// Returns the request target as it was sent.
    pub fn target<'b>(&self, bytes: &'b [u8]) -> &'b str {
        self.line.target.whole.text(bytes)
    }

    /// Returns the index of the byte after the target. The version follows, in nine bytes, and a line end.
    pub fn target_end(&self) -> usize {
        self.line.target.whole.end as usize
    }

    /// Returns which of the four forms the target has.
    pub fn target_form(&self) -> TargetForm {
        self.line.target.form
    }

    /// Returns the scheme of a target in absolute form, as it was sent: `http` or `https` in any case.
    ///
    /// Only the caller knows whether the connection is secured; RFC 9110 §4.2.2 allows an `https` target to be served
    /// only where it is.
    pub fn scheme<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        (self.line.target.form == TargetForm::Absolute).then(|| self.line.target.scheme.text(bytes))
    }

    /// Returns the raw path: `*` for the asterisk form, empty for the authority form, `/` for an absolute form without
    /// a path (RFC 9110 §4.2.3).
    pub fn path<'b>(&self, bytes: &'b [u8]) -> &'b str {
        text(self.path_bytes(bytes))
    }

    /// Returns the bytes of the raw [path](Head::path), which is cheaper than its text.
    #[inline]
    pub fn path_bytes<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        match self.line.target.form {
            TargetForm::Absolute if self.line.target.path.is_empty() => b"/",
            _ => self.line.target.path.of(bytes),
        }
    }

    /// Returns true if the path contains a `%` and needs decoding.
    pub fn path_has_escapes(&self) -> bool {
        self.line.target.path_has_escapes
    }

    /// Returns the raw query without its `?`; `Some("")` if the `?` ends the target.
    pub fn query<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        self.line.target.query.map(|query| query.text(bytes))
    }

    /// Returns the host and port that the request is for: those of the target if it has them, else the Host field;
    /// `None` for an HTTP/1.0 request with neither.
    pub fn authority<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        // RFC 9112 §3.2.2: "When an origin server receives a request with an absolute-form of
        // request-target, the origin server MUST ignore the received Host header field (if any)".
        match self.line.target.form {
            TargetForm::Absolute | TargetForm::Authority => Some(self.line.target.authority.text(bytes)),
            TargetForm::Origin | TargetForm::Asterisk => {
                self.section.decided.host.map(|span| span.text(self.section_of(bytes)))
            }
        }
    }

    /// Returns the version of the client's message.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// Returns the fields as `(name, value)`, in the order in which they came, with all repetitions. Values have no
    /// whitespace around them. They may contain bytes from 0x80 up (RFC 9110 §5.5).
    pub fn fields<'b>(&'b self, bytes: &'b [u8]) -> Fields<'b> {
        Fields {
            fields: self.section.fields.iter(),
            section: self.section_of(bytes),
        }
    }

    /// Returns the value of the first field with that name, compared without case.
    pub fn field<'b>(&'b self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        lines::values(&self.section.fields, self.section_of(bytes), name.as_bytes()).next()
    }

    /// Returns how the body of the request is delimited (RFC 9112 §6).
    pub fn framing(&self) -> Framing {
        self.section.decided.framing
    }

    /// Returns true if the version and the Connection field let the connection persist (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.section.decided.keep_alive
    }

    /// Returns true if the client may wait for `100 Continue` before it sends the body: an HTTP/1.1 request that
    /// expects it and has content to send (RFC 9110 §10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.section.decided.expects_continue
    }

    /// Swaps the header section that this head parsed last with the one in `last`. So a head that serves several
    /// connections in turn can remember the section of each.
    pub fn swap_last_section(&mut self, last: &mut LastSection) {
        std::mem::swap(&mut self.section, &mut last.0);
    }

    fn section_of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.section_start..).unwrap_or_default()
    }
}

/// Shows what was parsed, but not the bytes: they may contain secrets.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("len", &self.len)
            .field("target_form", &self.target_form())
            .field("version", &self.version())
            .field("fields", &self.section.fields.len())
            .field("framing", &self.framing())
            .finish_non_exhaustive()
    }
}

/// The header section that was parsed last on one connection, kept apart from its [`Head`]: see
/// [`Head::swap_last_section`]. It only saves work; the result of parsing is the same with any other section.
#[derive(Clone, Default)]
pub struct LastSection(Box<Section>);

impl LastSection {
    /// Returns the number of bytes of the section; 0 if there is none.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is no section.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for LastSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LastSection({} bytes)", self.len())
    }
}

/// Iterates over the fields of a [`Head`], in order: see [`Head::fields`].
#[derive(Clone)]
pub struct Fields<'b> {
    fields: std::slice::Iter<'b, Field>,
    section: &'b [u8],
}

impl<'b> Iterator for Fields<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<(&'b str, &'b [u8])> {
        let field = self.fields.next()?;
        Some((field.name.text(self.section), field.value.of(self.section)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// Shows the names that are left, but not the values: they may be secrets.
impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|(name, _)| name)).finish()
    }
}
