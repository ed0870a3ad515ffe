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
mod refusing;
mod responding;
#[cfg(any(feature = "websocket", feature = "upgrade"))]
mod switching;

use hansel_proto::{Connection, Framing, Next, Received, Refusal, Span};
use http::StatusCode;
use std::sync::Arc;

use crate::date::Date;
use crate::request::{BadPath, BodyLimit, Content, Relayed, Request};
use crate::seen::ResponseHook;

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

    /// Returns true if the client sends nothing more, and everything that it has sent was used.
    pub(crate) fn client_is_done(&self) -> bool {
        self.protocol.client_is_done() && self.position == self.filled
    }

    /// Makes the next response the connection's last one.
    pub(crate) fn close_after_response(&mut self) {
        self.protocol.close_after_response();
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

/// Why a request is refused before the application sees it.
enum Cause {
    Refused(Refusal),
    Path(BadPath),
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Cause {
        Cause::Refused(refusal)
    }
}
