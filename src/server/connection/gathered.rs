//! Pieces of a stream that are gathered, and sent together.

use std::io;
use std::time::Instant;

use super::link::{Attempt, DRAINING, Transport};
use crate::server::limits::Limits;

/// How many bytes are gathered at most.
const MOST: usize = 16 * 1024;

/// A piece of this size is sent from where it is.
const LARGE: usize = 4 * 1024;

/// The pieces that a stream has written, and the way to its client.
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// `None` once nothing more is sent: what is still listed of a stream that is over must not keep its socket open.
    transport: Option<Transport>,
    /// True if something could not be sent.
    has_failed: bool,
}

impl Gathered {
    pub(crate) fn new(bytes: Vec<u8>, transport: Transport) -> Gathered {
        Gathered {
            bytes,
            transport: Some(transport),
            has_failed: false,
        }
    }

    /// Returns true if something waits to be sent.
    pub(crate) fn is_left(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Returns true if this piece can be kept until there are more.
    pub(crate) fn has_room(&self, piece: &[u8]) -> bool {
        piece.len() < LARGE && self.bytes.len() + piece.len() < MOST
    }

    pub(crate) fn keep(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Sends what was kept and then `piece`, waiting for the client.
    pub(crate) fn send(&mut self, piece: &[u8], limits: &Limits) -> io::Result<()> {
        if self.has_failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.is_left() && piece.len() < LARGE {
            self.keep(piece);
            return self.write(None, limits);
        }
        if self.is_left() {
            self.write(None, limits)?;
        }
        if piece.is_empty() {
            Ok(())
        } else {
            self.write(Some(piece), limits)
        }
    }

    /// Writes `piece`, or what was kept.
    fn write(&mut self, piece: Option<&[u8]>, limits: &Limits) -> io::Result<()> {
        let bytes = piece.unwrap_or(&self.bytes);
        let Some(transport) = &mut self.transport else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // The clock runs only while the client is waited for, not between two writes.
        let deadline = limits.transfer_deadline(Instant::now(), bytes.len() as u64);
        let outcome = transport.write_by(bytes, deadline);
        self.has_failed |= outcome.is_err();
        self.bytes.clear();
        outcome
    }

    /// Sends as much as the client takes now. Returns true if something is left.
    pub(crate) fn send_now(&mut self) -> bool {
        let Some(transport) = &mut self.transport else {
            return false;
        };
        while !self.bytes.is_empty() && !self.has_failed && !transport.is_interrupted() {
            match transport.try_write(&self.bytes) {
                Attempt::Done(written @ 1..) => drop(self.bytes.drain(..written)),
                Attempt::TooEarly => return true,
                Attempt::Done(_) | Attempt::Failed => self.has_failed = true,
            }
        }
        false
    }

    /// Lets it be sent although the server drains.
    pub(crate) fn outlive_drain(&mut self) {
        if let Some(transport) = &mut self.transport {
            transport.interrupts &= !DRAINING;
        }
    }

    /// Takes the buffer, when nothing more is sent.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.transport = None;
        self.bytes.clear();
        std::mem::take(&mut self.bytes)
    }
}
