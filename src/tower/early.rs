//! Responses that begin while their handlers run.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::alarm::Alarm;
use super::body::Body;
use super::call::Call;
use super::host::Host;
use super::reply::{Asked, Reply};
use crate::date::Date;
use crate::exchange::{Beginning, EarlyResponse, Exchange};
use crate::pipe::{Writer, pipe};
use crate::request::{BodyError, Early, EarlyWay};
use crate::response::Sink;
use crate::{Request, Response, ResponseWriter};

/// The response to a call, which its handler may begin. The task that waits for it goes on then, and no longer passes on what
/// arrives of the request.
pub(super) struct EarlyReply {
    response: Arc<EarlyResponse>,
    host: Arc<Host>,
    call: Weak<Call<Reply>>,
    asked: Asked,
}

impl EarlyReply {
    pub(super) fn expect(
        host: &Arc<Host>,
        call: &Arc<Call<Reply>>,
        asked: Asked,
        exchange: &mut Exchange,
    ) -> Arc<EarlyReply> {
        let early = Arc::new(EarlyReply {
            // The server around frames the body.
            response: exchange.early(false),
            host: Arc::clone(host),
            call: Arc::downgrade(call),
            asked,
        });
        exchange.request.early = EarlyWay::of(Arc::clone(&early) as Arc<dyn Early>);
        early
    }

    /// Takes note of what the handler has sent by itself. Returns true if it has.
    pub(super) fn follow(&self, exchange: &mut Exchange) -> bool {
        exchange.request.early = EarlyWay::default();
        exchange.follow(&self.response, &Date::now()).is_some()
    }

    fn open(&self, beginning: &Beginning) -> io::Result<Client> {
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
        Ok(Client {
            _alarm: self.host.alarm_of_stream(&writer),
            writer: Some(writer),
            host: Arc::clone(&self.host),
        })
    }
}

impl Early for EarlyReply {
    fn begin(&self, request: &Request, response: Response, len: Option<u64>) -> io::Result<ResponseWriter> {
        self.response.begin(request, response, len, false, |beginning| {
            Ok(Box::new(self.open(&beginning)?))
        })
    }

    fn before(&self, send: &mut dyn FnMut() -> Result<(), BodyError>) -> Result<(), BodyError> {
        self.response.before(send)
    }
}

/// Where the body is written to. If it is dropped before the end, the body is cut.
struct Client {
    writer: Option<Writer>,
    _alarm: Option<Alarm>,
    host: Arc<Host>,
}

impl Sink for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The clock runs only while somebody waits for the client, not between two writes.
        let deadline = || Some(self.host.transfer_deadline(Instant::now(), bytes.len() as u64));
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
