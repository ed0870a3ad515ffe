//! Connections that their handlers have taken over: blocking streams, on the handlers' threads.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::streaming::missed_deadline;
use crate::deadline::after;
use crate::lock::lock;
use crate::pace;
use crate::response::{Duplex, Takeover, Upgraded};
use crate::server::connection::link::{DRAINING, Transport};
use crate::server::connection::work::Work;
use crate::server::limits::Limits;
use crate::server::shared::Shared;

/// Sends the head, and lets the program have the connection. An error means that the connection must be cut.
pub(super) fn run(takeover: Takeover, work: &mut Work, transport: &Transport, shared: &Shared) -> io::Result<()> {
    pace::about_to_block();
    if !shared.lifecycle.is_running() {
        transport.link.note(DRAINING);
    }
    if !transport.link.claim.stream(Instant::now()) {
        return Err(missed_deadline());
    }
    let head = work.take_out();
    let mut transport = transport.clone();
    transport.write_by(&head, shared.limits.transfer_deadline(Instant::now(), 0))?;
    transport.interrupts |= DRAINING;
    let wire = Wire {
        transport,
        ahead: Arc::new(Mutex::new(work.exchange.take_unused())),
        is_over: Arc::default(),
        patience: None,
        limits: shared.limits.clone(),
    };
    let _end = End {
        is_over: Arc::clone(&wire.is_over),
        transport: wire.transport.clone(),
    };
    (takeover.run)(Upgraded::new(Box::new(wire)))
}

/// Ends what clones can do, also if the program panics.
struct End {
    is_over: Arc<AtomicBool>,
    transport: Transport,
}

impl Drop for End {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // One that waits for the client in another thread waits no more.
        self.transport.link.note(DRAINING);
    }
}

struct Wire {
    transport: Transport,
    /// What came with the request.
    ahead: Arc<Mutex<Vec<u8>>>,
    /// True once the program has returned.
    is_over: Arc<AtomicBool>,
    patience: Option<Duration>,
    limits: Limits,
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        if self.is_over.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl Duplex for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        {
            let mut ahead = lock(&self.ahead);
            if !ahead.is_empty() {
                let n = ahead.len().min(into.len());
                into.iter_mut().zip(ahead.drain(..n)).for_each(|(to, from)| *to = from);
                return Ok(n);
            }
        }
        let deadline = after(Instant::now(), self.patience.unwrap_or(Duration::MAX));
        let outcome = self.transport.read_by(into, deadline);
        outcome.or_else(|error| self.check().and(Err(error)))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        let deadline = self.limits.transfer_deadline(Instant::now(), bytes.len() as u64);
        // A drain ends reading only.
        let interrupts = self.transport.interrupts;
        self.transport.interrupts &= !DRAINING;
        let outcome = self.transport.write_by(bytes, deadline);
        self.transport.interrupts = interrupts;
        outcome.map(|()| bytes.len())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.check()?;
        self.transport.finish_sending();
        Ok(())
    }

    fn set_patience(&mut self, time: Option<Duration>) {
        self.patience = time;
    }

    fn another(&self) -> Box<dyn Duplex> {
        Box::new(Wire {
            transport: self.transport.clone(),
            ahead: Arc::clone(&self.ahead),
            is_over: Arc::clone(&self.is_over),
            patience: self.patience,
            limits: self.limits.clone(),
        })
    }
}
