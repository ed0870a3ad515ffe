//! Bodies that pass while their handler runs: read as they arrive, or written as they come into being.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use hansel_proto::Refusal;

use crate::exchange::{Coming, Exchange, LiveInput, Source, pour};
use crate::pace;
use crate::request::{BodyError, Content, LiveBody};
use crate::response::Sink;

use super::limits::Limits;
use super::link::{DRAINING, Transport};
use super::shared::Shared;
use super::socket::is;
use super::work::Work;

/// The body of a request that is read while its handler runs.
pub(super) struct LiveReader {
    input: LiveInput,
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
    pub(super) fn lend(exchange: &mut Exchange, earlier: Vec<u8>, transport: Transport, limits: &Limits) {
        let mut reader = LiveReader {
            input: exchange.begin_live(),
            before: earlier,
            transport,
            limits: limits.clone(),
            since: Instant::now(),
            received: 0,
            failed: None,
        };
        reader.send_earlier();
        exchange.request.body.content = Content::Live(RefCell::new(Box::new(reader)));
    }

    /// Takes back what was [lent](LiveReader::lend), with what was received and not used. What is returned must
    /// be sent before the answer.
    pub(super) fn take_back(exchange: &mut Exchange) -> Vec<u8> {
        let Content::Live(live) = std::mem::take(&mut exchange.request.body.content) else {
            return Vec::new();
        };
        let live: Box<dyn Any> = live.into_inner();
        let Ok(reader) = live.downcast::<LiveReader>() else {
            return Vec::new();
        };
        exchange.end_live(reader.input);
        if reader.failed.is_some() {
            // Where the body ends, if it does, is not known.
            exchange.close_after_response();
        }
        reader.before
    }

    /// Sends answers to earlier requests without waiting.
    fn send_earlier(&mut self) {
        if self.before.is_empty() {
            return;
        }
        let link = Arc::clone(&self.transport.link);
        link.claim.fall_behind();
        link.claim.write_before(|_| {
            let sent = self.transport.try_write(&self.before).done();
            self.before.drain(..sent);
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

    /// Receives until there is content, or the end of it.
    fn receive_content(&mut self) -> Result<(), BodyError> {
        loop {
            match self.input.advance().map_err(refused)? {
                Coming::Content | Coming::End => return Ok(()),
                Coming::Nothing => {}
            }
            if let Some(interim) = self.input.interim() {
                self.send_interim(&interim)?;
                continue;
            }
            let deadline = self.limits.transfer_deadline(self.since, self.received);
            let n = match self.transport.read(self.input.room()) {
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => {
                    pace::about_to_block();
                    self.transport.read_by(self.input.room(), deadline)
                }
                outcome => outcome,
            };
            match n.map_err(failure)? {
                // A server that stops cuts the connection, and this thread may see that first.
                0 if self.transport.is_interrupted() => return Err(BodyError::Stopping),
                0 => return Err(BodyError::Disconnected),
                n => {
                    self.input.received(n);
                    self.received += n as u64;
                }
            }
        }
    }
}

impl LiveBody for LiveReader {
    fn await_content(&mut self) -> Result<(), BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let outcome = self.receive_content();
        self.failed = outcome.err();
        outcome
    }

    fn content(&self) -> &[u8] {
        self.input.content()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }

    fn trailers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input.trailers)
    }
}

fn refused(refusal: Refusal) -> BodyError {
    // RFC 9110 §15.5.14.
    if refusal.status() == 413 {
        BodyError::TooLarge
    } else {
        BodyError::Malformed(refusal)
    }
}

fn failure(error: io::Error) -> BodyError {
    match error.kind() {
        io::ErrorKind::TimedOut => BodyError::TimedOut,
        io::ErrorKind::ConnectionAborted => BodyError::Stopping,
        _ => BodyError::Disconnected,
    }
}

/// Sends the answer of which `source` is the body, behind what is to be sent already. An error means that it is not
/// whole.
pub(super) fn answer(
    source: Source,
    chunked: bool,
    work: &mut Work,
    transport: &Transport,
    shared: &Shared,
) -> io::Result<()> {
    pace::about_to_block();
    if !shared.is_running() {
        // The drain has told those who were out when it began; this one begins now.
        transport.link.note(DRAINING);
    }
    if !transport.link.claim.stream(Instant::now()) {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the handler took too long"));
    }
    let sent = work.exchange.answered.as_mut().map(|answered| &mut answered.content);
    let (transport, limits) = (transport.clone(), &shared.limits);
    send(source, chunked, &work.out, transport, limits, sent.unwrap_or(&mut 0))?;
    work.out.clear();
    Ok(())
}

/// Sends `before`, then all that `source` has, waiting for the client as long as the limits allow.
/// `sent` counts the content.
fn send(
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
