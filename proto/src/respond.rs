//! The head of an answer: which fields frame it, and how it is encoded.

use crate::fields::{FieldBlock, Special};
use crate::head::Version;
use crate::status;
use crate::value::{FieldValue, HttpDate};

/// What an answer begins with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// A final status, 200 to 999. Any other is sent as 500: an interim status ends nothing.
    pub status: u16,
    /// The fields of the application.
    pub fields: &'a FieldBlock,
    /// How much content the answer has.
    pub body: BodyLength,
    /// The Date (RFC 9110 §6.6.1). Not written if `fields` has one.
    pub date: Option<HttpDate>,
    /// The Content-Type for content that has none.
    pub default_content_type: Option<FieldValue<'a>>,
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
    let status = final_status(response.status);
    let (frame, plan) = frame(status, response, asked);
    let connects = asked.connect && is_success(status);
    let special = response.fields.special();
    let keep_alive = asked.keep_alive && plan != BodyPlan::UntilClose && !connects && !special.has(Special::CLOSE);

    // All at once, with what the content of most answers takes.
    out.reserve(response.fields.encoded_len() + 512);
    status_line(status, response.version, out);
    if let Some(date) = &response.date
        && !special.has(Special::DATE)
    {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(date.bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !response.fields.is_empty() {
        response.fields.encode(out);
    }
    if let Some(content_type) = response.default_content_type
        && !special.has(Special::CONTENT_TYPE)
        && has_content(status, response.body)
    {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(content_type.bytes());
        out.extend_from_slice(b"\r\n");
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
#[inline]
fn frame(status: u16, response: &ResponseHead<'_>, asked: Asked) -> (Frame, BodyPlan) {
    match status {
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
fn has_content(status: u16, body: BodyLength) -> bool {
    !matches!(status, 204 | 205 | 304) && !matches!(body, BodyLength::None | BodyLength::Known(0))
}

/// RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`. "A server MUST
/// send the space that separates the status-code from the reason-phrase even when the
/// reason-phrase is absent".
#[inline]
fn status_line(status: u16, version: Version, out: &mut Vec<u8>) {
    match status::registered_line(status) {
        Some(line) if version == Version::Http11 => out.extend_from_slice(line),
        _ => rare_status_line(status, version, out),
    }
}

#[cold]
fn rare_status_line(status: u16, version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(match version {
        Version::Http11 => b"HTTP/1.1 ",
        Version::Http10 => b"HTTP/1.0 ",
    });
    out.extend(status.to_string().bytes());
    out.push(b' ');
    out.extend_from_slice(status::reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn frame_fields(frame: Frame, fields: &FieldBlock, out: &mut Vec<u8>) {
    match frame {
        Frame::None => {}
        Frame::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Frame::Length(length) => content_length(length, out),
        Frame::Given => {
            if let Some(length) = fields.content_length() {
                out.extend_from_slice(b"Content-Length: ");
                out.extend_from_slice(length);
                out.extend_from_slice(b"\r\n");
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

/// Made from its end on, since that is how a number comes, and appended as one.
#[inline]
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
