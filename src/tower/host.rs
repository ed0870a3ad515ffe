//! The host of an application, which is what clones of a service share: it receives requests, has threads call the
//! application, and makes what tower expects of the responses.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::StatusCode;
use http::request::Parts;

use super::alarm::Clock;
use super::arriving::{Arriving, Framing, Upload};
use super::call::{Call, GivenUp, Work};
use super::early::EarlyReply;
use super::head;
use super::pool::{Needs, Pool};
use super::reply::{Asked, Instead, Reply};
use crate::date::Date;
use crate::deadline::after;
use crate::exchange::{self, Exchange, Source, Step, pour};
use crate::panics::contain;
use crate::pipe::{Reader, Writer, pipe};
use crate::request::{HandlerTime, HandlerWatch};
use crate::response::Sink;
use crate::scheduling;
use crate::seen::ResponseHook;
use crate::{Application, Limits, Response, report};

/// The state that clones of a service share.
pub(super) struct Host {
    protocol: Arc<hansel_proto::Limits>,
    /// The smallest limit of a body that a route has.
    least_body: u64,
    limits: Limits,
    /// Memory for bodies.
    memory: Arc<exchange::Pool>,
    pub(super) pool: Arc<Pool>,
    clock: Arc<Clock>,
    /// The hook that sees each response before it is sent.
    hook: Option<ResponseHook>,
    /// Paths need not be text.
    takes_any_path: bool,
    takes_raw_targets: bool,
}

impl Host {
    pub(super) fn new(limits: &Limits, threads: usize, application: &dyn Application) -> Arc<Host> {
        let of_routes = application.limit_extremes();
        Arc::new(Host {
            protocol: limits.protocol(of_routes.largest_body()),
            least_body: of_routes.least_body(),
            limits: limits.clone(),
            memory: exchange::Pool::new(limits.body_buffer, limits.body_memory),
            pool: Arc::new(Pool::of(threads, limits.queue, application.scheduling())),
            clock: Arc::new(Clock::new()),
            hook: application.response_hook(),
            takes_any_path: application.takes_any_path(),
            takes_raw_targets: application.takes_raw_targets(),
        })
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(
            Arc::clone(&self.protocol),
            self.limits.own_body(),
            Arc::clone(&self.memory),
        )
        .with_body_limits(self.limits.body, self.least_body)
        .with_paths(self.takes_any_path)
        .with_targets(self.takes_raw_targets)
        .with_hook(self.hook.clone())
    }

    /// Responds to a request.
    pub(super) async fn respond<B: http_body::Body + Send + 'static>(
        self: Arc<Self>,
        application: Arc<dyn Application>,
        request: http::Request<B>,
    ) -> Reply {
        let (mut head, body) = request.into_parts();
        let extensions = std::mem::take(&mut head.extensions);
        let asked = Asked::by(&head);
        let framing = Framing::of(&head, &body);
        let mut body = Arriving::new(body, framing);
        let (exchange, here) = match self.receive(&head, &mut body, framing, asked).await {
            Ok(received) => received,
            Err(reply) => return reply,
        };
        if !extensions.is_empty() {
            exchange.request.set(extensions);
        }
        let (writer, reader) = if exchange.has_live_body() {
            let (writer, reader) = pipe();
            writer.push(&here);
            if exchange.needs_continue() {
                // RFC 9110 §10.1.1: whether the client is to send the body, the handler decides by reading it.
                writer.hold();
            }
            (Some(writer), Some(reader))
        } else {
            (None, None)
        };
        let needs = if reader.is_some() {
            Needs::StreamingPlace
        } else {
            Needs::Thread
        };
        let copy = exchange.copy_for_hook();
        let responds_early = application.responds_early();
        let work = Arc::clone(&self).work(application, exchange, reader, asked);
        let shared = Arc::clone(self.pool.shared());
        let call = Call::new(work, needs, Arc::clone(&self.clock), shared, self.limits.handler);
        let mut rest = Rest { body, to: writer };
        let outcome = match call.enter(needs, self.limits.queue_time) {
            Ok(()) => outcome(&call, &mut rest).await,
            Err(given_up) => Err(given_up),
        };
        let outcome = match outcome {
            // The handler may go on reading, and this task is the one that sends the response from here on.
            Ok(reply) if responds_early && rest.to.is_some() => {
                return reply.map(|body| body.passing_on(move |context| rest.pass_on(context)));
            }
            outcome => outcome,
        };
        outcome.unwrap_or_else(|given_up| in_place_of(given_up).reply(self.exchange(), copy, asked))
    }

    /// Receives a request, but for a body that its handler reads: of that, what is here already is returned as well.
    async fn receive<B: http_body::Body>(
        &self,
        head: &Parts,
        body: &mut Arriving<B>,
        framing: Framing,
        asked: Asked,
    ) -> Result<(Exchange, Bytes), Reply> {
        let mut exchange = self.exchange();
        match head::text(head, framing) {
            Ok(text) => exchange.receive_copy(&text),
            Err(reason) => return Err(Instead::Refused(StatusCode::BAD_REQUEST, reason).reply(exchange, None, asked)),
        }
        let (date, mut out) = (Date::now(), Vec::new());
        let (since, mut received, mut here) = (Instant::now(), 0, Bytes::new());
        loop {
            match exchange.advance_with_room(&date, &mut out) {
                Step::Receive if !here.is_empty() => {
                    // As much as there is room for: the rest may be the handler's to read.
                    let room = exchange.room();
                    let n = here.len().min(room.len());
                    here.split_to(n).copy_to_slice(&mut room[..n]);
                    exchange.received(n);
                }
                Step::Receive => {
                    // Interim responses are up to the server around, which sends one when it is asked for the body.
                    out.clear();
                    let deadline = self.limits.transfer_deadline(since, received);
                    let (status, reason) = match self.next(body, deadline).await {
                        Some(Ok(bytes)) => {
                            received += bytes.len() as u64;
                            here = bytes.into();
                            continue;
                        }
                        Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                            (StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time")
                        }
                        Some(Err(_)) | None => (StatusCode::BAD_REQUEST, "the body ended before the request did"),
                    };
                    let copy = exchange.copy_for_hook();
                    return Err(Instead::Refused(status, reason).reply(self.exchange(), copy, asked));
                }
                Step::Refused(_) => return Err(asked.written(|_, written| *written = out)),
                Step::Call => {
                    let length = exchange.request.bytes().map_or(0, <[u8]>::len) as u64;
                    if !framing.is_chunked() && received > length {
                        let reason = "the body is longer than its Content-Length";
                        let copy = exchange.copy_for_hook();
                        return Err(Instead::Refused(StatusCode::BAD_REQUEST, reason).reply(
                            self.exchange(),
                            copy,
                            asked,
                        ));
                    }
                    return Ok((exchange, here));
                }
                Step::CallLive => return Ok((exchange, here)),
            }
        }
    }

    /// Returns the next piece of a body, until the deadline.
    async fn next<B: http_body::Body>(&self, body: &mut Arriving<B>, deadline: Instant) -> Option<io::Result<Vec<u8>>> {
        let mut alarm = None;
        poll_fn(|context| {
            if let Poll::Ready(next) = body.poll_next(context) {
                return Poll::Ready(next);
            }
            if Instant::now() >= deadline {
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            }
            let waker = context.waker().clone();
            alarm = Some(self.clock.set(deadline, || waker.wake()));
            Poll::Pending
        })
        .await
    }

    /// Returns the work of a thread for a request.
    fn work(
        self: Arc<Self>,
        application: Arc<dyn Application>,
        mut exchange: Exchange,
        upload: Option<Reader>,
        asked: Asked,
    ) -> Work<Reply> {
        Box::new(move |call, place| {
            if let Some(reader) = upload {
                exchange.begin_reading(Upload::new(reader, self.limits.clone(), Arc::downgrade(call)));
            }
            let watch: Arc<dyn HandlerWatch> = Arc::clone(call) as Arc<dyn HandlerWatch>;
            exchange.request.handler_time = Some(HandlerTime::watched_by(watch, self.limits.handler));
            let early = application
                .responds_early()
                .then(|| EarlyReply::expect((&self.limits, &self.clock), call, asked, &mut exchange));
            let mut response = exchange.call(
                |request| application.call(request),
                |request| application.note_endpoint(request),
            );
            // Its body may wait for the client.
            scheduling::rest(application.scheduling().as_ref());
            exchange.request.handler_time = None;
            exchange.end_reading::<Upload<Reply>>();
            if early.is_some_and(|early| early.follow(&mut exchange)) {
                return;
            }
            exchange.complete(&mut response);
            drop(place);
            let needs_place = asked.needs_thread(&response);
            let place = needs_place.then(|| self.pool.shared().streaming_place()).flatten();
            if !needs_place || place.is_some() {
                return self.finish(call, exchange, response, asked);
            }
            let queue_time = self.limits.queue_time;
            let rest: Work<Reply> = Box::new(move |call, _place| self.finish(call, exchange, response, asked));
            if let Err(rest) = call.wait_for_place(rest, queue_time) {
                // It finds that it is too late, and says so.
                rest(call, None);
            }
        })
    }

    /// Responds to a call, and writes the body as far as that takes a thread.
    fn finish(&self, call: &Call<Reply>, mut exchange: Exchange, mut response: Response, asked: Asked) {
        let (reply, rest) = asked.respond(&mut exchange, &mut response, (&self.pool, &self.clock));
        if call.respond(reply).is_err() {
            let request = &exchange.request;
            report::warn!(
                "the handler of {} {} returned after its deadline; its response is dropped",
                request.method(),
                request.path()
            );
        } else if let Some((source, writer)) = rest {
            self.write(source, writer);
        }
    }

    /// Writes the body of a response.
    fn write(&self, source: Source, writer: Writer) {
        let by = self.limits.stream.map(|time| after(Instant::now(), time));
        let _alarm = by.map(|by| self.clock.set(by, writer.cutter()));
        let mut client = Client {
            writer,
            limits: &self.limits,
        };
        match contain(|| pour(source, false, &mut client, &mut 0)) {
            Ok(Ok(())) => client.writer.end(),
            Ok(Err(error)) => report::debug!("a response ended early: {error}"),
            Err(panic) => report::error!("the body of a response panicked, and the response was cut: {panic}"),
        }
    }
}

/// Waits for what comes of a call. Meanwhile the body that its handler reads is passed on.
async fn outcome<B: http_body::Body>(call: &Arc<Call<Reply>>, rest: &mut Rest<B>) -> Result<Reply, GivenUp> {
    let waiting = Waiting(call);
    poll_fn(|context| {
        rest.pass_on(context);
        waiting.0.poll(context)
    })
    .await
}

/// What is still arriving of a request, and where its handler reads it, if it does.
struct Rest<B> {
    body: Arriving<B>,
    to: Option<Writer>,
}

impl<B: http_body::Body> Rest<B> {
    fn pass_on(&mut self, context: &mut Context<'_>) {
        self.body.pass_on(&mut self.to, context);
    }
}

/// A task that waits for a call. If it is dropped, nobody does.
struct Waiting<'c>(&'c Arc<Call<Reply>>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Where a response is written to.
struct Client<'l> {
    writer: Writer,
    limits: &'l Limits,
}

impl Sink for Client<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The clock runs only while somebody waits for the client, not between two writes.
        let deadline = || Some(self.limits.transfer_deadline(Instant::now(), bytes.len() as u64));
        self.writer.send(bytes, deadline)
    }

    fn is_open(&self) -> bool {
        self.writer.is_open()
    }
}

/// Returns what is said where there is no response.
fn in_place_of(given_up: GivenUp) -> Instead<'static> {
    let unavailable = |reason| Instead::Refused(StatusCode::SERVICE_UNAVAILABLE, reason);
    match given_up {
        GivenUp::Full => unavailable("too many requests are waiting"),
        GivenUp::NoThread => unavailable("there is no thread for the request"),
        GivenUp::Waited(Needs::Thread) => unavailable("the request waited too long for a thread"),
        GivenUp::Waited(Needs::StreamingPlace) => unavailable("the request waited too long for a place"),
        GivenUp::Overdue => Instead::Overdue,
        GivenUp::Failed => Instead::Failed,
    }
}
