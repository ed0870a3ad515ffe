//! The conversation on a simulated connection.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::date::Date;
use crate::exchange::{
    Begin, Beginning, EarlyEnd, EarlyResponse, Exchange, Incoming, Payload, Pool, Step, early_by, pour,
};
use crate::lock::lock;
use crate::panics::contain;
use crate::request::BodyError;
use crate::response::Sink;
use crate::scheduling;
use crate::topic::Piece;
use crate::{Application, Done, Limits, Request, Response};

/// A conversation with an application, with everything that the client ever sends.
pub(super) struct Conversation<'a> {
    application: &'a dyn Application,
    exchange: Exchange,
    date: Date,
    sent: Sent,
    /// The bytes that come back.
    pub(super) out: Vec<u8>,
    /// The response to the current request, if its handler may begin it.
    expected: Option<Arc<InMemory>>,
    /// The end of the last response, if its handler has begun it.
    pub(super) early: Option<EarlyEnd>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        application: &'a dyn Application,
        limits: &Limits,
        pool: Arc<Pool>,
        sent: Vec<u8>,
    ) -> Conversation<'a> {
        let of_routes = application.limit_extremes();
        let exchange = Exchange::new(limits.protocol(of_routes.largest_body()), limits.own_body(), pool);
        let exchange = exchange.with_body_limits(limits.body, of_routes.least_body());
        Conversation {
            exchange: exchange
                .with_hook(application.response_hook())
                .with_paths(application.takes_any_path())
                .with_targets(application.takes_raw_targets()),
            application,
            date: Date::now(),
            sent: Sent {
                bytes: io::Cursor::new(sent),
                interim: Vec::new(),
            },
            out: Vec::new(),
            expected: None,
            early: None,
        }
    }

    /// Continues to the next response of the application, and returns what of it is not in `out`. Returns `None` if the
    /// server waits for more, or has refused what came.
    pub(super) fn next(&mut self, call: impl FnOnce(&Request) -> Response) -> Option<Option<Payload>> {
        loop {
            match self.exchange.advance_with_room(&self.date, &mut self.out) {
                Step::Receive => match self.sent.receive(self.exchange.room()) {
                    Ok(n) if n > 0 => self.exchange.received(n),
                    _ => return None,
                },
                Step::Call => {
                    self.expect_early();
                    let response = self
                        .exchange
                        .call(call, |request| self.application.note_endpoint(request));
                    return Some(self.response(response));
                }
                Step::CallLive => {
                    self.expect_early();
                    self.exchange.begin_reading(std::mem::take(&mut self.sent));
                    let response = self
                        .exchange
                        .call(call, |request| self.application.note_endpoint(request));
                    self.sent = self.exchange.end_reading().unwrap_or_default();
                    self.out.append(&mut self.sent.interim);
                    return Some(self.response(response));
                }
                Step::Refused(_) => return None,
            }
        }
    }

    /// Lets the handler respond before it returns.
    fn expect_early(&mut self) {
        if self.application.responds_early() {
            let early = Arc::new(InMemory {
                response: self.exchange.early(true),
                out: Arc::default(),
            });
            self.exchange.request.early = early_by(Arc::clone(&early) as Arc<dyn Begin>);
            self.expected = Some(early);
        }
    }

    fn response(&mut self, mut response: Response) -> Option<Payload> {
        scheduling::rest(self.application.scheduling().as_ref());
        self.exchange.request.early = None;
        self.early = self.expected.take().and_then(|early| {
            let end = self.exchange.follow(&early.response, &self.date)?;
            self.out.append(&mut lock(&early.out));
            Some(end)
        });
        if self.early.is_some() {
            return None;
        }
        self.exchange.respond(&mut response, &self.date, &mut self.out)
    }

    /// Gathers the rest of a response. Returns true if the connection goes on.
    pub(super) fn gather(&mut self, payload: Option<Payload>) -> bool {
        if self.early == Some(EarlyEnd::Broken) {
            return false;
        }
        // A panic cuts the connection, whether it comes from the body or from dropping what was set on the request. In the
        // second case the response is whole.
        let sent = contain(|| match payload {
            None => Ok(()),
            Some(mut whole @ Payload::Bytes { .. }) => {
                if let Payload::Bytes { bytes, .. } = &whole {
                    self.out.extend_from_slice((**bytes).as_ref());
                }
                whole.end(Done::Sent);
                Ok(())
            }
            Some(Payload::File(mut part, on_done)) => {
                io::copy(&mut part, &mut self.out)?;
                if let Some(on_done) = on_done {
                    on_done.call(Done::Sent);
                }
                Ok(())
            }
            // Whoever wants to talk to it opens it by `Client::socket`.
            #[cfg(feature = "websocket")]
            Some(Payload::Socket(_)) => Ok(()),
            #[cfg(feature = "upgrade")]
            Some(Payload::Takeover(_)) => Ok(()),
            // What is there already: the rest never ends.
            Some(Payload::Pushed(mut pushed)) => {
                let now = Instant::now();
                while let Piece::Bytes(piece) = pushed.push.piece(pushed.is_chunked, now) {
                    let len = piece.len();
                    self.out.extend_from_slice(piece);
                    pushed.push.sent(len, pushed.is_chunked, now);
                }
                if pushed.is_chunked {
                    self.out.extend_from_slice(b"0\r\n\r\n");
                }
                if let Some(on_done) = pushed.on_done.take() {
                    on_done.call(Done::Sent);
                }
                Ok(())
            }
            Some(Payload::Source(source, chunked)) => pour(source, chunked, &mut Received(&mut self.out), &mut 0),
        });
        scheduling::rest(self.application.scheduling().as_ref());
        matches!(sent, Ok(Ok(()))) && contain(|| self.exchange.finish()).unwrap_or(false)
    }
}

/// The bytes that the client sends, as far as they were not received.
#[derive(Default)]
struct Sent {
    bytes: io::Cursor<Vec<u8>>,
    /// The interim responses that it gets.
    interim: Vec<u8>,
}

impl Incoming for Sent {
    fn receive(&mut self, room: &mut [u8]) -> Result<usize, BodyError> {
        // Reading from memory cannot fail.
        Ok(self.bytes.read(room).unwrap_or(0))
    }

    fn interim(&mut self, response: &[u8]) -> Result<(), BodyError> {
        self.interim.extend_from_slice(response);
        Ok(())
    }
}

/// A response that its handler begins. It is gathered until the handler has returned.
struct InMemory {
    response: EarlyResponse,
    out: Arc<Mutex<Vec<u8>>>,
}

impl Begin for InMemory {
    fn response(&self) -> &EarlyResponse {
        &self.response
    }

    fn open(&self, beginning: Beginning) -> io::Result<Box<dyn Sink + Send>> {
        lock(&self.out).extend_from_slice(&beginning.head);
        Ok(Box::new(Gathered(Arc::clone(&self.out))))
    }
}

struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Sink for Gathered {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(())
    }

    fn is_open(&self) -> bool {
        true
    }
}

struct Received<'o>(&'o mut Vec<u8>);

impl Sink for Received<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn is_open(&self) -> bool {
        true
    }
}
