//! The mistakes in received frames.

use std::error::Error;
use std::fmt;

use super::close::CloseCode;

/// Why a connection must be failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// A reserved bit is set.
    ReservedBits,
    /// A frame is of no known kind.
    UnknownOpcode,
    /// A control frame is fragmented.
    FragmentedControl,
    /// A control frame has more than 125 bytes.
    LongControl,
    /// A length has more bytes than it needs, or its first bit is set.
    Length,
    /// A client's frame is not masked.
    Unmasked,
    /// A server's frame is masked.
    Masked,
    /// A fragment continues no message.
    Continuation,
    /// A message begins within another.
    Interleaved,
    /// A close frame has a code that may not be sent, or half of one.
    CloseFrame,
    /// A text or the reason of a close frame is not UTF-8.
    NotUtf8,
    /// A frame is longer than [`Limits::frame`](super::Limits::frame).
    FrameTooLong,
    /// A message is longer than [`Limits::message`](super::Limits::message), or would be once it is decompressed.
    MessageTooLong,
    /// A message has more fragments than [`Limits::fragments`](super::Limits::fragments).
    TooManyFragments,
    /// A compressed message cannot be decompressed.
    Compression,
}

impl Failure {
    /// Returns the code of the close frame that tells the other side.
    pub const fn code(self) -> CloseCode {
        match self {
            Failure::NotUtf8 | Failure::Compression => CloseCode::INVALID,
            Failure::FrameTooLong | Failure::MessageTooLong => CloseCode::TOO_BIG,
            Failure::TooManyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL,
        }
    }

    /// Returns the reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Failure::ReservedBits => "a reserved bit is set",
            Failure::UnknownOpcode => "a frame is of no known kind",
            Failure::FragmentedControl => "a control frame is fragmented",
            Failure::LongControl => "a control frame has more than 125 bytes",
            Failure::Length => "the length of a frame is not encoded as it must be",
            Failure::Unmasked => "a frame of a client is not masked",
            Failure::Masked => "a frame of a server is masked",
            Failure::Continuation => "a fragment continues no message",
            Failure::Interleaved => "a message begins within another",
            Failure::CloseFrame => "the code of a close frame is invalid",
            Failure::NotUtf8 => "a text is not UTF-8",
            Failure::FrameTooLong => "a frame is too long",
            Failure::MessageTooLong => "a message is too long",
            Failure::TooManyFragments => "a message has too many fragments",
            Failure::Compression => "a message cannot be decompressed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for Failure {}
