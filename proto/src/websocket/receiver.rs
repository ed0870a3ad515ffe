//! Received frames: what they are, and whether they may come at this moment.

use super::close::Close;
use super::failure::Failure;
use super::frame::{FrameHead, MOST_CONTROL, MOST_HEAD, Opcode, unmask};
use super::utf8::Utf8;

/// The largest sizes and counts that are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The longest payload of a frame, in bytes.
    pub frame: u64,
    /// The longest message, in bytes as they are sent.
    pub message: u64,
    /// The most fragments of a message.
    pub fragments: u32,
}

impl Default for Limits {
    /// 1 MiB for a frame and for a message, and 1024 fragments.
    fn default() -> Limits {
        Limits {
            frame: 1 << 20,
            message: 1 << 20,
            fragments: 1024,
        }
    }
}

impl Limits {
    /// Sets the longest payload of a frame.
    #[must_use]
    pub const fn frame(mut self, bytes: u64) -> Limits {
        self.frame = bytes;
        self
    }

    /// Sets the longest message.
    #[must_use]
    pub const fn message(mut self, bytes: u64) -> Limits {
        self.message = bytes;
        self
    }

    /// Sets the most fragments of a message.
    #[must_use]
    pub const fn fragments(mut self, count: u32) -> Limits {
        self.fragments = count;
        self
    }
}

/// A piece of what was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Received {
    /// A piece of a message.
    Data(Piece),
    /// A ping, to be answered by a pong with the same [payload](Receiver::control).
    Ping,
    /// A pong.
    Pong,
    /// The other side closes: [`Receiver::close`]. Nothing that follows counts.
    Close,
}

/// A piece of a message, unmasked, as a range of the bytes that were passed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Piece {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// True if the message begins with it.
    pub starts: bool,
    /// True if the message ends with it.
    pub ends: bool,
    /// True if the message is a text.
    pub is_text: bool,
    /// True if the message is compressed. Then its text is not checked yet.
    pub is_compressed: bool,
}

/// Receives frames.
///
/// It needs no buffer of its own: each call consumes what it has understood, and a head or a control frame that is not
/// complete is kept in it.
#[derive(Clone, Debug)]
pub struct Receiver {
    limits: Limits,
    /// True for a server, whose clients mask what they send.
    wants_masks: bool,
    /// True if messages may be compressed.
    may_be_compressed: bool,
    /// The beginning of a head; its length.
    begun: [u8; MOST_HEAD],
    begun_len: u8,
    frame: Option<Frame>,
    message: Option<Message>,
    control: [u8; MOST_CONTROL],
    control_len: u8,
    is_closed: bool,
}

/// A frame of which not all has been consumed.
#[derive(Clone, Copy, Debug)]
struct Frame {
    head: FrameHead,
    /// The number of bytes of its payload that were consumed.
    passed: u64,
}

/// A message of which not all frames were consumed.
#[derive(Clone, Copy, Debug)]
struct Message {
    is_text: bool,
    is_compressed: bool,
    /// No piece of it was returned.
    is_new: bool,
    len: u64,
    fragments: u32,
    utf8: Utf8,
}

impl Receiver {
    /// Creates the receiver of a server.
    pub const fn of_server(limits: Limits) -> Receiver {
        Receiver {
            limits,
            wants_masks: true,
            may_be_compressed: false,
            begun: [0; MOST_HEAD],
            begun_len: 0,
            frame: None,
            message: None,
            control: [0; MOST_CONTROL],
            control_len: 0,
            is_closed: false,
        }
    }

    /// Creates the receiver of a client.
    pub const fn of_client(limits: Limits) -> Receiver {
        let mut receiver = Receiver::of_server(limits);
        receiver.wants_masks = false;
        receiver
    }

    /// The same, for a connection with `permessage-deflate` (RFC 7692).
    #[must_use]
    pub const fn with_compression(mut self, is_negotiated: bool) -> Receiver {
        self.may_be_compressed = is_negotiated;
        self
    }

    /// Consumes the beginning of `input`, up to the first thing to do. Returns how much was consumed, and what it was;
    /// `None` means that all is consumed and more must be received.
    ///
    /// # Errors
    /// Returns an error if the connection must be failed (RFC 6455 §7.1.7). Nothing that follows counts.
    pub fn receive(&mut self, input: &mut [u8]) -> Result<(usize, Option<Received>), Failure> {
        let mut consumed = 0;
        loop {
            if self.is_closed {
                // RFC 6455 §5.5.1: "After sending a Close frame, the application MUST NOT send any more data".
                return Ok((input.len(), None));
            }
            let rest = input.get_mut(consumed..).unwrap_or_default();
            let Some(Frame { head, passed }) = self.frame else {
                if rest.is_empty() {
                    return Ok((consumed, None));
                }
                consumed += self.take_head(rest)?;
                continue;
            };
            let left = head.len - passed;
            if rest.is_empty() && left > 0 {
                return Ok((consumed, None));
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let payload = rest.get_mut(..taken).unwrap_or_default();
            if let Some(mask) = head.mask {
                unmask(mask, passed, payload);
            }
            let passed = passed + taken as u64;
            let is_over = passed == head.len;
            self.frame = (!is_over).then_some(Frame { head, passed });
            let start = consumed;
            consumed += taken;
            let received = if head.opcode.is_control() {
                self.take_control(payload, head.opcode, is_over)?
            } else {
                Some(Received::Data(self.take_data(
                    payload,
                    start,
                    head.is_final && is_over,
                )?))
            };
            if received.is_some() {
                return Ok((consumed, received));
            }
        }
    }

    /// Returns the payload of the ping or pong that was received last.
    pub fn control(&self) -> &[u8] {
        self.control.get(..usize::from(self.control_len)).unwrap_or_default()
    }

    /// Returns the content of the close frame that was received.
    pub fn close(&self) -> Option<Close<'_>> {
        self.is_closed.then(|| Close::parse(self.control()))?
    }

    /// Returns true if nothing of a message or a control frame has been received that is not over.
    pub fn is_between_messages(&self) -> bool {
        self.begun_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Takes a head, or the beginning of one. Returns how many bytes that is.
    fn take_head(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if self.begun_len == 0 {
            if let Some((head, len)) = FrameHead::parse(bytes)? {
                self.begin_frame(head)?;
                return Ok(len);
            }
        }
        let mut taken = 0;
        for &byte in bytes {
            let Some(place) = self.begun.get_mut(usize::from(self.begun_len)) else {
                break;
            };
            *place = byte;
            self.begun_len += 1;
            taken += 1;
            let begun = self.begun.get(..usize::from(self.begun_len)).unwrap_or_default();
            if let Some((head, _)) = FrameHead::parse(begun)? {
                self.begun_len = 0;
                self.begin_frame(head)?;
                break;
            }
        }
        Ok(taken)
    }

    /// Checks whether a frame with this head may come now.
    fn begin_frame(&mut self, head: FrameHead) -> Result<(), Failure> {
        // RFC 6455 §5.1: "The server MUST close the connection upon receiving a frame that is not masked", and "A client
        // MUST close a connection if it detects a masked frame".
        if head.mask.is_some() != self.wants_masks {
            return Err(if self.wants_masks {
                Failure::Unmasked
            } else {
                Failure::Masked
            });
        }
        // RFC 7692 §6: the bit is that of "the first frame of a message".
        let may_have_bit = matches!(head.opcode, Opcode::Text | Opcode::Binary) && self.may_be_compressed;
        if head.is_compressed && !may_have_bit {
            return Err(Failure::ReservedBits);
        }
        if head.opcode.is_control() {
            self.control_len = 0;
        } else {
            self.begin_fragment(head)?;
        }
        self.frame = Some(Frame { head, passed: 0 });
        Ok(())
    }

    fn begin_fragment(&mut self, head: FrameHead) -> Result<(), Failure> {
        // RFC 6455 §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
        let message = match (&mut self.message, head.opcode) {
            (Some(message), Opcode::Continuation) => message,
            (None, Opcode::Continuation) => return Err(Failure::Continuation),
            (Some(_), _) => return Err(Failure::Interleaved),
            (None, opcode) => self.message.insert(Message {
                is_text: opcode == Opcode::Text,
                is_compressed: head.is_compressed,
                is_new: true,
                len: 0,
                fragments: 0,
                utf8: Utf8::new(),
            }),
        };
        message.len = message.len.saturating_add(head.len);
        message.fragments = message.fragments.saturating_add(1);
        if head.len > self.limits.frame {
            return Err(Failure::FrameTooLong);
        }
        if message.len > self.limits.message {
            return Err(Failure::MessageTooLong);
        }
        if message.fragments > self.limits.fragments {
            return Err(Failure::TooManyFragments);
        }
        Ok(())
    }

    /// Takes a piece of a message, which begins at `start` of the input.
    fn take_data(&mut self, payload: &[u8], start: usize, ends: bool) -> Result<Piece, Failure> {
        let Some(message) = &mut self.message else {
            return Err(Failure::Continuation);
        };
        let piece = Piece {
            start,
            end: start + payload.len(),
            starts: std::mem::replace(&mut message.is_new, false),
            ends,
            is_text: message.is_text,
            is_compressed: message.is_compressed,
        };
        if message.is_text && !message.is_compressed {
            // RFC 6455 §8.1: an endpoint that finds bytes that are not UTF-8 "MUST _Fail the WebSocket Connection_".
            let is_text = message.utf8.accepts(payload) && (!ends || message.utf8.is_whole());
            if !is_text {
                return Err(Failure::NotUtf8);
            }
        }
        if ends {
            self.message = None;
        }
        Ok(piece)
    }

    /// Takes a piece of a control frame, which is kept until it is whole.
    fn take_control(&mut self, payload: &[u8], opcode: Opcode, is_over: bool) -> Result<Option<Received>, Failure> {
        let begin = usize::from(self.control_len);
        if let Some(room) = self.control.get_mut(begin..begin + payload.len()) {
            room.copy_from_slice(payload);
            self.control_len += payload.len() as u8;
        }
        if !is_over {
            return Ok(None);
        }
        Ok(Some(match opcode {
            Opcode::Ping => Received::Ping,
            Opcode::Pong => Received::Pong,
            _ => {
                self.check_close()?;
                self.is_closed = true;
                Received::Close
            }
        }))
    }

    fn check_close(&self) -> Result<(), Failure> {
        match Close::parse(self.control()) {
            Some(_) => Ok(()),
            // RFC 6455 §5.5.1: the reason is "UTF-8-encoded data".
            None if self
                .control()
                .get(2..)
                .is_some_and(|reason| std::str::from_utf8(reason).is_err()) =>
            {
                Err(Failure::NotUtf8)
            }
            None => Err(Failure::CloseFrame),
        }
    }
}
