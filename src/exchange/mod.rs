//! One connection's conversation with an application, without the connection: received bytes become
//! requests, responses become bytes to send.
//!
//! The event loop and the in-process test client both run on this, so what a test sees is what a
//! client gets.

#[cfg(test)]
mod bounds;
mod live;
mod payload;
mod pool;

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, Framing, Next, Received, Refusal, ResponseHead, Span,
};
use http::StatusCode;
use std::sync::Arc;

use crate::date::Date;
use crate::request::{Content, Relayed, Request};
use crate::response::body::{Kind, TEXT};
use crate::response::{Response, status_text};

pub(crate) use live::{Coming, LiveInput};
pub(crate) use payload::{Payload, Source, pour};
pub(crate) use pool::Pool;

/// How much of a body goes into the same buffer as its head; longer ones are sent from where they are.
const COPIED: usize = 8 * 1024;

/// The room a read is offered at least, and what a new buffer has.
pub(crate) const ROOM: usize = 8 * 1024;

/// A buffer that has grown beyond this is given back to the system between requests.
pub(crate) const KEPT: usize = 64 * 1024;

pub(crate) struct Exchange {
    protocol: Connection,
    limits: Arc<hansel_proto::Limits>,
    /// Bodies up to this many bytes are whole before the application is called.
    body_buffer: usize,
    /// Where larger ones find memory for that.
    pool: Arc<Pool>,
    /// The size of the request's buffer if it is one of the pool's, or 0; and the own one meanwhile.
    lent: usize,
    own: Vec<u8>,
    pub(crate) request: Request,
    /// How much of the request's buffer has been received, and how much of that used.
    filled: usize,
    position: usize,
    stage: Stage,
    /// The answer that was made last, until somebody has taken note of it.
    pub(crate) answered: Option<Answered>,
}

/// What an answer says, as it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Octets of content: to be sent, or, of a stream, sent so far.
    pub(crate) content: u64,
    /// The request's head was whole.
    pub(crate) has_request: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// A body of known length gathers behind its head, from this offset on.
    Gathering {
        start: u32,
    },
    /// A chunked body is collected apart, without its framing.
    Collecting,
    /// The request is with the application, or answered.
    Handed,
    /// It is with the application, and its body is still arriving.
    HandedLive,
}

/// What a connection should do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Receive more: the rest is not here yet.
    Receive,
    /// Call the application.
    Call,
    /// Call the application; the body is read while it runs, by [`Exchange::begin_live`].
    CallLive,
    /// Send the refusal that has been put into `out`, and close.
    Refused(StatusCode),
}

impl Exchange {
    pub(crate) fn new(limits: Arc<hansel_proto::Limits>, body_buffer: usize, pool: Arc<Pool>) -> Exchange {
        Exchange {
            protocol: Connection::new(Arc::clone(&limits)),
            limits,
            body_buffer,
            pool,
            lent: 0,
            own: Vec::new(),
            request: Request::empty(),
            filled: 0,
            position: 0,
            stage: Stage::Head,
            answered: None,
        }
    }

    /// Makes ready for another connection.
    pub(crate) fn reset(&mut self) {
        if !self.protocol.is_between_requests() || self.protocol.closes_after_response() {
            self.protocol.restart();
        }
        if self.stage != Stage::Head {
            self.request.clear();
        }
        self.request.peer = None;
        self.request.relayed = Relayed::No;
        self.request.is_secure = false;
        self.answered = None;
        self.request.origin = 0;
        self.filled = 0;
        self.position = 0;
        self.stage = Stage::Head;
        if self.request.buffer.len() > KEPT {
            self.shrink();
        }
        if self.request.body.collected.capacity() > KEPT {
            self.request.body.collected = Vec::new();
        }
    }

    /// Gives back a buffer that is larger than the next request needs.
    #[cold]
    fn shrink(&mut self) {
        if self.lent > 0 {
            let lent = std::mem::replace(&mut self.request.buffer, std::mem::take(&mut self.own));
            self.pool.take_back(lent, std::mem::take(&mut self.lent));
        }
        if self.request.buffer.len() > KEPT {
            self.request.buffer = Vec::new();
        }
    }

    /// Where received bytes go.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let buffer = &mut self.request.buffer;
        if buffer.len() - self.filled < ROOM / 4 {
            if self.request.origin > 0 {
                // What has been answered makes room for what is to come.
                buffer.copy_within(self.request.origin..self.filled, 0);
                self.filled -= self.request.origin;
                self.position -= self.request.origin;
                self.request.origin = 0;
            }
            if self.stage == Stage::Collecting {
                // Content is kept elsewhere, and framing can be much longer than what it frames.
                let behind_head = self.request.origin + self.request.head.len();
                buffer.copy_within(self.position..self.filled, behind_head);
                self.filled -= self.position - behind_head;
                self.position = behind_head;
            }
            if buffer.len() - self.filled < ROOM / 4 {
                // Read needs bytes that are initialised; doing it in doubling steps keeps it cheap.
                let larger = (buffer.len() * 2).max(ROOM);
                buffer.resize(larger, 0);
            }
        }
        &mut buffer[self.filled..]
    }

    /// Says how many bytes were received into [`room`](Exchange::room).
    pub(crate) fn received(&mut self, n: usize) {
        self.filled = (self.filled + n).min(self.request.buffer.len());
    }

    /// Receives bytes that were read elsewhere.
    pub(crate) fn receive_copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.received(now.len());
            bytes = later;
        }
    }

    /// Receives the first `n` bytes of `buffer` together with the buffer, and leaves its own for it. Only for one that
    /// has been [reset](Exchange::reset), and received nothing since.
    pub(crate) fn receive_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        debug_assert!(self.filled == 0 && self.lent == 0, "what is there would be lost");
        std::mem::swap(&mut self.request.buffer, buffer);
        self.received(n);
    }

    /// Whether nothing of a next request has arrived: the connection may rest without this exchange.
    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Head && self.position == self.filled
    }

    /// The bytes of a head that is not whole, if they are no more than `most`. They can be given to another
    /// exchange, by [`receive_copy`](Exchange::receive_copy), and this one to another connection.
    pub(crate) fn beginning(&self, most: usize) -> Option<&[u8]> {
        let bytes = self.request.buffer.get(self.position..self.filled)?;
        (self.stage == Stage::Head && bytes.len() <= most).then_some(bytes)
    }

    /// Whether a body is on its way in (as opposed to a head).
    pub(crate) fn is_in_body(&self) -> bool {
        !matches!(self.stage, Stage::Head)
    }

    /// Goes on with what has been received. Interim answers and refusals are appended to `out`.
    pub(crate) fn advance(&mut self, date: &Date, out: &mut Vec<u8>) -> Step {
        match self.try_advance(out) {
            Ok(step) => step,
            Err(refusal) => self.refuse(refusal, date, out),
        }
    }

    fn try_advance(&mut self, out: &mut Vec<u8>) -> Result<Step, Cause> {
        loop {
            let input = self.request.buffer.get(self.position..self.filled).unwrap_or(&[]);
            match self.protocol.receive(input, &mut self.request.head)? {
                Received::Partial => {
                    self.protocol.send_continue(out);
                    return Ok(Step::Receive);
                }
                Received::Head { len } => {
                    self.request.origin = self.position;
                    self.position += len;
                    self.request.begin().map_err(Cause::Path)?;
                    if self.protocol.ends_with_head() {
                        self.stage = Stage::Handed;
                        return Ok(Step::Call);
                    }
                    self.stage = match self.request.head.framing() {
                        Framing::None => Stage::Gathering { start: 0 },
                        Framing::Length(n) if n > self.body_buffer as u64 && !self.makes_room(len, n) => {
                            return Ok(self.hand_live());
                        }
                        Framing::Length(_) => Stage::Gathering { start: len as u32 },
                        Framing::Chunked => Stage::Collecting,
                    };
                }
                Received::Content { start, end } => {
                    if self.stage == Stage::Collecting {
                        self.request.body.collected.extend_from_slice(&input[start..end]);
                        self.position += end;
                        if self.request.body.collected.len() > self.body_buffer {
                            return Ok(self.hand_live());
                        }
                    } else {
                        self.position += end;
                    }
                }
                Received::End { len, trailers } => {
                    let content_end = (self.position - self.request.origin) as u32;
                    self.position += len;
                    match self.stage {
                        Stage::Gathering { start: 0 } => {}
                        Stage::Gathering { start } => {
                            self.request.body.content = Content::Buffered(Span {
                                start,
                                end: content_end,
                            });
                        }
                        Stage::Collecting => {
                            self.request.body.content = Content::Collected;
                            self.request.body.trailers = Span {
                                start: content_end + trailers.start,
                                end: content_end + trailers.end,
                            };
                        }
                        // Between an answer and the next head there is nothing to end.
                        Stage::Head | Stage::Handed | Stage::HandedLive => {}
                    }
                    self.stage = Stage::Handed;
                    return Ok(Step::Call);
                }
            }
        }
    }

    /// Finds memory for a request of which the head has `head` bytes and the body `body`, or has none.
    #[inline(never)]
    fn makes_room(&mut self, head: usize, body: u64) -> bool {
        // RFC 9110 §10.1.1: whether a client that waits for 100 is to send the body, its handler may decide.
        if body > self.pool.largest || self.protocol.needs_continue() {
            return false;
        }
        let here = self.request.buffer.get(self.request.origin..self.filled).unwrap_or(&[]);
        // Some bytes more, so that the last ones of the body do not make it grow.
        let size = here.len().max(head + body as usize + ROOM / 4);
        let Some(mut buffer) = self.pool.lend(size) else {
            return false;
        };
        buffer[..here.len()].copy_from_slice(here);
        self.filled -= self.request.origin;
        self.position -= self.request.origin;
        self.request.origin = 0;
        let lent = std::mem::replace(&mut self.lent, buffer.len());
        let before = std::mem::replace(&mut self.request.buffer, buffer);
        if lent > 0 {
            // The request that it was lent for is answered.
            self.pool.take_back(before, lent);
        } else {
            self.own = before;
        }
        true
    }

    fn hand_live(&mut self) -> Step {
        self.stage = Stage::HandedLive;
        Step::CallLive
    }

    /// Whether the request that is handed to the application has a body that is still arriving.
    pub(crate) fn has_live_body(&self) -> bool {
        self.stage == Stage::HandedLive
    }

    fn refuse(&mut self, cause: Cause, date: &Date, out: &mut Vec<u8>) -> Step {
        let (status, reason) = match cause {
            Cause::Refused(refusal) => (refusal.status(), refusal.to_string()),
            Cause::Path(bad) => (400, bad.to_string()),
        };
        log::debug!("refused a request with {status}: {reason}");
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        self.refuse_with(status, &reason, date, out);
        Step::Refused(status)
    }

    /// Appends a final answer that ends the connection, for a request that the application never sees.
    pub(crate) fn refuse_with(&mut self, status: StatusCode, reason: &str, date: &Date, out: &mut Vec<u8>) {
        self.protocol.close_after_response();
        let mut fields = FieldBlock::new();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // RFC 9110 §15.6.4: "MAY send a Retry-After". A constant is a valid field.
            let _ = fields.set("Retry-After", b"1");
        }
        let text = format!("{}: {reason}\n", status_text(status));
        self.refuse_text(status, &fields, &text, date, out);
    }

    /// Appends a final 503 that ends the connection, for a request that is not at hand.
    pub(crate) fn refuse_unseen(&mut self, date: &Date, out: &mut Vec<u8>) {
        self.protocol.close_after_response();
        let mut fields = FieldBlock::new();
        let _ = fields.set("Retry-After", b"1");
        // Without a text: the request may have been a HEAD.
        self.refuse_text(StatusCode::SERVICE_UNAVAILABLE, &fields, "", date, out);
    }

    fn refuse_text(&mut self, status: StatusCode, fields: &FieldBlock, text: &str, date: &Date, out: &mut Vec<u8>) {
        let head = ResponseHead {
            status: status.as_u16(),
            fields,
            body: BodyLength::Known(text.len() as u64),
            date: date.value(),
            default_content_type: Some(TEXT),
            version: hansel_proto::Version::Http11,
        };
        let plan = self.protocol.respond(&head, out);
        if plan == BodyPlan::Plain {
            out.extend_from_slice(text.as_bytes());
        }
        self.answered = Some(Answered {
            status: status.as_u16(),
            content: if plan == BodyPlan::Plain { text.len() as u64 } else { 0 },
            has_request: self.stage != Stage::Head,
        });
    }

    /// Whether the client has sent all that it ever will, and all of it has been used.
    pub(crate) fn client_is_done(&self) -> bool {
        self.protocol.client_is_done() && self.position == self.filled
    }

    /// Makes the next answer the connection's last.
    pub(crate) fn close_after_response(&mut self) {
        self.protocol.close_after_response();
    }

    /// Appends the head of `response`, and its body if that is short. What is not appended is returned, and
    /// `response` has it no more.
    pub(crate) fn respond(&mut self, response: &mut Response, date: &Date, out: &mut Vec<u8>) -> Payload {
        if self.stage == Stage::HandedLive {
            // RFC 9112 §9.3: "the server MUST read the entire request message body or close the
            // connection after sending its response".
            self.protocol.close_after_response();
        }
        response.make_sendable();
        let version = match response.version() {
            http::Version::HTTP_10 | http::Version::HTTP_09 => hansel_proto::Version::Http10,
            _ => hansel_proto::Version::Http11,
        };
        let len = response.body.len();
        let head = ResponseHead {
            status: response.status().as_u16(),
            fields: &response.fields,
            body: len.map_or(BodyLength::Unknown, BodyLength::Known),
            date: date.value(),
            default_content_type: response.body.content_type,
            version,
        };
        let plan = self.protocol.respond(&head, out);
        self.answered = Some(Answered {
            status: head.status,
            content: if plan == BodyPlan::Omit || response.body.needs_thread() {
                0
            } else {
                len.unwrap_or(0)
            },
            has_request: true,
        });
        if plan == BodyPlan::Omit {
            return Payload::None;
        }
        match std::mem::take(&mut response.body.kind) {
            Kind::Empty => Payload::None,
            Kind::Static(bytes) => Payload::of_bytes(bytes, out),
            Kind::Bytes(bytes) => Payload::of_bytes(bytes, out),
            Kind::Shared(bytes) => Payload::of_bytes(bytes, out),
            Kind::File { len: 0, .. } => Payload::None,
            Kind::File { file, len } => Payload::File { file, left: len },
            Kind::Reader { reader, len } => Payload::Source(Source::Reader { reader, len }, plan == BodyPlan::Chunked),
            Kind::Stream(write) => Payload::Source(Source::Stream(write), plan == BodyPlan::Chunked),
        }
    }

    /// The answer has been made whole: says whether the connection goes on.
    pub(crate) fn finish(&mut self) -> bool {
        match self.protocol.finish() {
            Next::Again => {
                self.finished();
                true
            }
            Next::Drain | Next::Close => {
                self.request.clear();
                false
            }
        }
    }

    /// The request is over: what comes next begins where it ended.
    fn finished(&mut self) {
        self.request.clear();
        self.stage = Stage::Head;
        if self.position == self.filled {
            self.position = 0;
            self.filled = 0;
        }
        self.request.origin = self.position;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shrink();
    }
}

/// Why a request is refused before the application sees it.
enum Cause {
    Refused(Refusal),
    Path(crate::request::BadPath),
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Cause {
        Cause::Refused(refusal)
    }
}
