//! A response: what a handler returns.

pub(crate) mod body;
mod body_filter;
mod body_from;
mod body_writer;
mod done;
mod download;
mod error;
mod file;
mod filter;
mod into_response;
mod origin;
mod pushed;
mod rare;
mod redirect;
mod sink;
#[cfg(feature = "upgrade")]
mod upgraded;
mod writer;

use std::fmt;
use std::panic::Location;

use hansel_proto::{FieldBlock, FieldValue, InvalidField};
use http::{StatusCode, Version};

use crate::Request;
use crate::report;

pub use body::Body;
pub use body_filter::BodyFilter;
pub use body_writer::BodyWriter;
pub(crate) use body_writer::{StreamFn, write_exactly};
pub use done::Done;
pub(crate) use done::OnDone;
pub use error::{Error, Result};
pub(crate) use file::FilePart;
pub use into_response::{Html, IntoResponse};
pub use origin::Origin;
pub(crate) use rare::Member;
use rare::{Fault, Rare};
pub use redirect::local_path;
pub(crate) use sink::{Sink, copy};
#[cfg(feature = "upgrade")]
pub use upgraded::Upgraded;
#[cfg(feature = "upgrade")]
pub(crate) use upgraded::{Duplex, Takeover};
pub(crate) use writer::Answer;
pub use writer::ResponseWriter;

/// A response: a status, headers and a body. A new one is 200 and empty.
///
/// The server adds what is missing: Content-Length or chunked framing, Date, Connection, and a Content-Type for text. Most
/// handlers return something simpler that is converted into one: see [`IntoResponse`]. [`Response::new`] converts it where a
/// header is to be added.
///
/// ```
/// use hansel::{Response, StatusCode};
///
/// let response = Response::new("made").with_status(StatusCode::CREATED).with_header("Location", "/things/7");
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.header("location"), Some("/things/7"));
/// ```
#[must_use = "a response does nothing until it is returned"]
pub struct Response {
    status: StatusCode,
    version: Version,
    pub(crate) fields: FieldBlock,
    pub(crate) body: Body,
    /// None once a hook has seen it, and for what no hook sees: the responses of the health lane.
    origin: Option<Origin>,
    /// Parts that few responses have.
    rare: Option<Box<Rare>>,
}

impl Default for Response {
    fn default() -> Response {
        Response::of(Body::empty())
    }
}

impl Response {
    /// Creates the response that a handler would give by returning this value: for text, bytes and a [`Body`], 200 with that
    /// body; see [`IntoResponse`] for the others.
    ///
    /// ```
    /// use hansel::{Html, Response, StatusCode};
    ///
    /// let busy = Response::new(StatusCode::SERVICE_UNAVAILABLE).with_header("Retry-After", "10");
    /// assert_eq!(busy.status(), 503);
    /// let page = Response::new(Html("<h1>Hansel</h1>")).with_header("Cache-Control", "no-store");
    /// assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    /// ```
    #[inline]
    pub fn new(value: impl IntoResponse) -> Response {
        value.into_response()
    }

    #[inline]
    fn of(body: Body) -> Response {
        Response {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            fields: FieldBlock::new(),
            body,
            origin: Some(Origin::Handler),
            rare: None,
        }
    }

    /// Returns the status: 200 unless it was set.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Sets the status, with its usual reason phrase. An interim status (1xx) cannot end a request: it is logged, and the
    /// response is 500.
    pub fn set_status(&mut self, status: StatusCode) {
        self.status = status;
        if let Some(rare) = &mut self.rare {
            rare.reason = None;
        }
    }

    /// Sets the status, and returns the response.
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.set_status(status);
        self
    }

    /// Sets the text after the status, in place of the usual one, until another status is set. Hardly anybody reads it, and
    /// a client should ignore it (RFC 9112 §4); it is for gateways whose applications set it.
    ///
    /// It may have any bytes but control characters, tabs excepted. With others, the response becomes a 500, as with an
    /// [invalid header](Response::set_header).
    ///
    /// ```
    /// use hansel::{Response, StatusCode};
    ///
    /// let response = Response::new("eaten by birds")
    ///     .with_status(StatusCode::NOT_FOUND)
    ///     .with_reason("No Such Crumb");
    /// assert_eq!(response.reason(), b"No Such Crumb");
    /// ```
    #[track_caller]
    pub fn set_reason(&mut self, reason: impl AsRef<[u8]>) {
        let reason = reason.as_ref();
        if FieldValue::new(reason).is_some() {
            self.rare.get_or_insert_default().reason = Some(reason.into());
        } else {
            self.fail(format!(
                "the reason phrase \"{}\" has a control character (RFC 9112 §4)",
                reason.escape_ascii()
            ));
        }
    }

    /// Sets the text after the status as [`set_reason`](Response::set_reason) does, and returns the response.
    #[track_caller]
    pub fn with_reason(mut self, reason: impl AsRef<[u8]>) -> Response {
        self.set_reason(reason);
        self
    }

    /// Returns the text after the status: the one that was set, or else the usual one, which may be empty.
    pub fn reason(&self) -> &[u8] {
        self.own_reason_bytes().unwrap_or(reason(self.status).as_bytes())
    }

    /// Returns the text after the status, if it was set.
    #[inline]
    pub(crate) fn own_reason(&self) -> Option<FieldValue<'_>> {
        self.own_reason_bytes().and_then(FieldValue::new)
    }

    #[inline]
    fn own_reason_bytes(&self) -> Option<&[u8]> {
        self.rare.as_ref()?.reason.as_deref()
    }

    /// Sets its origin. A response that a handler makes is the handler's.
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.origin
    }

    pub(crate) fn with_origin(mut self, origin: Origin) -> Response {
        self.origin = Some(origin);
        self
    }

    /// Creates the response to a request that is refused for this reason.
    #[cold]
    pub(crate) fn refusal(status: StatusCode, reason: &dyn fmt::Display) -> Response {
        Response::refusal_of(status, format!("{}: {reason}\n", status_text(status)))
    }

    /// Creates it with this text.
    pub(crate) fn refusal_of(status: StatusCode, text: String) -> Response {
        let response = Response::new(text).with_status(status).with_origin(Origin::Refused);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // RFC 9110 §15.6.4: "MAY send a Retry-After".
            return response.with_header("Retry-After", "1");
        }
        response
    }

    /// Creates the refusal of a body that is larger than `limit` bytes. It ends the connection, because nobody reads the
    /// body.
    #[cold]
    pub(crate) fn too_large(limit: u64) -> Response {
        let reason = hansel_proto::Refusal::content_too_large(limit);
        Response::refusal(StatusCode::PAYLOAD_TOO_LARGE, &reason).with_header("Connection", "close")
    }

    /// Drops what is left of it after it was sent.
    // Usually there is nothing but headers, and looking for all else, variant by variant, takes 40 instructions.
    #[inline(always)]
    pub(crate) fn discard(self) {
        let Response { fields, body, rare, .. } = self;
        drop(fields);
        if rare.is_none() && body.owns_nothing() {
            std::mem::forget((body, rare));
        } else {
            discard_rare(body, rare);
        }
    }

    /// No hook sees it from now on.
    pub(crate) fn set_seen(&mut self) {
        self.origin = None;
    }

    /// Returns the protocol version of the response: HTTP/1.1 unless it was set.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Sets the protocol version of the response. HTTP/1.0 has no chunks, so a body of unknown length ends with the connection.
    /// Versions other than 1.0 and 1.1 count as 1.1. Clients of 1.0 never get chunks, whatever the version is.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Returns the value of the first header of that name, in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields
            .first(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the names and values of all headers set so far, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    /// Sets a header, and removes all others of that name.
    ///
    /// A name or value that would break the message, for example one with a line end, and a header that only the server sets
    /// (`Transfer-Encoding`), is never sent. The response becomes a 500, and the log names the header and the line of this call.
    /// Use [`try_set_header`](Response::try_set_header) if the value comes from outside.
    #[track_caller]
    pub fn set_header(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) {
        if let Err(error) = self.fields.set(name.as_ref(), value.as_ref()) {
            self.fail(error);
        }
    }

    /// Adds a header after others of the same name. Invalid headers are handled as by
    /// [`set_header`](Response::set_header).
    #[track_caller]
    pub fn append_header(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) {
        if let Err(error) = self.fields.append(name.as_ref(), value.as_ref()) {
            self.fail(error);
        }
    }

    /// Sets a header as [`set_header`](Response::set_header) does, if it is valid.
    ///
    /// # Errors
    /// If the header is invalid; the error names it and the rule that it breaks. The response is unchanged.
    pub fn try_set_header(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> std::result::Result<(), InvalidField> {
        self.fields.set(name.as_ref(), value.as_ref())
    }

    /// Adds a header as [`append_header`](Response::append_header) does, if it is valid.
    ///
    /// # Errors
    /// If the header is invalid; the error names it and the rule that it breaks. The response is unchanged.
    ///
    /// ```
    /// let mut response = hansel::Response::default();
    /// assert!(response.try_append_header("X-Crumb", "1").is_ok());
    /// assert!(response.try_append_header("X-Crumb", "2\r\nSet-Cookie: a=b").is_err());
    /// assert_eq!(response.headers().count(), 1);
    /// ```
    pub fn try_append_header(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<[u8]>,
    ) -> std::result::Result<(), InvalidField> {
        self.fields.append(name.as_ref(), value.as_ref())
    }

    /// Removes all headers of that name. Returns true if there were any.
    pub fn remove_header(&mut self, name: &str) -> bool {
        self.fields.remove(name)
    }

    /// Sets a header as [`set_header`](Response::set_header) does, and returns the response.
    #[track_caller]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Response {
        self.set_header(name, value);
        self
    }

    /// Names a header of the request on which the response depends, in `Vary`: caches keep one response for each of its
    /// values (RFC 9110 §12.5.5). A name that is there already is not added again.
    ///
    /// ```
    /// let mut response = hansel::Response::new("Guten Tag");
    /// response.vary_by("Accept-Language");
    /// response.vary_by("accept-language");
    /// assert_eq!(response.header("Vary"), Some("Accept-Language"));
    /// ```
    pub fn vary_by(&mut self, name: &str) {
        let is_named = |value: &[u8]| {
            let mut names = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            names.any(|known| known == b"*" || known.eq_ignore_ascii_case(name.as_bytes()))
        };
        let is_there = self
            .headers()
            .any(|(header, value)| header.eq_ignore_ascii_case("Vary") && is_named(value));
        if !is_there {
            self.append_header("Vary", name);
        }
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Takes the body out, and leaves none: for a hook that sends it on changed, say compressed.
    ///
    /// The response keeps its headers and its Content-Type: the body that is [put back](Response::set_body) is of the same
    /// type, unless a header says otherwise. The length is that of the new body.
    ///
    /// ```
    /// use hansel::{Body, Response};
    ///
    /// let mut response = Response::new("hello");
    /// let body = response.take_body();
    /// let text = body.bytes().unwrap_or_default().to_ascii_uppercase();
    /// response.set_body(text);
    /// assert_eq!(response.body().bytes(), Some(&b"HELLO"[..]));
    /// assert_eq!(response.body().content_type(), Some("text/plain; charset=utf-8"));
    /// ```
    pub fn take_body(&mut self) -> Body {
        self.body.take()
    }

    /// Sets the body.
    pub fn set_body(&mut self, body: impl Into<Body>) {
        self.body.put(body.into());
    }

    /// Sets the body, and returns the response.
    pub fn with_body(mut self, body: impl Into<Body>) -> Response {
        self.set_body(body);
        self
    }

    /// Makes this a response that can't be sent: the client gets a 500, whatever else is set on it, and the log names the
    /// error and the line of this call. Of several errors, the first counts.
    ///
    /// It is for code that adds something to a response and finds that it is invalid, as
    /// [`set_header`](Response::set_header) does.
    ///
    /// ```
    /// use hansel::{Response, Routes, test::Client};
    ///
    /// fn set_rating(response: &mut Response, stars: u8) {
    ///     match stars {
    ///         0..=5 => response.set_header("X-Stars", stars.to_string()),
    ///         _ => response.fail(format!("{stars} of 5 stars")),
    ///     }
    /// }
    ///
    /// let routes = Routes::new().get("/", |response: &mut Response| set_rating(response, 6));
    /// let client = Client::new(routes);
    /// assert_eq!(client.get("/").status(), 500);
    /// ```
    #[track_caller]
    pub fn fail(&mut self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        Rare::note_unsendable(&mut self.rare, error.into(), Location::caller());
    }

    /// Returns the members that an [`Error`] adds to [problem details](crate::problem_details).
    pub(crate) fn members(&self) -> &[Member] {
        self.rare.as_ref().map_or(&[], |rare| &rare.members)
    }

    /// Marks it as the response to an error that is not shown to the client.
    pub(crate) fn with_failure(mut self, error: Box<dyn std::error::Error + Send + Sync>) -> Response {
        self.rare.get_or_insert_default().fault = Some(Fault::Failure(error));
        self.with_origin(Origin::Failed)
    }

    /// Returns true if something is wrong with it that the log should tell.
    pub(crate) fn is_faulty(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.fault.is_some())
            || (self.status.is_informational() && !self.switches())
    }

    /// Returns true if the connection belongs to another protocol after it.
    #[inline]
    pub(crate) fn switches(&self) -> bool {
        match self.body.kind {
            #[cfg(feature = "websocket")]
            body::Kind::Socket(_) => self.status == StatusCode::SWITCHING_PROTOCOLS,
            #[cfg(feature = "upgrade")]
            body::Kind::Takeover(_) => matches!(self.status.as_u16(), 101 | 200..300),
            _ => false,
        }
    }

    /// Logs what is wrong with it, as the response to `request` if that is known. One that must not be sent becomes a 500.
    /// Returns what was logged.
    #[cold]
    pub(crate) fn report_fault(&mut self, request: Option<&Request>) -> Option<String> {
        let (what, text) = match self.rare.as_mut().and_then(|rare| rare.fault.take()) {
            Some(Fault::Failure(error)) if !self.status.is_informational() => ("handler failed", chain(&*error)),
            Some(Fault::Unsendable { error, at }) => (self.give_up(), format!("{error} (set at {at})")),
            // RFC 9110 §15.2: interim responses are the server's to send; an application's response is final.
            _ if self.status.is_informational() && !self.switches() => {
                let status = status_text(self.status);
                let text = format!("status {status} is interim; a handler's status must be final, 200 to 999");
                (self.give_up(), text)
            }
            _ => return None,
        };
        match request {
            Some(request) => report::error!("{what} at {}: {text}", request.described()),
            None => report::error!("{what}: {text}"),
        }
        Some(text)
    }

    /// Becomes a 500. Says what happened.
    fn give_up(&mut self) -> &'static str {
        *self = StatusCode::INTERNAL_SERVER_ERROR
            .into_response()
            .with_origin(Origin::Failed);
        "a response that can't be sent became a 500"
    }
}

/// The text of an error and of what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("; caused by: {error}"));
        cause = error.source();
    }
    text
}

/// Returns the reason phrase of a status; empty if it has none. The phrases of proto are newer than those of `http`,
/// and linked anyway.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    match hansel_proto::reason_phrase(status.as_u16()) {
        // RFC 9110 §15.5.19 only reserves 418, so the well-known name is not registered.
        "" if status == StatusCode::IM_A_TEAPOT => "I'm a teapot",
        reason => reason,
    }
}

/// Returns a status and its name: `404 Not Found`.
pub(crate) fn status_text(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), reason(status))
}

/// Shows the names of the headers, but not their values: they may be secrets.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

#[cold]
fn discard_rare(body: Body, rare: Option<Box<Rare>>) {
    drop((body, rare));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_response_is_an_empty_200() {
        let response = Response::default();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.headers().count(), 0);
        assert_eq!(response.body().len(), Some(0));
    }

    #[test]
    fn a_reason_is_of_one_status_and_never_breaks_its_line() {
        let client = crate::test::Client::new(|request: &Request| match request.path() {
            "/own" => Response::default().with_reason("Well Done"),
            "/other" => Response::default()
                .with_reason("Well Done")
                .with_status(StatusCode::NOT_FOUND),
            _ => Response::default().with_reason("a\r\nSet-Cookie: b=c"),
        });
        let line = |path: &str| {
            let received = client.converse(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            String::from_utf8(received).unwrap().lines().next().unwrap().to_owned()
        };
        assert_eq!(line("/own"), "HTTP/1.1 200 Well Done");
        assert_eq!(line("/other"), "HTTP/1.1 404 Not Found");
        assert_eq!(line("/broken"), "HTTP/1.1 500 Internal Server Error");
    }

    #[test]
    fn setting_replaces_and_appending_adds() {
        let mut response = Response::default().with_header("X-A", "1").with_header("x-a", "2");
        response.append_header("X-A", "3");
        let values: Vec<_> = response.headers().map(|(_, value)| value).collect();
        assert_eq!(values, [b"2", b"3"]);
        assert!(response.remove_header("X-a"));
        assert!(!response.remove_header("X-a"));
    }

    #[test]
    fn a_field_that_would_break_the_message_makes_the_response_a_500() {
        for (name, value) in [
            ("X-A", "a\r\nInjected: 1"),
            ("X A", "1"),
            ("", "1"),
            ("Transfer-Encoding", "chunked"),
        ] {
            let mut response = Response::new("x").with_header(name, value);
            response.report_fault(None);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{name}: {value}");
            assert_eq!(response.header(name), None);
        }
    }

    #[test]
    fn an_interim_status_is_no_final_response() {
        let mut response = Response::default().with_status(StatusCode::CONTINUE);
        response.report_fault(None);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn trying_says_why_and_changes_nothing() {
        let mut response = Response::default().with_header("X-A", "1");
        let error = response.try_set_header("X-A", "\n").unwrap_err();
        assert!(error.to_string().contains("X-A"), "{error}");
        assert_eq!(response.header("X-A"), Some("1"));
        response.report_fault(None);
        assert_eq!(response.status(), StatusCode::OK);
    }
}
