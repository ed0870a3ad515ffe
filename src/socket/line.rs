//! What a socket is to send: written by any thread, and sent by whoever has the connection.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use hansel_proto::websocket::{CloseCode, Deflate, Opcode, encode, encode_close};

use super::closed::Closed;
use super::message::Message;
use super::notice::Notice;
use super::send_error::SendError;
use super::settings::SocketSettings;
use crate::lock::lock;
use crate::topic::{Form, Next, SlowSubscribers, Subscriber, Topic, Wake};

/// The number of bytes that are gathered before they are sent.
const GATHERED: usize = 16 * 1024;

/// The number of bytes of messages that are encoded at once. More of them wait as they are, so that the policy for slow
/// clients can still leave some out.
const ENCODED: usize = 64 * 1024;

/// The number of bytes after which other connections have their turn.
const TURN: usize = 256 * 1024;

/// A buffer that has grown beyond this size is freed when all is sent.
const KEPT: usize = 128;

/// Shorter messages are not compressed: that takes 25 µs, and saves less than sending these.
#[cfg(feature = "compression")]
const WORTHWHILE: usize = 256;

/// The way from a socket's handles to its connection.
pub(crate) struct Line {
    outgoing: Mutex<Outgoing>,
    /// Who is told that there is something to be sent.
    waker: OnceLock<Arc<dyn Wake>>,
    backlog: usize,
    slow: SlowSubscribers,
    /// The terms of compression, if messages are compressed.
    deflate: Option<Deflate>,
}

#[derive(Default)]
struct Outgoing {
    /// Frames, of which the first `sent` bytes are sent.
    out: Vec<u8>,
    sent: usize,
    /// What comes after them, in order.
    behind: VecDeque<Item>,
    /// The number of messages among that.
    messages_behind: usize,
    notice: Notice,
    /// True once a close frame is here, or nothing can be sent any more.
    is_closed: bool,
}

enum Item {
    Message(Vec<u8>),
    Join(Box<Subscriber>),
    /// The number of the topic, because the last who keeps one may have something of the program to drop.
    Leave(u64),
    Close(Closed),
}

/// What sending has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flushed {
    /// All of it is sent.
    All,
    /// The client does not take more.
    Blocked,
    /// There is more, after others had their turn.
    More,
    /// Nothing can be sent any more.
    Failed,
}

/// Whoever delivers what is sent to the topics of a socket.
pub(crate) trait Membership {
    /// The socket joins this topic. Its messages are looked at after that for the first time.
    fn joins(&mut self, topic: &Topic);
    /// The socket has left it.
    fn leaves(&mut self, topic: &Topic);
}

/// The topics of a socket, for whoever sends.
pub(crate) struct Members<'m> {
    pub(crate) all: &'m mut Vec<Subscriber>,
    pub(crate) membership: &'m mut dyn Membership,
    /// Those that were left. They are dropped without a lock, because a topic may be the last thing that keeps a value of the
    /// program.
    pub(crate) left: Vec<Subscriber>,
    /// The end, once its frame is among what is sent.
    pub(crate) closed: Option<Closed>,
}

impl Members<'_> {
    fn join(&mut self, subscriber: Subscriber) {
        if self.place_of(subscriber.topic().number()).is_none() {
            self.membership.joins(subscriber.topic());
            if self.all.is_empty() {
                // Most sockets join one, and room for four would be a tenth of what an idle socket needs.
                self.all.reserve_exact(1);
            }
            self.all.push(subscriber);
        }
    }

    fn place_of(&self, topic: u64) -> Option<usize> {
        self.all.iter().position(|member| member.topic().number() == topic)
    }
}

impl Line {
    pub(crate) fn new(settings: &SocketSettings, deflate: Option<Deflate>) -> Line {
        Line {
            outgoing: Mutex::default(),
            waker: OnceLock::new(),
            backlog: settings.backlog,
            slow: settings.slow,
            deflate,
        }
    }

    /// Sets who is told from now on that there is something to be sent.
    pub(crate) fn wake_by(&self, waker: Arc<dyn Wake>) {
        let _ = self.waker.set(waker);
        self.tell(lock(&self.outgoing));
    }

    pub(crate) fn send(&self, message: Message<'_>) -> Result<(), SendError> {
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        let compressed = self.compressed(message);
        let payload = compressed.as_deref().unwrap_or(message.bytes());
        let encode = |out: &mut Vec<u8>| encode(opcode, true, compressed.is_some(), payload, out);
        let mut outgoing = lock(&self.outgoing);
        if outgoing.is_closed {
            return Err(SendError::closed());
        }
        if outgoing.takes_more() {
            encode(&mut outgoing.out);
        } else {
            let mut frame = Vec::new();
            encode(&mut frame);
            if !self.queue(&mut outgoing, frame) {
                self.tell(outgoing);
                return Err(SendError::slow());
            }
        }
        self.tell(outgoing);
        Ok(())
    }

    /// Queues a message by the policy for slow clients. Returns false if that closes the socket.
    fn queue(&self, outgoing: &mut Outgoing, frame: Vec<u8>) -> bool {
        let most = match self.slow {
            SlowSubscribers::KeepNewest => 1,
            _ => self.backlog,
        };
        if outgoing.messages_behind >= most {
            if self.slow == SlowSubscribers::Close {
                // Those that wait would keep the client waiting for the end.
                outgoing.drop_messages(0);
                outgoing.close(Closed::slow("too many messages wait"));
                return false;
            }
            outgoing.drop_messages(most - 1);
        }
        outgoing.messages_behind += 1;
        outgoing.behind.push_back(Item::Message(frame));
        true
    }

    #[cfg(feature = "compression")]
    fn compressed(&self, message: Message<'_>) -> Option<Vec<u8>> {
        let deflate = self.deflate.filter(|_| message.bytes().len() >= WORTHWHILE)?;
        super::deflate::deflate(message.bytes(), deflate.window_bits())
    }

    #[cfg(not(feature = "compression"))]
    fn compressed(&self, _: Message<'_>) -> Option<Vec<u8>> {
        debug_assert!(self.deflate.is_none());
        None
    }

    /// Sends what is sent to `topic` from now on, after everything that was sent before.
    pub(crate) fn join(&self, topic: &Topic) {
        self.command(Item::Join(Box::new(topic.join(Form::Frame))));
    }

    pub(crate) fn leave(&self, topic: &Topic) {
        self.command(Item::Leave(topic.number()));
    }

    /// Closes it after everything that was sent before.
    pub(crate) fn close(&self, closed: Closed) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.close(closed);
        self.tell(outgoing);
    }

    fn command(&self, item: Item) {
        let mut outgoing = lock(&self.outgoing);
        if !outgoing.is_closed {
            outgoing.behind.push_back(item);
            self.tell(outgoing);
        }
    }

    /// Tells whoever sends that there is something, unless that is known.
    fn tell(&self, mut outgoing: MutexGuard<'_, Outgoing>) {
        let has_something = !outgoing.behind.is_empty() || !outgoing.out.is_empty();
        let Some(waker) = self.waker.get() else { return };
        if has_something && outgoing.notice.is_due() {
            drop(outgoing);
            waker.wake();
        }
    }

    /// Notes whether whoever runs a handler sends what that leaves here.
    pub(crate) fn attend(&self, is_attended: bool) {
        lock(&self.outgoing).notice.attend(is_attended);
    }

    /// Appends a pong. It comes before what waits.
    pub(crate) fn pong(&self, payload: &[u8]) {
        self.control(|out| encode(Opcode::Pong, true, false, payload, out));
    }

    pub(crate) fn ping(&self) {
        self.control(|out| encode(Opcode::Ping, true, false, &[], out));
    }

    /// Appends a close frame in place of everything that waits. Nothing follows it.
    pub(crate) fn close_now(&self, code: Option<CloseCode>, reason: &str) {
        let mut outgoing = lock(&self.outgoing);
        let waits = std::mem::take(&mut outgoing.behind);
        outgoing.messages_behind = 0;
        encode_close(code, reason, &mut outgoing.out);
        outgoing.is_closed = true;
        drop(outgoing);
        drop(waits);
    }

    fn control(&self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut outgoing = lock(&self.outgoing);
        if !outgoing.is_closed {
            encode(&mut outgoing.out);
        }
    }

    /// Notes that nothing can be sent any more.
    pub(crate) fn end(&self) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.is_closed = true;
        outgoing.messages_behind = 0;
        let left = (std::mem::take(&mut outgoing.out), std::mem::take(&mut outgoing.behind));
        outgoing.sent = 0;
        drop(outgoing);
        drop(left);
    }

    /// Sends what there is, and what topics have, as far as the client takes it.
    pub(crate) fn flush(
        &self,
        members: &mut Members<'_>,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> (Flushed, u64) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.notice.take_up();
        let mut written = 0;
        let flushed = loop {
            outgoing.gather(members);
            if outgoing.out.len() == outgoing.sent {
                break Flushed::All;
            }
            if written >= TURN {
                break Flushed::More;
            }
            match outgoing.write(write) {
                Ok(n) => written += n,
                Err(flushed) => break flushed,
            }
        };
        outgoing.notice.block(flushed == Flushed::Blocked);
        if flushed == Flushed::All {
            outgoing.out.clear();
            outgoing.sent = 0;
            if outgoing.out.capacity() > KEPT {
                outgoing.out = Vec::new();
            }
        }
        (flushed, written as u64)
    }

    /// Sends what is here of the socket's own, while its handler runs on.
    pub(crate) fn flush_own(&self, write: &mut dyn FnMut(&[u8]) -> io::Result<usize>) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.notice.take_up();
        while outgoing.out.len() > outgoing.sent {
            if outgoing.write(write).is_err() {
                // It is found again when the handler has returned.
                return;
            }
        }
        outgoing.out.clear();
        outgoing.sent = 0;
    }

    /// Takes what is not sent, because the connection goes on without the socket.
    pub(crate) fn take_rest(&self) -> Vec<u8> {
        let mut outgoing = lock(&self.outgoing);
        let sent = std::mem::take(&mut outgoing.sent);
        let mut out = std::mem::take(&mut outgoing.out);
        out.drain(..sent.min(out.len()));
        out
    }

    /// Returns true if nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.outgoing).is_closed
    }
}

impl Outgoing {
    fn takes_more(&self) -> bool {
        !self.notice.is_blocked() && self.behind.is_empty() && self.out.len() < ENCODED
    }

    fn close(&mut self, closed: Closed) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.behind.push_back(Item::Close(closed));
        }
    }

    /// Leaves the oldest messages out, but for the newest `kept`.
    fn drop_messages(&mut self, kept: usize) {
        let mut surplus = self.messages_behind.saturating_sub(kept);
        self.messages_behind -= surplus;
        self.behind.retain(|item| {
            let goes = surplus > 0 && matches!(item, Item::Message(_));
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// Puts more frames into `out`, up to [`GATHERED`].
    fn gather(&mut self, members: &mut Members<'_>) {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        while self.out.len() - self.sent < GATHERED {
            match self.behind.pop_front() {
                Some(Item::Message(frame)) => {
                    self.messages_behind -= 1;
                    self.out.extend_from_slice(&frame);
                }
                Some(Item::Join(subscriber)) => members.join(*subscriber),
                Some(Item::Leave(topic)) => {
                    if let Some(place) = members.place_of(topic) {
                        members.left.push(members.all.swap_remove(place));
                    }
                }
                Some(Item::Close(closed)) => {
                    // What was sent to its topics before comes before.
                    while self.gather_of_topics(members) {}
                    encode_close(closed.code(), closed.reason(), &mut self.out);
                    members.closed = Some(closed);
                    return;
                }
                None if self.is_closed || !self.gather_of_topics(members) => return,
                None => {}
            }
        }
    }

    /// Puts the next message of each topic into `out`. Returns true if there was any.
    fn gather_of_topics(&mut self, members: &mut Members<'_>) -> bool {
        let before = self.out.len();
        for member in members.all.iter_mut() {
            match member.next() {
                Next::Message(message) => self.out.extend_from_slice(message.bytes(Form::Frame, false)),
                Next::Nothing => {}
                Next::Close => {
                    let is_new = !self.is_closed;
                    self.close(Closed::slow("too many messages of a topic wait"));
                    return is_new;
                }
            }
        }
        self.out.len() > before
    }

    /// Writes once.
    fn write(&mut self, write: &mut dyn FnMut(&[u8]) -> io::Result<usize>) -> Result<usize, Flushed> {
        let rest = self.out.get(self.sent..).unwrap_or_default();
        match write(rest) {
            Ok(0) => Err(Flushed::Failed),
            Ok(n) => {
                self.sent += n;
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.notice.block(true);
                Err(Flushed::Blocked)
            }
            Err(_) => Err(Flushed::Failed),
        }
    }
}
