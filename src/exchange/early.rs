//! A response that begins while its handler runs. Its head is encoded by a second state of the protocol, because the
//! handler has the request; when the handler has returned, the exchange's own state follows.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansel_proto::{BodyPlan, Connection, Head};

use super::Exchange;
use super::payload::Framed;
use super::responding::{complete, encode_head};
use crate::date::Date;
use crate::lock::lock;
use crate::report;
use crate::request::{BodyError, EarlyCall, EarlyWay, Request};
use crate::response::{Answer, BodyFilter, Done, OnDone, Sink};
use crate::seen::ResponseHook;
use crate::{Response, ResponseWriter};

/// The response to one request, which may begin before its handler returns.
pub(crate) struct EarlyResponse {
    limits: Arc<hansel_proto::Limits>,
    hook: Option<ResponseHook>,
    /// True if a body of unknown length is framed here.
    frames: bool,
    stage: Mutex<Stage>,
}

/// The beginning of a response.
pub(crate) struct Beginning {
    pub(crate) head: Vec<u8>,
    /// The length of the body, if it is known.
    #[cfg(feature = "tower")]
    pub(crate) len: Option<u64>,
    /// True if nothing of the body is sent, as in a response to HEAD.
    #[cfg(feature = "tower")]
    pub(crate) is_omitted: bool,
}

enum Stage {
    Open,
    /// A hook sees it.
    Beginning,
    Begun(Begun),
    /// Something that comes before it could not be sent.
    Failed,
}

struct Begun {
    /// The response as it was encoded.
    response: Response,
    /// True if its head says that it is the last one.
    is_last: bool,
    writing: Arc<Mutex<dyn EndWriting>>,
}

/// A body that is being written, for the exchange to end.
trait EndWriting: Send {
    /// Ends it, because the call is over. Returns how far it has come, and how many octets of content are sent; and what is to be
    /// dropped without the lock.
    fn end(&mut self) -> (Phase, u64, Box<dyn Any>);
}

/// A response that is about to be sent.
struct Prepared {
    is_last: bool,
    writing: Writing,
    /// The body, if it is not the handler's.
    own: Vec<u8>,
}

/// The body that is being written.
struct Writing {
    filters: Vec<Box<dyn BodyFilter>>,
    client: Framed<Box<dyn Sink + Send>, u64>,
    /// The number of bytes that must still be written, if that is known.
    left: Option<u64>,
    /// True if nothing of it is sent, as in a response to HEAD, which is complete without it.
    is_omitted: bool,
    phase: Phase,
    on_done: Option<Box<OnDone>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    Complete,
    /// The program has made a mistake, or has not come to the end.
    Incomplete,
    /// Its client does not take it, or the server stops.
    Refused,
    /// The call is over.
    Over,
}

/// The end of an early response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EarlyEnd {
    /// All of it is sent.
    Complete,
    /// It is not, and its connection must be cut.
    Broken,
}

/// Sends early responses, for whoever has called a handler that may begin one.
///
/// The code that begins them is reached only from [`Request::respond_now`], so programs that never call it have none of it.
pub(crate) trait Begin: Send + Sync {
    /// Returns the response, as far as it has begun.
    fn response(&self) -> &EarlyResponse;

    /// Returns true if it is to be the last one of its connection.
    fn is_last(&self) -> bool {
        false
    }

    /// Returns where its body goes.
    fn open(&self, beginning: Beginning) -> io::Result<Box<dyn Sink + Send>>;
}

/// Returns the way to respond by `begin`.
pub(crate) fn early_by(begin: Arc<dyn Begin>) -> EarlyWay {
    Some(Arc::new(Early(begin)))
}

struct Early(Arc<dyn Begin>);

impl EarlyCall for Early {
    fn before(&self, send: &mut dyn FnMut() -> Result<(), BodyError>) -> Result<(), BodyError> {
        self.0.response().before(send)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Request {
    /// Begins the response now, while the handler runs, and returns what writes its body. The head is that of `response`,
    /// which must have no body. If `len` is known, it is announced as Content-Length, and exactly that many bytes must be
    /// written.
    ///
    /// Pieces are sent as those of a [stream](crate::Body::stream): at once or, if they come quickly, together. Writing waits
    /// while the client does not read. The body is complete by
    /// [`ResponseWriter::finish`]; whatever the handler returns after that is dropped. Use
    /// [`Body::stream`](crate::Body::stream) where you can: this is for gateways to interfaces in which a program writes before
    /// it returns, such as CGI and WSGI.
    ///
    /// [`App::respond`](crate::App::respond) and compression see this response, and not what the handler returns; what
    /// [`Hooks`](crate::Hooks) do after the handler has no effect on it. A response to HEAD, and one that has no content,
    /// swallows what is written.
    ///
    /// If the body of the request is still arriving, its rest may be read after that, on this or
    /// [another thread](Request::owned_body). hansel's own server closes the connection in the end.
    ///
    /// The application must say that it does so: [`App::responds_early`](crate::App::responds_early), or
    /// [`Application::responds_early`](crate::Application::responds_early).
    ///
    /// ```
    /// use hansel::{App, Request, Response, test::Client};
    /// use std::io::{self, Write};
    ///
    /// fn count(request: &Request) -> io::Result<()> {
    ///     let mut body = request.respond_now(Response::default().with_header("Content-Type", "text/plain"), None)?;
    ///     for number in 1..4 {
    ///         writeln!(body, "{number}")?;
    ///     }
    ///     body.finish()
    /// }
    ///
    /// let client = Client::new(App::new(count).responds_early());
    /// assert_eq!(client.get("/").text(), "1\n2\n3\n");
    /// ```
    ///
    /// # Errors
    /// Returns an error if the response has begun already, has a body, or comes too late because of the handler's deadline; if
    /// the connection has failed; and where nobody responds early.
    pub fn respond_now(&self, response: Response, len: Option<u64>) -> io::Result<ResponseWriter> {
        let early = self.early.as_ref().and_then(|early| early.as_any().downcast_ref());
        let Some(Early(early)) = early else {
            let error = "nobody expects a response before the handler has returned; the application must say so \
                         (`App::responds_early`)";
            return Err(io::Error::new(io::ErrorKind::Unsupported, error));
        };
        if !response.body().is_empty() {
            let error = "a response that is written before the handler has returned must have no body of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        let open = |beginning| early.open(beginning);
        early.response().begin(self, response, len, early.is_last(), open)
    }
}

impl Exchange {
    /// Returns the response to the current request, for a handler that may begin it.
    /// Its body is framed here, if need be and `frames` is true.
    pub(crate) fn early(&self, frames: bool) -> EarlyResponse {
        EarlyResponse {
            limits: Arc::clone(&self.limits),
            hook: self.hook.clone(),
            frames,
            stage: Mutex::new(Stage::Open),
        }
    }

    /// Takes note of what the handler has sent by itself. Returns `None` if that is nothing. Otherwise the response is made,
    /// and [`finish`](Exchange::finish) goes on if it is complete.
    pub(crate) fn follow(&mut self, early: &EarlyResponse, date: &Date) -> Option<EarlyEnd> {
        // From here on nobody begins one, or writes to it.
        let stage = std::mem::replace(&mut *lock(&early.stage), Stage::Failed);
        let Stage::Begun(mut begun) = stage else { return None };
        let (phase, sent, _left) = lock(&begun.writing).end();
        if begun.is_last {
            self.close_after_response();
        }
        let mut encoded = Vec::new();
        // The same head again, of which nothing is sent.
        let _ = self.respond(&mut begun.response, date, &mut encoded);
        if let Some(answered) = &mut self.answered {
            answered.content = sent;
        }
        if phase == Phase::Incomplete {
            report::error!(
                "the handler of {} returned before the response was complete that it had begun; its connection is cut",
                self.request.described()
            );
        }
        Some(match phase {
            Phase::Complete => EarlyEnd::Complete,
            _ => EarlyEnd::Broken,
        })
    }
}

impl EarlyResponse {
    /// Begins the response. `open` returns where its body goes, and the head if that is in bytes.
    fn begin(
        &self,
        request: &Request,
        mut response: Response,
        len: Option<u64>,
        is_last: bool,
        open: impl FnOnce(Beginning) -> io::Result<Box<dyn Sink + Send>>,
    ) -> io::Result<ResponseWriter> {
        let before = std::mem::replace(&mut *lock(&self.stage), Stage::Beginning);
        match before {
            Stage::Open => {}
            other => {
                let error = match other {
                    Stage::Failed => io::ErrorKind::NotConnected.into(),
                    _ => io::Error::new(io::ErrorKind::AlreadyExists, "the response has begun already"),
                };
                *lock(&self.stage) = other;
                return Err(error);
            }
        }
        response.body.write_early(len);
        // The hook and `open` run without the lock. If they fail, nothing is sent, and the handler may respond as usual.
        let prepared = self.prepare(request, &mut response, is_last, open);
        let Prepared {
            is_last,
            mut writing,
            own,
        } = prepared.inspect_err(|_| *lock(&self.stage) = Stage::Open)?;
        writing.left = len;
        let writing = Arc::new(Mutex::new(writing));
        *lock(&self.stage) = Stage::Begun(Begun {
            response,
            is_last,
            writing: Arc::clone(&writing) as Arc<Mutex<dyn EndWriting>>,
        });
        let on_done = lock(&writing).send_whole(&own)?;
        if let Some((on_done, outcome)) = on_done {
            on_done.call(outcome);
        }
        Ok(ResponseWriter::new(Shared(writing)))
    }

    /// Makes the response one that can be sent, and finds out where to.
    fn prepare(
        &self,
        request: &Request,
        response: &mut Response,
        is_last: bool,
        open: impl FnOnce(Beginning) -> io::Result<Box<dyn Sink + Send>>,
    ) -> io::Result<Prepared> {
        complete(self.hook.as_ref(), request, response);
        let filters = response.body.take_filters();
        // If a hook has put another body in its place, that one is sent, and what is written is not.
        let own = response.body.bytes().map(<[u8]>::to_vec);
        if filters.is_none() && own.is_none() {
            let error = "a hook has put a file or a stream in the place of a body that is written early";
            return Err(io::Error::new(io::ErrorKind::Unsupported, error));
        }
        let (plan, head, is_last) = self.encode(request, response, is_last)?;
        let beginning = Beginning {
            head,
            #[cfg(feature = "tower")]
            len: response.body.len(),
            #[cfg(feature = "tower")]
            is_omitted: plan == BodyPlan::Omit,
        };
        let client = Framed::new(open(beginning)?, 0, plan == BodyPlan::Chunked && self.frames);
        let writing = Writing {
            filters: filters.unwrap_or_default(),
            client,
            left: None,
            is_omitted: own.is_some() || plan == BodyPlan::Omit,
            phase: Phase::Open,
            on_done: response.body.on_done.take(),
        };
        let own = own.filter(|_| plan == BodyPlan::Plain).unwrap_or_default();
        Ok(Prepared { is_last, writing, own })
    }

    /// Sends what comes before the response, unless that has begun.
    fn before(&self, send: &mut dyn FnMut() -> Result<(), BodyError>) -> Result<(), BodyError> {
        let mut stage = lock(&self.stage);
        match *stage {
            Stage::Open => send().inspect_err(|_| *stage = Stage::Failed),
            Stage::Beginning | Stage::Begun(_) | Stage::Failed => Ok(()),
        }
    }

    /// Returns how the body is sent, the head, and whether that says that it is the last one.
    fn encode(&self, request: &Request, response: &Response, is_last: bool) -> io::Result<(BodyPlan, Vec<u8>, bool)> {
        let mut protocol = Connection::new(Arc::clone(&self.limits));
        if protocol.receive(request.head_octets(), &mut Head::new()).is_err() {
            return Err(io::Error::other("the request can't be read again"));
        }
        if is_last || !request.has_whole_body() {
            // As for a response that is returned before the body was read: what is left of it is not read.
            protocol.close_after_response();
        } else {
            // It was told so, or has not waited.
            protocol.send_continue(&mut Vec::new());
        }
        let mut head = Vec::new();
        let plan = encode_head(&mut protocol, request, response, &Date::now(), &mut head);
        Ok((plan, head, protocol.closes_after_response()))
    }
}

impl Writing {
    /// Sends a response that is complete without the handler, if this is one. Returns whom to tell what.
    fn send_whole(&mut self, own: &[u8]) -> io::Result<Option<(Box<OnDone>, Done)>> {
        if !self.is_omitted {
            return Ok(None);
        }
        let sent = if own.is_empty() { Ok(()) } else { self.client.send(own) };
        let sent = sent.and_then(|()| self.client.finish());
        sent.inspect_err(|_| self.phase = Phase::Refused)?;
        let outcome = if own.is_empty() { Done::Omitted } else { Done::Sent };
        Ok(self.on_done.take().map(|on_done| (on_done, outcome)))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.may_go_on()?;
        if self.is_omitted {
            return Ok(());
        }
        if let Some(left) = self.left {
            let Some(left) = left.checked_sub(bytes.len() as u64) else {
                self.phase = Phase::Incomplete;
                let error = "more is written than the length that was announced";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
            };
            self.left = Some(left);
        }
        self.pass_on(0, bytes)
    }

    /// Keeps `bytes` if that is possible without waiting, and without work for filters.
    fn gather(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.may_go_on()?;
        if self.is_omitted {
            return Ok(true);
        }
        let left = self.left.map(|left| left.checked_sub(bytes.len() as u64));
        if !self.filters.is_empty() || left == Some(None) {
            return Ok(false);
        }
        let gathered = self.client.gather(bytes);
        let is_taken = gathered.inspect_err(|_| self.phase = Phase::Refused)?;
        if is_taken {
            self.left = left.flatten();
        }
        Ok(is_taken)
    }

    /// Sends `bytes` through the filters from this one on.
    fn pass_on(&mut self, from: usize, bytes: &[u8]) -> io::Result<()> {
        let mut piece = std::borrow::Cow::Borrowed(bytes);
        for filter in self.filters.iter_mut().skip(from) {
            let mut out = Vec::new();
            filter
                .filter(&piece, &mut out)
                .inspect_err(|_| self.phase = Phase::Incomplete)?;
            if out.is_empty() {
                return Ok(());
            }
            piece = out.into();
        }
        if piece.is_empty() {
            return Ok(());
        }
        self.client.send(&piece).inspect_err(|_| self.phase = Phase::Refused)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.may_go_on()?;
        self.client.flush().inspect_err(|_| self.phase = Phase::Refused)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.may_go_on()?;
        if self.is_omitted {
            self.phase = Phase::Complete;
            return Ok(());
        }
        if self.left.is_some_and(|left| left > 0) {
            self.phase = Phase::Incomplete;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for index in 0..self.filters.len() {
            let mut out = Vec::new();
            if let Some(filter) = self.filters.get_mut(index) {
                filter
                    .finish(&mut out)
                    .inspect_err(|_| self.phase = Phase::Incomplete)?;
            }
            self.pass_on(index + 1, &out)?;
        }
        self.client.finish().inspect_err(|_| self.phase = Phase::Refused)?;
        self.phase = Phase::Complete;
        Ok(())
    }

    fn may_go_on(&self) -> io::Result<()> {
        let error = match self.phase {
            Phase::Open => return Ok(()),
            Phase::Over => "the handler has returned",
            Phase::Complete | Phase::Incomplete | Phase::Refused => "the response has ended before",
        };
        Err(io::Error::new(io::ErrorKind::BrokenPipe, error))
    }

    fn is_open(&self) -> bool {
        self.phase == Phase::Open && self.client.wait(Duration::ZERO, &[])
    }
}

impl EndWriting for Writing {
    fn end(&mut self) -> (Phase, u64, Box<dyn Any>) {
        let phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Open if self.is_omitted => Phase::Complete,
            Phase::Open => Phase::Incomplete,
            phase => phase,
        };
        // Whoever keeps the writer has no use for these any more.
        let filters = std::mem::take(&mut self.filters);
        let sink = std::mem::replace(&mut self.client.sink, Box::new(Left));
        (phase, self.client.sent, Box::new((filters, self.on_done.take(), sink)))
    }
}

/// Takes the place of the client of a response that is over.
struct Left;

impl Sink for Left {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn is_open(&self) -> bool {
        false
    }
}

/// The part of the body that a [`ResponseWriter`] has: the call has it as well.
struct Shared(Arc<Mutex<Writing>>);

impl Answer for Shared {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.0).send(bytes)
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<bool> {
        lock(&self.0).gather(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        lock(&self.0).finish()?;
        let on_done = lock(&self.0).on_done.take();
        if let Some(on_done) = on_done {
            on_done.call(Done::Sent);
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        lock(&self.0).is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Client;
    use crate::{App, Body, StatusCode};
    use std::io::Write;

    /// Sends each piece twice, and says goodbye.
    struct Twice;

    impl BodyFilter for Twice {
        fn filter(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
            out.extend_from_slice(piece);
            out.extend_from_slice(piece);
            Ok(())
        }

        fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
            out.extend_from_slice(b".");
            Ok(())
        }
    }

    /// Returns the text of an early response that passes `hook`, and whether it is whole.
    fn hooked(len: Option<u64>, hook: impl Fn(&mut Response) + Send + Sync + 'static) -> (String, bool) {
        let app = App::new(move |request: &Request| {
            let mut body = request.respond_now(Response::default(), len)?;
            write!(body, "a")?;
            write!(body, "b")?;
            body.finish()
        });
        let client = Client::new(app.responds_early().respond(move |_, response| hook(response)));
        let response = client.get("/");
        (response.text().to_owned(), response.is_whole())
    }

    #[test]
    fn what_is_written_passes_the_filters_of_hooks_from_the_first_to_the_last() {
        let twice = |response: &mut Response| {
            let body = std::mem::take(&mut response.body).through(Twice).unwrap();
            response.body = body;
        };
        for len in [None, Some(2)] {
            assert_eq!(hooked(len, twice), ("aabb.".to_owned(), true));
            let both = move |response: &mut Response| {
                twice(response);
                twice(response);
            };
            assert_eq!(hooked(len, both), ("aaaabbbb...".to_owned(), true));
        }
    }

    #[test]
    fn a_body_that_a_hook_puts_in_its_place_is_sent_and_nothing_else() {
        let replaced = hooked(Some(2), |response| *response = Response::new("another"));
        assert_eq!(replaced, ("another".to_owned(), true));
        let none = |response: &mut Response| response.set_status(StatusCode::NO_CONTENT);
        assert_eq!(hooked(Some(2), none), (String::new(), true));
        // A file can't be sent here, so the handler fails, and its error passes the hook as well.
        let file = |response: &mut Response| {
            if response.status() == StatusCode::OK {
                response.body = Body::reader(io::empty());
            }
        };
        let failed = hooked(None, file);
        assert!(failed.0.contains("Internal Server Error") && failed.1, "{failed:?}");
    }
}
