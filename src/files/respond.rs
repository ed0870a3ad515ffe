//! The response to a request for a file that is there.

use std::borrow::Cow;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::conditions::{Outcome, evaluate, is_range_current};
use super::encodings::Coding;
use super::ranges::{Asked, asked};
use super::source::{Content, Opened};
use super::validators::Validators;
use crate::{Body, IntoResponse, Method, Request, Response, StatusCode};

/// The number of bytes of a file in memory that are copied for a response with several ranges. Whoever asks for more
/// gets the whole file, which needs no copy.
const COPIED: u64 = 1024 * 1024;

/// A file that was chosen for a request, and what is said of it.
pub(super) struct Representation<'f> {
    pub(super) file: Opened,
    pub(super) content_type: Cow<'f, str>,
    pub(super) coding: Option<Coding>,
    pub(super) cache_control: Option<Cow<'f, str>>,
    /// True if others may get another encoding.
    pub(super) is_negotiated: bool,
}

/// Returns the response: the file, parts of it, or that the client has it already.
pub(super) fn respond(request: &Request, chosen: Representation<'_>) -> Response {
    let validators = chosen.file.validators(chosen.coding.map_or("", Coding::variant));
    let is_get = *request.method() == Method::GET;
    if is_get || *request.method() == Method::HEAD {
        match evaluate(request, &validators) {
            Outcome::Perform => {}
            Outcome::NotModified => return not_modified(&chosen, &validators),
            Outcome::Failed => return StatusCode::PRECONDITION_FAILED.into_response(),
        }
    }
    // RFC 9110 §14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized or
    // for which range handling is not defined. For this specification, GET is the only method".
    let asked = match request.single_header_bytes("range") {
        Ok(Some(value)) if is_get && is_range_current(request, &validators) => asked(value, chosen.file.len),
        _ => Asked::Whole,
    };
    perform(chosen, &validators, asked)
}

/// RFC 9110 §15.4.5: "The server generating a 304 response MUST generate any of the following header fields that would
/// have been sent in a 200 (OK) response to the same request: .. Cache-Control, ETag, .. Vary". Of others, only
/// Last-Modified is of use, and only "if the response does not have an ETag field".
fn not_modified(chosen: &Representation<'_>, validators: &Validators) -> Response {
    let mut response = Response::default().with_status(StatusCode::NOT_MODIFIED);
    chosen.describe_for_caches(&mut response);
    match (validators.tag(), validators.last_modified()) {
        (Some(tag), _) => response.set_header("ETag", tag),
        (None, Some(date)) => response.set_header("Last-Modified", date.bytes()),
        (None, None) => {}
    }
    response
}

fn perform(chosen: Representation<'_>, validators: &Validators, asked: Asked) -> Response {
    let len = chosen.file.len;
    let mut response = Response::default();
    match asked {
        Asked::Unsatisfiable => return unsatisfiable(len),
        Asked::Whole => {}
        Asked::One(_) | Asked::Several(_) => response.set_status(StatusCode::PARTIAL_CONTENT),
    }
    response.set_header("Content-Type", &*chosen.content_type);
    // https://fetch.spec.whatwg.org/#x-content-type-options-header: the type is the one that is said.
    response.set_header("X-Content-Type-Options", "nosniff");
    response.set_header("Accept-Ranges", "bytes");
    if let Some(coding) = chosen.coding {
        response.set_header("Content-Encoding", coding.name());
    }
    if let Some(tag) = validators.tag() {
        response.set_header("ETag", tag);
    }
    if let Some(date) = validators.last_modified() {
        response.set_header("Last-Modified", date.bytes());
    }
    chosen.describe_for_caches(&mut response);
    match (chosen.file.content, asked) {
        (Content::Memory(bytes), Asked::Several(ranges)) if sum(&ranges) > COPIED => {
            response.set_status(StatusCode::OK);
            response.set_body(bytes);
        }
        (content, Asked::Several(ranges)) => send_several(&mut response, content, &chosen.content_type, ranges, len),
        (content, Asked::One(range)) => {
            response.set_header("Content-Range", content_range(&range, len));
            send(&mut response, content, range);
        }
        (content, Asked::Whole | Asked::Unsatisfiable) => send(&mut response, content, 0..len),
    }
    response
}

/// RFC 9110 §15.5.17: "A server that generates a 416 response to a byte-range request SHOULD generate a Content-Range
/// header field specifying the current length".
fn unsatisfiable(len: u64) -> Response {
    let response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    response.with_header("Content-Range", format!("bytes */{len}"))
}

impl Representation<'_> {
    fn describe_for_caches(&self, response: &mut Response) {
        if let Some(control) = &self.cache_control {
            response.set_header("Cache-Control", &**control);
        }
        if self.is_negotiated {
            // RFC 9110 §12.5.5: also where the file itself was chosen.
            response.append_header("Vary", "Accept-Encoding");
        }
    }
}

fn send(response: &mut Response, content: Content, range: Range<u64>) {
    match content {
        Content::File(file) => response.set_body(Body::file_sections(file, [(Vec::new(), range)])),
        Content::Memory(bytes) => response.set_body(in_memory(bytes, &range)),
    }
}

fn in_memory(bytes: &'static [u8], range: &Range<u64>) -> &'static [u8] {
    let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(at(range.start)..at(range.end)).unwrap_or_default()
}

/// RFC 9110 §14.6 and §15.3.7.2: several ranges are the parts of a `multipart/byteranges`, each with its own
/// Content-Range, and the response has none.
fn send_several(response: &mut Response, content: Content, content_type: &str, ranges: Vec<Range<u64>>, len: u64) {
    let boundary = boundary();
    response.set_header("Content-Type", format!("multipart/byteranges; boundary={boundary}"));
    let end = (format!("\r\n--{boundary}--\r\n").into_bytes(), 0..0);
    let parts = ranges.into_iter().map(|range| {
        let content_range = content_range(&range, len);
        let head =
            format!("\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range}\r\n\r\n");
        (head.into_bytes(), range)
    });
    let sections = parts.chain([end]);
    match content {
        Content::File(file) => response.set_body(Body::file_sections(file, sections)),
        Content::Memory(bytes) => {
            let mut body = Vec::new();
            for (text, range) in sections {
                body.extend_from_slice(&text);
                body.extend_from_slice(in_memory(bytes, &range));
            }
            response.set_body(body);
        }
    }
}

fn content_range(range: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1))
}

fn sum(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// Returns what no file contains, because it is not known before: 128 bits from keys that the system has drawn.
fn boundary() -> String {
    let mut boundary = String::with_capacity(32);
    for half in 0..2_u8 {
        let _ = write!(boundary, "{:016x}", RandomState::new().hash_one(half));
    }
    boundary
}
