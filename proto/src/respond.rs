//! The head of a response: which fields frame it, and how it is encoded.

use crate::fields::{FieldBlock, Special};
use crate::status;
use crate::value::{FieldValue, HttpDate};
use crate::version::Version;

/// What a response begins with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// A final status, 200 to 999. Any other is sent as 500: an interim status ends nothing.
    pub status: u16,
    /// The fields of the application.
    pub fields: &'a FieldBlock,
    /// How much content the response has.
    pub body: BodyLength,
    /// The Date (RFC 9110 §6.6.1). Not written if `fields` has one.
    pub date: Option<HttpDate>,
    /// The Content-Type for content that has none.
    pub default_content_type: Option<FieldValue<'static>>,
    /// The version to be seen. HTTP/1.0 is for those who ask for it: nothing is chunked then.
    pub version: Version,
}

/// How much content a response has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// None, whatever the method.
    None,
    /// Exactly so many bytes, or to HEAD: so many as GET would have got.
    Known(u64),
    /// As many as will come.
    Unknown,
}

/// How the content of a response goes out behind its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPlan {
    /// Not at all: there is none, or the client expects none (HEAD, 204, 205, 304, 2xx to CONNECT).
    Omit,
    /// As it is, exactly as many bytes as announced.
    Plain,
    /// In chunks: see [`chunk::encode`](crate::chunk::encode) and [`chunk::finish`](crate::chunk::finish).
    Chunked,
    /// As it is, and the end of the connection ends it (to a client of HTTP/1.0).
    UntilClose,
}

/// What the request says about its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) version: Version,
    pub(crate) head_only: bool,
    pub(crate) connect: bool,
    pub(crate) keep_alive: bool,
}

impl Asked {
    /// All of it, to be compared at once.
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

/// How a response is framed, and whether the connection outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) plan: BodyPlan,
    pub(crate) keep_alive: bool,
}

/// Writes the heads of responses. It keeps what it found out for the last one: the next mostly differs in nothing but
/// its length and the application's fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    last: Option<Basis>,
    /// What follows from that.
    outline: Outline,
    /// The last head, without the application's fields: status line, Date, and the Content-Type of content for which
    /// the application has none; behind these the Content-Length, if it ends with that, and the empty line.
    text: Vec<u8>,
    /// Where the application's fields stand in it.
    opening: u32,
    /// What the Content-Length says.
    length: u64,
}

impl Encoder {
    /// Appends the head of a response to `out`.
    pub(crate) fn encode(&mut self, response: &ResponseHead<'_>, asked: Asked, out: &mut Vec<u8>) -> Framed {
        if !self.last.as_ref().is_some_and(|last| last.is_of(response, asked)) {
            self.prepare(Basis::of(response, asked));
        }
        // All at once, with what the content of most responses takes.
        out.reserve(response.fields.encoded_len() + 512);
        match (self.outline.frame, response.body) {
            // As most heads end.
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

    /// As [`encode`](Encoder::encode), where the head does not end with its length.
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

    /// Finds out what there is to know before the length.
    #[inline(never)]
    fn prepare(&mut self, basis: Basis) {
        let text = &mut self.text;
        text.clear();
        status_line(basis.status, basis.version, text);
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
        self.last = Some(basis);
    }

    /// Makes it a head that ends with this length.
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

/// What decides about a head, but for the application's fields and the length.
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

    /// Whether it is that of this response as well.
    #[inline]
    fn is_of(&self, response: &ResponseHead<'_>, asked: Asked) -> bool {
        self.status == response.status
            && self.asked.octets() == asked.octets()
            && self.extent == Extent::of(response.body)
            && self.special == response.fields.special()
            && self.version == response.version
            && is_same(self.default_content_type, response.default_content_type)
            && self.date == response.date
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn is_http11(&self) -> bool {
        self.asked.version == Version::Http11 && self.version == Version::Http11
    }

    /// The one to be written, since the application has set none.
    fn needed_date(&self) -> Option<&HttpDate> {
        self.date.as_ref().filter(|_| !self.special.has(Special::DATE))
    }

    /// The one that the content needs and has not.
    fn needed_content_type(&self) -> Option<FieldValue<'static>> {
        // Whether the response, or the one GET would have got, has content to describe.
        let has_content =
            !matches!(self.status, 204 | 205 | 304) && !matches!(self.extent, Extent::None | Extent::Empty);
        self.default_content_type
            .filter(|_| has_content && !self.special.has(Special::CONTENT_TYPE))
    }
}

/// What follows from a [`Basis`].
#[derive(Clone, Copy, Debug)]
struct Outline {
    frame: Frame,
    framed: Framed,
    /// The Connection field's line, if there has to be one.
    connection: &'static [u8],
}

/// Which fields say where the content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    None,
    Length,
    LengthZero,
    /// As the application gave it, if it did.
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

/// Whether both are the same one, as those mostly are that a program has only once, or look the same.
#[inline]
fn is_same(one: Option<FieldValue<'_>>, other: Option<FieldValue<'_>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one.bytes(), other.bytes()) || one == other,
        (one, other) => one == other,
    }
}

/// RFC 9112 §6.3, from the side that sends.
fn frame(basis: &Basis) -> (Frame, BodyPlan) {
    match basis.status {
        // RFC 9110 §8.6, RFC 9112 §6.1: "A server MUST NOT send a Content-Length header field [or
        // a Transfer-Encoding] in any 2xx (Successful) response to a CONNECT request" nor with 204.
        200..300 if basis.asked.connect => return (Frame::None, BodyPlan::Omit),
        204 => return (Frame::None, BodyPlan::Omit),
        // RFC 9110 §15.3.6: "a server MUST NOT generate content in a 205 response"; it still has to
        // say so.
        205 => return (Frame::LengthZero, BodyPlan::Omit),
        // RFC 9110 §8.6: a 304 may say the length the 200 would have had, which the length of this
        // response's body is not.
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

/// RFC 9112 §9.3, §9.6: what differs from the default of the version must be said.
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

/// An interim status ends nothing, and a number without three digits is no status.
fn final_status(status: u16) -> u16 {
    if (200..=999).contains(&status) { status } else { 500 }
}

/// RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`. "A server MUST
/// send the space that separates the status-code from the reason-phrase even when the
/// reason-phrase is absent".
fn status_line(status: u16, version: Version, out: &mut Vec<u8>) {
    match status::registered_line(status) {
        Some(line) if version == Version::Http11 => out.extend_from_slice(line),
        _ => rare_status_line(status, version, out),
    }
}

fn rare_status_line(status: u16, version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(match version {
        Version::Http11 => b"HTTP/1.1 ",
        Version::Http10 => b"HTTP/1.0 ",
    });
    let digit = |of: u16| b'0' + (of % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(status::reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The field's line, made from its end on, since that is how a number comes, and appended as one.
#[inline(never)]
fn content_length(mut length: u64, out: &mut Vec<u8>) {
    const NAME: &[u8; 16] = b"Content-Length: ";
    let mut line = [0; NAME.len() + 20 + 2];
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
