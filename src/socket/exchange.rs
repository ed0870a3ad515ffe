//! The conversation of one socket, without its connection: frames become calls, and what the program sends becomes frames.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hansel_proto::websocket::{CloseCode, Failure, Piece, Received as Frame, Receiver};

use super::closed::{CloseCause, Closed};
use super::handlers::{Handlers, Opened};
use super::line::{Flushed, Line, Members, Membership};
use super::message::Message;
use super::settings::SocketSettings;
use crate::deadline::{after, earlier};
use crate::pace::Pace;
use crate::panics::contain;
use crate::report;
use crate::topic::Subscriber;

/// A buffer for the fragments of a message that has grown beyond this size is freed after the message.
const KEPT: usize = 128;

/// One second, in the unit in which the rate of messages is measured.
const SECOND: Duration = Duration::from_secs(1);

/// The conversation of one socket.
pub(crate) struct SocketExchange {
    receiver: Receiver,
    handlers: Box<dyn Handlers>,
    pub(crate) line: Arc<Line>,
    settings: Arc<SocketSettings>,
    /// The topics that it has joined.
    members: Vec<Subscriber>,
    pace: Pace,
    /// The call that is due.
    call: Call,
    /// The fragments of a message that is not complete, or of one that is about to be handled.
    gathered: Vec<u8>,
    stage: Stage,
    closed: Option<Closed>,
    /// True once the client has sent its close frame.
    has_client_closed: bool,
    /// True once the handler for closing has been called, or if there is none.
    is_told: bool,
    /// True if a control frame has been left for the client since all was sent.
    owes: bool,
    times: Times,
    /// Octets of frames that were sent.
    pub(crate) sent: u64,
    /// Kept for what its drop does.
    _counted: Option<Box<dyn Send>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Open,
    /// The close frame is sent, and that of the client is awaited.
    Closing,
    /// Nothing is received any more.
    Over,
}

/// A call of the program that is due.
#[derive(Default)]
enum Call {
    #[default]
    None,
    Opened,
    /// A message: where it is in the buffer of the caller, unless it was gathered.
    Message {
        place: Option<Range<usize>>,
        is_text: bool,
        is_compressed: bool,
    },
}

/// The times by which something must happen.
struct Times {
    /// When the client was last heard of.
    heard: Instant,
    /// When it was asked whether it is there, and has not been heard of since.
    pinged: Option<Instant>,
    /// Since when a message has been arriving.
    arriving: Option<Instant>,
    /// Since when its close frame has been awaited.
    closing: Instant,
    /// The time up to which its messages have used the rate.
    used: Instant,
}

/// The result of receiving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// A call is due.
    Call,
    /// More must be received.
    More,
    /// It sends too much: nothing is received for a while.
    Later,
}

impl SocketExchange {
    pub(crate) fn new(opened: Opened, now: Instant) -> SocketExchange {
        let receiver = Receiver::of_server(opened.settings.limits).with_compression(opened.is_compressed);
        SocketExchange {
            receiver,
            call: if opened.handlers.wants_opening() {
                Call::Opened
            } else {
                Call::None
            },
            is_told: !opened.handlers.wants_closing(),
            handlers: opened.handlers,
            line: opened.line,
            settings: opened.settings,
            members: Vec::new(),
            pace: opened.pace,
            gathered: Vec::new(),
            stage: Stage::Open,
            closed: None,
            has_client_closed: false,
            owes: false,
            times: Times {
                heard: now,
                pinged: None,
                arriving: None,
                closing: now,
                used: now,
            },
            sent: 0,
            _counted: opened.counted,
        }
    }

    /// Sends what there is, as far as the client takes it.
    pub(crate) fn flush(
        &mut self,
        now: Instant,
        membership: &mut dyn Membership,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        let mut members = Members {
            all: &mut self.members,
            membership,
            left: Vec::new(),
            closed: None,
        };
        let (flushed, sent) = self.line.flush(&mut members, write);
        self.sent += sent;
        self.owes = false;
        let Members {
            left,
            closed,
            membership,
            ..
        } = members;
        left.iter().for_each(|member| membership.leaves(member.topic()));
        if let Some(closed) = closed {
            self.begin_closing(closed, now);
        }
        if flushed == Flushed::Failed {
            self.lose("the connection is lost");
        }
        flushed
    }

    /// Takes what has arrived, up to the first call that is due; `at` is where `input` begins in the buffer of the caller.
    /// Returns how many bytes were taken. They must stay where they are until the [call](SocketExchange::call).
    pub(crate) fn receive(&mut self, input: &mut [u8], at: usize, now: Instant) -> (usize, Received) {
        let mut taken = 0;
        if self.has_call() {
            return (0, Received::Call);
        }
        if !input.is_empty() {
            self.times.heard = now;
            self.times.pinged = None;
        }
        while self.stage != Stage::Over {
            if self.may_again().is_some_and(|again| again > now) {
                return (taken, Received::Later);
            }
            let rest = input.get_mut(taken..).unwrap_or_default();
            match self.receiver.receive(rest) {
                Ok((_, None)) => {
                    self.note_arriving(now);
                    return (input.len(), Received::More);
                }
                Ok((n, Some(frame))) => {
                    let is_due = self.take(frame, rest, at + taken, now);
                    taken += n;
                    if is_due {
                        return (taken, Received::Call);
                    }
                }
                Err(failure) => self.fail(failure),
            }
        }
        // Nothing that follows counts.
        (input.len(), Received::Call)
    }

    /// Takes a frame, or a part of one, from `bytes`, which begin at `at` of the buffer. Returns true if a call is due.
    fn take(&mut self, frame: Frame, bytes: &[u8], at: usize, now: Instant) -> bool {
        match frame {
            Frame::Data(piece) if self.stage == Stage::Open && !self.line.is_closed() => {
                self.take_piece(piece, bytes, at, now)
            }
            // RFC 6455 §5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a Close frame".
            Frame::Ping => {
                self.line.pong(self.receiver.control());
                self.owes = true;
                false
            }
            Frame::Close => {
                self.take_close();
                true
            }
            // A frame of the server's has closed it already, or it is a pong.
            _ => false,
        }
    }

    fn take_piece(&mut self, piece: Piece, bytes: &[u8], at: usize, now: Instant) -> bool {
        let place = if piece.starts && piece.ends {
            Some(at + piece.start..at + piece.end)
        } else {
            self.gathered
                .extend_from_slice(bytes.get(piece.start..piece.end).unwrap_or_default());
            None
        };
        if piece.ends {
            self.times.arriving = None;
            self.use_rate(now);
            self.call = Call::Message {
                place,
                is_text: piece.is_text,
                is_compressed: piece.is_compressed,
            };
        }
        piece.ends
    }

    /// RFC 6455 §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST
    /// send a Close frame in response."
    fn take_close(&mut self) {
        let (code, reason) = match self.receiver.close() {
            Some(close) => (close.code, close.reason.to_owned()),
            None => (None, String::new()),
        };
        if self.stage == Stage::Closing {
            self.stage = Stage::Over;
        }
        // What was sent before comes before. "When sending a Close frame in response, the endpoint typically echos the
        // status code it received."
        self.line.close(Closed::new(CloseCause::Client, code, ""));
        self.has_client_closed = true;
        self.closed
            .get_or_insert_with(|| Closed::new(CloseCause::Client, code, &reason));
    }

    /// RFC 6455 §7.1.7: fails the connection, for a mistake of the client.
    fn fail(&mut self, failure: Failure) {
        self.end(Closed::failure(failure));
    }

    /// Ends it at once: the client is told, and nothing is awaited.
    pub(crate) fn end(&mut self, closed: Closed) {
        if self.stage == Stage::Open {
            self.line.close_now(closed.code(), closed.reason());
        }
        self.stage = Stage::Over;
        self.closed.get_or_insert(closed);
    }

    /// Closes it in order, after what the program has sent.
    pub(crate) fn close(&self, closed: Closed) {
        self.line.close(closed);
    }

    /// Notes that its connection is of no use any more.
    pub(crate) fn lose(&mut self, reason: &str) {
        self.stage = Stage::Over;
        self.line.end();
        self.closed.get_or_insert_with(|| Closed::lost(reason));
    }

    fn begin_closing(&mut self, closed: Closed, now: Instant) {
        if self.stage == Stage::Open {
            self.stage = if self.has_client_closed {
                Stage::Over
            } else {
                Stage::Closing
            };
            self.times.closing = now;
            self.gathered = Vec::new();
        }
        self.closed.get_or_insert(closed);
    }

    /// Returns true if a call is due.
    pub(crate) fn has_call(&self) -> bool {
        match self.call {
            // The handler for closing comes last.
            Call::None => self.stage == Stage::Over && !self.is_told,
            _ => true,
        }
    }

    /// Returns true if it has left something to be sent by itself.
    pub(crate) fn owes(&self) -> bool {
        self.owes
    }

    /// Returns true if nothing is received any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Returns the pace of the call that is due.
    pub(crate) fn pace(&self) -> Pace {
        match self.call {
            Call::Message { .. } => self.pace,
            // What is done once for a socket is timed by itself.
            Call::None | Call::Opened => Pace::of_index(self.pace.index().wrapping_add(1)),
        }
    }

    /// Returns true if a message is to be handled.
    pub(crate) fn has_message(&self) -> bool {
        matches!(self.call, Call::Message { .. })
    }

    /// Returns true if it has ended, and its program knows.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over && self.is_told
    }

    /// Returns true if its connection is of no use any more.
    pub(crate) fn is_lost(&self) -> bool {
        // One that has not answered a ping is sent a close frame, with a code.
        let is_lost = |closed: &Closed| closed.cause() == CloseCause::Lost && closed.code().is_none();
        self.closed.as_ref().is_some_and(is_lost)
    }

    /// Makes the call that is due; `buffer` is where what was received is.
    ///
    /// # Panics
    /// If the program does.
    pub(crate) fn call(&mut self, buffer: &[u8]) {
        let outcome = match std::mem::take(&mut self.call) {
            Call::None => return self.tell_closed(),
            Call::Opened => self.handlers.opened(),
            Call::Message {
                place,
                is_text,
                is_compressed,
            } => {
                let gathered = std::mem::take(&mut self.gathered);
                let bytes = match place {
                    Some(place) => buffer.get(place).unwrap_or_default(),
                    None => &gathered,
                };
                let most = usize::try_from(self.settings.limits.message).unwrap_or(usize::MAX);
                let inflated = match is_compressed.then(|| inflate(bytes, most)).transpose() {
                    Ok(inflated) => inflated,
                    Err(failure) => return self.fail(failure),
                };
                let Some(message) = message_of(inflated.as_deref().unwrap_or(bytes), is_text) else {
                    return self.fail(Failure::NotUtf8);
                };
                let outcome = self.handlers.message(message);
                self.keep(gathered);
                outcome
            }
        };
        if let Err(error) = outcome {
            // The handler of a socket that is closed may find that out by an error.
            if !self.line.is_closed() {
                report::error!("the handler of a socket failed: {error}; the socket is closed");
            }
            self.close(Closed::error("the handler failed"));
        }
    }

    /// Notes that the client was told that a handler has taken too long.
    pub(crate) fn overruled(&mut self) {
        self.stage = Stage::Over;
        self.closed
            .get_or_insert_with(|| Closed::error("the handler took too long"));
    }

    /// Notes that the program has panicked in a call.
    pub(crate) fn panicked(&mut self) {
        self.close(Closed::error("the handler panicked"));
    }

    /// Keeps a small buffer for the next message.
    fn keep(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            buffer.clear();
            self.gathered = buffer;
        }
    }

    fn tell_closed(&mut self) {
        if !std::mem::replace(&mut self.is_told, true) {
            let closed = self
                .closed
                .get_or_insert_with(|| Closed::lost("the connection is lost"));
            self.handlers.closed(closed);
        }
    }

    /// Returns when it is to be looked at, even if nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        let times = &self.times;
        match self.stage {
            Stage::Over => None,
            Stage::Closing => Some(after(times.closing, self.settings.closing)),
            Stage::Open => {
                let alive = match (times.pinged, self.settings.ping) {
                    (Some(pinged), _) => Some(after(pinged, self.settings.pong)),
                    (None, ping) => ping.map(|silence| after(times.heard, silence)),
                };
                let whole = times.arriving.map(|since| after(since, self.settings.message_time));
                earlier(earlier(alive, whole), self.may_again())
            }
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn note_time(&mut self, now: Instant) {
        let is_past = |since: Option<Instant>, time| since.is_some_and(|since| after(since, time) <= now);
        let times = &mut self.times;
        match self.stage {
            Stage::Over => {}
            Stage::Closing if is_past(Some(times.closing), self.settings.closing) => {
                self.lose("the client has not answered the close frame");
            }
            Stage::Closing => {}
            Stage::Open if is_past(times.pinged, self.settings.pong) => {
                self.end(Closed::new(
                    CloseCause::Lost,
                    Some(CloseCode::POLICY),
                    "a ping was not answered",
                ));
            }
            Stage::Open if is_past(times.arriving, self.settings.message_time) => {
                self.end(Closed::new(
                    CloseCause::Failure,
                    Some(CloseCode::POLICY),
                    "a message took too long to arrive",
                ));
            }
            Stage::Open => {
                let is_silent = self.settings.ping.is_some_and(|time| is_past(Some(times.heard), time));
                if is_silent && times.pinged.is_none() {
                    times.pinged = Some(now);
                    self.line.ping();
                }
            }
        }
    }

    fn note_arriving(&mut self, now: Instant) {
        if self.receiver.is_between_messages() {
            self.times.arriving = None;
        } else if self.times.arriving.is_none() {
            self.times.arriving = Some(now);
        }
    }

    /// Returns when the next message may be handled, if the rate is limited.
    fn may_again(&self) -> Option<Instant> {
        self.settings
            .rate
            .filter(|_| self.stage == Stage::Open)
            .map(|_| self.times.used)
    }

    /// Lets the next message be handled at once, whatever the rate is.
    pub(crate) fn forget_rate(&mut self) {
        self.times.used = self.times.heard;
    }

    /// Notes that a message has used its part of the rate. What was not used for up to a second may be used at once.
    fn use_rate(&mut self, now: Instant) {
        if let Some(rate) = self.settings.rate {
            let earliest = now.checked_sub(SECOND).unwrap_or(now);
            self.times.used = after(self.times.used.max(earliest), SECOND / rate);
        }
    }
}

/// Returns what was received as a message, unless it is to be text and is none. Without compression that was found before.
fn message_of(bytes: &[u8], is_text: bool) -> Option<Message<'_>> {
    if is_text {
        std::str::from_utf8(bytes).ok().map(Message::Text)
    } else {
        Some(Message::Binary(bytes))
    }
}

#[cfg(feature = "compression")]
fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>, Failure> {
    super::deflate::inflate(bytes, most)
}

#[cfg(not(feature = "compression"))]
fn inflate(_: &[u8], _: usize) -> Result<Vec<u8>, Failure> {
    // It was not negotiated, so a compressed message was refused before.
    Err(Failure::Compression)
}

/// One that ends without a call, because its connection is gone, calls the handler for closing here. So it must be dropped
/// where the program may block.
impl Drop for SocketExchange {
    fn drop(&mut self) {
        self.line.end();
        if !self.is_told {
            if let Err(panic) = contain(|| self.tell_closed()) {
                report::error!("the handler for the end of a socket panicked: {panic}");
            }
        }
    }
}
