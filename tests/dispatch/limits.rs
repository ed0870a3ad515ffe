//! Limits of routes and subtrees: whatever the style of dispatch, and however they are nested.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use hansel::dispatch::{Dispatch, Map, Outcome, Reply, Walk};
use hansel::test::Client;
use hansel::{
    App, Application, Body, Chain, Hooks, IntoApplication, Limits, Method, Methods, Origin, Request, Response,
    RouteLimits, Routes, Slashes, StatusCode, mount,
};
use proptest::prelude::*;

/// The text of a protocol refusal, which a route's is equal to.
const TOO_LARGE: &str = "413 Content Too Large: the content of the request is too large; the limit is";

fn size(request: &Request) -> hansel::Result<String> {
    Ok(request.bytes()?.len().to_string())
}

fn post(path: &str, size: usize) -> Request {
    Request::post(path).with_body(vec![b'x'; size])
}

fn status(client: &Client, path: &str, size: usize) -> u16 {
    client.send(post(path, size)).status().as_u16()
}

struct Shelf;

hansel::resource!(Shelf { post });

impl Shelf {
    fn post(&self, request: &Request) -> hansel::Result<String> {
        size(request)
    }
}

/// A dispatcher that limits what it leads to by itself.
struct Own(RouteLimits, Routes);

impl Dispatch for Own {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        walk.limited(&self.0, |walk| self.1.dispatch(walk))
    }

    fn describe(&self, map: &mut Map) {
        map.limited(&self.0, |map| self.1.describe(map));
    }
}

/// One of each style, with limits of its own.
fn all_styles(limits: impl Fn() -> RouteLimits) -> App {
    let hooked = Routes::new()
        .mount(
            "/methods",
            Hooks::on(Methods::new().on(Method::POST, "", size)).limits(limits()),
        )
        .mount("/resource", Hooks::on(Shelf).limits(limits()))
        .mount("/function", Hooks::on(size).limits(limits()))
        .mount("/application", Hooks::on(size.into_application()).limits(limits()))
        .mount(
            "/chain",
            Hooks::on(Chain::new().then(mount("/x", size))).limits(limits()),
        );
    let routes = Routes::new()
        .post("/route", size)
        .route_limits(limits())
        .post("/several", size)
        .route_limits(limits())
        .get("/several", || "another method")
        .mount("/mount", size)
        .route_limits(limits())
        .mount(
            "/app",
            App::new(Routes::new().post("/app", size).route_limits(limits())),
        )
        .mount("/own", Own(limits(), Routes::new().post("/", size)))
        .mount("/hooked", hooked)
        .post("/free", size);
    App::new(routes)
}

const STYLES: [&str; 10] = [
    "/route",
    "/several",
    "/mount",
    "/app",
    "/own",
    "/hooked/methods",
    "/hooked/resource",
    "/hooked/function",
    "/hooked/application",
    "/hooked/chain/x",
];

#[test]
fn every_style_of_dispatch_can_be_limited_to_less_and_to_more_than_the_server_takes() {
    for (most, of_server) in [(10, 1000), (2000, 1000)] {
        let app = all_styles(|| RouteLimits::new().body(most));
        let client = Client::new(app).with_limits(Limits::new().body(of_server));
        for path in STYLES {
            let response = client.send(post(path, most as usize));
            assert_eq!(response.text(), most.to_string(), "{path}");
            let response = client.send(post(path, most as usize + 1));
            assert_eq!(response.status(), 413, "{path}");
            assert_eq!(response.header("Connection"), Some("close"), "{path}");
        }
        assert_eq!(status(&client, "/free", 1000), 200);
        assert_eq!(status(&client, "/free", 1001), 413);
        assert_eq!(client.get("/several").text(), "another method");
    }
}

#[test]
fn a_refusal_of_a_route_reads_as_one_of_the_server() {
    let routes = || Routes::new().post("/small", size).route_body_limit(10).post("/", size);
    let limits = || Limits::new().body(10);
    let of_server = Client::new(Routes::new().post("/", size)).with_limits(limits());
    let client = Client::new(routes()).with_limits(Limits::new().body(1000));
    let without_date = |response: &hansel::test::Response| -> Vec<(String, String)> {
        let mut headers: Vec<_> = response
            .headers()
            .filter(|(name, _)| *name != "Date")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        headers.sort();
        headers
    };
    let (one, other) = (of_server.send(post("/", 11)), client.send(post("/small", 11)));
    assert_eq!(one.text(), format!("{TOO_LARGE} 10 (RFC 9110 §15.5.14)\n"));
    assert_eq!(one.text(), other.text());
    assert_eq!(without_date(&one), without_date(&other));
}

#[test]
fn without_a_connection_a_route_has_its_limits_as_well() {
    let app = App::new(Routes::new().post("/", size).route_body_limit(10));
    assert_eq!(app.call(&post("/", 10)).status(), 200);
    assert_eq!(app.call(&post("/", 11)).status(), 413);
}

#[test]
fn what_a_hook_refuses_and_what_is_not_there_comes_before_what_is_too_large() {
    let guarded = Hooks::on(Routes::new().post("/", size).route_body_limit(5000))
        .before(|request: &Request| request.header("X-Key").is_none().then_some(StatusCode::UNAUTHORIZED))
        .body_limit(10);
    let routes = Routes::new()
        .mount("/guarded", guarded)
        .post("/small", size)
        .route_body_limit(10);
    let client = Client::new(App::new(routes)).with_limits(Limits::new().body(1000));
    for size in [11, 1001, 5000] {
        assert_eq!(status(&client, "/guarded", size), 401, "{size}");
        assert_eq!(status(&client, "/nowhere", size), 404, "{size}");
        let put = Request::new(Method::PUT, "/small").with_body(vec![0; size]);
        assert_eq!(client.send(put).status(), 405, "{size}");
        assert_eq!(status(&client, "/small", size), 413, "{size}");
        let known = post("/guarded", size).with_header("X-Key", "1");
        assert_eq!(client.send(known).text(), size.to_string());
    }
    // No route takes that much: nobody is asked.
    assert_eq!(status(&client, "/guarded", 5001), 413);
    assert_eq!(status(&client, "/nowhere", 5001), 413);
}

#[test]
fn hooks_may_read_what_is_allowed_inside_of_them_and_no_more() {
    let hashing = |request: &Request| match request.bytes() {
        Ok(body) => {
            request.set(body.len());
            None
        }
        Err(error) => Some(error.status()),
    };
    let read = |request: &Request| format!("{:?}", request.value::<usize>());
    let inside = Hooks::on(Routes::new().post("/", read))
        .before(hashing)
        .body_limit(3000);
    // This hook is around a route that allows more, and may read no more than the server takes.
    let around = Hooks::on(Routes::new().post("/", size).route_body_limit(3000)).before(|request: &Request| {
        assert_eq!(
            request.bytes().is_ok(),
            request.header("Content-Length") != Some("3000")
        );
    });
    let routes = Routes::new().mount("/inside", inside).mount("/around", around);
    let client = Client::new(App::new(routes)).with_limits(Limits::new().body(1000).body_buffer(100));
    assert_eq!(client.send(post("/inside", 3000)).text(), "Some(3000)");
    assert_eq!(status(&client, "/inside", 3001), 413);
    assert_eq!(client.send(post("/around", 1000)).text(), "1000");
    assert_eq!(
        client.send(post("/around", 3000)).text(),
        "3000",
        "who may read more reads all of it"
    );
}

#[test]
fn a_refusal_is_seen_with_its_request_and_pattern() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let routes = Routes::new()
        .post("/upload/{id}", |_: u8| "")
        .route_body_limit(10)
        .post("/full", || "")
        .route_concurrency(0);
    let app = App::new(routes).respond(move |seen, response| {
        let request = seen.request().map(|request| request.target().to_owned());
        let status = response.status().as_u16();
        told.lock()
            .unwrap()
            .push((status, seen.origin(), request, seen.pattern()));
    });
    let client = Client::new(app).with_limits(Limits::new().body(1000));
    client.send(post("/upload/7?x", 11));
    client.send(post("/full", 1));
    client.send(post("/upload/7", 1001));
    let seen = seen.lock().unwrap();
    let expect = |status, target: &str, pattern: Option<&str>| {
        (
            status,
            Origin::Refused,
            Some(target.to_owned()),
            pattern.map(str::to_owned),
        )
    };
    assert_eq!(
        *seen,
        [
            expect(413, "/upload/7?x", Some("/upload/{id}")),
            expect(503, "/full", Some("/full")),
            // Refused by its length before dispatch.
            expect(413, "/upload/7", None),
        ]
    );
}

#[test]
fn the_map_and_the_trail_show_limits_and_which_one_refuses() {
    let inner = Routes::new()
        .post("/upload", size)
        .route_limits(RouteLimits::new().body(5000).deadline(Duration::from_secs(600)))
        .post("/login", size)
        .post("/report", size)
        .route_concurrency(0)
        .name("report");
    let app = App::new(Routes::new().mount("/v1", Hooks::on(inner).body_limit(100).concurrency(8)));
    assert_eq!(
        app.routes().to_string(),
        "POST  /v1/upload  size()  (body 5000 bytes, within 600s, 8 at once)\n\
         POST  /v1/login   size()  (body 100 bytes, 8 at once)\n\
         POST  /v1/report  size()  [report]  (body 100 bytes, 0 at once)\n"
    );
    let trail = app.trail(&post("/v1/login", 101));
    assert_eq!(trail.outcome, Outcome::Refused(StatusCode::PAYLOAD_TOO_LARGE));
    assert_eq!(trail.status(), 413);
    let text = trail.to_string();
    assert!(text.contains("Limits body 100 bytes, 8 at once"), "{text}");
    assert!(
        text.contains("✗ Routes size: the body has 101 bytes or more, and 100 are allowed"),
        "{text}"
    );
    assert!(text.ends_with("413 Content Too Large\n"), "{text}");
    assert!(app.trail(&post("/v1/upload", 101)).is_found());
    assert!(
        app.explain(Method::POST, "/v1/report").is_found(),
        "explaining counts nothing"
    );
    let client = Client::new(app);
    let full = client.send(post("/v1/report", 1));
    assert_eq!((full.status().as_u16(), full.header("Retry-After")), (503, Some("1")));
    let trail = full.trail().unwrap().to_string();
    assert!(trail.contains("0 requests are being handled"), "{trail}");
    assert!(client.get("/v1/upload").trail().unwrap().status() == 405);
}

#[test]
fn a_walk_for_a_redirect_or_for_allow_refuses_and_counts_nothing() {
    let routes = || {
        Routes::new()
            .post("/a/", size)
            .route_limits(RouteLimits::new().body(10).concurrency(1))
    };
    for slashes in [Slashes::Strict, Slashes::Ignore, Slashes::Redirect] {
        let client = Client::new(App::new(routes()).slashes(slashes).allow_always(true));
        for _ in 0..3 {
            assert_eq!(client.send(post("/a/", 10)).text(), "10");
            assert_eq!(client.send(post("/a/", 10)).header("Allow"), Some("OPTIONS, POST"));
            let without = client.send(post("/a", 11)).status().as_u16();
            let expected = match slashes {
                Slashes::Ignore => 413,
                Slashes::Redirect => 308,
                _ => 404,
            };
            assert_eq!(without, expected);
            assert_eq!(client.call("OPTIONS", "/a/").status(), 204);
        }
    }
}

/// An application of which one request at a time is handled at `/one`, and two in all. A request to `/one/7` asks for
/// `/` as it runs.
fn nested() -> Client {
    let inner = Arc::new(std::sync::OnceLock::<Client>::new());
    let itself = Arc::clone(&inner);
    let ask = move |request: &Request| -> String {
        let status = |path: &str| itself.get().map_or(0, |client| client.get(path).status().as_u16());
        match request.capture("what").unwrap_or("") {
            "one" => status("/one/x").to_string(),
            "other" => status("/other").to_string(),
            "both" => format!("{} {}", status("/other"), status("/one/other")),
            _ => String::from("fine"),
        }
    };
    let routes = Routes::new()
        .get("/one/{what}", ask)
        .route_concurrency(1)
        .get("/other", || "other")
        .get("/free", || "free");
    let app = Arc::new(App::new(Hooks::on(routes).concurrency(2)));
    let _ = inner.set(Client::new(Arc::clone(&app)));
    Client::new(app)
}

#[test]
fn each_level_bounds_what_runs_in_it() {
    let client = nested();
    for _ in 0..3 {
        assert_eq!(client.get("/one/one").text(), "503", "one at a time");
        assert_eq!(client.get("/one/other").text(), "200", "and two in all");
        assert_eq!(client.get("/one/both").text(), "200 503");
        assert_eq!(client.get("/free").text(), "free");
    }
    let none = Client::new(Hooks::on(Routes::new().get("/", || "").route_concurrency(5)).concurrency(0));
    assert_eq!(none.get("/").status(), 503);
    assert_eq!(none.get("/nowhere").status(), 404, "nothing is handled there");
}

#[test]
fn room_comes_back_after_a_panic_an_error_and_a_stream() {
    let routes = Routes::new()
        .get("/panic", || -> &str { panic!("on purpose") })
        .get("/error", || -> hansel::Result<&str> {
            Err(std::io::Error::other("no").into())
        })
        .get("/stream", || {
            Response::new(Body::stream(|client| client.write_all(b"streamed")))
        })
        .get("/reader", || Response::new(Body::reader(&b"read"[..])))
        .get("/panics", || Response::new(Body::stream(|_| panic!("on purpose"))))
        .get("/fine", || "fine");
    let client = Client::new(Hooks::on(routes).concurrency(1));
    for path in ["/panic", "/error", "/stream", "/reader", "/panics", "/fine"] {
        for _ in 0..3 {
            assert_ne!(client.get(path).status(), 503, "{path}");
            assert_ne!(client.call("HEAD", path).status(), 503, "{path}");
            assert_eq!(client.get("/fine").text(), "fine", "{path}");
        }
    }
}

#[test]
fn a_stream_counts_until_it_has_ended_or_is_left() {
    let endless = || {
        Response::new(Body::stream(|client| {
            loop {
                client.write_all(b"tick\n")?;
            }
        }))
    };
    let client = Client::new(
        Routes::new()
            .get("/", endless)
            .route_concurrency(1)
            .get("/fine", || "fine"),
    );
    for _ in 0..3 {
        let stream = client.open(Request::get("/"));
        assert_eq!(stream.response().status(), 200);
        assert_eq!(client.get("/").status(), 503);
        assert_eq!(client.get("/fine").text(), "fine");
        assert!(stream.leave().is_err());
    }
}

#[test]
fn a_hook_that_catches_a_panic_and_asks_again_is_counted_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let flaky = move || -> &str {
        if counted.fetch_add(1, SeqCst) % 2 == 0 {
            panic!("on purpose")
        }
        "fine"
    };
    let again = |walk: &mut Walk<'_>, inner: &dyn Dispatch| -> Reply {
        match catch_unwind(AssertUnwindSafe(|| inner.dispatch(walk))) {
            Ok(reply) => reply,
            Err(_) => inner.dispatch(walk),
        }
    };
    let routes = Hooks::on(Routes::new().get("/", flaky)).around(again);
    let client = Client::new(Hooks::on(routes).concurrency(1));
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "fine");
    }
}

#[test]
#[should_panic(expected = "limits stand behind a route or mount")]
fn limits_need_something_to_limit() {
    let _ = Routes::new().route_body_limit(10);
}

/// Limits of bodies that are set around and inside of a route, outermost first, and how they are set.
#[derive(Clone, Debug)]
enum Level {
    Hooks(Option<u64>),
    Mount(Option<u64>),
    App(Option<u64>),
    Own(Option<u64>),
}

impl Level {
    fn limit(&self) -> Option<u64> {
        match self {
            Level::Hooks(limit) | Level::Mount(limit) | Level::App(limit) | Level::Own(limit) => *limit,
        }
    }

    fn around(&self, inner: Routes) -> Routes {
        let limits = |limit: &Option<u64>| limit.map_or(RouteLimits::new(), |limit| RouteLimits::new().body(limit));
        match self {
            Level::Hooks(limit) => Routes::new().mount("/", Hooks::on(inner).limits(limits(limit))),
            Level::Mount(limit) => Routes::new().mount("/", inner).route_limits(limits(limit)),
            Level::App(limit) => Routes::new().mount("/", Hooks::on(App::new(inner)).limits(limits(limit))),
            Level::Own(limit) => Routes::new().mount("/", Own(limits(limit), inner)),
        }
    }
}

fn limit() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![2 => Just(None), 3 => (0..400_u64).prop_map(Some)]
}

fn level() -> impl Strategy<Value = Level> {
    (0..4, limit()).prop_map(|(kind, limit)| match kind {
        0 => Level::Hooks(limit),
        1 => Level::Mount(limit),
        2 => Level::App(limit),
        _ => Level::Own(limit),
    })
}

/// The bytes of a request, with a length or in chunks of this size.
fn sent(path: &str, size: usize, chunk: Option<usize>) -> Vec<u8> {
    let content = vec![b'x'; size];
    let Some(chunk) = chunk else {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
        return [head.as_bytes(), &content].concat();
    };
    let mut bytes = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in content.chunks(chunk) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_body_is_taken_exactly_if_it_is_within_the_innermost_limit_or_the_servers(
        levels in prop::collection::vec(level(), 0..5),
        own in limit(),
        of_server in 0..300_u64,
        body_buffer in 0..300_usize,
        size in 0..500_usize,
        chunk in prop_oneof![Just(None), (1..60_usize).prop_map(Some)],
    ) {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let handler = move |request: &Request| -> hansel::Result<String> {
            counted.fetch_add(1, SeqCst);
            Ok(request.bytes()?.len().to_string())
        };
        let route = Routes::new().post("/", handler).post("/free", size_of_body);
        // The route is the first one, so its limits are set on a table of its own.
        let route = match own {
            Some(own) => Routes::new().mount("/", Hooks::on(route).body_limit(own)),
            None => route,
        };
        let nest = levels.iter().rev().fold(route, |inner, level| level.around(inner));
        let app = App::new(nest);
        let limits = Limits::new().body(of_server).body_buffer(body_buffer);
        let client = Client::new(app).with_limits(limits);
        let innermost = own.or_else(|| levels.iter().rev().find_map(Level::limit));
        let most = innermost.unwrap_or(of_server);
        let received = client.converse(&sent("/", size, chunk));
        let received = String::from_utf8(received).unwrap();
        let is_taken = received.starts_with("HTTP/1.1 200 ") && received.ends_with(&format!("\r\n\r\n{size}"));
        let is_refused = received.starts_with("HTTP/1.1 413 ") && received.contains("Connection: close\r\n");
        prop_assert!(if size as u64 <= most { is_taken } else { is_refused }, "{most}: {received}");
        // Of a body whose length is known its handler never hears.
        if size as u64 > most && chunk.is_none() {
            prop_assert_eq!(runs.load(SeqCst), 0);
        }
    }
}

fn size_of_body(request: &Request) -> hansel::Result<String> {
    size(request)
}
