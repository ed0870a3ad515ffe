//! The head of a response: which fields frame it, and how it is encoded.

use std::ops::Range;

use crate::fields::{FieldBlock, Special};
use crate::status::reason_phrase;
use crate::value::{FieldValue, HttpDate};
use crate::version::Version;

/// The start of a response: its status, its fields, and how much content follows.
///
/// ```
/// use hansel_proto::{BodyLength, FieldBlock, HttpDate, ResponseHead};
///
/// let fields = FieldBlock::new();
/// let head = ResponseHead::new(200, &fields, BodyLength::Known(5)).date(HttpDate::at(0));
/// assert_eq!(head.status, 200);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// A final status, 200 to 999. Any other is sent as 500, because an interim status would not end the request.
    pub status: u16,
    /// The fields that the application has set.
    pub fields: &'a FieldBlock,
    /// The length of the content.
    pub body: BodyLength,
    /// The Date field (RFC 9110 §6.6.1). It is not written if `fields` has one.
    pub date: Option<HttpDate>,
    /// The Content-Type for content whose type the application has not set.
    pub default_content_type: Option<FieldValue<'static>>,
    /// The version in the status line. HTTP/1.0 is for clients that need it: then nothing is chunked.
    pub version: Version,
    /// The reason phrase, in place of the one that belongs to the status.
    pub reason: Option<FieldValue<'a>>,
}

impl<'a> ResponseHead<'a> {
    /// Creates the head of an HTTP/1.1 response without a Date and without a default Content-Type.
    #[inline]
    pub const fn new(status: u16, fields: &'a FieldBlock, body: BodyLength) -> ResponseHead<'a> {
        ResponseHead {
            status,
            fields,
            body,
            date: None,
            default_content_type: None,
            version: Version::Http11,
            reason: None,
        }
    }

    /// Sets the status.
    #[inline]
    #[must_use]
    pub const fn status(mut self, status: u16) -> ResponseHead<'a> {
        self.status = status;
        self
    }

    /// Sets how much content the response has.
    #[inline]
    #[must_use]
    pub const fn body(mut self, body: BodyLength) -> ResponseHead<'a> {
        self.body = body;
        self
    }

    /// Sets the Date.
    #[inline]
    #[must_use]
    pub fn date(mut self, date: impl Into<Option<HttpDate>>) -> ResponseHead<'a> {
        self.date = date.into();
        self
    }

    /// Sets the Content-Type for content that has none.
    #[inline]
    #[must_use]
    pub fn default_content_type(mut self, value: impl Into<Option<FieldValue<'static>>>) -> ResponseHead<'a> {
        self.default_content_type = value.into();
        self
    }

    /// Sets the version.
    #[inline]
    #[must_use]
    pub const fn version(mut self, version: Version) -> ResponseHead<'a> {
        self.version = version;
        self
    }

    /// Sets the reason phrase. RFC 9112 §4 allows the same bytes in it as in the value of a field. Clients should ignore
    /// it.
    ///
    /// ```
    /// use hansel_proto::{BodyLength, FieldBlock, FieldValue, ResponseHead};
    ///
    /// let fields = FieldBlock::new();
    /// let head = ResponseHead::new(404, &fields, BodyLength::None).reason(FieldValue::new(b"No Such Crumb"));
    /// assert_eq!(head.reason, FieldValue::new(b"No Such Crumb"));
    /// ```
    #[inline]
    #[must_use]
    pub fn reason(mut self, reason: impl Into<Option<FieldValue<'a>>>) -> ResponseHead<'a> {
        self.reason = reason.into();
        self
    }
}

/// The length of the content of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is no body, or its length is known, or it is not"
)]
pub enum BodyLength {
    /// No content, whatever the method.
    None,
    /// Exactly this many bytes; for HEAD, as many as GET would get.
    Known(u64),
    /// An unknown number of bytes.
    Unknown,
}

/// The way in which the content of a response is sent after its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 9112 §6.3 delimits a response in no other way"
)]
pub enum BodyPlan {
    /// Not at all: there is none, or the client expects none (HEAD, 204, 205, 304, 2xx to CONNECT).
    Omit,
    /// Unchanged, with exactly the announced number of bytes.
    Plain,
    /// In chunks: see [`chunk::encode`](crate::chunk::encode) and [`chunk::finish`](crate::chunk::finish).
    Chunked,
    /// Unchanged, up to the end of the connection (to an HTTP/1.0 client).
    UntilClose,
}

/// The properties of a request that decide about its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) version: Version,
    pub(crate) head_only: bool,
    pub(crate) connect: bool,
    pub(crate) keep_alive: bool,
}

impl Asked {
    /// Returns all of it as bytes, which are compared at once.
    #[inline]
    fn octets(self) -> [u8; 4] {
        [
            self.version as u8,
            u8::from(self.head_only),
            u8::from(self.connect),
            u8::from(self.keep_alive),
        ]
    }
}

/// The framing of a response, and whether the connection persists after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) plan: BodyPlan,
    pub(crate) keep_alive: bool,
}

/// Encodes the heads of responses. It keeps what it derived for the last one: most heads differ from the last only in
/// their length and in the application's fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    last: Option<Basis>,
    /// The result for `last`.
    outline: Outline,
    /// The last head without the application's fields: the status line, Date, and the Content-Type of content whose
    /// type the application has not set. Then, if the head ends with them, the Content-Length and the empty line.
    text: Vec<u8>,
    /// The index in `text` at which the application's fields are inserted.
    opening: u32,
    /// The value of the Content-Length in `text`.
    length: u64,
}

impl Encoder {
    /// Appends the head of a response to `out`.
    pub(crate) fn encode(&mut self, response: &ResponseHead<'_>, asked: Asked, out: &mut Vec<u8>) -> Framed {
        if !self.last.as_ref().is_some_and(|last| last.is_of(response, asked)) {
            self.prepare(Basis::of(response, asked), response.reason);
        }
        // One allocation for the head and for the content of most responses.
        out.reserve(response.fields.encoded_len() + 512);
        match (self.outline.frame, response.body) {
            // Most heads end like this.
            (Frame::Length, BodyLength::Known(length)) if self.outline.connection.is_empty() => {
                self.set_length(length);
                let opening = if response.fields.is_empty() {
                    self.text.len()
                } else {
                    self.opening as usize
                };
                let (opening, end) = self.text.split_at_checked(opening).unwrap_or_default();
                out.extend_from_slice(opening);
                if !response.fields.is_empty() {
                    response.fields.encode(out);
                    out.extend_from_slice(end);
                }
            }
            _ => self.encode_other(response, out),
        }
        self.outline.framed
    }

    /// Encodes a head that does not end with its length.
    #[inline(never)]
    fn encode_other(&mut self, response: &ResponseHead<'_>, out: &mut Vec<u8>) {
        let length = match (self.outline.frame, response.body) {
            (Frame::Length, BodyLength::Known(length)) => Some(length),
            (Frame::Length | Frame::LengthZero, _) => Some(0),
            (Frame::Given, _) => response.fields.content_length(),
            (Frame::Chunked | Frame::None, _) => None,
        };
        out.extend_from_slice(self.text.get(..self.opening as usize).unwrap_or_default());
        response.fields.encode(out);
        if let Some(length) = length {
            content_length(length, out);
        }
        if self.outline.frame == Frame::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(self.outline.connection);
        out.extend_from_slice(b"\r\n");
    }

    /// Derives everything that does not depend on the length.
    #[inline(never)]
    fn prepare(&mut self, basis: Basis, reason: Option<FieldValue<'_>>) {
        let text = &mut self.text;
        text.clear();
        status_line(basis.status, basis.version, reason, text);
        if let Some(date) = basis.needed_date() {
            text.extend_from_slice(b"Date: ");
            text.extend_from_slice(date.bytes());
            text.extend_from_slice(b"\r\n");
        }
        if let Some(content_type) = basis.needed_content_type() {
            text.extend_from_slice(b"Content-Type: ");
            text.extend_from_slice(content_type.bytes());
            text.extend_from_slice(b"\r\n");
        }
        self.opening = text.len() as u32;
        self.outline = Outline::of(&basis);
        // A head with a reason of its own is not kept: hardly any other would be the same.
        self.last = if reason.is_none() { Some(basis) } else { None };
    }

    /// Makes `text` a head that ends with this length.
    #[inline]
    fn set_length(&mut self, length: u64) {
        let has_length = self.text.len() > self.opening as usize;
        if !has_length || self.length != length {
            self.write_length(length);
        }
    }

    #[inline(never)]
    fn write_length(&mut self, length: u64) {
        self.text.truncate(self.opening as usize);
        content_length(length, &mut self.text);
        self.text.extend_from_slice(b"\r\n");
        self.length = length;
    }
}

/// The properties that decide about a head, except the application's fields and the length.
#[derive(Clone, Debug)]
struct Basis {
    status: u16,
    version: Version,
    extent: Extent,
    special: Special,
    asked: Asked,
    date: Option<HttpDate>,
    default_content_type: Option<FieldValue<'static>>,
}

/// A [`BodyLength`] without its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    None,
    Empty,
    Some,
    Unknown,
}

impl Extent {
    #[inline]
    fn of(length: BodyLength) -> Extent {
        match length {
            BodyLength::None => Extent::None,
            BodyLength::Known(0) => Extent::Empty,
            BodyLength::Known(_) => Extent::Some,
            BodyLength::Unknown => Extent::Unknown,
        }
    }
}

impl Basis {
    fn of(response: &ResponseHead<'_>, asked: Asked) -> Basis {
        Basis {
            status: final_status(response.status),
            version: response.version,
            extent: Extent::of(response.body),
            special: response.fields.special(),
            asked,
            date: response.date,
            default_content_type: response.default_content_type,
        }
    }

    /// Returns true if this response has the same basis.
    #[inline]
    fn is_of(&self, response: &ResponseHead<'_>, asked: Asked) -> bool {
        self.status == response.status
            && response.reason.is_none()
            && self.asked.octets() == asked.octets()
            && self.extent == Extent::of(response.body)
            && self.special == response.fields.special()
            && self.version == response.version
            && self.default_content_type.map(place) == response.default_content_type.map(place)
            && self.date == response.date
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn is_http11(&self) -> bool {
        self.asked.version == Version::Http11 && self.version == Version::Http11
    }

    /// Returns the date to write if the application has set none.
    fn needed_date(&self) -> Option<&HttpDate> {
        self.date.as_ref().filter(|_| !self.special.has(Special::DATE))
    }

    /// Returns the type to write if the content needs one and the application has set none.
    fn needed_content_type(&self) -> Option<FieldValue<'static>> {
        // True if the response, or the one that GET would get, has content to describe.
        let has_content =
            !matches!(self.status, 204 | 205 | 304) && !matches!(self.extent, Extent::None | Extent::Empty);
        self.default_content_type
            .filter(|_| has_content && !self.special.has(Special::CONTENT_TYPE))
    }
}

/// The result for a [`Basis`].
#[derive(Clone, Copy, Debug)]
struct Outline {
    frame: Frame,
    framed: Framed,
    /// The line of the Connection field, if one is needed.
    connection: &'static [u8],
}

/// Which field delimits the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    None,
    Length,
    LengthZero,
    /// The value that the application has set, if it has.
    Given,
    Chunked,
}

impl Default for Outline {
    fn default() -> Outline {
        Outline {
            frame: Frame::None,
            framed: Framed {
                plan: BodyPlan::Omit,
                keep_alive: false,
            },
            connection: b"",
        }
    }
}

impl Outline {
    fn of(basis: &Basis) -> Outline {
        let (frame, plan) = frame(basis);
        let connects = basis.asked.connect && basis.is_success();
        let keep_alive =
            basis.asked.keep_alive && plan != BodyPlan::UntilClose && !connects && !basis.special.has(Special::CLOSE);
        Outline {
            frame,
            framed: Framed { plan, keep_alive },
            connection: connection_line(basis, keep_alive),
        }
    }
}

/// Returns where a value is. Most responses have the same constant of the program, and one that is only equal costs
/// nothing but time.
#[inline]
fn place(value: FieldValue<'static>) -> Range<*const u8> {
    value.bytes().as_ptr_range()
}

/// RFC 9112 §6.3, applied by the sender.
fn frame(basis: &Basis) -> (Frame, BodyPlan) {
    match basis.status {
        // RFC 9110 §8.6, RFC 9112 §6.1: "A server MUST NOT send a Content-Length header field [or
        // a Transfer-Encoding] in any 2xx (Successful) response to a CONNECT request" nor with 204.
        200..300 if basis.asked.connect => return (Frame::None, BodyPlan::Omit),
        204 => return (Frame::None, BodyPlan::Omit),
        // RFC 9110 §15.3.6: "a server MUST NOT generate content in a 205 response"; it still has to announce that.
        205 => return (Frame::LengthZero, BodyPlan::Omit),
        // RFC 9110 §8.6: a 304 may announce the length that the 200 would have had, which is not the length of its own
        // body.
        304 => return (Frame::Given, BodyPlan::Omit),
        _ => {}
    }
    match basis.extent {
        Extent::None | Extent::Unknown if basis.asked.head_only => (Frame::Given, BodyPlan::Omit),
        Extent::None => (Frame::LengthZero, BodyPlan::Omit),
        // The length that the application has set is that of the content for GET, which it has not made.
        Extent::Empty if basis.asked.head_only && basis.special.has(Special::CONTENT_LENGTH) => {
            (Frame::Given, BodyPlan::Omit)
        }
        Extent::Empty | Extent::Some if basis.asked.head_only => (Frame::Length, BodyPlan::Omit),
        Extent::Empty | Extent::Some => (Frame::Length, BodyPlan::Plain),
        // RFC 9112 §6.1: "A server MUST NOT send a response containing Transfer-Encoding unless
        // the corresponding request indicates HTTP/1.1 (or later minor revisions)."
        Extent::Unknown if basis.is_http11() => (Frame::Chunked, BodyPlan::Chunked),
        Extent::Unknown => (Frame::None, BodyPlan::UntilClose),
    }
}

/// RFC 9112 §9.3, §9.6: what differs from the default of the version must be announced.
fn connection_line(basis: &Basis, keep_alive: bool) -> &'static [u8] {
    // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
    let upgrade = basis.special.has(Special::UPGRADE);
    match (keep_alive, basis.is_http11(), upgrade) {
        (true, true, false) => b"",
        (true, true, true) => b"Connection: upgrade\r\n",
        (true, false, false) => b"Connection: keep-alive\r\n",
        (true, false, true) => b"Connection: keep-alive, upgrade\r\n",
        (false, _, false) => b"Connection: close\r\n",
        (false, _, true) => b"Connection: close, upgrade\r\n",
    }
}

/// An interim status would not end the request, and a number without three digits is not a status.
fn final_status(status: u16) -> u16 {
    if (200..=999).contains(&status) { status } else { 500 }
}

/// RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`. "A server MUST
/// send the space that separates the status-code from the reason-phrase even when the
/// reason-phrase is absent".
fn status_line(status: u16, version: Version, reason: Option<FieldValue<'_>>, out: &mut Vec<u8>) {
    out.extend_from_slice(match version {
        Version::Http11 => b"HTTP/1.1 ",
        Version::Http10 => b"HTTP/1.0 ",
    });
    let digit = |of: u16| b'0' + (of % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason.map_or(reason_phrase(status).as_bytes(), FieldValue::bytes));
    out.extend_from_slice(b"\r\n");
}

/// Appends the field's line at once. It is built from its end, in the order in which digits are computed.
#[inline(never)]
fn content_length(mut length: u64, out: &mut Vec<u8>) {
    const NAME: &[u8; 16] = b"Content-Length: ";
    // The name, up to 20 digits, and CR LF.
    let mut line = [0; 38];
    let mut first = line.len() - 2;
    line[first..].copy_from_slice(b"\r\n");
    loop {
        first -= 1;
        line[first] = b'0' + (length % 10) as u8;
        length /= 10;
        if length == 0 {
            break;
        }
    }
    line[first - NAME.len()..first].copy_from_slice(NAME);
    out.extend_from_slice(&line[first - NAME.len()..]);
}
