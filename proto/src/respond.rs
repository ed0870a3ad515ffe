//! The head of an answer: which fields frame it, and how it is encoded.

use crate::fields::{FieldBlock, Special};
use crate::head::Version;
use crate::scan;
use crate::status;

/// What an answer begins with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// A final status, 200 to 999. Any other is sent as 500: an interim status ends nothing.
    pub status: u16,
    /// The fields of the application.
    pub fields: &'a FieldBlock,
    /// How much content the answer has.
    pub body: BodyLength,
    /// The Date, as IMF-fixdate (RFC 9110 §6.6.1); empty for none. Not written if `fields` has one,
    /// nor if it could not be a field value.
    pub date: &'a [u8],
    /// The Content-Type for content that has none. Not written if it could not be a field value.
    pub default_content_type: Option<&'a str>,
    /// The version to be seen. HTTP/1.0 is for those who ask for it: nothing is chunked then.
    pub version: Version,
}

/// How much content an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// None, whatever the method.
    None,
    /// Exactly so many bytes, or to HEAD: so many as GET would have got.
    Known(u64),
    /// As many as will come.
    Unknown,
}

/// How the content of an answer goes out behind its head.
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

/// What the request says about its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) version: Version,
    pub(crate) head_only: bool,
    pub(crate) connect: bool,
    pub(crate) keep_alive: bool,
}

/// How an answer is framed, and whether the connection outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) plan: BodyPlan,
    pub(crate) keep_alive: bool,
}

/// Which fields say where the content ends.
#[derive(Clone, Copy)]
enum Frame {
    None,
    Length(u64),
    /// As the application gave it, if it did.
    Given,
    Chunked,
}

/// Appends the head of an answer to `out`.
pub(crate) fn encode(response: &ResponseHead<'_>, asked: Asked, out: &mut Vec<u8>) -> Framed {
    let response = &ResponseHead {
        status: final_status(response.status),
        ..*response
    };
    let (frame, plan) = frame(response, asked);
    let connects = asked.connect && is_success(response.status);
    let wants_close = response.fields.special().has(Special::CLOSE);
    let keep_alive = asked.keep_alive && plan != BodyPlan::UntilClose && !connects && !wants_close;

    out.reserve(response.fields.encoded_len() + 256);
    status_line(response, out);
    let special = response.fields.special();
    if !response.date.is_empty() && !special.has(Special::DATE) {
        field(b"Date: ", response.date, out);
    }
    response.fields.encode(out);
    if let Some(content_type) = response.default_content_type
        && !special.has(Special::CONTENT_TYPE)
        && has_content(response)
    {
        field(b"Content-Type: ", content_type.as_bytes(), out);
    }
    frame_fields(frame, response.fields, out);
    connection_field(response, asked, keep_alive, out);
    out.extend_from_slice(b"\r\n");
    Framed { plan, keep_alive }
}

/// An interim status ends nothing, and a number without three digits is no status.
fn final_status(status: u16) -> u16 {
    if (200..=999).contains(&status) { status } else { 500 }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// RFC 9112 §6.3, from the side that sends.
fn frame(response: &ResponseHead<'_>, asked: Asked) -> (Frame, BodyPlan) {
    match response.status {
        // RFC 9110 §8.6, RFC 9112 §6.1: "A server MUST NOT send a Content-Length header field [or
        // a Transfer-Encoding] in any 2xx (Successful) response to a CONNECT request" nor with 204.
        200..300 if asked.connect => return (Frame::None, BodyPlan::Omit),
        204 => return (Frame::None, BodyPlan::Omit),
        // RFC 9110 §15.3.6: "a server MUST NOT generate content in a 205 response"; it still has to
        // say so.
        205 => return (Frame::Length(0), BodyPlan::Omit),
        // RFC 9110 §8.6: a 304 may say the length the 200 would have had, which the length of this
        // answer's body is not.
        304 => return (Frame::Given, BodyPlan::Omit),
        _ => {}
    }
    match response.body {
        BodyLength::None | BodyLength::Unknown if asked.head_only => (Frame::Given, BodyPlan::Omit),
        BodyLength::None => (Frame::Length(0), BodyPlan::Omit),
        BodyLength::Known(length) if asked.head_only => (Frame::Length(length), BodyPlan::Omit),
        BodyLength::Known(length) => (Frame::Length(length), BodyPlan::Plain),
        // RFC 9112 §6.1: "A server MUST NOT send a response containing Transfer-Encoding unless
        // the corresponding request indicates HTTP/1.1 (or later minor revisions)."
        BodyLength::Unknown if asked.version == Version::Http11 && response.version == Version::Http11 => {
            (Frame::Chunked, BodyPlan::Chunked)
        }
        BodyLength::Unknown => (Frame::None, BodyPlan::UntilClose),
    }
}

/// Whether the answer, or the one GET would have got, has content to describe.
fn has_content(response: &ResponseHead<'_>) -> bool {
    !matches!(response.status, 204 | 205 | 304) && !matches!(response.body, BodyLength::None | BodyLength::Known(0))
}

/// RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`. "A server MUST
/// send the space that separates the status-code from the reason-phrase even when the
/// reason-phrase is absent".
fn status_line(response: &ResponseHead<'_>, out: &mut Vec<u8>) {
    if response.version == Version::Http11
        && let Some(line) = status::registered_line(response.status)
    {
        out.extend_from_slice(line);
        return;
    }
    out.extend_from_slice(match response.version {
        Version::Http11 => b"HTTP/1.1 ",
        Version::Http10 => b"HTTP/1.0 ",
    });
    decimal(u64::from(response.status), out);
    out.push(b' ');
    out.extend_from_slice(status::reason_phrase(response.status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn frame_fields(frame: Frame, fields: &FieldBlock, out: &mut Vec<u8>) {
    match frame {
        Frame::None => {}
        Frame::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Frame::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Frame::Given => {
            if let Some(length) = fields.content_length() {
                field(b"Content-Length: ", length, out);
            }
        }
    }
}

/// RFC 9112 §9.3, §9.6: what differs from the default of the version must be said.
#[inline]
fn connection_field(response: &ResponseHead<'_>, asked: Asked, keep_alive: bool, out: &mut Vec<u8>) {
    let either_is_old = asked.version == Version::Http10 || response.version == Version::Http10;
    // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
    let upgrade = response.fields.special().has(Special::UPGRADE);
    out.extend_from_slice(match (keep_alive, either_is_old, upgrade) {
        (false, _, false) => b"Connection: close\r\n",
        (false, _, true) => b"Connection: close, upgrade\r\n",
        (true, true, false) => b"Connection: keep-alive\r\n",
        (true, true, true) => b"Connection: keep-alive, upgrade\r\n",
        (true, false, true) => b"Connection: upgrade\r\n",
        (true, false, false) => b"",
    });
}

/// A field line; none for a value that would not end with its line. `name` brings its colon.
#[inline(always)]
fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if !scan::is_value(value) {
        return;
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal.
fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}
