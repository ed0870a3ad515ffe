//! The law: *same request, same response*, on hansel's own server, in the test client, on hyper by HTTP/1 and HTTP/2, and
//! through both translations. Random requests go to an application that tells everything that it sees.
//!
//! The status, the fields but for those of the connection, and the body are compared. These are all the differences:
//!
//! 1. What is no request to hyper never reaches an application: the response is hyper's own 400. Hansel refuses such a
//!    request as well, but for two: with `HTTP/1.2`, which it takes for HTTP/1.1 (RFC 9110 §2.5), and for a target with a
//!    backtick, which browsers send and `http` takes for no URI. So it is 400 through both translations as well.
//! 2. Hyper drops a fragment (`/a#b`). Hansel refuses it (RFC 9112 §3.2).
//! 3. Of an absolute target, `http` writes the scheme in lower case and an empty path as `/`, which is equivalent (RFC
//!    9110 §4.2.3).
//! 4. Of a response that breaks off, other parts may have been sent, or nothing. `tower::application` reads a short body
//!    before it responds, so there it is a 500.
//! 5. The text of a 413 for a chunked body, because hyper does not tell the size of a chunk before its content. Through
//!    both translations it may be a 400: where the outer server cuts a body off, the inner one finds it incomplete.
//! 6. Under `tower`, a handler that has begun its response can read the rest of the request only as long as the response is not
//!    complete and its client takes it: one task passes both on, and hyper asks for neither when it can send nothing. `tower::application` reads a request
//!    until its service has responded, so through both translations the response may break off.
//! 7. The text of a 431, because hyper puts fields of one name together, so another limit may be met first.
//! 8. Raw octets in a target, which this application takes: a `tower` service can't say so to the server around it, so they
//!    are 400 through both translations.
//! 9. A response that would open a socket or switch to another protocol is 501: the connection is the other server's
//!    (`sockets.rs`).

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use hansel::{
    Application, Body, Event, IntoApplication, IntoResponse, Limits, Request, Response, StatusCode, Topic,
    TopicSettings,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::http2::Http2;
use crate::servers::{Received, Servers, asked};
use crate::silence;

/// Small ones, so that requests reach them often.
fn limits() -> Limits {
    Limits::new()
        .target(60)
        .fields(10)
        .head(900)
        .body(3000)
        .body_buffer(1000)
        .body_memory(100_000)
}

/// An application that responds in every way, and tells everything that it sees.
fn mirror() -> impl Application {
    Early(
        (|request: &Request| -> hansel::Result<Response> {
            let response = match request.segment(0).unwrap_or("") {
                "none" => Response::default(),
                "bytes" => Response::new(vec![b'x'; 20_000]),
                "sized" => Response::new(Body::sized_reader(std::io::repeat(b'x'), 70_000)),
                "reader" => Response::new(Body::reader(&b"read"[..])),
                "stream" => Response::new(Body::stream(|client| (0..100).try_for_each(|n| write!(client, "{n} ")))),
                "file" => Response::new(Body::file(std::fs::File::open("Cargo.toml")?)?),
                "empty" => StatusCode::NO_CONTENT.into_response(),
                "full204" => Response::new("not to be sent").with_status(StatusCode::NO_CONTENT),
                "unchanged" => Response::new("not to be sent")
                    .with_status(StatusCode::NOT_MODIFIED)
                    .with_header("ETag", "\"a\""),
                "reset" => StatusCode::RESET_CONTENT.into_response(),
                "interim" => StatusCode::CONTINUE.into_response(),
                "fields" => {
                    let mut response = Response::new("fields")
                        .with_header("X-Octets", [0xe9, b'-', 0xff])
                        .with_header("X-Empty", "");
                    response.append_header("Set-Cookie", "a=1");
                    response.append_header("Set-Cookie", "b=2");
                    response
                }
                "bad" => Response::new("bad").with_header("X-Bad", "a\nb"),
                "close" => Response::new("bye").with_header("Connection", "close"),
                "topic" => {
                    let settings = TopicSettings::new()
                        .present(|| Event::new("now\nhere"))
                        .greatest_age(Duration::ZERO);
                    let topic = Topic::with(settings);
                    let subscription = topic.subscribe();
                    topic.send(Event::new("sent").with_id("7")?);
                    subscription.into_response()
                }
                "panic" => panic!("on purpose"),
                "error" => return Err(std::io::Error::other("on purpose").into()),
                "cut" => Response::new(Body::stream(|client| {
                    client.write_all(b"cut")?;
                    Err(std::io::Error::other("on purpose"))
                })),
                "short" => Response::new(Body::sized_reader(&b"short"[..], 9)),
                "cut-panic" => Response::new(Body::stream(|_| panic!("on purpose"))),
                "unread" => Response::new(seen(request)),
                "untyped" => Response::new(Body::untyped("untyped")),
                "owned" => Response::new(Body::owned(vec![b'x'; 9_000]).on_done(|_| {})),
                "written" => Response::new(Body::sized_stream(6, |client| {
                    write!(client, "ham").and(write!(client, "egg"))
                })),
                "part" => Response::new(Body::file_range(std::fs::File::open("Cargo.toml")?, 10..30)?),
                "early" | "early-sized" | "cut-early" => {
                    let text = seen(request);
                    let len = request.path().contains("sized").then_some(text.len() as u64);
                    let body = Body::empty().on_done(|_| {});
                    let mut body = request.respond_now(Response::new(body).with_header("X-Early", "yes"), len)?;
                    text.split_inclusive(' ')
                        .try_for_each(|word| body.write_all(word.as_bytes()))?;
                    if request.path().contains("cut") {
                        return Err(std::io::Error::other("on purpose").into());
                    }
                    body.finish()?;
                    Response::new("dropped")
                }
                "echo" => {
                    let mut body = request.respond_now(Response::new(Body::empty()), None)?;
                    std::io::copy(&mut request.body(), &mut body)?;
                    body.finish()?;
                    Response::default()
                }
                "elsewhere" => {
                    let mut body = request.owned_body();
                    let reading = std::thread::spawn(move || std::io::read_to_string(&mut body).map(|text| text.len()));
                    match reading.join() {
                        Ok(len) => Response::new(len?.to_string()),
                        Err(_) => panic!("the body could not be read"),
                    }
                }
                _ => {
                    let body = request.bytes()?;
                    let mut text = seen(request);
                    let _ = writeln!(text, "{} {}", body.len(), body.escape_ascii());
                    for (name, value) in request.trailers() {
                        let _ = writeln!(text, "trailer {}: {}", name.to_lowercase(), value.escape_ascii());
                    }
                    Response::new(text)
                }
            };
            Ok(response)
        })
        .into_application(),
    )
}

/// An application whose handlers may respond before they return, and which takes targets as old clients send them.
struct Early<A>(A);

impl<A: Application> Application for Early<A> {
    fn call(&self, request: &Request) -> Response {
        self.0.call(request)
    }

    fn responds_early(&self) -> bool {
        true
    }

    fn takes_raw_targets(&self) -> bool {
        true
    }
}

/// Everything but the body and what is about the connection. Names are in lower case and in order: neither has a meaning.
fn seen(request: &Request) -> String {
    let mut fields: Vec<_> = request
        .headers()
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| name != "connection")
        .collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    let mut text = format!(
        "{} {} {:?}\n{:?} {:?} {:?} {:?}\n",
        request.method(),
        request.target(),
        request.version(),
        request.path(),
        request.query(),
        request.host(),
        request.segments().collect::<Vec<_>>(),
    );
    for (name, value) in fields {
        let _ = writeln!(text, "{name}: {}", value.escape_ascii());
    }
    text
}

/// A request, as it is sent in HTTP/1.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    version: &'static str,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    None,
    Announced(Vec<u8>),
    Chunked(Vec<Vec<u8>>, Vec<(&'static str, &'static str)>),
}

impl Asked {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        match &self.content {
            Content::None => bytes.extend_from_slice(b"\r\n"),
            Content::Announced(content) => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
                bytes.extend_from_slice(content);
            }
            Content::Chunked(chunks, trailers) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n");
                for (name, value) in trailers {
                    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes
    }

    /// Returns it without what HTTP/2 has no place for, if that is a request of HTTP/2 at all.
    fn for_http2(&self) -> Option<Asked> {
        let mut asked = self.clone();
        asked.version = "HTTP/1.1";
        asked
            .fields
            .retain(|(name, _)| name != "Upgrade" && name != "Connection");
        let hosts = asked.fields.iter().filter(|(name, _)| name == "Host");
        let hosts: Vec<_> = hosts.map(|(_, host)| host.clone()).collect();
        let is_one = matches!(&hosts[..], [host] if http::uri::Authority::try_from(&**host).is_ok());
        let is_path = self.target.starts_with('/') && self.target.parse::<http::Uri>().is_ok();
        let is_whole = !self.target.contains('#') && self.method != "CONNECT";
        (is_one && is_path && is_whole).then_some(asked)
    }

    /// Returns it with its cookies in one field (RFC 9113 §8.2.3).
    fn with_one_cookie(mut self) -> Asked {
        let cookies = self.fields.iter().filter(|(name, _)| name == "Cookie");
        let cookies: Vec<_> = cookies.map(|(_, cookie)| cookie.clone()).collect();
        self.fields.retain(|(name, _)| name != "Cookie");
        if !cookies.is_empty() {
            self.fields.push(("Cookie".to_owned(), cookies.join(&b"; "[..])));
        }
        self
    }
}

const KINDS: [&str; 34] = [
    "none",
    "bytes",
    "sized",
    "reader",
    "stream",
    "file",
    "empty",
    "full204",
    "unchanged",
    "reset",
    "interim",
    "fields",
    "bad",
    "close",
    "topic",
    "panic",
    "error",
    "cut",
    "short",
    "cut-panic",
    "unread",
    "untyped",
    "owned",
    "written",
    "part",
    "early",
    "early-sized",
    "cut-early",
    "echo",
    "elsewhere",
    "a",
    "b%20c",
    "%C3%A9",
    "",
];

fn method() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => select(&["GET", "HEAD", "POST", "PUT"][..]),
        1 => select(&["DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get", "CONNECT"][..]),
    ]
}

/// Ends of a path that have a meaning, or none.
const ENDS: [&str; 20] = [
    "/", "//", "/..", "/./x", "/[", "/]", "/{x}", "/|", "/^", "/`", "/\"", "/<", "/\\", "/%2F", "/%2f%41", "/%FF",
    "/%00", "/%zz", "/%", "/é",
];

const QUERIES: [&str; 12] = [
    "?", "?a=b%", "?%FF", "?a?b", "?a/b", "?[]", "?{x}", "?|^`", "?\"", "?<>", "?'\\", "?é=ß",
];

/// What makes a path an absolute target, or nothing that can be received.
const BEFORE: [&str; 10] = [
    "http://a.test",
    "http://b.test:81",
    "https://a.test",
    "HTTP://A.test",
    "ftp://a.test",
    "http://[::1]:8",
    "http://u@a.test",
    "http://",
    "http://a b",
    "a.test",
];

/// Whole targets.
const TARGETS: [&str; 8] = [
    "*",
    "a.test:80",
    "http://a.test",
    "http://a.test?q",
    "",
    "x",
    "/a#b",
    "/a b",
];

fn target() -> impl Strategy<Value = String> {
    let one_of = |texts: &'static [&'static str]| select(texts).prop_map(str::to_owned);
    let end = prop_oneof![
        6 => Just(String::new()),
        2 => "(/[a-z0-9._~!$&'()*+,;=:@-]{0,6}){1,3}",
        1 => one_of(&ENDS),
        1 => "/[a-z]{30,80}",
    ];
    let query = prop_oneof![
        4 => Just(String::new()),
        2 => "\\?[a-z0-9=&+%._/?-]{0,10}",
        1 => one_of(&QUERIES),
    ];
    let before = prop_oneof![8 => Just(String::new()), 3 => one_of(&BEFORE)];
    let origin = (select(&KINDS[..]), end, query).prop_map(|(kind, end, query)| format!("/{kind}{end}{query}"));
    prop_oneof![
        12 => (before, origin).prop_map(|(before, origin)| format!("{before}{origin}")),
        1 => one_of(&TARGETS),
    ]
}

fn hosts() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let host = |values: &'static [&'static str]| {
        let fields = values
            .iter()
            .map(|value| ("Host".to_owned(), value.as_bytes().to_vec()));
        fields.collect::<Vec<_>>()
    };
    prop_oneof![
        20 => Just(host(&["a.test"])),
        1 => Just(host(&["A.test:80"])),
        1 => Just(host(&["b.test"])),
        1 => Just(host(&["[::1]:80"])),
        1 => Just(host(&[""])),
        1 => Just(host(&[])),
        1 => Just(host(&["a.test", "a.test"])),
        1 => Just(host(&["a.test", "b.test"])),
        1 => Just(host(&["a b"])),
        1 => Just(host(&["u@a"])),
        1 => Just(host(&["a.test:x"])),
    ]
}

fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    let named = |name: &str, values: &'static [&'static str]| {
        let name = name.to_owned();
        select(values).prop_map(move |value| (name.clone(), value.as_bytes().to_vec()))
    };
    prop_oneof![
        4 => ("[Xx]-[A-Za-z]{1,2}", "[ -~]{0,20}").prop_map(|(name, value)| (name, value.trim().as_bytes().to_vec())),
        1 => ("X-Long", prop::collection::vec(b'a'..=b'z', 200..400)),
        1 => Just(("X-Octets".to_owned(), vec![b'a', 0xe9, b'\t', 0xff])),
        2 => named("Cookie", &["a=1", "b=2; c=3", "d=\"4\"", ""]),
        1 => named("Accept", &["text/html, */*;q=0.1", "application/json"]),
        1 => named("Expect", &["100-continue", "100-Continue", "200-ok"]),
        1 => named("Content-Type", &["text/plain", "application/json"]),
        1 => named("If-None-Match", &["\"a\""]),
        1 => named("Range", &["bytes=0-1"]),
        1 => named("TE", &["trailers"]),
        1 => named("Upgrade", &["h2c", "websocket"]),
        1 => named("Connection", &["close", "keep-alive", "x-a", "Upgrade"]),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let octets = |most: usize| prop::collection::vec(any::<u8>(), 0..most);
    const TRAILERS: [&[(&str, &str)]; 4] = [
        &[],
        &[("Checksum", "1f")],
        &[("X-A", "1"), ("X-A", "2")],
        &[("Host", "b.test")],
    ];
    let trailers = select(&TRAILERS[..]);
    prop_oneof![
        4 => Just(Content::None),
        2 => octets(40).prop_map(Content::Announced),
        1 => octets(3500).prop_map(Content::Announced),
        2 => (prop::collection::vec(octets(20).prop_filter("the end", |chunk| !chunk.is_empty()), 0..4), trailers)
            .prop_map(|(chunks, trailers)| Content::Chunked(chunks, trailers.to_vec())),
        1 => prop::collection::vec(prop::collection::vec(any::<u8>(), 1..900), 1..5)
            .prop_map(|chunks| Content::Chunked(chunks, Vec::new())),
    ]
}

fn request() -> impl Strategy<Value = Asked> {
    let version = prop_oneof![
        12 => Just("HTTP/1.1"),
        2 => Just("HTTP/1.0"),
        1 => select(&["HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/3.0"][..]),
    ];
    let fields = prop_oneof![
        6 => prop::collection::vec(field(), 0..4),
        1 => prop::collection::vec(field(), 4..12),
    ];
    (method(), target(), version, hosts(), fields, content()).prop_map(
        |(method, target, version, hosts, fields, content)| Asked {
            method,
            target,
            version,
            fields: [hosts, fields].concat(),
            content,
        },
    )
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Client,
    Http1,
    Http2,
    ThereAndBack,
}

/// Returns true if the difference between two responses is one of those that are known: see above. `other` came this way.
fn is_known(asked: &Asked, own: &Received, way: Way, other: &Received) -> bool {
    // Over HTTP/1.0, only the end of the connection is the end of a stream.
    let breaks_off = !own.is_whole || (asked.version == "HTTP/1.0" && asked.target.contains("/cut"));
    if way == Way::Client {
        return breaks_off && !other.is_whole;
    }
    let is_refused = (400..=499).contains(&own.status) || own.status == 505;
    let of_hyper = Received::empty(400);
    let is_uri = asked.target.parse::<http::Uri>().is_ok();
    if way == Way::Http1 && *other == of_hyper {
        return is_refused || asked.version == "HTTP/1.2" || !is_uri;
    }
    if way == Way::ThereAndBack && !(is_uri && asked.target.is_ascii()) {
        return other.status == 400;
    }
    if way == Way::Http1 && asked.target.contains('#') {
        return own.status == 400;
    }
    let is_chunked = matches!(asked.content, Content::Chunked(..));
    if own.status == 431 {
        return other.status == 431;
    }
    if own.status == 413 && is_chunked {
        return other.status == 413 || (way == Way::ThereAndBack && other.status == 400);
    }
    if breaks_off {
        // Over HTTP/1.0 nothing tells a client of hyper's that there should have been more.
        let seems_whole = asked.version == "HTTP/1.0" && other.status == own.status;
        return !other.is_whole || seems_whole || (way == Way::ThereAndBack && other.status == 500);
    }
    if way == Way::ThereAndBack && asked.target.contains("/echo") && !other.is_whole {
        return true;
    }
    let absolute = asked.target.split_once("://");
    let is_normal = absolute.is_none_or(|(scheme, rest)| scheme != "HTTP" && rest.contains('/'));
    !is_normal && own.status == other.status
}

#[test]
fn the_same_request_gets_the_same_response_whichever_way_it_comes() {
    silence();
    let servers = Servers::of(mirror, limits());
    let http2 = Http2::connect(&servers.hyper);
    let (all, same) = (Cell::new(0), Cell::new(0));
    let check = |asked: &Asked, own: &Received, way: Way, other: &Received| {
        all.set(all.get() + 1);
        same.set(same.get() + u32::from(own == other));
        prop_assert!(
            own == other || is_known(asked, own, way, other),
            "{way:?}\n{own:?}\n{other:?}"
        );
        Ok(())
    };
    let config = Config {
        cases: 800,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&request(), |request| {
        let [own, hyper, client, back] = servers.responses(&request.bytes());
        check(&request, &own, Way::Client, &client)?;
        check(&request, &own, Way::Http1, &hyper)?;
        check(&request, &own, Way::ThereAndBack, &back)?;
        if let Some(request) = request.for_http2() {
            let mut received = http2.asked(&request);
            let request = request.with_one_cookie();
            let own = asked(servers.own.local_addr(), &request.bytes());
            // HTTP/2 has a framing of its own.
            received.is_chunked = own.is_chunked;
            check(&request, &own, Way::Http2, &received)?;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // The known differences are exceptions.
    assert!(
        same.get() * 5 > all.get() * 4,
        "{} of {} are the same",
        same.get(),
        all.get()
    );
}
