//! An in-process client: tests of an application without a socket, over the real protocol code.

mod conversation;
mod cookie_date;
mod jar;
mod response;
#[cfg(feature = "websocket")]
mod socket;
mod stream;
#[cfg(feature = "upgrade")]
mod upgraded;

use std::sync::Mutex;

use http::Method;

use crate::dispatch::Recorder;
#[cfg(any(feature = "websocket", feature = "upgrade"))]
use crate::exchange::Payload;
use crate::exchange::{EarlyEnd, Pool};
use crate::lock::lock;
use crate::{Application, IntoApplication, Limits, Request};

use conversation::Conversation;
use jar::Jar;

pub use response::Response;
#[cfg(feature = "websocket")]
pub use socket::Socket;
pub use stream::Stream;
#[cfg(feature = "upgrade")]
pub use upgraded::Upgraded;

/// A client of an application in the same process.
///
/// Each request is encoded, parsed by the protocol code that serves sockets, and given to the application. The response is
/// encoded and parsed in the same way. So a test sees what a client on the network would see: framing, added headers,
/// refusals.
///
/// ```
/// use hansel::{Request, test::Client};
///
/// let client = Client::new(|request: &Request| format!("you asked for {}", request.path()));
/// let response = client.get("/cake");
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.text(), "you asked for /cake");
/// assert_eq!(response.header("Content-Length"), Some("19"));
/// ```
pub struct Client {
    application: Box<dyn Application>,
    limits: Limits,
    cookies: Option<Mutex<Jar>>,
}

impl Client {
    /// Creates a client of this application.
    ///
    /// # Panics
    /// If it creates an [`App`](crate::App), and [`App::new`](crate::App::new) panics.
    #[track_caller]
    pub fn new<S>(application: impl IntoApplication<S>) -> Client {
        Client {
            application: Box::new(application.into_application()),
            limits: Limits::default(),
            cookies: None,
        }
    }

    /// Sets the limits for sizes. Limits for times and for numbers of connections or requests do not apply; of the
    /// [limits of routes](crate::RouteLimits), all but deadlines do.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Client {
        self.limits = limits;
        self
    }

    /// Keeps cookies as a browser does that reaches the application over TLS (RFC 6265bis §5): what responses set is sent with
    /// later requests, where host, path and age fit. A request that has a Cookie header of its own is sent as it is.
    ///
    /// Without it each request stands for itself.
    ///
    /// ```
    /// use hansel::{Request, Response, test::Client};
    ///
    /// let client = Client::new(|request: &Request| match request.header("Cookie") {
    ///     None => Response::new("Welcome").with_header("Set-Cookie", "seen=1; Max-Age=3600"),
    ///     Some(_) => Response::new("Welcome back"),
    /// })
    /// .with_cookies();
    /// assert_eq!(client.get("/").text(), "Welcome");
    /// assert_eq!(client.get("/").text(), "Welcome back");
    /// assert_eq!(client.cookie("seen").as_deref(), Some("1"));
    /// client.forget_cookies();
    /// assert_eq!(client.get("/").text(), "Welcome");
    /// ```
    #[must_use]
    pub fn with_cookies(mut self) -> Client {
        self.cookies = Some(Mutex::default());
        self
    }

    /// Keeps cookies as [`with_cookies`](Client::with_cookies) does, as a browser without TLS: `Secure` cookies are not kept.
    #[must_use]
    pub fn with_cookies_over_plain_http(mut self) -> Client {
        self.cookies = Some(Mutex::new(Jar::over_plain_http()));
        self
    }

    /// Returns the value of a cookie that is kept, by its whole name, prefix included.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.as_ref().and_then(|jar| lock(jar).value(name))
    }

    /// Removes all cookies, as if the next request came from another browser.
    pub fn forget_cookies(&self) {
        if let Some(jar) = &self.cookies {
            lock(jar).clear();
        }
    }

    /// Sends a GET request for `target`, and returns the complete response. For a response without an end, use
    /// [`open`](Client::open).
    ///
    /// # Panics
    /// If no client could send such a target: see [`Request::new`].
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(Request::get(target))
    }

    /// Sends a POST request with `body` to `target`.
    ///
    /// # Panics
    /// Panics if [`get`](Client::get) does.
    #[track_caller]
    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Response {
        self.send(Request::post(target).with_body(body))
    }

    /// Sends a request with any method and without a body.
    ///
    /// # Panics
    /// Panics if [`get`](Client::get) does, and if `method` is not a token.
    #[track_caller]
    pub fn call(&self, method: &str, target: &str) -> Response {
        match Method::from_bytes(method.as_bytes()) {
            Ok(method) => self.send(Request::new(method, target)),
            Err(_) => panic!("{method:?} is not a valid method"),
        }
    }

    /// Sends a request. If it has a body and neither Content-Length nor Transfer-Encoding, a Content-Length is added.
    pub fn send(&self, request: Request) -> Response {
        let recorder = Recorder::default();
        let mut conversation = self.converse_by(self.written(&request));
        if let Some(payload) = conversation.next(|request| self.application.call_watched(request, &recorder)) {
            conversation.gather(payload);
        }
        // This crate can parse what it writes; of a response that was cut, the parsed part remains.
        let mut response = Response::read(&conversation.out, request.method() == Method::HEAD);
        response.trail = recorder.into_trail(&request);
        self.keep_cookies(&request, &response);
        response
    }

    /// Sends a request as [`send`](Client::send) does, and returns once the response has begun. Its body is read from the
    /// [`Stream`] while the application writes it, and may have no end. What a handler writes
    /// [before it returns](crate::Request::respond_now) is gathered until it does.
    ///
    /// ```
    /// use hansel::{Body, Request, test::Client};
    /// use std::io::{BufRead, Write};
    ///
    /// let client = Client::new(|| Body::stream(|client| {
    ///     for tick in 0.. {
    ///         write!(client, "data: {tick}\n\n")?;
    ///     }
    ///     Ok(())
    /// }));
    /// let mut stream = client.open(Request::get("/"));
    /// assert_eq!(stream.response().status(), 200);
    /// let mut line = String::new();
    /// stream.read_line(&mut line)?;
    /// assert_eq!(line, "data: 0\n");
    /// assert!(stream.leave().is_err(), "writing failed, and so the loop has ended");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(&self, request: Request) -> Stream {
        let recorder = Recorder::default();
        let mut conversation = self.converse_by(self.written(&request));
        let payload = conversation.next(|request| self.application.call_watched(request, &recorder));
        if let Some(end) = &conversation.early {
            let mut response = Response::read(&conversation.out, request.method() == Method::HEAD);
            response.trail = recorder.into_trail(&request);
            self.keep_cookies(&request, &response);
            return Stream::gathered(response, *end == EarlyEnd::Complete);
        }
        let (mut response, begun) = Response::begin(&conversation.out);
        response.trail = recorder.into_trail(&request);
        self.keep_cookies(&request, &response);
        let begun = begun.to_vec();
        Stream::new(response, begun, payload.flatten())
    }

    /// Opens a WebSocket by this GET request, to which the fields of the handshake are added.
    ///
    /// Requires the feature `websocket`.
    ///
    /// ```
    /// use hansel::websocket::{CloseCode, Message, Opening, Socket, WebSocket};
    /// use hansel::{Request, Routes, test::Client};
    ///
    /// fn echo(socket: WebSocket) -> Opening {
    ///     socket.open(()).on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
    /// }
    ///
    /// let client = Client::new(Routes::new().get("/echo", echo));
    /// let mut socket = client.socket(Request::get("/echo")).expect("it opens");
    /// socket.send("hello");
    /// assert_eq!(socket.receive(), Some(Message::Text("hello")));
    /// assert_eq!(socket.close(CloseCode::NORMAL), Some(CloseCode::NORMAL));
    /// ```
    ///
    /// # Errors
    /// Returns the response if it opens no socket.
    #[cfg(feature = "websocket")]
    pub fn socket(&self, request: Request) -> Result<Socket, Box<Response>> {
        let request = request
            .with_header("Connection", "Upgrade")
            .with_header("Upgrade", "websocket")
            .with_header("Sec-WebSocket-Version", "13")
            .with_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        match self.switch(request) {
            (response, Some(Payload::Socket(switched))) => Ok(Socket::new(response, switched.opened)),
            (response, _) => Err(Box::new(response)),
        }
    }

    /// Sends a request that a handler answers by taking the connection over: with an Upgrade header, or CONNECT.
    ///
    /// Requires the feature `upgrade`.
    ///
    /// # Errors
    /// Returns the response if the connection goes on as before.
    #[cfg(feature = "upgrade")]
    pub fn upgrade(&self, request: Request) -> Result<Upgraded, Box<Response>> {
        match self.switch(request) {
            (response, Some(Payload::Takeover(takeover))) => Ok(Upgraded::new(response, *takeover)),
            (response, _) => Err(Box::new(response)),
        }
    }

    /// Sends a request after whose response the connection may belong to another protocol. Returns what that is.
    #[cfg(any(feature = "websocket", feature = "upgrade"))]
    fn switch(&self, request: Request) -> (Response, Option<Payload>) {
        let recorder = Recorder::default();
        let mut conversation = self.converse_by(self.written(&request));
        let payload = conversation.next(|request| self.application.call_watched(request, &recorder));
        let (switched, payload) = match payload.flatten() {
            #[cfg(feature = "websocket")]
            Some(socket @ Payload::Socket(_)) => (Some(socket), None),
            #[cfg(feature = "upgrade")]
            Some(takeover @ Payload::Takeover(_)) => (Some(takeover), None),
            other => (None, other),
        };
        let mut response = if switched.is_some() {
            Response::begin(&conversation.out).0
        } else {
            conversation.gather(payload);
            Response::read(&conversation.out, false)
        };
        response.trail = recorder.into_trail(&request);
        self.keep_cookies(&request, &response);
        (response, switched)
    }

    /// Sends bytes, which may be several requests or invalid, and returns all bytes that come back until the server waits for
    /// more or closes.
    ///
    /// ```
    /// use hansel::test::Client;
    ///
    /// let client = Client::new(|| "Hello");
    /// let received = client.converse(b"GET / HTTP/1.1\r\n\r\n");
    /// assert!(received.starts_with(b"HTTP/1.1 400 "), "a request without Host");
    /// ```
    pub fn converse(&self, sent: &[u8]) -> Vec<u8> {
        let mut conversation = self.converse_by(sent.to_vec());
        let call = |request: &Request| -> crate::Response { self.application.call(request) };
        while let Some(payload) = conversation.next(call) {
            if !conversation.gather(payload) {
                break;
            }
        }
        conversation.out
    }

    /// Returns the bytes of a request, with the cookies that are kept for it.
    fn written(&self, request: &Request) -> Vec<u8> {
        let mut bytes = request.head_bytes().to_vec();
        let body = request.bytes().unwrap_or(&[]);
        let has = |name| request.header_bytes(name).is_some();
        bytes.truncate(bytes.len().saturating_sub("\r\n".len()));
        if !body.is_empty() && !has("Content-Length") && !has("Transfer-Encoding") {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        let jar = self.cookies.as_ref().filter(|_| !has("Cookie"));
        if let Some(cookies) = jar.and_then(|jar| lock(jar).cookies_for(request)) {
            bytes.extend_from_slice(format!("Cookie: {cookies}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        bytes
    }

    fn keep_cookies(&self, request: &Request, response: &Response) {
        if let Some(jar) = &self.cookies {
            let set = response
                .headers()
                .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
            lock(jar).receive(request, set.map(|(_, value)| value));
        }
    }

    fn converse_by(&self, sent: Vec<u8>) -> Conversation<'_> {
        let pool = Pool::new(self.limits.body_buffer, self.limits.body_memory);
        Conversation::new(&*self.application, &self.limits, pool, sent)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{App, Body, BodyError, Hooks, IntoResponse, Response, Routes, Scheduling, Slashes};
    use std::io::{BufRead, Read, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn the_application_is_told_to_rest_after_each_call_and_each_body() {
        struct Rests(AtomicUsize);
        impl Scheduling for Rests {
            fn rest(&self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let rests = Arc::new(Rests(AtomicUsize::new(0)));
        let keeps = Arc::clone(&rests);
        let routes = Routes::new().get("/", move || {
            let (at_call, keeps) = (keeps.0.load(SeqCst), Arc::clone(&keeps));
            Body::stream(move |out| write!(out, "{}", keeps.0.load(SeqCst) - at_call))
        });
        let client = Client::new(App::new(routes).scheduling(Arc::clone(&rests)));
        assert_eq!(client.get("/").text(), "1", "before the body is written");
        assert_eq!(rests.0.load(SeqCst), 2, "and after it");
    }

    #[test]
    fn a_body_arrives_and_its_response_comes_back() {
        let client = Client::new(|request: &Request| request.bytes().map(<[u8]>::to_vec));
        assert_eq!(client.post("/", "ham").bytes(), b"ham");
        assert_eq!(client.post("/", vec![7; 200_000]).bytes(), vec![7; 200_000]);
        assert_eq!(client.post("/", "").bytes(), b"");
    }

    #[test]
    fn limits_hold() {
        let limits = Limits::new().body(10);
        let client = Client::new(|_: &Request| "fine").with_limits(limits);
        assert_eq!(client.post("/", "0123456789").status(), 200);
        assert_eq!(client.post("/", "0123456789a").status(), 413);
    }

    #[test]
    fn no_limit_strikes_before_the_one_that_is_set() {
        let limits = Limits::new().head(200_000).target(9_000).fields(101).body(3_000_000);
        let client = Client::new(|request: &Request| request.bytes().map(|body| body.len().to_string()));
        let client = client.with_limits(limits);
        let target = |len: usize| format!("/{}", "a".repeat(len - 1));
        let fields = |count: usize| {
            (1..count).fold(Request::get("/"), |request, n| {
                request.with_header(&format!("X-{n}"), "")
            })
        };
        let body = |len: usize| Request::post("/").with_body(vec![b'x'; len]);
        assert_eq!(client.get(&target(9_000)).status(), 200);
        assert_eq!(client.get(&target(9_001)).status(), 414);
        assert_eq!(client.send(fields(101)).status(), 200);
        assert_eq!(client.send(fields(102)).status(), 431);
        assert_eq!(client.send(body(3_000_000)).text(), "3000000");
        assert_eq!(client.send(body(3_000_001)).status(), 413);
        let announced = Request::post("/").with_header("Content-Length", "3000001");
        assert_eq!(client.send(announced).status(), 413);
        let long = Request::get("/").with_header("X-Long", "x".repeat(199_000));
        assert_eq!(client.send(long).status(), 200);
        let longer = Request::get("/").with_header("X-Long", "x".repeat(200_000));
        assert_eq!(client.send(longer).status(), 431);
    }

    #[test]
    fn smaller_limits_than_the_defaults_strike_as_well() {
        let limits = Limits::new().target(10).fields(2).head(100);
        let client = Client::new(|_: &Request| "fine").with_limits(limits);
        assert_eq!(client.get("/123456789").status(), 200);
        assert_eq!(client.get("/1234567890").status(), 414);
        let two = Request::get("/").with_header("X-1", "");
        assert_eq!(client.send(two).status(), 200);
        let three = Request::get("/").with_header("X-1", "").with_header("X-2", "");
        assert_eq!(client.send(three).status(), 431);
        let long = Request::get("/").with_header("X-1", "x".repeat(100));
        assert_eq!(client.send(long).status(), 431);
    }

    #[test]
    fn a_body_beyond_the_buffer_is_read_while_its_handler_runs() {
        let limits = Limits::new().body_buffer(10);
        let seen = |request: &Request| -> crate::Result<String> {
            let mut begin = [0; 3];
            request.body().read_exact(&mut begin)?;
            let early = request.trailers().count();
            let mut rest = Vec::new();
            request.body().read_to_end(&mut rest)?;
            let late = request.trailers().count();
            Ok(format!("{} {early} {late}", rest.len() + 3))
        };
        let client = Client::new(seen).with_limits(limits);
        assert_eq!(client.post("/", "0123456789").text(), "10 0 0");
        assert_eq!(client.post("/", vec![b'x'; 1_000_000]).text(), "1000000 0 0");
        let chunked =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\nSum: 1\r\n\r\n";
        let received = client.converse(format!("{chunked}{chunked}").as_bytes());
        let received = String::from_utf8(received).unwrap();
        assert_eq!(received.matches("11 0 1").count(), 2, "{received}");
        // More than is received at once, so that some is left for the next.
        let large = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{}",
            "x".repeat(1_000_000)
        );
        let received = String::from_utf8(client.converse(large.repeat(2).as_bytes())).unwrap();
        assert_eq!(received.matches("1000000 0 0").count(), 2, "{received}");
    }

    #[test]
    fn a_client_that_waits_is_told_to_go_on_when_its_handler_reads() {
        let limits = Limits::new().body_buffer(1);
        let client = Client::new(|request: &Request| match request.path() {
            "/no" => Ok("no".to_owned()),
            _ => request.text().map(str::to_owned),
        });
        let client = client.with_limits(limits);
        let head = |path: &str| {
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        };
        let received = client.converse(head("/").as_bytes());
        assert!(
            received.starts_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 "),
            "the body never came"
        );
        let received = client.converse(head("/no").as_bytes());
        assert!(received.starts_with(b"HTTP/1.1 200 "), "nobody reads it");
        let waits = Request::post("/")
            .with_header("Expect", "100-continue")
            .with_body("ham");
        assert_eq!(client.send(waits).text(), "ham");
    }

    #[test]
    fn who_reads_a_body_that_is_too_large_is_told_so() {
        let limits = Limits {
            body_buffer: 1,
            body: 10,
            ..Limits::default()
        };
        let client = Client::new(|request: &Request| match request.bytes() {
            Err(BodyError::TooLarge) => "too large".to_owned(),
            other => format!("{other:?}"),
        });
        let client = client.with_limits(limits);
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n";
        let received = client.converse(format!("{chunked}6\r\n012345\r\n0\r\n\r\n").as_bytes());
        assert!(received.ends_with(b"too large"), "{}", received.escape_ascii());
    }

    /// Returns a client of an endless stream, and how many of its writes have failed.
    fn endless() -> (Client, Arc<AtomicUsize>) {
        let failed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&failed);
        let client = Client::new(move |_: &Request| {
            let counted = Arc::clone(&counted);
            Body::stream(move |client| {
                for tick in 0.. {
                    if let Err(error) = write!(client, "data: {tick}\n\n") {
                        counted.fetch_add(1, SeqCst);
                        assert!(!client.is_open() && client.write_all(b"more").is_err());
                        return Err(error);
                    }
                }
                Ok(())
            })
        });
        (client, failed)
    }

    #[test]
    fn an_endless_stream_can_be_read_in_part_and_left() {
        let (client, failed) = endless();
        let mut stream = client.open(Request::get("/"));
        assert_eq!(stream.response().status(), 200);
        assert_eq!(stream.response().header("Transfer-Encoding"), Some("chunked"));
        let mut lines = stream.by_ref().lines().map(Result::unwrap);
        // More than fits between the two.
        assert_eq!(lines.by_ref().nth(40_000), Some("data: 20000".to_owned()));
        assert_eq!(failed.load(SeqCst), 0);
        assert_eq!(stream.leave().unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(failed.load(SeqCst), 1);
    }

    #[test]
    fn what_is_opened_has_all_that_what_is_sent_has() {
        let client = Client::new(|request: &Request| match request.path() {
            "/stream" => Response::new(Body::stream(|client| client.write_all(b"streamed"))),
            "/cut" => Response::new(Body::stream(|client| {
                client.write_all(b"cut")?;
                Err(std::io::Error::other("no more"))
            })),
            "/panic" => Response::new(Body::stream(|_| panic!("on purpose"))),
            "/long" => Response::new("x".repeat(100_000)),
            "/file" => Response::new(Body::file(std::fs::File::open("Cargo.toml").unwrap()).unwrap()),
            "/sized" => Response::new(Body::sized_reader(&b"short"[..], 9)),
            _ => Response::new("short"),
        });
        for path in ["/stream", "/cut", "/panic", "/long", "/file", "/sized", "/"] {
            for method in [Method::GET, Method::HEAD] {
                let request = || Request::new(method.clone(), path);
                let sent = client.send(request());
                let mut opened = client.open(request());
                let mut body = Vec::new();
                let is_whole = opened.read_to_end(&mut body).is_ok();
                assert_eq!(is_whole, sent.is_whole(), "{method} {path}");
                assert!(body == sent.bytes() || !is_whole, "{method} {path}");
                assert!(opened.response().headers().eq(sent.headers()), "{method} {path}");
            }
        }
        assert!(client.open(Request::get("/panic")).leave().is_err());
        let refused = client.open(Request::post("/").with_header("Content-Length", "9000000"));
        assert_eq!(refused.response().status(), 413);
    }

    #[test]
    fn what_is_opened_has_a_trail_as_well() {
        let client = Client::new(Routes::new().get("/a/{x}", |x: u8| x.to_string()));
        let trail = |target| {
            client
                .open(Request::get(target))
                .response()
                .trail()
                .map(|trail| trail.status())
        };
        assert_eq!((trail("/a/7"), trail("/a/x")), (Some(200), Some(404)));
    }

    #[test]
    fn a_file_that_has_become_shorter_is_broken_off_however_it_is_read() {
        let path = std::env::temp_dir().join(format!("hansel-shorter-{}", std::process::id()));
        std::fs::write(&path, [b'x'; 100_000]).unwrap();
        let at = path.clone();
        let client = Client::new(move || -> crate::Result<Body> {
            let file = std::fs::File::options().read(true).write(true).open(&at)?;
            file.set_len(100_000)?;
            let body = Body::file(file.try_clone()?)?;
            file.set_len(1000)?;
            Ok(body)
        });
        let gathered = client.get("/");
        let mut opened = client.open(Request::get("/"));
        let mut begin = [0; 1000];
        opened.read_exact(&mut begin).unwrap();
        for _ in 0..2 {
            assert_eq!(
                opened.read(&mut begin).unwrap_err().kind(),
                std::io::ErrorKind::UnexpectedEof
            );
        }
        std::fs::remove_file(path).unwrap();
        assert_eq!((gathered.is_whole(), gathered.bytes().len()), (false, 1000));
    }

    #[test]
    fn a_request_is_sent_with_the_framing_that_it_has() {
        let client = Client::new(|request: &Request| request.text().map(str::to_owned));
        let chunked = Request::post("/").with_header("Transfer-Encoding", "chunked");
        assert_eq!(client.send(chunked.with_body("3\r\nham\r\n0\r\n\r\n")).text(), "ham");
        let sized = Request::post("/").with_header("Content-Length", "3");
        assert_eq!(client.send(sized.with_body("ham")).text(), "ham");
    }

    #[test]
    fn a_stream_has_its_client_as_long_as_it_is_gathered() {
        let client = Client::new(|| Body::stream(|client| write!(client, "{}", client.is_open())));
        assert_eq!(client.get("/").text(), "true");
    }

    #[test]
    fn behind_a_response_that_is_broken_off_nothing_is_answered() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose")
            }
        }
        let client = Client::new(|request: &Request| match request.path() {
            "/fails" => Body::stream(|_| Err(std::io::Error::other("no more"))),
            "/panics" => Body::stream(|_| panic!("on purpose")),
            "/short" => Body::sized_reader(&b"short"[..], 9),
            "/bomb" => {
                request.set(Bomb);
                Body::from("whole")
            }
            path => Body::from(path.to_owned()),
        });
        for path in ["/fails", "/panics", "/short", "/bomb"] {
            let get = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let received = client.converse([get("/before"), get(path), get("/behind")].concat().as_bytes());
            let received = String::from_utf8(received).unwrap();
            assert_eq!(received.matches("HTTP/1.1 200 ").count(), 2, "{path}: {received}");
            assert!(
                received.contains("/before") && !received.contains("/behind"),
                "{received}"
            );
        }
        let response = client.get("/bomb");
        assert!(response.is_whole() && response.text() == "whole", "as on a connection");
    }

    #[test]
    fn a_panic_of_a_stream_breaks_it_off() {
        let client = Client::new(|_: &Request| {
            Body::stream(|client| {
                client.write_all(b"begun")?;
                panic!("on purpose")
            })
        });
        assert!(!client.get("/").is_whole());
    }

    #[test]
    fn every_kind_of_body_comes_back_whole() {
        let client = Client::new(|request: &Request| match request.path() {
            "/stream" => Response::new(Body::stream(|client| {
                write!(client, "one ").and_then(|()| write!(client, "two"))
            })),
            "/reader" => Response::new(Body::reader(&b"read"[..])),
            "/long" => Response::new("x".repeat(100_000)),
            "/file" => Response::new(Body::file(std::fs::File::open("Cargo.toml").unwrap()).unwrap()),
            _ => ().into_response(),
        });
        assert_eq!(client.get("/stream").text(), "one two");
        assert_eq!(client.get("/stream").header("Transfer-Encoding"), Some("chunked"));
        assert_eq!(client.get("/reader").text(), "read");
        assert_eq!(client.get("/long").text().len(), 100_000);
        assert_eq!(
            client.get("/file").text(),
            std::fs::read_to_string("Cargo.toml").unwrap()
        );
        assert_eq!(client.get("/").status(), 204);
    }

    #[test]
    fn a_body_that_is_taken_out_and_put_back_is_sent_as_before() {
        let manifest = || std::fs::File::open("Cargo.toml").unwrap();
        let routes = Routes::new()
            .get("/none", Response::default)
            .get("/nothing", || ())
            .get("/empty", || "")
            .get("/static", || "static")
            .get("/text", || "text".repeat(50_000))
            .get("/page", || crate::Html("<h1>page</h1>"))
            .get("/octets", || b"octets")
            .get("/bytes", || vec![0_u8, 255])
            .get("/shared", || Arc::<[u8]>::from(&b"shared"[..]))
            .get("/file", move || Body::file(manifest()).unwrap())
            .get("/part", move || Body::file_range(manifest(), 5..50).unwrap())
            .get("/reader", || Body::reader(&b"reader"[..]))
            .get("/sized", || Body::sized_reader(&b"sized"[..], 5))
            .get("/stream", || Body::stream(|client| write!(client, "stream")))
            .get("/other", || {
                Response::new("{}").with_header("Content-Type", "application/json")
            });
        #[cfg(feature = "json")]
        let routes = routes.get("/json", || crate::Json(vec![1, 2]));
        let routes = Arc::new(App::new(routes));
        let paths: Vec<String> = routes
            .routes()
            .places()
            .iter()
            .map(|place| place.pattern.clone())
            .collect();
        let again = Arc::clone(&routes);
        let put_back = |_: &crate::Seen<'_>, response: &mut Response| {
            let body = response.take_body();
            assert!(response.body().is_none());
            response.set_body(body);
        };
        let before = Client::new(routes);
        let after = Client::new(App::new(crate::dispatch::mount("/", again)).respond(put_back));
        for (path, method) in paths
            .iter()
            .flat_map(|path| [(path, Method::GET), (path, Method::HEAD)])
        {
            let [before, after] = [&before, &after].map(|client| client.call(method.as_str(), path));
            assert_eq!(before.status(), after.status(), "{method} {path}");
            assert!(
                before.headers().eq(after.headers()),
                "{method} {path}: {before:?} {after:?}"
            );
            assert_eq!(before.bytes(), after.bytes(), "{method} {path}");
            assert!(after.is_whole(), "{method} {path}");
        }
    }

    #[test]
    fn a_body_that_is_put_back_changed_has_its_type_and_a_length_of_its_own() {
        let louder = |_: &crate::Seen<'_>, response: &mut Response| {
            let louder = response.take_body().bytes().unwrap_or_default().to_ascii_uppercase();
            response.set_body([&louder[..], b"!"].concat());
        };
        let routes = Routes::new()
            .get("/text", || "text")
            .get("/page", || crate::Html("page"))
            .get("/octets", || b"octets")
            .get("/length", || Response::new("l").with_header("Content-Length", "1"))
            .get("/file", || {
                Body::file(std::fs::File::open("Cargo.toml").unwrap()).unwrap()
            });
        let client = Client::new(App::new(routes).respond(louder));
        for (path, content_type, text) in [
            ("/text", "text/plain; charset=utf-8", "TEXT!"),
            ("/page", "text/html; charset=utf-8", "PAGE!"),
            ("/octets", "application/octet-stream", "OCTETS!"),
            ("/length", "text/plain; charset=utf-8", "L!"),
            ("/file", "application/octet-stream", "!"),
        ] {
            let response = client.get(path);
            assert_eq!(response.header("Content-Type"), Some(content_type), "{path}");
            assert_eq!(
                response.header("Content-Length"),
                Some(&*text.len().to_string()),
                "{path}"
            );
            assert_eq!(response.text(), text);
        }
    }

    #[test]
    fn head_has_the_fields_of_get_and_no_body() {
        let client = Client::new(|| "Hello");
        let response = client.call("HEAD", "/");
        assert_eq!(response.header("Content-Length"), Some("5"));
        assert_eq!(response.bytes(), b"");
    }

    #[test]
    fn the_trail_is_that_of_the_call() {
        static WALKS: AtomicUsize = AtomicUsize::new(0);
        let count = |_: &Request| {
            WALKS.fetch_add(1, SeqCst);
        };
        let client = Client::new(Hooks::on(Routes::new().get("/a/{x}", |x: u8| x.to_string())).before(count));
        assert!(client.get("/a/7").trail().unwrap().is_found());
        assert_eq!(WALKS.load(SeqCst), 1, "there is no second walk");
    }

    #[test]
    fn the_trail_says_what_the_response_says() {
        let routes = Routes::new()
            .get("/a/{x}", |x: u8| x.to_string())
            .get("/panic", || -> () { panic!("on purpose") });
        let client = Client::new(App::new(routes).slashes(Slashes::Redirect));
        let seen = |method: &str, target: &str| {
            let response = client.call(method, target);
            (response.status().as_u16(), response.trail().map(|trail| trail.status()))
        };
        assert_eq!(seen("GET", "/a/7?q"), (200, Some(200)));
        assert_eq!(seen("GET", "/a/x"), (404, Some(404)));
        assert_eq!(seen("POST", "/a/7"), (405, Some(405)));
        assert_eq!(seen("OPTIONS", "/a/7"), (204, Some(204)));
        assert_eq!(seen("GET", "/a/7/"), (308, Some(308)));
        assert_eq!(seen("GET", "/panic"), (500, Some(200)), "it was found");
        assert_eq!(Client::new(|_: &Request| "any").get("/a").trail(), None);
    }

    #[test]
    fn a_panic_is_a_500() {
        let client = Client::new(|request: &Request| {
            if request.path() == "/" {
                panic!("on purpose")
            }
        });
        assert_eq!(client.get("/").status(), 500);
        assert_eq!(client.get("/x").status(), 204);
    }

    #[test]
    fn pipelined_requests_are_answered_in_order_until_one_closes() {
        let client = Client::new(|request: &Request| request.path().to_owned());
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        let sent = [get("/1", ""), get("/2", "Connection: close\r\n"), get("/3", "")].concat();
        let received = String::from_utf8(client.converse(sent.as_bytes())).unwrap();
        let bodies: Vec<_> = received.split("\r\n\r\n").skip(1).map(|part| &part[..2]).collect();
        assert_eq!(bodies, ["/1", "/2"], "{received}");
    }
}
