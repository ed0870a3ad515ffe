//! Responses that begin while their handlers run: written by the thread of the handler, or by another one that the
//! handler gives the writer to.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::streaming::{Client, missed_deadline};
use crate::exchange::{Begin, Beginning, EarlyResponse};
use crate::lock::lock;
use crate::pace;
use crate::response::Sink;
use crate::server::connection::link::{DRAINING, Transport};
use crate::server::shared::Shared;

/// The response to a request on a connection.
///
/// It needs no place among those that are transferred: its handler has a thread in any case.
pub(super) struct EarlyOnWire {
    pub(super) response: EarlyResponse,
    transport: Transport,
    shared: Arc<Shared>,
    /// The bytes to be sent before it.
    before: Mutex<Vec<u8>>,
}

impl EarlyOnWire {
    pub(super) fn new(
        response: EarlyResponse,
        transport: &Transport,
        shared: &Arc<Shared>,
        before: Vec<u8>,
    ) -> Arc<EarlyOnWire> {
        Arc::new(EarlyOnWire {
            response,
            transport: Transport::of(Arc::clone(&transport.link)),
            shared: Arc::clone(shared),
            before: Mutex::new(before),
        })
    }

    /// Returns what is still to be sent before a response, if none has begun.
    pub(super) fn take_before(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.before))
    }

    /// Takes the response over from the loop, and returns where it is sent.
    fn client(&self, head: &[u8]) -> io::Result<Client> {
        pace::about_to_block();
        let mut transport = self.transport.clone();
        transport.interrupts |= DRAINING;
        if !self.shared.lifecycle.is_running() {
            transport.link.note(DRAINING);
        }
        if !transport.link.claim.stream(Instant::now()) {
            return Err(missed_deadline());
        }
        let mut first = self.take_before();
        first.extend_from_slice(head);
        Ok(Client::within_call(transport, Arc::clone(&self.shared), first))
    }
}

impl Begin for EarlyOnWire {
    fn response(&self) -> &EarlyResponse {
        &self.response
    }

    fn is_last(&self) -> bool {
        !self.shared.lifecycle.is_running()
    }

    fn open(&self, beginning: Beginning) -> io::Result<Box<dyn Sink + Send>> {
        Ok(Box::new(self.client(&beginning.head)?))
    }
}
