//! One connection: received bytes become events, responses become bytes to send.

use std::fmt;
use std::sync::Arc;

use crate::chunk::{Chunked, Piece};
use crate::fields::{FieldBlock, Special};
use crate::framing::Framing;
use crate::head::Head;
use crate::limits::Limits;
use crate::lines::{self, Lines};
use crate::parse::{self, Known};
use crate::progress::Progress;
use crate::refusal::{Reason, Refusal};
use crate::respond::{Asked, BodyPlan, Encoder, ResponseHead};
use crate::span::Span;
use crate::state::{self, Event, Request, Response, State};
use crate::value::HttpDate;
use crate::version::Version;

/// The protocol state of one connection, for one request after the other.
///
/// The caller reads bytes into its own buffer and passes in those that are not yet consumed. What is to be sent is
/// appended to a buffer of the caller's. See the [main loop](crate#the-main-loop).
#[derive(Clone)]
pub struct Connection {
    limits: Arc<Limits>,
    state: State,
    body: Body,
    progress: Progress,
    asked: Asked,
    encoder: Encoder,
    /// The client waits, or may wait, for `100 Continue`.
    owes_continue: bool,
    /// The client has said that it sends nothing after this request.
    is_last: bool,
    /// The server wants no further request after this one.
    closing: bool,
    /// Why nothing more is read.
    refusal: Option<Refusal>,
}

/// An event that [`Connection::receive`] found at the start of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller that ignored an event would lose its place in the input"
)]
pub enum Received {
    /// These bytes are not enough for an event, and none is consumed. Call again with more bytes, or once the response
    /// that is owed has been encoded.
    Partial,
    /// A head, parsed into the caller's [`Head`]. It takes the first `len` bytes.
    Head {
        /// The bytes consumed.
        len: usize,
    },
    /// Content of the body: `input[start..end]`, at least one byte.
    Content {
        /// Index of the first byte of content. The bytes before it are chunk framing.
        start: usize,
        /// Index after the last byte of content, which is also the number of bytes consumed.
        end: usize,
    },
    /// The request is complete.
    End {
        /// The bytes consumed; 0 if nothing follows the content.
        len: usize,
        /// The trailer section, checked, without the empty line that ends it: see [`Trailers`](crate::Trailers).
        trailers: Span,
    },
}

/// The next step of the caller after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must do each of these, and a default would be wrong"
)]
pub enum Next {
    /// Receive the next request.
    Again,
    /// Read the rest of this request and discard it until [`Received::End`], or close the connection.
    Drain,
    /// Send what is encoded, then close in stages, so that the response is not lost (RFC 9112 §9.6).
    Close,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Length(u64),
    Chunked(Chunked),
}

const NOTHING_ASKED: Asked = Asked {
    version: Version::Http11,
    head_only: false,
    connect: false,
    keep_alive: false,
};

impl Connection {
    /// Creates the state of a new connection. All connections can share one `Arc<Limits>`.
    pub fn new(limits: impl Into<Arc<Limits>>) -> Connection {
        Connection {
            limits: limits.into(),
            state: state::START,
            body: Body::Length(0),
            progress: Progress::default(),
            asked: NOTHING_ASKED,
            encoder: Encoder::default(),
            owes_continue: false,
            is_last: false,
            closing: false,
            refusal: None,
        }
    }

    /// Resets the state to that of a new connection with the same limits, and keeps the allocated memory.
    pub fn restart(&mut self) {
        let Connection {
            limits: _,
            encoder: _,
            state,
            body,
            progress,
            asked,
            owes_continue,
            is_last,
            closing,
            refusal,
        } = self;
        (*state, *body, *progress, *asked) = (state::START, Body::Length(0), Progress::default(), NOTHING_ASKED);
        (*owes_continue, *is_last, *closing, *refusal) = (false, false, false, None);
    }

    /// Finds the event at the start of `input`, which holds everything that was received and not yet consumed. There is
    /// one event per call: consume the bytes that it takes, then call again.
    ///
    /// A pipelined request after the current one has to wait: the result is [`Received::Partial`] until
    /// [`finish`](Connection::finish) is called.
    ///
    /// # Errors
    /// Returns an error if the request breaks a rule. From then on every call returns the same refusal: send its status
    /// with [`respond`](Connection::respond) if [`owes_response`](Connection::owes_response), and close.
    ///
    /// Where a head breaks no rule and only announces too much content
    /// ([`ContentTooLarge`](crate::Reason::ContentTooLarge)), `head` describes it, so that the refusal can be logged with
    /// its request.
    pub fn receive(&mut self, input: &[u8], head: &mut Head) -> Result<Received, Refusal> {
        let known = if self.is_between_requests() {
            parse::known(input, &self.limits, head)
        } else {
            Known::Nothing
        };
        if known == Known::All {
            self.begin_request(input, head);
            return Ok(Received::Head { len: head.len });
        }
        self.receive_other(input, head, known)
    }

    /// Receives anything but a head that repeats the last one.
    #[inline(never)]
    fn receive_other(&mut self, input: &[u8], head: &mut Head, known: Known) -> Result<Received, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let received = match self.state {
            (_, Response::Closed) | (Request::Whole | Request::Refused, _) => Ok(Received::Partial),
            (Request::Awaited, _) => self.receive_head(input, head, known),
            (Request::Arriving, _) => self.receive_body(input),
        };
        if let Err(refusal) = received {
            self.refusal = Some(refusal);
            self.step(Event::Refusal);
        }
        received
    }

    /// Returns true if the request ends with its head. Then [`Received::End`] counts as received, which saves a call of
    /// [`receive`](Connection::receive). Call it right after a head.
    #[inline]
    pub fn ends_with_head(&mut self) -> bool {
        let ends = self.state.0 == Request::Arriving && !self.has_body_to_come();
        if ends {
            self.step(Event::End);
        }
        ends
    }

    /// Returns true if the next event is the head of a request.
    pub fn wants_head(&self) -> bool {
        self.state == state::START
    }

    /// Returns true if no request is in progress: as far as `receive` was shown, none has begun to arrive, and none
    /// waits for its response. Closing the connection now loses nothing.
    pub fn is_between_requests(&self) -> bool {
        self.wants_head() && self.progress.is_idle()
    }

    /// Returns true if a request or a refusal waits for its response to begin.
    pub fn owes_response(&self) -> bool {
        self.state.1 == Response::Owed
    }

    /// Returns true if the connection ends with the current response, as far as is known.
    pub fn closes_after_response(&self) -> bool {
        self.closing || (self.state != state::START && !self.asked.keep_alive)
    }

    /// Returns true if the client has announced that it sends nothing more. RFC 9112 §9.6: "A client that sends a
    /// "close" connection option MUST NOT send further requests on that connection". It has nothing left to send that
    /// could destroy the response, so the connection may be closed at once.
    pub fn client_is_done(&self) -> bool {
        self.is_last && self.refusal.is_none() && self.state.0 == Request::Whole
    }

    /// Checks what the end of the input means. Call it once [`receive`](Connection::receive) has returned
    /// [`Received::Partial`] for `input` and nothing more will come.
    ///
    /// # Errors
    /// Returns an error if the end cuts a request short. Such a request is never complete (RFC 9112 §8): drop what has
    /// arrived of it, and respond with the refusal if the client still listens.
    pub fn end_of_input(&mut self, input: &[u8]) -> Result<(), Refusal> {
        let cut = match self.state {
            (_, Response::Closed) | (Request::Whole, _) => false,
            (Request::Awaited, _) => !only_empty_lines(input),
            (Request::Arriving, _) => self.has_body_to_come(),
            (Request::Refused, _) => return self.refusal.map_or(Ok(()), Err),
        };
        if cut {
            Err(self.refuse(Reason::Incomplete))
        } else {
            Ok(())
        }
    }

    /// Refuses the request for a reason that is not in its bytes, such as a [timeout](Reason::Timeout). The next
    /// response closes the connection, and nothing more is read. Only the first refusal of a connection counts; it is
    /// returned.
    pub fn refuse(&mut self, reason: Reason) -> Refusal {
        let refusal = *self.refusal.get_or_insert(Refusal::new(reason));
        self.step(Event::Refusal);
        refusal
    }

    /// Makes the current or next response the last one, and lets it say so.
    pub fn close_after_response(&mut self) {
        self.closing = true;
    }

    /// Returns true if the client waits for `100 Continue` before it sends the body. It no longer waits once any of the
    /// body has arrived, or once the head of the response has been encoded.
    pub fn needs_continue(&self) -> bool {
        self.owes_continue && self.state == (Request::Arriving, Response::Owed)
    }

    /// Appends `100 Continue` if it [is needed](Connection::needs_continue), at most once.
    pub fn send_continue(&mut self, out: &mut Vec<u8>) {
        if self.needs_continue() {
            self.owes_continue = false;
            // RFC 9110 §15.2: interim responses have no content, hence no framing fields.
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Appends the head of the response to the current request, and returns how its content is sent.
    ///
    /// May be called without a request (503 for a client that is not served, 408 for a silent one): such a response is
    /// the last one. If no response can be sent any more, nothing is appended.
    pub fn respond(&mut self, response: &ResponseHead<'_>, out: &mut Vec<u8>) -> BodyPlan {
        if state::after(self.state, Event::ResponseHead).is_none() {
            return BodyPlan::Omit;
        }
        // RFC 9110 §10.1.1: a server that responds without `100 Continue` cannot know whether the body will still come.
        // Neither may its bytes be read as the next request, nor the other way round.
        let refused = matches!(self.state.0, Request::Awaited | Request::Refused);
        self.asked.keep_alive &= !(refused || self.owes_continue || self.closing);
        let framed = self.encoder.encode(response, self.asked, out);
        self.asked.keep_alive = framed.keep_alive;
        self.step(Event::ResponseHead);
        framed.plan
    }

    /// Appends `101 Switching Protocols` as the response to the current request: what follows on the connection is no HTTP.
    /// `fields` must have an Upgrade field that names the protocol, and whatever else that asks for.
    ///
    /// Nothing is appended if it [may not](Connection::may_switch).
    pub fn switch(&mut self, fields: &FieldBlock, date: impl Into<Option<HttpDate>>, out: &mut Vec<u8>) {
        if !self.may_switch() {
            return;
        }
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        if let Some(date) = date.into().filter(|_| !fields.special().has(Special::DATE)) {
            for part in [&b"Date: "[..], date.bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        fields.encode(out);
        // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
        out.extend_from_slice(b"Connection: upgrade\r\n\r\n");
        self.step(Event::ResponseHead);
        self.step(Event::Close);
    }

    /// Returns true if [`switch`](Connection::switch) can be the response to the current request: that is of HTTP/1.1,
    /// complete, and has no response yet.
    pub fn may_switch(&self) -> bool {
        let is_answerable = self.state.1 == Response::Owed && self.state.0 != Request::Refused;
        // RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request".
        is_answerable && !self.has_body_to_come() && self.asked.version == Version::Http11
    }

    /// Notes that the response is completely encoded, and returns what comes next. While the rest of a request is
    /// drained, call it again to learn whether the draining is done.
    pub fn finish(&mut self) -> Next {
        match self.state {
            (_, Response::Begun) => {}
            state::START => return Next::Again,
            (_, Response::Early) => return Next::Drain,
            // Nothing was sent for the request, so later responses would be out of order.
            (_, Response::Idle | Response::Owed | Response::Closed) => {
                self.step(Event::Close);
                return Next::Close;
            }
        }
        if self.closing || !self.asked.keep_alive {
            self.step(Event::Close);
            return Next::Close;
        }
        if !self.has_body_to_come() {
            self.step(Event::End);
        }
        self.step(Event::ResponseEnd);
        match self.state {
            state::START => Next::Again,
            (_, Response::Early) => Next::Drain,
            _ => Next::Close,
        }
    }

    fn receive_head(&mut self, input: &[u8], head: &mut Head, known: Known) -> Result<Received, Refusal> {
        let most = self.limits.head_bytes.min(u32::MAX as usize);
        let within = input.get(..most).unwrap_or(input);
        if !self.progress.is_due(within, most) {
            return Ok(Received::Partial);
        }
        let lines = self.head_lines(within, head, known);
        match lines {
            Ok(Lines::End(len)) => {
                self.begin_request(input, head);
                Ok(Received::Head { len })
            }
            Ok(Lines::Open { line, .. }) if input.len() >= most => {
                let reason = if line == 0 {
                    Reason::TargetTooLong
                } else {
                    Reason::HeadTooLong
                };
                Err(Refusal::limit(reason, most as u64))
            }
            Ok(Lines::Open { line, fields }) => {
                if !only_empty_lines(within) {
                    self.progress.note(within, line, fields);
                }
                Ok(Received::Partial)
            }
            Err(refusal) => {
                // The response to a refused HEAD has no content either.
                self.asked.head_only = head.line.method.of(input) == b"HEAD";
                Err(refusal)
            }
        }
    }

    /// Checks the lines that have arrived since the last call, and parses the whole head once all of it has arrived.
    fn head_lines(&self, bytes: &[u8], head: &mut Head, known: Known) -> Result<Lines, Refusal> {
        let Progress { line, fields, .. } = self.progress;
        if line > 0 {
            let skip = |line, _| lines::skip_field_line(bytes, line);
            let lines = lines::field_lines(bytes, line as usize, fields as usize, self.limits.fields, skip);
            if let Ok(Lines::Open { .. }) = lines {
                return lines;
            }
        }
        parse::head(bytes, &self.limits, head, known)
    }

    #[inline]
    fn begin_request(&mut self, bytes: &[u8], head: &Head) {
        let method = head.line.method.of(bytes);
        self.asked = Asked {
            version: head.line.version,
            head_only: method == b"HEAD",
            connect: method == b"CONNECT",
            keep_alive: head.keep_alive(),
        };
        self.body = match head.framing() {
            Framing::None => Body::Length(0),
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::default()),
        };
        self.owes_continue = head.expects_continue();
        // Only HTTP/1.1 clients announce it: in HTTP/1.0 closing is the default.
        self.is_last = head.line.version == Version::Http11 && !head.keep_alive();
        self.progress = Progress::default();
        self.step(Event::Head);
    }

    fn receive_body(&mut self, input: &[u8]) -> Result<Received, Refusal> {
        let received = match &mut self.body {
            Body::Length(0) => Received::End {
                len: 0,
                trailers: Span::default(),
            },
            Body::Length(_) if input.is_empty() => Received::Partial,
            Body::Length(left) => {
                let end = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= end as u64;
                Received::Content { start: 0, end }
            }
            Body::Chunked(chunked) => match chunked.receive(input, &self.limits, &mut self.progress)? {
                Piece::Partial => Received::Partial,
                Piece::Content { start, end } => Received::Content { start, end },
                Piece::End { len, trailers } => Received::End { len, trailers },
            },
        };
        match received {
            Received::End { .. } => self.step(Event::End),
            // RFC 9110 §10.1.1: a server may omit the 100 "if it has already received some or all
            // of the content for the corresponding request".
            Received::Content { .. } => self.owes_continue = false,
            Received::Partial | Received::Head { .. } => {}
        }
        Ok(received)
    }

    fn has_body_to_come(&self) -> bool {
        self.state.0 == Request::Arriving && !matches!(self.body, Body::Length(0))
    }

    #[inline]
    fn step(&mut self, event: Event) {
        if let Some(state) = state::after(self.state, event) {
            self.state = state;
        }
        if self.state == state::START {
            self.asked = NOTHING_ASKED;
        }
    }
}

/// RFC 9112 §2.2: empty lines before a request line are not a request.
fn only_empty_lines(input: &[u8]) -> bool {
    input.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.state)
            .field("closes", &self.closes_after_response())
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}
