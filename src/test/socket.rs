//! A WebSocket of the in-process client.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use hansel_proto::websocket::{CloseCode, Limits, Opcode, Received as Frame, Receiver, encode_masked};

use super::Response;
use crate::lock::lock;
use crate::panics::contain;
use crate::socket::{Flushed, Membership, Message, Opened, Received, SocketExchange, ToMessage};
use crate::topic::{Topic, Wake};

/// Any mask is good for tests.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A WebSocket of a [`Client`](super::Client), as its other side sees it: see [`Client::socket`](super::Client::socket).
///
/// What is sent is encoded, masked and decoded as on the wire, and the program's handlers run within the calls of these
/// methods. Limits for times do not apply, so no ping comes by itself. When this is dropped, the client has left.
///
/// Requires the feature `websocket`.
pub struct Socket {
    response: Response,
    server: SocketExchange,
    topics: Topics,
    /// What the server has sent and was not read.
    arrived: Vec<u8>,
    receiver: Receiver,
    /// The message that was received last.
    message: Vec<u8>,
    closed: Option<Option<CloseCode>>,
}

/// The topics that the socket has joined.
struct Topics {
    signal: Arc<Signal>,
    listened: Vec<(Topic, u64)>,
}

/// Tells that something is to be sent.
#[derive(Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Signal {
    fn wake(&self) {
        *lock(&self.is_set) = true;
        self.changed.notify_all();
    }
}

impl Signal {
    fn wait(&self) {
        let mut is_set = lock(&self.is_set);
        while !std::mem::replace(&mut *is_set, false) {
            is_set = self
                .changed
                .wait(is_set)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

impl Membership for Topics {
    fn joins(&mut self, topic: &Topic) {
        let number = topic.listen(Arc::clone(&self.signal) as Arc<dyn Wake>);
        self.listened.push((topic.clone(), number));
    }

    fn leaves(&mut self, topic: &Topic) {
        let is_other = |(joined, _): &(Topic, u64)| joined.number() != topic.number();
        let place = self.listened.iter().position(|joined| !is_other(joined));
        if let Some(place) = place {
            let (topic, number) = self.listened.swap_remove(place);
            topic.unlisten(number);
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        for (topic, number) in self.listened.drain(..) {
            topic.unlisten(number);
        }
    }
}

impl Socket {
    pub(super) fn new(response: Response, opened: Opened) -> Socket {
        let server = SocketExchange::new(opened, Instant::now());
        let signal = Arc::<Signal>::default();
        server.line.wake_by(Arc::clone(&signal) as Arc<dyn Wake>);
        let mut socket = Socket {
            response,
            server,
            topics: Topics {
                signal,
                listened: Vec::new(),
            },
            arrived: Vec::new(),
            receiver: Receiver::of_client(Limits::default().message(u64::MAX).frame(u64::MAX)),
            message: Vec::new(),
            closed: None,
        };
        socket.exchange(&mut []);
        socket
    }

    /// Returns the response that has opened it.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Sends a message, and returns when its handler has.
    pub fn send(&mut self, message: impl ToMessage) {
        let message = message.to_message();
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        self.send_frame(opcode, message.bytes());
    }

    /// Sends bytes as they are: frames, good or bad.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.exchange(&mut bytes.to_vec());
    }

    /// Returns the next message of the server, and waits for it if another thread has to send it. `None` if the server has
    /// closed the socket.
    pub fn receive(&mut self) -> Option<Message<'_>> {
        self.exchange(&mut []);
        loop {
            if let Some(is_text) = self.next_message() {
                return Some(self.received(is_text));
            }
            if self.closed.is_some() {
                return None;
            }
            self.topics.signal.wait();
            self.exchange(&mut []);
        }
    }

    /// Returns the next message of the server, if it is there already.
    pub fn try_receive(&mut self) -> Option<Message<'_>> {
        self.exchange(&mut []);
        let is_text = self.next_message()?;
        Some(self.received(is_text))
    }

    /// Returns the message that was received last.
    fn received(&self, is_text: bool) -> Message<'_> {
        match std::str::from_utf8(&self.message) {
            Ok(text) if is_text => Message::Text(text),
            _ => Message::Binary(&self.message),
        }
    }

    /// Closes it with this code, and returns the one of the server's answer.
    pub fn close(mut self, code: CloseCode) -> Option<CloseCode> {
        self.send_frame(Opcode::Close, &code.get().to_be_bytes());
        while self.next_message().is_some() {}
        self.closed.flatten()
    }

    /// Returns the code with which the server has closed it, once [`receive`](Socket::receive) has returned `None`.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.closed.flatten()
    }

    fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_masked(opcode, true, false, payload, MASK, &mut frame);
        self.exchange(&mut frame);
    }

    /// Gives the server what the client has sent, and takes what it sends.
    fn exchange(&mut self, sent: &mut [u8]) {
        let mut taken = 0;
        loop {
            let arrived = &mut self.arrived;
            let now = Instant::now();
            let flushed = self.server.flush(now, &mut self.topics, &mut |bytes| {
                arrived.extend_from_slice(bytes);
                Ok(bytes.len())
            });
            if self.server.has_call() {
                if contain(|| self.server.call(sent)).is_err() {
                    self.server.panicked();
                }
                continue;
            }
            let rest = sent.get_mut(taken..).unwrap_or_default();
            let is_done = rest.is_empty();
            let (n, received) = self.server.receive(rest, taken, now);
            taken += n;
            match received {
                // The rate is measured in time.
                Received::Later => self.server.forget_rate(),
                Received::Call => {}
                Received::More if is_done && flushed == Flushed::All && !self.server.owes() => return,
                Received::More => {}
            }
            if self.server.is_over() {
                self.server.flush(now, &mut self.topics, &mut |bytes| {
                    self.arrived.extend_from_slice(bytes);
                    Ok(bytes.len())
                });
                return;
            }
        }
    }

    /// Takes the next message of what has arrived. Returns whether it is a text.
    fn next_message(&mut self) -> Option<bool> {
        self.message.clear();
        loop {
            // What the server encodes is right, and this receiver keeps its place.
            let (n, frame) = self.receiver.receive(&mut self.arrived).ok()?;
            let piece = match frame {
                None if n == 0 => return None,
                Some(Frame::Data(piece)) => {
                    self.message
                        .extend_from_slice(self.arrived.get(piece.start..piece.end).unwrap_or_default());
                    piece.ends.then_some(piece.is_text)
                }
                Some(Frame::Close) => {
                    self.closed = Some(self.receiver.close().and_then(|close| close.code));
                    None
                }
                _ => None,
            };
            self.arrived.drain(..n);
            if piece.is_some() {
                return piece;
            }
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}
