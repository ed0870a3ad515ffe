//! An application as a `tower` service.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::StatusCode;
use http::request::Parts;

use super::alarm::Clock;
use super::arriving::{Arriving, Framing, Upload};
use super::body::Body;
use super::call::{Call, GivenUp, Work};
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
use crate::seen::ResponseHook;
use crate::{Application, IntoApplication, Limits, Response, report};

/// How many threads a service has, unless it is told.
const THREADS: usize = 256;

/// An application as a `tower` service. Clones share the application, its threads and its queue.
///
/// It treats requests as [`Server`](crate::Server) does: they are parsed by the same protocol code and refused for the same
/// reasons, and the heads of responses are the same.
///
/// # Threads
/// Handlers may block: they run on the service's own threads, never on the caller's. So do streams of responses, on at most
/// half of the threads. A file needs a thread only while a piece of it is read. Threads start when they are needed. They end
/// after 10 s without work, or when all clones of the service are dropped.
///
/// # Limits
/// | of [`Limits`] | here |
/// |---|---|
/// | `head`, `target`, `fields`, `body` | as on a connection: 431, 414, 431, 413. The server around may have smaller ones of its own |
/// | `body_buffer`, `body_memory` | as on a connection: what is larger is read while the handler runs |
/// | `transfer_time`, `rate` | of a request's body (408), and of what streams: a client that does not take it in time is given up |
/// | `handler` | 503. The thread counts as lost until the handler returns; lost threads are replaced up to half of all |
/// | `stream` | as on a connection: the response breaks off |
/// | `queue`, `queue_time` | of requests that wait for a thread, or for a place among those that stream: 503, with Retry-After |
/// | `head_time`, `idle`, `linger`, `connections`, `connections_per_peer`, `pipelined` | mean nothing: connections are the business of the server around |
///
/// A body that breaks off ends in an error, and a server makes the client see that. A client that leaves is noticed when
/// the server around drops the response's body: then writing fails, as on a connection.
///
/// `examples/on_hyper.rs` serves one on hyper.
#[derive(Clone)]
pub struct Service {
    application: Arc<dyn Application>,
    limits: Limits,
    threads: usize,
    host: Arc<Host>,
}

/// What clones of a service share.
struct Host {
    protocol: Arc<hansel_proto::Limits>,
    /// The smallest limit of a body that a route has.
    least_body: u64,
    limits: Limits,
    /// Memory for bodies.
    memory: Arc<exchange::Pool>,
    pool: Arc<Pool>,
    clock: Arc<Clock>,
    /// What sees each response before it is sent.
    hook: Option<ResponseHook>,
}

impl Service {
    /// Creates a service with the default limits that runs up to 256 handlers at once.
    ///
    /// ```
    /// use hansel::{Limits, Routes, tower::Service};
    ///
    /// let routes = Routes::new().get("/", || "Hello");
    /// let service = Service::new(routes).with_limits(Limits::new().body(1024)).with_threads(16);
    /// # drop(service);
    /// ```
    ///
    /// # Panics
    /// As [`App::new`](crate::App::new), if it creates an [`App`](crate::App).
    #[track_caller]
    pub fn new<S>(application: impl IntoApplication<S>) -> Service {
        let limits = Limits::default();
        let application: Arc<dyn Application> = Arc::new(application.into_application());
        Service {
            host: Host::new(&limits, THREADS, &*application),
            application,
            limits,
            threads: THREADS,
        }
    }

    /// Sets the limits. The service gets new threads, so clones made before keep theirs.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Service {
        self.limits = limits;
        self.host = Host::new(&self.limits, self.threads, &*self.application);
        self
    }

    /// Sets how many handlers run at once: at least 1. The service gets new threads, so clones made before keep theirs.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Service {
        self.threads = threads;
        self.host = Host::new(&self.limits, self.threads, &*self.application);
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("limits", &self.limits)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<http::Request<B>> for Service
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (application, host) = (Arc::clone(&self.application), Arc::clone(&self.host));
        Box::pin(async move { Ok(host.respond(application, request).await) })
    }
}

impl Host {
    fn new(limits: &Limits, threads: usize, application: &dyn Application) -> Arc<Host> {
        let of_routes = application.limit_extremes();
        Arc::new(Host {
            protocol: limits.protocol(of_routes.largest_body()),
            least_body: of_routes.least_body(),
            limits: limits.clone(),
            memory: exchange::Pool::new(limits.body_buffer, limits.body_memory),
            pool: Arc::new(Pool::new(threads, limits.queue)),
            clock: Arc::new(Clock::new()),
            hook: application.response_hook(),
        })
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(
            Arc::clone(&self.protocol),
            self.limits.own_body(),
            Arc::clone(&self.memory),
        )
        .with_body_limits(self.limits.body, self.least_body)
        .with_hook(self.hook.clone())
    }

    async fn respond<B: http_body::Body>(
        self: Arc<Self>,
        application: Arc<dyn Application>,
        request: http::Request<B>,
    ) -> Reply {
        let (head, body) = request.into_parts();
        let asked = Asked::by(&head);
        let framing = Framing::of(&head, &body);
        let mut body = Arriving::new(body, framing);
        let (exchange, here) = match self.receive(&head, &mut body, framing, asked).await {
            Ok(received) => received,
            Err(reply) => return reply,
        };
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
        let work = Arc::clone(&self).work(application, exchange, reader, asked);
        let shared = Arc::clone(self.pool.shared());
        let call = Call::new(work, needs, Arc::clone(&self.clock), shared, self.limits.handler);
        let outcome = match call.enter(needs, self.limits.queue_time) {
            Ok(()) => outcome(&call, body, writer).await,
            Err(given_up) => Err(given_up),
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

    /// What comes next of a body, until the deadline.
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

    /// What a thread does for a request.
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
            exchange.request.handler_time = Some(HandlerTime::watched_by(watch));
            let mut response = exchange.call(
                |request| application.call(request),
                |request| application.note_endpoint(request),
            );
            exchange.request.handler_time = None;
            exchange.end_reading::<Upload<Reply>>();
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
        let (reply, rest) = asked.respond(&mut exchange, &mut response, &self.pool);
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
async fn outcome<B: http_body::Body>(
    call: &Arc<Call<Reply>>,
    mut body: Arriving<B>,
    mut writer: Option<Writer>,
) -> Result<Reply, GivenUp> {
    let waiting = Waiting(call);
    poll_fn(|context| {
        pass_on(&mut body, &mut writer, context);
        waiting.0.poll(context)
    })
    .await
}

/// Passes on what is here of a body, as far as there is room for it.
fn pass_on<B: http_body::Body>(body: &mut Arriving<B>, to: &mut Option<Writer>, context: &mut Context<'_>) {
    while let Some(writer) = to {
        match writer.poll_room(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => *to = None,
            Poll::Pending => return,
        }
        let Some(writer) = to else { return };
        match body.poll_next(context) {
            Poll::Ready(Some(Ok(bytes))) => writer.push(&bytes),
            // Without an end it has broken off.
            Poll::Ready(Some(Err(_))) => *to = None,
            Poll::Ready(None) => {
                if let Some(writer) = to.take() {
                    writer.end();
                }
            }
            Poll::Pending => return,
        }
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

/// What is said where there is no response.
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

#[cfg(test)]
mod tests {
    use super::super::hosted::block_on;
    use super::*;
    use crate::Request;
    use http::Version;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::time::Duration;
    use tower_service::Service as _;

    /// A body that is there at once.
    struct Whole(Option<&'static [u8]>);

    impl http_body::Body for Whole {
        type Data = &'static [u8];
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
            Poll::Ready(self.0.take().map(|data| Ok(http_body::Frame::data(data))))
        }
    }

    /// All of a body.
    fn collect(body: Body) -> io::Result<Vec<u8>> {
        let mut body = std::pin::pin!(body);
        let mut content = Vec::new();
        while let Some(frame) = block_on(poll_fn(|context| http_body::Body::poll_frame(body.as_mut(), context))) {
            content.extend(frame?.into_data().unwrap_or_default());
        }
        Ok(content)
    }

    fn answered(service: &mut Service, request: http::Request<Whole>) -> (StatusCode, Vec<u8>) {
        let response = block_on(service.call(request)).unwrap_or_else(|never| match never {});
        (response.status(), collect(response.into_body()).unwrap())
    }

    #[test]
    fn a_service_answers_as_the_application_does() {
        let mut service = Service::new(|request: &Request| {
            let host = request.host().unwrap_or("-");
            request
                .text()
                .map(|body| format!("{} {} {host} {body}", request.method(), request.path()))
        });
        let request = http::Request::post("http://example.org/a%20b?c")
            .header("host", "example.org")
            .body(Whole(Some(b"ham")))
            .unwrap();
        assert_eq!(
            answered(&mut service, request),
            (StatusCode::OK, b"POST /a%20b example.org ham".to_vec())
        );
    }

    #[test]
    fn a_request_is_for_the_host_of_its_target() {
        let mut service = Service::new(|request: &Request| {
            let host = request.header("Host").map(str::to_owned);
            format!("{:?} {host:?}", request.host().unwrap_or("-"))
        });
        for (version, target, host, seen, field) in [
            (
                Version::HTTP_2,
                "http://good.example/",
                None,
                "good.example",
                "good.example",
            ),
            (
                Version::HTTP_2,
                "http://good.example/",
                Some("Good.example:80"),
                "good.example",
                "good.example",
            ),
            (
                Version::HTTP_2,
                "/",
                Some("good.example"),
                "good.example",
                "good.example",
            ),
            (Version::HTTP_2, "/", None, "", ""),
            // As on a connection: the field is what was sent, and does not count.
            (
                Version::HTTP_11,
                "http://good.example/",
                Some("evil.example"),
                "good.example",
                "evil.example",
            ),
        ] {
            let request = http::Request::get(target).version(version);
            let request = host
                .into_iter()
                .fold(request, |request, host| request.header("host", host));
            let expected = format!("{seen:?} {:?}", Some(field));
            let answered = answered(&mut service, request.body(Whole(None)).unwrap());
            assert_eq!(answered, (StatusCode::OK, expected.into_bytes()), "{target} {host:?}");
        }
        let request = http::Request::get("http://good.example/").version(Version::HTTP_2);
        let request = request.header("host", "evil.example").body(Whole(None)).unwrap();
        let (status, text) = answered(&mut service, request);
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(text, b"400 Bad Request: the Host field differs from :authority\n");
    }

    #[test]
    fn streams_come_whole_and_in_order() {
        let mut service = Service::new(|_: &Request| {
            crate::Body::stream(|client| {
                use std::io::Write;
                (0..1000).try_for_each(|n| write!(client, "{n} "))
            })
        });
        let (_, body) = answered(&mut service, get("/"));
        let expected: String = (0..1000).map(|n| format!("{n} ")).collect();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn limits_and_panics_are_answered() {
        let limits = Limits::new().body(2);
        let mut service = Service::new(|request: &Request| {
            if request.path() == "/panic" {
                panic!("on purpose")
            }
        })
        .with_limits(limits);
        let large = post("/").body(Whole(Some(b"ham"))).unwrap();
        assert_eq!(answered(&mut service, large).0, StatusCode::PAYLOAD_TOO_LARGE);
        let panics = get("/panic");
        assert_eq!(answered(&mut service, panics).0, StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// A body of these frames, each of which is data but for the last, which may be trailers.
    struct Frames {
        data: std::collections::VecDeque<Vec<u8>>,
        trailers: Option<http::HeaderMap>,
        /// It never ends.
        stalls: bool,
        polled: Arc<AtomicUsize>,
    }

    fn frames(data: &[&[u8]]) -> Frames {
        Frames {
            data: data.iter().map(|data| data.to_vec()).collect(),
            trailers: None,
            stalls: false,
            polled: Arc::default(),
        }
    }

    impl http_body::Body for Frames {
        type Data = io::Cursor<Vec<u8>>;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
            self.polled.fetch_add(1, SeqCst);
            if let Some(data) = self.data.pop_front() {
                return Poll::Ready(Some(Ok(http_body::Frame::data(io::Cursor::new(data)))));
            }
            if let Some(trailers) = self.trailers.take() {
                return Poll::Ready(Some(Ok(http_body::Frame::trailers(trailers))));
            }
            if self.stalls { Poll::Pending } else { Poll::Ready(None) }
        }
    }

    type Responding = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn is_pending(future: &mut Responding) -> bool {
        future
            .as_mut()
            .poll(&mut Context::from_waker(std::task::Waker::noop()))
            .is_pending()
    }

    fn reply<B>(service: &mut Service, request: http::Request<B>) -> Reply
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
    {
        block_on(service.call(request)).unwrap_or_else(|never| match never {})
    }

    fn status<B>(service: &mut Service, request: http::Request<B>) -> u16
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
    {
        reply(service, request).status().as_u16()
    }

    /// A service whose handler at `/hold` tells that it has begun, and waits to be told to go on.
    fn holding(limits: Limits, threads: usize) -> (Service, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = std::sync::Mutex::new(released);
        let service = Service::new(move |request: &Request| {
            if request.path() == "/hold" {
                begins.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            "fine"
        });
        (service.with_limits(limits).with_threads(threads), begun, release)
    }

    fn get(path: &str) -> http::Request<Whole> {
        http::Request::get(path).header("host", "a").body(Whole(None)).unwrap()
    }

    fn post(path: &str) -> http::request::Builder {
        http::Request::post(path).header("host", "a")
    }

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn no_limit_strikes_before_the_one_that_is_set() {
        let limits = Limits::new().target(9_000).fields(101).body(3_000_000);
        let mut service = Service::new(|request: &Request| request.bytes().map(|body| body.len().to_string()));
        service = service.with_limits(limits);
        let mut post = |announced: Option<usize>, size: usize| {
            let request = post("/");
            let request = announced
                .into_iter()
                .fold(request, |request, len| request.header("content-length", len));
            let pieces = vec![b'x'; size];
            let pieces: Vec<&[u8]> = pieces.chunks(100_000).collect();
            status(&mut service, request.body(frames(&pieces)).unwrap())
        };
        assert_eq!(post(Some(3_000_000), 3_000_000), 200);
        assert_eq!(post(None, 3_000_000), 200);
        assert_eq!(post(Some(3_000_001), 0), 413);
        assert_eq!(post(None, 3_000_001), 413);
        assert_eq!(post(Some(4), 3), 400, "shorter than it says");
        assert_eq!(post(Some(3), 4), 400, "longer than it says");
        let target = |len: usize| get(&format!("/{}", "a".repeat(len - 1)));
        assert_eq!(status(&mut service, target(9_000)), 200);
        assert_eq!(status(&mut service, target(9_001)), 414);
        let fields = |count: usize| {
            let request = http::Request::get("/").header("host", "a");
            let request = (1..count).fold(request, |request, n| request.header(format!("x-{n}"), ""));
            request.body(frames(&[])).unwrap()
        };
        let of_http2 = |mut request: http::Request<Frames>| {
            request.headers_mut().remove("host");
            *request.uri_mut() = "http://a/".parse().unwrap();
            *request.version_mut() = Version::HTTP_2;
            request
        };
        // Its framing is one of them.
        assert_eq!(status(&mut service, fields(100)), 200);
        assert_eq!(status(&mut service, fields(102)), 431);
        assert_eq!(status(&mut service, of_http2(fields(100))), 200);
        assert_eq!(status(&mut service, of_http2(fields(102))), 431);
    }

    #[test]
    fn a_piece_of_a_body_may_be_larger_than_the_room_for_it() {
        for (body_buffer, body_memory) in [(0, 0), (100_000, 0), (100_000, 300_000), (1_000_000, 10_000_000)] {
            let limits = Limits::new().body_buffer(body_buffer).body_memory(body_memory);
            let sum = |request: &Request| -> crate::Result<String> {
                let content = request.bytes()?;
                let sum: u64 = content.iter().map(|byte| u64::from(*byte)).sum();
                Ok(format!("{} {sum}", content.len()))
            };
            let mut service = Service::new(sum).with_limits(limits.clone());
            let content: Vec<u8> = (0..2_000_000_u32).map(|n| n as u8).collect();
            let expected: u64 = content.iter().map(|byte| u64::from(*byte)).sum();
            let expected = format!("2000000 {expected}");
            for piece in [content.len(), 700_000] {
                let pieces: Vec<&[u8]> = content.chunks(piece).collect();
                let chunked = post("/").body(frames(&pieces)).unwrap();
                let sized = post("/").header("content-length", content.len());
                for request in [chunked, sized.body(frames(&pieces)).unwrap()] {
                    let body = reply(&mut service, request).into_body();
                    assert_eq!(
                        collect(body).unwrap(),
                        expected.as_bytes(),
                        "{body_buffer} {body_memory}"
                    );
                }
            }
            let client = crate::test::Client::new(sum).with_limits(limits);
            assert_eq!(
                client.post("/", content).text(),
                expected,
                "{body_buffer} {body_memory}"
            );
        }
    }

    #[test]
    fn head_has_the_fields_of_get_and_runs_nothing() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let mut service = Service::new(move |request: &Request| {
            let counted = Arc::clone(&counted);
            match request.path() {
                "/file" => crate::Body::file(std::fs::File::open("Cargo.toml").unwrap()).unwrap(),
                "/sized" => crate::Body::sized_reader(io::repeat(b'x'), 1_000_000),
                "/bytes" => "bytes".into(),
                "/long" => "x".repeat(1_000_000).into(),
                _ => crate::Body::stream(move |client| {
                    counted.fetch_add(1, SeqCst);
                    io::Write::write_all(client, b"streamed")
                }),
            }
        });
        let of_file = std::fs::metadata("Cargo.toml").unwrap().len();
        for (path, length) in [
            ("/file", Some(of_file)),
            ("/sized", Some(1_000_000)),
            ("/bytes", Some(5)),
            ("/long", Some(1_000_000)),
            ("/stream", None),
        ] {
            let (got, body) = reply(&mut service, get(path)).into_parts();
            assert_eq!(http_body::Body::size_hint(&body).exact(), length, "{path}");
            let body = collect(body).unwrap();
            assert!(length.is_none_or(|length| body.len() as u64 == length), "{path}");
            assert_eq!(runs.swap(0, SeqCst), usize::from(path == "/stream"));
            let mut head = get(path);
            *head.method_mut() = http::Method::HEAD;
            let head = reply(&mut service, head);
            let without_date = |mut headers: http::HeaderMap| {
                headers.remove("date");
                headers
            };
            assert_eq!(
                without_date(got.headers.clone()),
                without_date(head.headers().clone()),
                "{path}"
            );
            let announced = got.headers.get("content-length");
            let announced = announced.map(|length| length.to_str().unwrap().parse().unwrap());
            assert_eq!(announced, length, "{path}");
            assert!(http_body::Body::is_end_stream(head.body()), "{path}");
            assert_eq!(runs.load(SeqCst), 0, "{path}");
        }
    }

    #[test]
    fn a_reply_says_of_its_connection_what_its_version_has_room_for() {
        let mut service = Service::new(|| {
            let mut bye = Response::new("bye").with_header("Connection", "close");
            bye.set_version(Version::HTTP_10);
            bye
        });
        for (version, replied, says) in [
            (Version::HTTP_11, Version::HTTP_10, true),
            // There it is the connection's, and the server around says it.
            (Version::HTTP_2, Version::HTTP_11, false),
        ] {
            let mut request = get("/");
            *request.version_mut() = version;
            let reply = reply(&mut service, request);
            assert_eq!(reply.version(), replied, "{version:?}");
            assert_eq!(reply.headers().contains_key("connection"), says, "{version:?}");
        }
    }

    #[test]
    fn head_of_a_stream_needs_no_place_among_streams() {
        let limits = Limits::new().queue(0);
        let mut service = Service::new(|| crate::Body::stream(|_| Ok(()))).with_limits(limits);
        service = service.with_threads(2);
        let _others = service.host.pool.shared().streaming_place().unwrap();
        assert_eq!(status(&mut service, get("/")), 503);
        let mut head = get("/");
        *head.method_mut() = http::Method::HEAD;
        assert_eq!(status(&mut service, head), 200);
    }

    #[test]
    fn a_refusal_of_head_has_the_fields_of_get_and_no_body() {
        let limits = Limits::new().target(10);
        let mut service = Service::new(|| "unused").with_limits(limits);
        // The one is read and refused, the other is not even read.
        for (target, host, status) in [
            ("/longer-than-that", "a", StatusCode::URI_TOO_LONG),
            ("http://a/", "b", StatusCode::BAD_REQUEST),
        ] {
            let mut refused = |method| {
                let request = http::Request::get(target).version(Version::HTTP_2);
                let mut request = request.header("host", host).body(Whole(None)).unwrap();
                *request.method_mut() = method;
                let reply = reply(&mut service, request);
                assert_eq!(reply.status(), status);
                let length = reply.headers().get("content-length").cloned();
                (length, collect(reply.into_body()).unwrap().len())
            };
            let (length, sent) = refused(http::Method::GET);
            assert!(sent > 0);
            assert_eq!(refused(http::Method::HEAD), (length, 0), "{target}");
        }
    }

    #[test]
    fn a_full_queue_and_a_long_wait_are_told() {
        let limits = Limits::new().queue(1).queue_time(SOON);
        let (mut service, begun, release) = holding(limits, 1);
        let mut held = service.call(get("/hold"));
        assert!(is_pending(&mut held));
        begun.recv().unwrap();
        let mut queued = service.call(get("/"));
        assert!(is_pending(&mut queued));
        let full = reply(&mut service, get("/"));
        assert_eq!(full.status(), 503);
        assert_eq!(full.headers()["retry-after"], "1");
        let text = collect(full.into_body()).unwrap();
        assert_eq!(text, b"503 Service Unavailable: too many requests are waiting\n");
        let late = block_on(queued).unwrap();
        assert_eq!(late.status(), 503);
        assert_eq!(late.headers()["retry-after"], "1");
        let mut left = service.call(get("/"));
        assert!(is_pending(&mut left), "it has the place of the one that was too late");
        drop(left);
        let mut last = service.call(get("/"));
        assert!(is_pending(&mut last), "it has the place of the one that has left");
        drop(last);
        release.send(()).unwrap();
        assert_eq!(block_on(held).unwrap().status(), 200);
        assert_eq!(status(&mut service, get("/")), 200);
    }

    #[test]
    fn a_request_for_which_no_thread_can_be_started_waits_no_longer_than_any_other() {
        let (mut service, begun, _release) = holding(Limits::new().queue_time(SOON), 2);
        let out_of_threads = Arc::clone(service.host.pool.shared());
        out_of_threads.is_out_of_threads.store(true, SeqCst);
        let text = |reply: Reply| (reply.status().as_u16(), collect(reply.into_body()).unwrap());
        let at_once = (503, b"503 Service Unavailable: there is no thread for the request\n".to_vec());
        assert_eq!(text(reply(&mut service, get("/"))), at_once);
        out_of_threads.is_out_of_threads.store(false, SeqCst);
        let mut held = service.call(get("/hold"));
        assert!(is_pending(&mut held));
        begun.recv().unwrap();
        out_of_threads.is_out_of_threads.store(true, SeqCst);
        let late = b"503 Service Unavailable: the request waited too long for a thread\n".to_vec();
        assert_eq!(text(reply(&mut service, get("/"))), (503, late));
    }

    #[test]
    fn a_handler_that_takes_too_long_is_answered_for_and_replaced() {
        let limits = Limits::new().handler(SOON).queue(0);
        let (mut service, begun, release) = holding(limits, 2);
        for _ in 0..3 {
            let mut held = service.call(get("/hold"));
            assert!(is_pending(&mut held));
            begun.recv().unwrap();
            let overdue = block_on(held).unwrap();
            assert_eq!(overdue.status(), 503);
            assert_eq!(overdue.headers()["retry-after"], "1");
        }
        assert_eq!(
            status(&mut service, get("/")),
            503,
            "half of two threads are replaced, no more"
        );
        drop(release);
        while status(&mut service, get("/")) != 200 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_handler_whose_client_has_left_is_lost_as_well() {
        let limits = Limits::new().handler(SOON).queue(8);
        let (mut service, begun, _release) = holding(limits, 2);
        for _ in 0..2 {
            let mut held = service.call(get("/hold"));
            assert!(is_pending(&mut held));
            begun.recv().unwrap();
            drop(held);
        }
        assert_eq!(status(&mut service, get("/")), 200, "one of them is replaced");
    }

    #[test]
    fn an_upload_that_stalls_is_given_up() {
        let stalled = |limits: Limits| {
            let mut service = Service::new(|request: &Request| request.text().map(str::to_owned)).with_limits(limits);
            let mut body = frames(&[b"ham"]);
            body.stalls = true;
            status(&mut service, post("/").body(body).unwrap())
        };
        let limits = Limits::new().transfer_time(SOON);
        assert_eq!(stalled(limits.clone()), 408);
        let live = limits.body_buffer(2).handler(SOON / 2);
        assert_eq!(
            stalled(live),
            408,
            "it waits for its client, which is not held against the handler"
        );
    }

    #[test]
    fn a_large_body_is_read_while_its_handler_runs() {
        let seen = |request: &Request| -> crate::Result<String> {
            let mut begin = [0; 3];
            io::Read::read_exact(&mut request.body(), &mut begin)?;
            let length = 3 + io::copy(&mut request.body(), &mut io::sink())?;
            let sum = request
                .trailers()
                .map(|(name, value)| format!("{name}={}", value.escape_ascii()));
            Ok(format!("{length} {}", sum.collect::<String>()))
        };
        for body_buffer in [0, 1_000_000] {
            let limits = Limits::new().body_buffer(body_buffer);
            let mut service = Service::new(seen).with_limits(limits);
            let piece = vec![b'x'; 30_000];
            let mut body = frames(&[&piece[..]; 10]);
            let trailers = [("sum".parse().unwrap(), "1".parse().unwrap())];
            body.trailers = Some(trailers.into_iter().collect());
            let (head, body) = reply(&mut service, post("/").body(body).unwrap()).into_parts();
            let text = String::from_utf8(collect(body).unwrap()).unwrap();
            assert_eq!((head.status.as_u16(), &text[..]), (200, "300000 sum=1"));
            let sized = post("/").header("content-length", 300_000);
            let sized = reply(&mut service, sized.body(frames(&[&piece[..]; 10])).unwrap());
            assert_eq!(collect(sized.into_body()).unwrap(), b"300000 ");
        }
    }

    #[test]
    fn a_body_that_waits_to_be_asked_for_is_asked_for_when_its_handler_reads() {
        let limits = Limits::new().body_buffer(1);
        let mut service = Service::new(|request: &Request| match request.path() {
            "/no" => Ok("no".to_owned()),
            _ => request.text().map(str::to_owned),
        });
        service = service.with_limits(limits);
        for (path, text, asked) in [("/no", "no", false), ("/", "ham", true)] {
            let body = frames(&[b"ham"]);
            let polled = Arc::clone(&body.polled);
            let request = post(path).header("expect", "100-continue").header("content-length", 3);
            let reply = reply(&mut service, request.body(body).unwrap());
            assert_eq!(collect(reply.into_body()).unwrap(), text.as_bytes());
            assert_eq!(polled.load(SeqCst) > 0, asked, "{path}");
        }
    }

    /// A service of so many threads that streams without end, and what its streams end with.
    fn endless(limits: Limits, threads: usize) -> (Service, mpsc::Receiver<io::ErrorKind>) {
        let (ends, ended) = mpsc::channel();
        let service = Service::new(move |request: &Request| {
            let ends = ends.clone();
            match request.path() {
                "/" => return crate::Body::from("fine"),
                "/upload" => return crate::Body::from(request.bytes().map_or(0, <[u8]>::len).to_string()),
                _ => {}
            }
            crate::Body::stream(move |client| {
                loop {
                    if let Err(error) = io::Write::write_all(client, &[b'x'; 10_000]) {
                        assert!(!client.is_open());
                        ends.send(error.kind()).unwrap();
                        return Err(error);
                    }
                }
            })
        });
        (service.with_limits(limits).with_threads(threads), ended)
    }

    /// Limits of a service of which a request body of more than two bytes is read while its handler runs.
    fn queueing(queue: usize, queue_time: Duration) -> Limits {
        Limits::new().queue(queue).queue_time(queue_time).body_buffer(2)
    }

    const NEVER: Duration = Duration::from_secs(3600);

    #[test]
    fn what_streams_waits_for_a_place_and_takes_no_thread_meanwhile() {
        let (mut service, _ended) = endless(queueing(2, NEVER), 2);
        let first = reply(&mut service, get("/stream"));
        let mut second = service.call(get("/stream"));
        assert!(is_pending(&mut second), "there is one place");
        let mut upload = service.call(post("/upload").body(frames(&[b"ham"])).unwrap());
        assert!(is_pending(&mut upload));
        // Its handler has run, and it waits behind the upload or before it.
        while service.host.pool.shared().waiting_for_places() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(status(&mut service, get("/")), 200, "there is a thread for others");
        drop(first);
        let second = std::thread::spawn(move || block_on(second).unwrap().status());
        let (head, body) = block_on(upload).unwrap().into_parts();
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(collect(body).unwrap(), b"3");
        assert_eq!(second.join().unwrap(), StatusCode::OK);
    }

    #[test]
    fn what_waits_too_long_for_a_place_or_finds_too_many_waiting_is_503() {
        for (limits, reason) in [
            (queueing(0, NEVER), "too many requests are waiting"),
            (queueing(1, SOON), "the request waited too long for a place"),
        ] {
            let (mut service, _ended) = endless(limits, 2);
            let _first = reply(&mut service, get("/stream"));
            let upload = post("/upload").body(frames(&[b"ham"])).unwrap();
            for reply in [reply(&mut service, get("/stream")), reply(&mut service, upload)] {
                assert_eq!(reply.status(), 503);
                assert_eq!(reply.headers()["retry-after"], "1");
                let text = collect(reply.into_body()).unwrap();
                assert_eq!(text, format!("503 Service Unavailable: {reason}\n").into_bytes());
            }
        }
    }

    #[test]
    fn what_waits_for_a_place_is_dropped_with_its_client_and_may_panic_then() {
        struct Bomb(mpsc::Sender<()>);
        impl Drop for Bomb {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
                panic!("on purpose")
            }
        }
        let (drops, dropped) = mpsc::channel();
        let service = Service::new(move |_: &Request| {
            let bomb = Bomb(drops.clone());
            crate::Body::stream(move |_| {
                let _ = &bomb;
                Ok(())
            })
        });
        let mut service = service.with_limits(queueing(1, NEVER)).with_threads(2);
        let others = service.host.pool.shared().streaming_place();
        let mut waiting = service.call(get("/"));
        assert!(is_pending(&mut waiting));
        while service.host.pool.shared().waiting_for_places() < 1 {
            std::thread::yield_now();
        }
        drop(waiting);
        dropped.recv().unwrap();
        assert_eq!(service.host.pool.shared().waiting_for_places(), 0);
        drop(others);
        assert_eq!(status(&mut service, get("/")), 200);
    }

    #[test]
    fn a_stream_whose_client_leaves_ends_and_gives_its_thread_back() {
        let (mut service, ended) = endless(Limits::default(), 1);
        let streaming = reply(&mut service, get("/stream"));
        assert_eq!(streaming.status(), 200);
        let mut queued = service.call(get("/"));
        assert!(is_pending(&mut queued), "there is one thread only");
        drop(streaming);
        assert_eq!(ended.recv().unwrap(), io::ErrorKind::BrokenPipe);
        assert_eq!(block_on(queued).unwrap().status(), 200);
    }

    #[test]
    fn a_stream_whose_client_does_not_read_is_given_up() {
        let (mut service, ended) = endless(Limits::new().transfer_time(SOON).rate(u32::MAX), 1);
        let streaming = reply(&mut service, get("/stream"));
        assert_eq!(ended.recv().unwrap(), io::ErrorKind::TimedOut);
        let error = collect(streaming.into_body()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_stream_that_goes_on_too_long_is_cut_off() {
        let (mut service, ended) = endless(Limits::new().stream(SOON), 1);
        let streaming = reply(&mut service, get("/stream"));
        assert!(collect(streaming.into_body()).is_err());
        assert_eq!(ended.recv().unwrap(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_stream_that_fails_or_panics_is_an_error_of_its_body() {
        let mut service = Service::new(|request: &Request| match request.path() {
            "/panic" => crate::Body::stream(|client| {
                io::Write::write_all(client, b"begun")?;
                panic!("on purpose")
            }),
            "/short" => crate::Body::sized_reader(&b"short"[..], 9),
            _ => crate::Body::stream(|_| Err(io::Error::other("no more"))),
        });
        for path in ["/panic", "/short", "/fails"] {
            let body = reply(&mut service, get(path)).into_body();
            assert!(collect(body).is_err(), "{path}");
        }
    }

    #[test]
    fn a_panic_where_nothing_catches_it_is_a_500() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose")
            }
        }
        let mut service = Service::new(|request: &Request| {
            if request.path() == "/payload" {
                std::panic::panic_any(Bomb);
            }
            request.set(Bomb);
        });
        service = service.with_threads(1);
        assert_eq!(status(&mut service, get("/payload")), 500);
        assert_eq!(status(&mut service, get("/value")), 204, "the response was made before");
        assert_eq!(status(&mut service, get("/payload")), 500, "and the thread goes on");
    }

    #[test]
    fn threads_end_with_the_last_clone_of_their_service() {
        let mut service = Service::new(|| "fine");
        let other = service.clone();
        assert_eq!(status(&mut service, get("/")), 200);
        let host = Arc::downgrade(&service.host);
        let pool = Arc::downgrade(service.host.pool.shared());
        drop(service);
        assert!(host.upgrade().is_some());
        drop(other);
        while host.strong_count() + pool.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
