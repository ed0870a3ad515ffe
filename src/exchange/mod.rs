//! One connection's conversation with an application, without the connection: received bytes become requests, responses
//! become bytes to send.
//!
//! The event loop and the in-process test client both use it, so tests see what clients get.

#[cfg(test)]
mod bounds;
mod buffers;
mod calling;
mod early;
mod gather;
mod live;
mod payload;
mod pool;
mod raw_target;
mod reading;

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, Framing, Next, Reason, Received, Refusal, ResponseHead, Span,
};
use http::StatusCode;
use std::sync::Arc;

use crate::date::Date;
use crate::report;
use crate::request::{BodyLimit, Content, Relayed, Request};
use crate::response::body::{Kind, TEXT};
use crate::response::{Done, Origin, Response, status_text};
use crate::seen::{ResponseHook, show};

pub(crate) use early::{Begin, Beginning, EarlyEnd, EarlyResponse, early_by};
pub(crate) use live::{Coming, LiveInput};
#[cfg(feature = "websocket")]
pub(crate) use payload::Switched;
pub(crate) use payload::{Logged, Payload, Source, Subscribed, Written, pour};
pub(crate) use pool::Pool;
pub(crate) use reading::Incoming;

/// Bodies up to this size are copied into the buffer of the head; longer ones are sent from where they are.
const COPIED: usize = 8 * 1024;

/// The least room that a read is offered, and the size of a new buffer.
pub(crate) const ROOM: usize = 8 * 1024;

/// A buffer that has grown beyond this size is freed between requests.
pub(crate) const KEPT: usize = 64 * 1024;

pub(crate) struct Exchange {
    protocol: Connection,
    limits: Arc<hansel_proto::Limits>,
    /// Bodies up to this many bytes are gathered in the exchange's own memory.
    body_buffer: usize,
    /// The largest announced body that is gathered there, however it is announced.
    unquestioned: u64,
    /// The smallest limit of a body that a route has.
    least_body: u64,
    /// The memory for larger bodies that are gathered.
    pool: Arc<Pool>,
    /// The size of the request's buffer if it belongs to the pool, or 0; how much of it is for the request; and the
    /// exchange's own buffer meanwhile.
    lent: usize,
    usable: usize,
    own: Vec<u8>,
    /// The number of bytes that the pool counts for a body that is collected.
    reserved: usize,
    pub(crate) request: Request,
    /// The hook that sees each response before it is sent.
    hook: Option<ResponseHook>,
    /// Targets may have octets that no URI has.
    takes_raw_targets: bool,
    /// The number of bytes of the request's buffer that were received, and of those that were used.
    filled: usize,
    position: usize,
    stage: Stage,
    /// The last response that was made, until somebody has read it here.
    pub(crate) answered: Option<Answered>,
}

/// The content of a response, as it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Octets of content: those to be sent or, of a stream, those sent so far.
    pub(crate) content: u64,
    /// True if the head of the request was complete.
    pub(crate) has_request: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// A body of known length is gathered after its head, from this offset on.
    Gathering {
        start: u32,
    },
    /// A chunked body is collected elsewhere, without its framing.
    Collecting,
    /// The request is with the application, or has been responded to.
    Handed,
    /// It is with the application, and its body is still arriving. What has been gathered of it begins at this offset,
    /// unless that is 0.
    HandedLive {
        start: u32,
    },
}

/// The next step of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Receive more: the request is not complete.
    Receive,
    /// Call the application.
    Call,
    /// Call the application. It reads the body while it runs, by [`Exchange::begin_live`].
    CallLive,
    /// Send the refusal that was appended to `out`, and close.
    Refused(StatusCode),
}

impl Exchange {
    pub(crate) fn new(limits: Arc<hansel_proto::Limits>, body_buffer: usize, pool: Arc<Pool>) -> Exchange {
        Exchange {
            protocol: Connection::new(Arc::clone(&limits)),
            limits,
            body_buffer,
            unquestioned: body_buffer as u64,
            least_body: u64::MAX,
            pool,
            lent: 0,
            usable: 0,
            own: Vec::new(),
            reserved: 0,
            request: Request::empty(),
            hook: None,
            takes_raw_targets: false,
            filled: 0,
            position: 0,
            stage: Stage::Head,
            answered: None,
        }
    }

    /// The same, for responses that `hook` sees before they are sent.
    pub(crate) fn with_hook(mut self, hook: Option<ResponseHook>) -> Exchange {
        if hook.is_some() {
            self.request.record_endpoint();
        }
        self.hook = hook;
        self
    }

    /// The same, where bodies of more than `most` bytes are only for routes that allow them, and the smallest limit of a
    /// route is `least`. Before the route is known, nothing is gathered beyond that.
    pub(crate) fn with_body_limits(mut self, most: u64, least: u64) -> Exchange {
        self.unquestioned = self.unquestioned.min(most).min(least);
        self.least_body = least;
        self.request.body.limit = BodyLimit::of_server(most);
        self
    }

    /// The same, where paths need not be text if `takes_any_path`.
    pub(crate) fn with_paths(mut self, takes_any_path: bool) -> Exchange {
        self.request.takes_any_path = takes_any_path;
        self
    }

    /// The same, where targets may have octets that no URI has if `takes_raw_targets`.
    pub(crate) fn with_targets(mut self, takes_raw_targets: bool) -> Exchange {
        self.takes_raw_targets = takes_raw_targets;
        self
    }

    /// Prepares it for another connection.
    pub(crate) fn reset(&mut self) {
        if !self.protocol.is_between_requests() || self.protocol.closes_after_response() {
            self.protocol.restart();
        }
        if self.stage != Stage::Head {
            self.request.clear();
            self.give_back();
        }
        debug_assert!(
            !self.holds_shared(),
            "a request that is over has given back what it had"
        );
        self.request.peer = None;
        self.request.relayed = Relayed::No;
        self.request.is_secure = false;
        self.answered = None;
        self.request.origin = 0;
        self.filled = 0;
        self.position = 0;
        self.stage = Stage::Head;
        if self.request.buffer.len() > KEPT {
            self.request.buffer = Vec::new();
        }
        if self.request.body.collected.capacity() > KEPT {
            self.request.body.collected = Vec::new();
        }
    }

    /// Returns true if it holds memory that all connections share.
    pub(crate) fn holds_shared(&self) -> bool {
        self.lent > 0 || self.reserved > 0
    }

    /// Gives back the memory that all connections share. The request cannot be used after that.
    #[inline(never)]
    pub(crate) fn give_back(&mut self) {
        if self.lent > 0 {
            // The bytes after the body are the beginning of the next request.
            let behind = self.request.buffer.get(self.position..self.filled).unwrap_or(&[]);
            if self.own.len() < behind.len() {
                self.own.resize(behind.len(), 0);
            }
            self.own[..behind.len()].copy_from_slice(behind);
            (self.position, self.filled) = (0, behind.len());
            let lent = std::mem::replace(&mut self.request.buffer, std::mem::take(&mut self.own));
            self.pool.take_back(lent, std::mem::take(&mut self.lent));
        }
        if self.reserved > 0 {
            self.request.body.collected = Vec::new();
            self.pool.take_back(Vec::new(), std::mem::take(&mut self.reserved));
        }
    }

    /// Returns the buffer into which bytes are received.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let buffer = &mut self.request.buffer;
        if buffer.len() - self.filled < ROOM / 4 {
            if self.request.origin > 0 {
                // Bytes of finished requests make room for the next ones.
                buffer.copy_within(self.request.origin..self.filled, 0);
                self.filled -= self.request.origin;
                self.position -= self.request.origin;
                self.request.origin = 0;
            }
            if self.stage == Stage::Collecting {
                // Content is kept elsewhere, and framing can be much longer than the content.
                let behind_head = self.request.origin + self.request.head.len();
                buffer.copy_within(self.position..self.filled, behind_head);
                self.filled -= self.position - behind_head;
                self.position = behind_head;
            }
            if buffer.len() - self.filled < ROOM / 4 && self.lent == 0 {
                self.grow();
            }
        }
        let end = if self.lent > 0 {
            self.usable
        } else {
            self.request.buffer.len()
        };
        &mut self.request.buffer[self.filled..end]
    }

    /// Notes how many bytes were received into [`room`](Exchange::room).
    pub(crate) fn received(&mut self, n: usize) {
        self.filled = (self.filled + n).min(self.request.buffer.len());
    }

    /// Receives bytes that were read into another buffer.
    pub(crate) fn receive_copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.received(now.len());
            bytes = later;
        }
    }

    /// Receives the first `n` bytes of `buffer` by taking the buffer, and leaves its own in exchange. Only for an
    /// exchange that was [reset](Exchange::reset) and has received nothing since.
    pub(crate) fn receive_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        debug_assert!(self.filled == 0 && self.lent == 0, "what is there would be lost");
        std::mem::swap(&mut self.request.buffer, buffer);
        self.received(n);
    }

    /// Returns true if no byte of a next request has arrived: the idle connection does not need this exchange.
    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Head && self.position == self.filled
    }

    /// Returns the bytes of an incomplete head, if they are no more than `most`. They can be given to another exchange
    /// by [`receive_copy`](Exchange::receive_copy), and this one to another connection.
    pub(crate) fn beginning(&self, most: usize) -> Option<&[u8]> {
        let bytes = self.request.buffer.get(self.position..self.filled)?;
        (self.stage == Stage::Head && bytes.len() <= most).then_some(bytes)
    }

    /// Returns true if a body is arriving, as opposed to a head.
    pub(crate) fn is_in_body(&self) -> bool {
        !matches!(self.stage, Stage::Head)
    }

    /// Processes what was received. Interim responses and refusals are appended to `out`.
    pub(crate) fn advance(&mut self, date: &Date, out: &mut Vec<u8>) -> Step {
        match self.try_advance(out) {
            Ok(step) => step,
            Err(refusal) => self.refuse(refusal, date, out),
        }
    }

    fn try_advance(&mut self, out: &mut Vec<u8>) -> Result<Step, Cause> {
        if self.takes_raw_targets {
            self.encode_target();
        }
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
                        Framing::Length(n) if n > self.unquestioned => {
                            if self.is_for_handler(n) {
                                self.hand_live();
                                return Ok(Step::CallLive);
                            }
                            if n > self.body_buffer as u64 {
                                self.lend_at_once(len, n);
                            }
                            Stage::Gathering { start: len as u32 }
                        }
                        Framing::Length(_) => Stage::Gathering { start: len as u32 },
                        Framing::Chunked => Stage::Collecting,
                    };
                }
                Received::Content { start, end } => {
                    if self.stage == Stage::Collecting {
                        let most = self.body_buffer.saturating_add(self.reserved);
                        buffers::collect(&mut self.request.body.collected, &input[start..end], most);
                        self.position += end;
                        if self.request.body.collected.len() > self.most_collected() {
                            self.hand_live();
                            return Ok(Step::CallLive);
                        }
                    } else {
                        self.position += end;
                        if self.has_enough_ahead() {
                            self.hand_live();
                            return Ok(Step::CallLive);
                        }
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
                        // Between a response and the next head there is nothing to end.
                        Stage::Head | Stage::Handed | Stage::HandedLive { .. } => {}
                    }
                    self.stage = Stage::Handed;
                    return Ok(Step::Call);
                }
            }
        }
    }

    fn refuse(&mut self, cause: Cause, date: &Date, out: &mut Vec<u8>) -> Step {
        let (status, reason) = match cause {
            Cause::Refused(refusal) => {
                self.take_refused_head(&refusal);
                (refusal.status(), refusal.to_string())
            }
            Cause::Path(bad) => (400, bad.to_string()),
        };
        if self.stage == Stage::Head {
            report::debug!("refused a request with {status}: {reason}");
        } else {
            report::debug!("refused {} with {status}: {reason}", self.request.described());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        self.refuse_with(status, &reason, date, out);
        Step::Refused(status)
    }

    /// Takes the head of a request that is refused only because it announces too much content: logs and hooks see it.
    fn take_refused_head(&mut self, refusal: &Refusal) {
        if self.stage == Stage::Head && refusal.reason() == Reason::ContentTooLarge {
            self.request.origin = self.position;
            if self.request.begin().is_ok() {
                self.stage = Stage::Handed;
            }
        }
    }

    /// Appends a final response that ends the connection, for a request that the application never sees.
    pub(crate) fn refuse_with(&mut self, status: StatusCode, reason: &str, date: &Date, out: &mut Vec<u8>) {
        self.protocol.close_after_response();
        let mut fields = FieldBlock::new();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // RFC 9110 §15.6.4: "MAY send a Retry-After". A constant is a valid field.
            let _ = fields.set("Retry-After", b"1");
        }
        let text = format!("{}: {reason}\n", status_text(status));
        if self.hook.is_some() {
            let request = (self.stage != Stage::Head).then_some(&self.request);
            let response = self.shown(request, Response::refusal_of(status, text));
            let is_head = request.is_some_and(is_head);
            return self.refuse_by(response, is_head, date, out);
        }
        self.refuse_text(status, &fields, &text, date, out);
    }

    /// Appends a final 503 that ends the connection, for a request that is not available here. Where a hook sees
    /// responses, `copy` is what it sees of the request.
    pub(crate) fn refuse_unseen(&mut self, copy: Option<&Request>, date: &Date, out: &mut Vec<u8>) {
        self.protocol.close_after_response();
        if let (Some(_), Some(copy)) = (&self.hook, copy) {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let text = format!("{}\n", status_text(status));
            let response = Response::refusal_of(status, text).with_origin(Origin::Overdue);
            let response = self.shown(Some(copy), response);
            return self.refuse_by(response, is_head(copy), date, out);
        }
        let mut fields = FieldBlock::new();
        let _ = fields.set("Retry-After", b"1");
        // Without a text, because the request may have been a HEAD.
        self.refuse_text(StatusCode::SERVICE_UNAVAILABLE, &fields, "", date, out);
    }

    fn refuse_text(&mut self, status: StatusCode, fields: &FieldBlock, text: &str, date: &Date, out: &mut Vec<u8>) {
        let head = ResponseHead::new(status.as_u16(), fields, BodyLength::Known(text.len() as u64))
            .date(date.value())
            .default_content_type(TEXT);
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

    /// A refusal, as the hook has left it.
    #[cold]
    fn shown(&self, request: Option<&Request>, mut response: Response) -> Response {
        if let Some(hook) = &self.hook {
            show(hook, request, &mut response);
            if response.is_faulty() {
                response.report_fault(request);
            }
        }
        response
    }

    /// Appends a final response, whose body must be bytes: nobody would read a file or write a stream here.
    #[cold]
    fn refuse_by(&mut self, mut response: Response, is_head: bool, date: &Date, out: &mut Vec<u8>) {
        let content = response.body.bytes().unwrap_or_else(|| {
            report::error!("the body of a refusal must be bytes; it was left out");
            &[]
        });
        let head = ResponseHead::new(
            response.status().as_u16(),
            &response.fields,
            BodyLength::Known(content.len() as u64),
        )
        .date(date.value())
        .reason(response.own_reason())
        .default_content_type(response.body.content_type);
        let plan = self.protocol.respond(&head, out);
        let is_sent = plan == BodyPlan::Plain && !is_head;
        if is_sent {
            out.extend_from_slice(content);
        }
        self.answered = Some(Answered {
            status: head.status,
            content: if is_sent { content.len() as u64 } else { 0 },
            has_request: self.stage != Stage::Head,
        });
        if let Some(on_done) = response.body.on_done.take() {
            on_done.call(if is_sent { Done::Sent } else { Done::Omitted });
        }
    }

    /// Returns true if the client sends nothing more, and everything that it has sent was used.
    pub(crate) fn client_is_done(&self) -> bool {
        self.protocol.client_is_done() && self.position == self.filled
    }

    /// Makes the next response the connection's last one.
    pub(crate) fn close_after_response(&mut self) {
        self.protocol.close_after_response();
    }

    /// Makes `response` what is to be sent: one that can be sent, and that a hook has seen. It does so once;
    /// [`respond`](Exchange::respond) does it for those that are not.
    #[inline]
    pub(crate) fn complete(&self, response: &mut Response) {
        if response.is_faulty() || self.hook.is_some() {
            complete(self.hook.as_ref(), &self.request, response);
        }
    }

    /// Appends the head of `response`, and its body if that is short. Otherwise the body is moved out of `response` and
    /// returned.
    pub(crate) fn respond(&mut self, response: &mut Response, date: &Date, out: &mut Vec<u8>) -> Option<Payload> {
        if self.has_live_body() {
            // RFC 9112 §9.3: "the server MUST read the entire request message body or close the
            // connection after sending its response".
            self.protocol.close_after_response();
        }
        self.complete(response);
        #[cfg(any(feature = "websocket", feature = "upgrade"))]
        if response.switches() {
            if let Some(payload) = self.switch(response, date, out) {
                return Some(payload);
            }
        }
        let len = response.body.len();
        if len.is_none() {
            self.begin_subscription(response);
        }
        let plan = encode_head(&mut self.protocol, &self.request, response, date, out);
        let is_omitted = plan == BodyPlan::Omit;
        self.answered = Some(Answered {
            status: response.status().as_u16(),
            content: if is_omitted { 0 } else { len.unwrap_or(0) },
            has_request: true,
        });
        let is_chunked = plan == BodyPlan::Chunked;
        match response.body.on_done.take() {
            None if is_omitted => None,
            None => self.payload(std::mem::take(&mut response.body.kind), is_chunked, out),
            Some(on_done) if is_omitted => {
                on_done.call(Done::Omitted);
                None
            }
            Some(on_done) => Payload::tell(
                self.payload(std::mem::take(&mut response.body.kind), is_chunked, out),
                on_done,
            ),
        }
    }

    /// Appends a body to `out`, or returns it.
    #[inline]
    fn payload(&mut self, kind: Kind, is_chunked: bool, out: &mut Vec<u8>) -> Option<Payload> {
        // Each kind is moved out of, so that nothing is left to be dropped.
        match kind {
            Kind::Empty => None,
            Kind::Static(bytes) => Payload::of_bytes(bytes, out),
            Kind::Bytes(bytes) => Payload::of_bytes(bytes, out),
            Kind::Shared(bytes) => Payload::of_bytes(bytes, out),
            Kind::Owned(bytes) => Payload::of_owned(bytes, out),
            Kind::File(part) => (part.left() > 0).then(|| Payload::File(*part, None)),
            Kind::Reader { reader, len } => Some(self.source(Written::Reader { reader, len }, is_chunked)),
            Kind::Stream { write, len } => Some(self.source(Written::Stream { write, len }, is_chunked)),
            Kind::Pushed(push) => Some(Payload::Pushed(Box::new(Subscribed {
                push,
                is_chunked,
                on_done: None,
                logged: None,
            }))),
            Kind::Early(sent) => {
                drop(sent);
                None
            }
            // A hook has given the response another status.
            #[cfg(feature = "websocket")]
            Kind::Socket(opened) => {
                drop(opened);
                None
            }
            #[cfg(feature = "upgrade")]
            Kind::Takeover(takeover) => {
                drop(takeover);
                None
            }
        }
    }

    fn source(&mut self, content: Written, is_chunked: bool) -> Payload {
        if let Some(answered) = &mut self.answered {
            // It is counted while it is sent.
            answered.content = 0;
        }
        Payload::Source(Source::new(content), is_chunked)
    }

    /// Appends the head of a response after which the connection does not speak HTTP any more. If the request does not ask for
    /// that, `response` becomes one that says so.
    #[cfg(any(feature = "websocket", feature = "upgrade"))]
    #[cold]
    fn switch(&mut self, response: &mut Response, date: &Date, out: &mut Vec<u8>) -> Option<Payload> {
        let is_tunnel = response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let is_asked = if is_tunnel {
            *self.request.method() == http::Method::CONNECT
        } else {
            self.protocol.may_switch() && asks_for(&self.request, response.header("Upgrade").unwrap_or(""))
        };
        if !is_asked {
            *response = not_asked_for(response, is_tunnel);
            return None;
        }
        let status = response.status().as_u16();
        if is_tunnel {
            encode_head(&mut self.protocol, &self.request, response, date, out);
        } else {
            self.protocol.switch(&response.fields, date.value(), out);
        }
        self.answered = Some(Answered {
            status,
            content: 0,
            has_request: true,
        });
        match std::mem::take(&mut response.body.kind) {
            #[cfg(feature = "websocket")]
            Kind::Socket(opened) => Some(Payload::Socket(Box::new(Switched {
                opened: *opened,
                logged: None,
            }))),
            #[cfg(feature = "upgrade")]
            Kind::Takeover(takeover) => Some(Payload::Takeover(takeover)),
            _ => None,
        }
    }

    /// Returns what has arrived behind the request, which is no HTTP.
    #[cfg(feature = "upgrade")]
    pub(crate) fn take_unused(&mut self) -> Vec<u8> {
        let unused = self
            .request
            .buffer
            .get(self.position..self.filled)
            .unwrap_or(&[])
            .to_vec();
        self.filled = self.position;
        unused
    }

    /// Notes that what follows on the connection is no HTTP: a request is over, and none is to come.
    #[cfg(feature = "websocket")]
    pub(crate) fn hand_over(&mut self) {
        self.finished();
    }

    /// Returns what was received and not used, and where it begins in [`buffer`](Exchange::buffer).
    #[cfg(feature = "websocket")]
    pub(crate) fn unused(&mut self) -> (&mut [u8], usize) {
        let rest = self.request.buffer.get_mut(self.position..self.filled);
        (rest.unwrap_or_default(), self.position)
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.request.buffer
    }

    /// Notes that so many bytes of what was [not used](Exchange::unused) have been.
    #[cfg(feature = "websocket")]
    pub(crate) fn used(&mut self, n: usize) {
        self.position = (self.position + n).min(self.filled);
        self.request.origin = self.position;
    }

    /// Notes that nothing refers to what was used any more.
    #[cfg(feature = "websocket")]
    pub(crate) fn forget_used(&mut self) {
        if self.position == self.filled {
            (self.position, self.filled) = (0, 0);
            self.request.origin = 0;
        }
    }

    /// Finds out where a subscription begins, if the response is one.
    #[cold]
    fn begin_subscription(&mut self, response: &mut Response) {
        if let Some(push) = response.push() {
            push.begin(self.request.header("Last-Event-ID"));
            // It has no other end than that of the connection.
            self.protocol.close_after_response();
        }
    }

    /// Notes that the response is complete. Returns true if the connection goes on.
    pub(crate) fn finish(&mut self) -> bool {
        match self.protocol.finish() {
            Next::Again => {
                self.finished();
                true
            }
            Next::Drain | Next::Close => {
                self.request.clear();
                if self.holds_shared() {
                    self.give_back();
                }
                false
            }
        }
    }

    /// Notes that the request is over: the next one begins where it ended.
    fn finished(&mut self) {
        self.request.clear();
        self.stage = Stage::Head;
        if self.holds_shared() {
            self.give_back();
        }
        if self.position == self.filled {
            self.position = 0;
            self.filled = 0;
        }
        self.request.origin = self.position;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Returns true if the request asks for this protocol (RFC 9110 §7.8: "A server MUST NOT switch to a protocol that was not
/// indicated by the client in the corresponding request's Upgrade header field").
#[cfg(any(feature = "websocket", feature = "upgrade"))]
fn asks_for(request: &Request, protocol: &str) -> bool {
    request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Upgrade"))
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .any(|asked| asked.trim().eq_ignore_ascii_case(protocol))
}

/// The response in place of one that switches to a protocol for which the request does not ask.
#[cfg(any(feature = "websocket", feature = "upgrade"))]
fn not_asked_for(response: &Response, is_tunnel: bool) -> Response {
    if is_tunnel {
        report::error!("a tunnel (`Response::tunnel`) is the response to CONNECT only");
        return Response::refusal_of(
            StatusCode::INTERNAL_SERVER_ERROR,
            status_text(StatusCode::INTERNAL_SERVER_ERROR),
        );
    }
    let protocol = response.header("Upgrade").unwrap_or("").to_owned();
    let status = StatusCode::UPGRADE_REQUIRED;
    Response::refusal_of(status, format!("{}: to {protocol}\n", status_text(status))).with_header("Upgrade", protocol)
}

/// Makes `response` one that can be sent, and shows it to the hook.
#[cold]
fn complete(hook: Option<&ResponseHook>, request: &Request, response: &mut Response) {
    if response.is_faulty() {
        response.report_fault(Some(request));
    }
    if let Some(hook) = hook {
        show(hook, Some(request), response);
        if response.is_faulty() {
            response.report_fault(Some(request));
        }
    }
}

/// Appends the head of `response`, and returns how its content is sent.
// Compiled into two places, one of them rare: another call would cost each request 1 %.
#[inline(always)]
fn encode_head(
    protocol: &mut Connection,
    request: &Request,
    response: &Response,
    date: &Date,
    out: &mut Vec<u8>,
) -> BodyPlan {
    let version = match response.version() {
        http::Version::HTTP_10 | http::Version::HTTP_09 => hansel_proto::Version::Http10,
        _ => hansel_proto::Version::Http11,
    };
    let len = response.body.len();
    // RFC 9110 §8.6: to HEAD, a length is only sent if it "equals the decimal number of octets that would have been
    // sent in the content of a response if the same request had used the GET method". An endpoint that makes no
    // body may do so because the method is HEAD.
    let is_unknown = len == Some(0) && is_head(request) && response.body.is_none();
    let body_length = if is_unknown { None } else { len };
    let body_length = body_length.map_or(BodyLength::Unknown, BodyLength::Known);
    let mut head = ResponseHead::new(response.status().as_u16(), &response.fields, body_length);
    head.date = date.value();
    head.default_content_type = response.body.content_type;
    head.reason = response.own_reason();
    head.version = version;
    protocol.respond(&head, out)
}

fn is_head(request: &Request) -> bool {
    *request.method() == http::Method::HEAD
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
