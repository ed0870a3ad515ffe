//! Responses that begin while their handlers run.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::alarm::{Alarm, Clock};
use super::body::Body;
use super::call::Call;
use super::reply::{Asked, Reply};
use crate::Limits;
use crate::date::Date;
use crate::deadline::after;
use crate::exchange::{Begin, Beginning, EarlyResponse, Exchange, early_by};
use crate::pipe::{Writer, pipe};
use crate::response::Sink;

/// The response to a call, which its handler may begin. The task that waits for it goes on then. While it sends the response, it
/// passes on what arrives of the request.
pub(super) struct EarlyReply {
    response: EarlyResponse,
    limits: Limits,
    clock: Arc<Clock>,
    call: Weak<Call<Reply>>,
    asked: Asked,
}

impl EarlyReply {
    pub(super) fn expect(
        (limits, clock): (&Limits, &Arc<Clock>),
        call: &Arc<Call<Reply>>,
        asked: Asked,
        exchange: &mut Exchange,
    ) -> Arc<EarlyReply> {
        let early = Arc::new(EarlyReply {
            // The server around frames the body.
            response: exchange.early(false),
            limits: limits.clone(),
            clock: Arc::clone(clock),
            call: Arc::downgrade(call),
            asked,
        });
        exchange.request.early = early_by(Arc::clone(&early) as Arc<dyn Begin>);
        early
    }

    /// Takes note of what the handler has sent by itself. Returns true if it has.
    pub(super) fn follow(&self, exchange: &mut Exchange) -> bool {
        exchange.request.early = None;
        exchange.follow(&self.response, &Date::now()).is_some()
    }

    fn client(&self, beginning: &Beginning) -> io::Result<Client> {
        let (writer, reader) = pipe();
        let body = match beginning.is_omitted {
            true => Body::from(Vec::new()),
            false => Body::arriving(reader, beginning.len),
        };
        let reply = self.asked.read(&beginning.head).0.map(|()| body);
        let is_in_time = self.call.upgrade().is_some_and(|call| call.respond(reply).is_ok());
        if !is_in_time {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the handler missed its deadline",
            ));
        }
        let by = self.limits.stream.map(|time| after(Instant::now(), time));
        Ok(Client {
            _alarm: by.map(|by| self.clock.set(by, writer.cutter())),
            writer: Some(writer),
            limits: self.limits.clone(),
        })
    }
}

impl Begin for EarlyReply {
    fn response(&self) -> &EarlyResponse {
        &self.response
    }

    fn open(&self, beginning: Beginning) -> io::Result<Box<dyn Sink + Send>> {
        Ok(Box::new(self.client(&beginning)?))
    }
}

/// Where the body is written to. If it is dropped before the end, the body is cut.
struct Client {
    writer: Option<Writer>,
    _alarm: Option<Alarm>,
    limits: Limits,
}

impl Sink for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The clock runs only while somebody waits for the client, not between two writes.
        let deadline = || Some(self.limits.transfer_deadline(Instant::now(), bytes.len() as u64));
        match &self.writer {
            Some(writer) => writer.send(bytes, deadline),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn finish(&mut self, _: &[u8]) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.end();
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::is_open)
    }
}
