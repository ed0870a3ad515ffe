//! An in-process client: tests of an application without a socket, over the real protocol code.

mod answer;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::{Method, StatusCode};

use crate::date::Date;
use crate::dispatch::Recorder;
use crate::exchange::{Exchange, Payload, Step, pour};
use crate::response::Sink;
use crate::{Application, IntoApplication, IntoResponse, Limits, Request, Response};

pub use answer::Answer;

/// A client of an application that runs in the same process.
///
/// Each request is written as bytes, read by the protocol code that serves sockets, handed to the
/// application, and its answer written and read the same way. So a test sees what a client on the
/// network would see: framing, added fields, refusals.
///
/// ```
/// use hansel::{Request, test::Client};
///
/// let client = Client::new(|request: &Request| format!("you asked for {}", request.path()));
/// let answer = client.get("/cake");
/// assert_eq!(answer.status(), 200);
/// assert_eq!(answer.text(), "you asked for /cake");
/// assert_eq!(answer.header("Content-Length"), Some("19"));
/// ```
pub struct Client {
    application: Box<dyn Application>,
    limits: Limits,
}

impl Client {
    /// A client of this application.
    pub fn new<S>(application: impl IntoApplication<S>) -> Client {
        Client {
            application: Box::new(application.into_application()),
            limits: Limits::default(),
        }
    }

    /// The same client, with the limits of the server it stands for. Times do not apply.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Client {
        self.limits = limits;
        self
    }

    /// GETs `target`.
    ///
    /// # Panics
    /// If no client could send such a target; see [`Request::new`].
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target))
    }

    /// POSTs `body` to `target`; panics as [`get`](Client::get) does.
    #[track_caller]
    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Request::post(target).with_body(body))
    }

    /// Sends a request of any method without a body; panics as [`get`](Client::get) does.
    #[track_caller]
    pub fn call(&self, method: &str, target: &str) -> Answer {
        match Method::from_bytes(method.as_bytes()) {
            Ok(method) => self.send(Request::new(method, target)),
            Err(_) => panic!("{method:?} is no method"),
        }
    }

    /// Sends a request, with a Content-Length if it has a body and no framing of its own.
    pub fn send(&self, request: Request) -> Answer {
        let bytes = written(&request);
        let recorder = Recorder::default();
        let received = self.talk(&bytes, |request| self.application.call_watched(request, &recorder));
        // What this crate writes, this crate reads; an answer that was broken off has what it has.
        let mut answer = Answer::read(&received, request.method() == Method::HEAD);
        answer.trail = recorder.into_trail(&request);
        answer
    }

    /// Sends bytes as they are, as many requests as they make, and returns all bytes that come back
    /// until the server waits for more or closes.
    ///
    /// ```
    /// use hansel::test::Client;
    ///
    /// let client = Client::new(|| "Hello");
    /// let received = client.converse(b"GET / HTTP/1.1\r\n\r\n");
    /// assert!(received.starts_with(b"HTTP/1.1 400 "), "a request without Host");
    /// ```
    pub fn converse(&self, sent: &[u8]) -> Vec<u8> {
        self.talk(sent, |request| self.application.call(request))
    }

    fn talk(&self, sent: &[u8], mut call: impl FnMut(&Request) -> Response) -> Vec<u8> {
        let date = Date::now();
        let mut exchange = Exchange::new(self.limits.protocol(), usize::MAX, Arc::default());
        let mut out = Vec::new();
        let mut rest = sent;
        loop {
            match exchange.advance(&date, &mut out) {
                Step::Receive if rest.is_empty() => return out,
                Step::Receive => {
                    let room = exchange.room();
                    let n = room.len().min(rest.len());
                    room[..n].copy_from_slice(&rest[..n]);
                    exchange.received(n);
                    rest = &rest[n..];
                }
                Step::Call | Step::CallLive => {
                    if !answer(&mut exchange, &date, &mut out, &mut call) {
                        return out;
                    }
                }
                Step::Refused(_) => return out,
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Answers one request. Says whether the connection goes on.
fn answer(
    exchange: &mut Exchange,
    date: &Date,
    out: &mut Vec<u8>,
    call: &mut impl FnMut(&Request) -> Response,
) -> bool {
    let called = catch_unwind(AssertUnwindSafe(|| call(&exchange.request)));
    let mut response = called.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    let sent = match exchange.respond(&mut response, date, out) {
        Payload::None => Ok(()),
        Payload::Bytes { bytes, .. } => {
            out.extend_from_slice((*bytes).as_ref());
            Ok(())
        }
        Payload::File { mut file, left } => {
            let mut limited = io::Read::take(&mut file, left);
            io::copy(&mut limited, out).map(|_| ())
        }
        Payload::Source(source, chunked) => pour(source, chunked, &mut Received(out), &mut 0),
    };
    sent.is_ok() && exchange.finish()
}

/// The bytes of a request.
fn written(request: &Request) -> Vec<u8> {
    let mut bytes = request.head_bytes().to_vec();
    let body = request.bytes().unwrap_or(&[]);
    let is_framed = request
        .header_bytes("Content-Length")
        .or(request.header_bytes("Transfer-Encoding"))
        .is_some();
    if !body.is_empty() && !is_framed {
        bytes.truncate(bytes.len() - "\r\n".len());
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(body);
    bytes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{App, Body, Hooks, Routes, Slashes};
    use std::io::Write;

    #[test]
    fn a_body_arrives_and_its_answer_comes_back() {
        let client = Client::new(|request: &Request| request.bytes().map(<[u8]>::to_vec));
        assert_eq!(client.post("/", "ham").bytes(), b"ham");
        assert_eq!(client.post("/", vec![7; 200_000]).bytes(), vec![7; 200_000]);
        assert_eq!(client.post("/", "").bytes(), b"");
    }

    #[test]
    fn limits_hold() {
        let limits = Limits {
            body: 10,
            ..Limits::default()
        };
        let client = Client::new(|_: &Request| "fine").with_limits(limits);
        assert_eq!(client.post("/", "0123456789").status(), 200);
        assert_eq!(client.post("/", "0123456789a").status(), 413);
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
    fn head_has_the_fields_of_get_and_no_body() {
        let client = Client::new(|| "Hello");
        let answer = client.call("HEAD", "/");
        assert_eq!(answer.header("Content-Length"), Some("5"));
        assert_eq!(answer.bytes(), b"");
    }

    #[test]
    fn the_trail_is_that_of_the_call() {
        static WALKS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = |_: &Request| {
            WALKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let client = Client::new(Hooks::on(Routes::new().get("/a/{x}", |x: u8| x.to_string())).before(count));
        assert!(client.get("/a/7").trail().unwrap().is_found());
        assert_eq!(
            WALKS.load(std::sync::atomic::Ordering::Relaxed),
            1,
            "there is no second walk"
        );
    }

    #[test]
    fn the_trail_says_what_the_answer_says() {
        let routes = Routes::new()
            .get("/a/{x}", |x: u8| x.to_string())
            .get("/panic", || -> () { panic!("on purpose") });
        let client = Client::new(App::new(routes).slashes(Slashes::Redirect));
        let seen = |method: &str, target: &str| {
            let answer = client.call(method, target);
            (answer.status().as_u16(), answer.trail().map(|trail| trail.status()))
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
