//! The head of a request: what its first lines say, as spans of the bytes they came in.

use crate::framing::Framing;
use crate::request_line::RequestLine;
use crate::section::{Field, Section};

/// The version a client speaks, as far as it changes what a server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0: the connection ends with the answer unless asked otherwise, and nothing is chunked.
    Http10,
    /// HTTP/1.1, and every higher minor version of 1 (RFC 9110 §2.5).
    #[default]
    Http11,
}

/// The four forms of a request target (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetForm {
    /// `/where?q=now`: a path and perhaps a query. Nearly every request.
    #[default]
    Origin,
    /// `http://www.example.org/pub`: as sent to a proxy, and to be accepted by every server.
    Absolute,
    /// `www.example.com:80`: with `CONNECT` only, and always with a port.
    Authority,
    /// `*`: with `OPTIONS` only; the server as a whole.
    Asterisk,
}

/// A stretch `start..end` of the bytes that were parsed.
///
/// ```
/// use hansel_proto::Span;
///
/// let span = Span { start: 2, end: 5 };
/// assert_eq!(span.of(b"a hat"), b"hat");
/// assert_eq!(span.of(b"too"), b"", "out of range: empty, never a panic");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index of the first byte.
    pub start: u32,
    /// Index behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of this span; empty if `bytes` does not reach that far.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The number of bytes.
    #[inline]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Heads are bounded to 4 GiB by [`Limits`](crate::Limits), so nothing is cut off here.
    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The text of this span; empty if out of range.
    #[inline]
    fn text(self, bytes: &[u8]) -> &str {
        text(self.of(bytes))
    }
}

/// What is parsed as text is ASCII.
#[inline]
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// A request's head, parsed: reusable, so that the next head allocates nothing.
///
/// A request line or a field section that is the same as the one before, to the byte, is not parsed again, and of one that
/// differs in parts of the same length, only these are: a client sends nearly the same with every request.
///
/// It holds spans, not slices. Every accessor takes the bytes that were given to
/// [`Connection::receive`](crate::Connection::receive) (or the first [`len`](Head::len) of them,
/// wherever they are now). Given other bytes, the answers are meaningless, but never a panic.
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
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub(crate) len: usize,
    pub(crate) line: RequestLine,
    /// Where the field section starts.
    pub(crate) section_start: usize,
    /// Boxed, so that [swapping](Head::swap_last_section) it costs next to nothing.
    pub(crate) section: Box<Section>,
}

impl Head {
    /// An empty head, to be filled by [`Connection::receive`](crate::Connection::receive).
    pub fn new() -> Head {
        Head::default()
    }

    /// The bytes the head takes, ignored empty lines before it and its final empty line included.
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The method: any token (RFC 9110 §9.1), case-sensitive.
    pub fn method<'b>(&self, bytes: &'b [u8]) -> &'b str {
        self.line.method.text(bytes)
    }

    /// Whether that is the method, which costs less than [asking for it](Head::method).
    #[inline]
    pub fn is_method(&self, bytes: &[u8], method: &str) -> bool {
        self.line.method.of(bytes) == method.as_bytes()
    }

    /// The request target as it was sent.
    pub fn target<'b>(&self, bytes: &'b [u8]) -> &'b str {
        self.line.target.whole.text(bytes)
    }

    /// Which of the four forms the target has.
    pub fn target_form(&self) -> TargetForm {
        self.line.target.form
    }

    /// The scheme of a target in absolute form, as sent: `http` or `https` in any case.
    ///
    /// Whether the connection is secured is the caller's knowledge; RFC 9110 §4.2.2 wants an
    /// `https` target served only where it is.
    pub fn scheme<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        (self.line.target.form == TargetForm::Absolute).then(|| self.line.target.scheme.text(bytes))
    }

    /// The raw path: `*` for the asterisk form, empty for the authority form, `/` for an absolute
    /// form without a path (RFC 9110 §4.2.3).
    pub fn path<'b>(&self, bytes: &'b [u8]) -> &'b str {
        text(self.path_bytes(bytes))
    }

    /// The octets of the raw [path](Head::path), which cost less than its text.
    #[inline]
    pub fn path_bytes<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        match self.line.target.form {
            TargetForm::Absolute if self.line.target.path.is_empty() => b"/",
            _ => self.line.target.path.of(bytes),
        }
    }

    /// Whether the path has a `%` in it, and needs decoding.
    pub fn path_has_escapes(&self) -> bool {
        self.line.target.path_has_escapes
    }

    /// The raw query, without its `?`; `Some("")` if the `?` ends the target.
    pub fn query<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        self.line.target.query.map(|query| query.text(bytes))
    }

    /// Host and port the request is for: those of the target if it has them, else the Host field;
    /// `None` for an HTTP/1.0 request with neither.
    pub fn authority<'b>(&self, bytes: &'b [u8]) -> Option<&'b str> {
        // RFC 9112 §3.2.2: "When an origin server receives a request with an absolute-form of
        // request-target, the origin server MUST ignore the received Host header field (if any)".
        match self.line.target.form {
            TargetForm::Absolute | TargetForm::Authority => Some(self.line.target.authority.text(bytes)),
            TargetForm::Origin | TargetForm::Asterisk => {
                self.section.host.map(|span| span.text(self.section_of(bytes)))
            }
        }
    }

    /// The version of the client's message.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The fields as `(name, value)`, in the order they came, repeated ones repeated. Values have
    /// no whitespace around them; bytes from 0x80 up can be in them (RFC 9110 §5.5).
    pub fn fields<'b>(&'b self, bytes: &'b [u8]) -> Fields<'b> {
        Fields {
            fields: self.section.fields.iter(),
            section: self.section_of(bytes),
        }
    }

    /// The value of the first field of that name, in any case of letters.
    pub fn field<'b>(&'b self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.section.values(self.section_of(bytes), name.as_bytes()).next()
    }

    /// How the request's body is delimited (RFC 9112 §6).
    pub fn framing(&self) -> Framing {
        self.section.framing
    }

    /// Whether version and Connection field let the connection live on (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.section.keep_alive
    }

    /// Whether the client may wait for `100 Continue` before it sends the body: an HTTP/1.1
    /// request that expects it and has a body to come (RFC 9110 §10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.section.expects_continue
    }

    /// Swaps what this head remembers of the section it parsed last with what `last` does: so a head
    /// that serves several connections in turn can know each one's.
    pub fn swap_last_section(&mut self, last: &mut LastSection) {
        std::mem::swap(&mut self.section, &mut last.0);
    }

    fn section_of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.section_start..).unwrap_or_default()
    }
}

/// The field section that was parsed last on one connection, kept apart from its [`Head`]: see
/// [`Head::swap_last_section`]. It only spares work; a head reads the same with any other one.
#[derive(Clone, Debug, Default)]
pub struct LastSection(Box<Section>);

impl LastSection {
    /// The bytes of the section; 0 if there is none.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The fields of a [`Head`], in order: see [`Head::fields`].
#[derive(Clone, Debug)]
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
