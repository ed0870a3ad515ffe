//! Receiving on a connection, one read at a time.

use crate::report;

use super::link::Attempt;
use super::{Connection, Life, Progress, Waits};
use crate::server::net::channel::SHORT_READ_DRAINS;
use crate::server::net::proxy_header::{ParseProxyHeader, ProxyHeader};

/// The most that is read of a closing connection at once.
const DISCARDED: usize = 16 * 1024;

/// The number of bytes read at once while a PROXY header is expected: more than any usual header.
const PROXY_PIECE: usize = 512;

impl Connection {
    /// Reads once.
    // Not on the usual path, which reads ahead.
    #[inline(never)]
    pub(super) fn receive(&mut self) {
        let Some(work) = &mut self.work else { return };
        let room = work.exchange.room();
        let size = room.len();
        let attempt = self.transport.try_read(room);
        work.exchange.received(attempt.done());
        self.note_read(attempt, size);
    }

    /// Returns true if nothing is in progress, so that what comes next may be read into memory other than its work's.
    pub(crate) fn may_be_read_ahead(&self) -> bool {
        self.work.is_none()
            && self.state == Life::Open
            && self.begun.is_empty()
            && self.proxy_header.is_none()
            // A socket whose client does not take what it is sent.
            && self.wait.reason != Waits::Client
    }

    /// Reads once, into `room`, and returns how much. If that is nothing although it is still
    /// [ready](Connection::is_ready), this is the end.
    pub(crate) fn receive_ahead(&mut self, room: &mut [u8]) -> usize {
        let attempt = self.transport.try_read(room);
        self.note_read(attempt, room.len());
        attempt.done()
    }

    /// Records the result of a read into a buffer of this size.
    #[inline]
    fn note_read(&mut self, attempt: Attempt, size: usize) {
        let is_short = attempt.done() < size && self.transport.channel().short_read_drains();
        self.wait.passed(attempt.done());
        self.readiness.note_read(attempt, is_short);
    }

    /// Reads and discards, until the client has closed, too.
    pub(super) fn discard(&mut self) -> Progress {
        let mut nowhere = [0; DISCARDED];
        while self.readiness.readable {
            match self.transport.try_read(&mut nowhere) {
                Attempt::Done(1..) => {}
                Attempt::TooEarly => self.readiness.readable = false,
                Attempt::Done(0) | Attempt::Failed => return Progress::Close,
            }
        }
        Progress::Wait
    }

    /// Reads up to the end of the PROXY header. Returns `None` if the connection has no further use.
    #[cold]
    pub(super) fn receive_proxy_header(&mut self, parse: ParseProxyHeader) -> Option<ProxyHeader> {
        let mut bytes = std::mem::take(&mut self.begun).into_vec();
        while self.readiness.readable {
            let mut piece = [0; PROXY_PIECE];
            match Attempt::of(self.transport.channel().read_beneath(&mut piece)) {
                Attempt::Done(n @ 1..) => {
                    bytes.extend_from_slice(&piece[..n]);
                    self.readiness.readable =
                        n == piece.len() || !SHORT_READ_DRAINS || self.readiness.peer_is_finishing;
                }
                Attempt::TooEarly => self.readiness.readable = false,
                Attempt::Done(0) | Attempt::Failed => return None,
            }
            let verdict = parse(&bytes);
            if let Ok(ProxyHeader::Whole { len, relayed }) = verdict {
                self.proxy_header = None;
                self.relayed = relayed;
                let work = self.work.as_mut()?;
                work.exchange.request.relayed = relayed;
                let behind = bytes.get(len..).unwrap_or(&[]);
                if self.transport.channel().decrypt(behind).ok()? {
                    // Decrypted bytes raise no event.
                    self.readiness.readable = true;
                } else {
                    work.exchange.receive_copy(behind);
                }
                return verdict.ok();
            }
            if verdict.is_err() {
                report::debug!("closed a connection from a trusted peer that began without a valid PROXY header");
                return None;
            }
        }
        self.begun = bytes.into_boxed_slice();
        Some(ProxyHeader::Partial)
    }
}
