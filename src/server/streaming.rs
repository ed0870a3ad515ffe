//! Bodies that pass while their handler runs: read as they arrive, or written as they come into being.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::exchange::{Exchange, LiveInput, Source, Taken, pour};
use crate::pace;
use crate::request::{BodyError, Content, LiveBody};
use crate::response::Sink;

use super::limits::Limits;
use super::link::{DRAINING, Transport};
use super::socket::is;

/// The body of a request that is read while its handler runs.
pub(super) struct LiveReader(Arc<Mutex<Reader>>);

struct Reader {
    /// None once the handler has returned: a reader that outlives it finds nothing.
    input: Option<LiveInput>,
    /// Answers to earlier requests, and what else must leave before the answer.
    before: Vec<u8>,
    transport: Transport,
    limits: Limits,
    since: Instant,
    received: u64,
    failed: Option<BodyError>,
}

impl LiveReader {
    /// Makes the request's body one that is read from its connection. Answers to `earlier` requests leave
    /// before that, as far as the client takes them.
    pub(super) fn lend(exchange: &mut Exchange, earlier: Vec<u8>, transport: Transport, limits: &Limits) -> LiveReader {
        let mut reader = Reader {
            input: Some(exchange.begin_live()),
            before: earlier,
            transport,
            limits: limits.clone(),
            since: Instant::now(),
            received: 0,
            failed: None,
        };
        reader.send_earlier();
        let shared = Arc::new(Mutex::new(reader));
        let body = LiveReader(Arc::clone(&shared));
        exchange.request.body.content = Content::Live(std::cell::RefCell::new(Box::new(body)));
        LiveReader(shared)
    }

    /// Returns what was lent, with what was received and not used. What is returned must be sent before
    /// the answer.
    pub(super) fn give_back(self, exchange: &mut Exchange) -> Vec<u8> {
        exchange.request.body.content = Content::Empty;
        let mut reader = self.lock();
        if let Some(input) = reader.input.take() {
            exchange.end_live(input);
        }
        if reader.failed.is_some() {
            // Where the body ends, if it does, is not known.
            exchange.close_after_response();
        }
        std::mem::take(&mut reader.before)
    }

    fn lock(&self) -> MutexGuard<'_, Reader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveBody for LiveReader {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyError> {
        let mut reader = self.lock();
        if let Some(error) = reader.failed {
            return Err(error);
        }
        let outcome = reader.read(into);
        reader.failed = outcome.as_ref().err().copied();
        outcome
    }

    fn trailers(&mut self) -> Vec<u8> {
        let mut reader = self.lock();
        let input = reader.input.as_mut();
        input
            .map(|input| std::mem::take(&mut input.trailers))
            .unwrap_or_default()
    }
}

impl Reader {
    /// Sends answers to earlier requests without waiting.
    fn send_earlier(&mut self) {
        if self.before.is_empty() {
            return;
        }
        let link = Arc::clone(&self.transport.link);
        link.claim.fall_behind();
        link.claim.write_before(|_| {
            if let Ok(n) = self.transport.write(&self.before) {
                self.before.drain(..n);
            }
            (!self.before.is_empty(), ())
        });
    }

    /// Sends an interim answer, waiting for the client. RFC 9112 §9.3.2: answers come "in the same order
    /// that the requests were received", so it stands behind those to earlier requests.
    fn send_interim(&mut self, interim: &[u8]) -> Result<(), BodyError> {
        if !self.before.is_empty() {
            pace::about_to_block();
        }
        self.before.extend_from_slice(interim);
        let deadline = self.limits.transfer_deadline(Instant::now(), self.before.len() as u64);
        let link = Arc::clone(&self.transport.link);
        let sent = link.claim.write_before(|_| {
            // If it fails, what is left still goes before the answer: no byte may be missing in between.
            let sent = self.transport.drain_by(&mut self.before, deadline);
            (!self.before.is_empty(), sent)
        });
        sent.ok_or(BodyError::Stopping)?.map_err(failure)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyError> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(input) = &mut self.input else {
                return Err(BodyError::InUse);
            };
            match input.take(into).map_err(|refusal| {
                // RFC 9110 §15.5.14.
                if refusal.status() == 413 {
                    BodyError::TooLarge
                } else {
                    BodyError::Malformed(refusal)
                }
            })? {
                Taken::Content(n) => return Ok(n),
                Taken::End => return Ok(0),
                Taken::Nothing => {}
            }
            if let Some(interim) = input.interim() {
                self.send_interim(&interim)?;
                continue;
            }
            let deadline = self.limits.transfer_deadline(self.since, self.received);
            let n = match self.transport.read(input.room()) {
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => {
                    pace::about_to_block();
                    self.transport.read_by(input.room(), deadline)
                }
                outcome => outcome,
            };
            match n.map_err(failure)? {
                // A server that stops cuts the connection, and this thread may see that first.
                0 if self.transport.is_interrupted() => return Err(BodyError::Stopping),
                0 => return Err(BodyError::Disconnected),
                n => {
                    input.received(n);
                    self.received += n as u64;
                }
            }
        }
    }
}

fn failure(error: io::Error) -> BodyError {
    match error.kind() {
        io::ErrorKind::TimedOut => BodyError::TimedOut,
        io::ErrorKind::ConnectionAborted => BodyError::Stopping,
        _ => BodyError::Disconnected,
    }
}

/// Sends `before`, then all that `source` has, waiting for the client as long as the limits allow.
/// `sent` counts the content.
pub(super) fn send(
    source: Source,
    chunked: bool,
    before: &[u8],
    mut transport: Transport,
    limits: &Limits,
    sent: &mut u64,
) -> io::Result<()> {
    transport.write_by(before, limits.transfer_deadline(Instant::now(), before.len() as u64))?;
    if let Source::Stream(_) = source {
        // A stream may have no end of its own, so a draining server gives it one.
        transport.interrupts |= DRAINING;
    }
    pour(source, chunked, &mut Client { transport, limits }, sent)
}

struct Client<'l> {
    transport: Transport,
    limits: &'l Limits,
}

impl Sink for Client<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.transport.is_interrupted() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server is stopping",
            ));
        }
        // The clock runs only while somebody waits for the client, not between two writes.
        let deadline = self.limits.transfer_deadline(Instant::now(), bytes.len() as u64);
        self.transport.write_by(bytes, deadline)
    }

    fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What has come to its end by itself while the server began to drain is whole.
        self.transport.interrupts &= !DRAINING;
        self.send(bytes)
    }

    fn is_open(&self) -> bool {
        !self.transport.is_interrupted() && !self.transport.is_gone()
    }
}
