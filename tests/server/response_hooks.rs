//! One place sees every response, whoever made it, and exactly once.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansel::{
    App, Body, Error, Extension, Json, Limits, Method, Origin, Request, Response, Routes, Slashes, StatusCode,
    problem_details,
};

use crate::support::{Client, NEVER, Running, get, no_deadlines, server, start};

/// What must never reach a client.
const SECRET: &str = "s3cret-of-the-house";

#[derive(serde::Deserialize)]
struct Point {
    #[expect(dead_code, reason = "only read")]
    x: i32,
}

struct Missing;

/// A request as it is sent, the status and origin of the response, and whether the hook sees the request.
type Case = (&'static str, String, u16, Origin, bool);

fn routes(gate: Receiver<()>) -> Routes {
    let gate = Mutex::new(gate);
    Routes::new()
        .get("/", || "Hello")
        .get("/folder/", || "a folder")
        .get("/conflict", || (StatusCode::CONFLICT, "it is taken"))
        .get("/page", || {
            (StatusCode::BAD_GATEWAY, hansel::Html("<h1>a page of its own</h1>"))
        })
        .post("/point", |_: Json<Point>| "a point")
        .post("/upload", |request: &Request| -> hansel::Result<String> {
            Ok(request.bytes()?.len().to_string())
        })
        .get("/panic", || -> &str { panic!("{SECRET}") })
        .get("/error", || -> hansel::Result<&str> {
            Err(std::io::Error::other(format!("/etc/{SECRET}")).into())
        })
        .get("/explicit", || -> hansel::Result<&str> {
            Err(Error::new(StatusCode::PAYMENT_REQUIRED, "one more coin"))
        })
        .get("/extension", |_: Extension<Missing>| "")
        .get("/header", || {
            Response::new("").with_header("X-Bad", format!("a\n{SECRET}"))
        })
        .get("/stream", || {
            Response::new(Body::stream(|client| client.write_all(b"streamed")))
        })
        .get("/hang", move || {
            let _ = gate.lock().unwrap().recv();
            "late"
        })
}

fn cases() -> Vec<Case> {
    let body = |path: &str, kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "application/json";
    let chunked = format!(
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n\r\n",
        "x".repeat(0x800)
    );
    let long = "x".repeat(100_000);
    vec![
        ("success", get("/"), 200, Origin::Handler, true),
        ("stream", get("/stream"), 200, Origin::Handler, true),
        ("handler's own", get("/conflict"), 409, Origin::Handler, true),
        ("explicit error", get("/explicit"), 402, Origin::Handler, true),
        ("nowhere", get("/nowhere"), 404, Origin::Missed, true),
        ("method", body("/", "text/plain", ""), 405, Origin::Missed, true),
        (
            "options",
            "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            204,
            Origin::Automatic,
            true,
        ),
        (
            "asterisk",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            204,
            Origin::Automatic,
            true,
        ),
        ("slash", get("/folder"), 308, Origin::Automatic, true),
        (
            "media type",
            body("/point", "text/plain", "{}"),
            415,
            Origin::Rejected,
            true,
        ),
        ("no JSON", body("/point", json, "{"), 400, Origin::Rejected, true),
        ("other JSON", body("/point", json, "[]"), 422, Origin::Rejected, true),
        ("panic", get("/panic"), 500, Origin::Panicked, true),
        ("error", get("/error"), 500, Origin::Failed, true),
        ("extension", get("/extension"), 500, Origin::Failed, true),
        ("header", get("/header"), 500, Origin::Failed, true),
        (
            "malformed",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(),
            400,
            Origin::Refused,
            false,
        ),
        (
            "target",
            get(&format!("/{}", &long[..20_000])),
            414,
            Origin::Refused,
            false,
        ),
        (
            "fields",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n"),
            431,
            Origin::Refused,
            false,
        ),
        (
            "version",
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n".into(),
            505,
            Origin::Refused,
            false,
        ),
        (
            "announced",
            "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n".into(),
            413,
            Origin::Refused,
            true,
        ),
        ("chunked", chunked, 413, Origin::Refused, true),
    ]
}

/// What the hook has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sight {
    status: u16,
    origin: Origin,
    request: Option<(Method, String)>,
}

/// A server with two hooks: errors become problem details, and all responses allow an origin. Each response that the hook
/// sees is told.
fn serve(limits: Limits) -> (Running, Arc<Mutex<Vec<Sight>>>, Sender<()>) {
    let (release, gate) = channel();
    let sights = Arc::new(Mutex::new(Vec::new()));
    let seen_by_test = Arc::clone(&sights);
    let app = App::new(routes(gate))
        .slashes(Slashes::Redirect)
        .respond(problem_details())
        .respond(|_, response| response.set_header("Access-Control-Allow-Origin", "https://crumbs.example"))
        .respond(move |seen, response| {
            seen_by_test.lock().unwrap().push(Sight {
                status: response.status().as_u16(),
                origin: seen.origin(),
                request: seen
                    .request()
                    .map(|request| (request.method().clone(), request.target().to_owned())),
            });
        });
    (start(server().limits(limits), app), sights, release)
}

fn limits() -> Limits {
    no_deadlines().body(1000)
}

#[track_caller]
fn assert_is_problem(name: &str, response: &crate::support::Response) {
    assert_eq!(
        response.field("Content-Type"),
        Some("application/problem+json"),
        "{name}"
    );
    let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(problem["status"], response.status, "{name}");
    assert_eq!(problem["type"], "about:blank", "{name}");
    for secret in [SECRET, "Point", "Missing", "/etc"] {
        assert!(!response.text().contains(secret), "{name}: {}", response.text());
    }
}

#[test]
fn every_response_is_seen_once_and_every_error_is_a_problem() {
    let (server, sights, _release) = serve(limits());
    for (name, sent, status, origin, has_request) in cases() {
        let mut client = server.connect();
        client.send(&sent);
        let response = client.response();
        assert_eq!(response.status, status, "{name}: {}", response.text());
        let allowed = response.field("Access-Control-Allow-Origin");
        assert_eq!(allowed, Some("https://crumbs.example"), "{name}");
        if status >= 400 {
            assert_is_problem(name, &response);
        } else {
            assert_ne!(
                response.field("Content-Type"),
                Some("application/problem+json"),
                "{name}"
            );
        }
        let seen = std::mem::take(&mut *sights.lock().unwrap());
        let [sight] = &*seen else {
            panic!("{name} was seen so often: {seen:?}")
        };
        assert_eq!((sight.status, sight.origin), (status, origin), "{name}");
        assert_eq!(sight.request.is_some(), has_request, "{name}: {sight:?}");
    }
}

#[test]
fn what_a_handler_has_chosen_for_an_error_stays() {
    let (server, _sights, _release) = serve(limits());
    let response = server.connect().get("/page");
    assert_eq!((response.status, response.text()), (502, "<h1>a page of its own</h1>"));
    let problem = server.connect().get("/conflict");
    assert!(
        problem.text().contains(r#""detail":"it is taken""#),
        "{}",
        problem.text()
    );
    let problem = server.connect().post("/", b"");
    assert_eq!(problem.field("Allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn to_head_nothing_of_a_problem_is_sent_but_its_length() {
    let (server, sights, _release) = serve(limits());
    let length = server.connect().get("/nowhere").body.len();
    let mut client = server.connect();
    client.send("HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 404);
    assert_eq!(head.field("Content-Length"), Some(&*length.to_string()));
    assert_eq!(client.get("/").text(), "Hello", "nothing of a body is between the two");
    assert_eq!(sights.lock().unwrap().len(), 3);
}

#[test]
fn a_handler_that_is_overdue_shows_a_copy_of_its_request() {
    let limits = limits().handler(Some(Duration::from_millis(50)));
    for method in ["GET", "HEAD"] {
        let (server, sights, release) = serve(limits.clone());
        let mut client = server.connect();
        client.send(format!(
            "{method} /hang?now=1 HTTP/1.1\r\nHost: a\r\nAccept: x/y\r\nCookie: {SECRET}\r\n\r\n"
        ));
        let mut response = client.head();
        assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
        if method == "GET" {
            client.read_body(&mut response);
            assert_is_problem("overdue", &response);
            assert!(response.text().contains("request_id"), "{}", response.text());
        }
        client.end();
        let request = Some((Method::from_bytes(method.as_bytes()).unwrap(), "/hang?now=1".to_owned()));
        let seen = Sight {
            status: 503,
            origin: Origin::Overdue,
            request,
        };
        assert_eq!(*sights.lock().unwrap(), [seen]);
        release.send(()).unwrap();
    }
}

#[test]
fn a_request_that_does_not_arrive_is_refused_in_the_same_form() {
    let limits = limits().head_time(Duration::from_millis(50)).idle(NEVER);
    let (server, sights, _release) = serve(limits);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a");
    let response = client.response();
    assert_eq!(response.status, 408);
    assert_is_problem("408", &response);
    assert!(
        response
            .text()
            .contains(r#""detail":"the request did not arrive in time""#)
    );
    assert_eq!(sights.lock().unwrap()[0].request, None);
}

#[test]
fn a_connection_that_there_is_no_room_for_is_refused_in_the_same_form() {
    let limits = limits().connections(1);
    let (server, sights, _release) = serve(limits);
    let mut first = server.connect();
    // Not idle for long enough to be closed for another.
    assert_eq!(first.get("/").status, 200);
    let response = server.connect().response();
    assert_eq!(response.status, 503);
    assert_is_problem("503", &response);
    assert_eq!(sights.lock().unwrap()[1].origin, Origin::Refused);
}

#[test]
fn probes_are_nobodys_responses() {
    let app = App::new(Routes::new().get("/", || "Hello")).respond(|_, response| response.set_header("X-Seen", "yes"));
    let server = start(server().health(), app);
    let mut client = server.connect();
    assert_eq!(client.get("/").field("X-Seen"), Some("yes"));
    client.send([get("/livez"), get("/readyz")].concat());
    for _ in 0..2 {
        assert_eq!(client.response().field("X-Seen"), None);
    }
}

#[test]
fn a_hook_that_panics_or_breaks_the_rules_leaves_a_plain_500() {
    let panics = App::new(Routes::new().get("/", || "Hello")).respond(|_, _| panic!("{SECRET}"));
    let breaks = App::new(Routes::new().get("/", || "Hello"))
        .respond(|_, response| response.set_header("X-Bad", format!("a\r\n{SECRET}")));
    let interim = App::new(Routes::new().get("/", || "Hello"))
        .respond(|_, response| response.set_status(StatusCode::SWITCHING_PROTOCOLS));
    for app in [panics, breaks, interim] {
        let server = start(server(), app);
        let mut client = server.connect();
        for _ in 0..2 {
            let response = client.get("/");
            assert_eq!((response.status, response.text()), (500, "Internal Server Error"));
        }
        let mut malformed = server.connect();
        malformed.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
        let response = malformed.response();
        assert_eq!((response.status, response.text()), (500, "Internal Server Error"));
        malformed.end();
    }
}

#[test]
fn a_hook_can_give_a_response_any_body_and_framing_follows() {
    let app = App::new(Routes::new().get("/text", || "Hello").get("/stream", || {
        Response::new(Body::stream(|client| client.write_all(b"streamed")))
    }))
    .respond(|seen, response| match seen.pattern().as_deref() {
        Some("/text") => response.set_body(Body::stream(|client| client.write_all(b"now a stream"))),
        Some("/stream") => response.set_body("now a text"),
        _ => response.set_body(Body::stream(|_| Ok(()))),
    });
    let server = start(server(), app);
    let mut client = server.connect();
    assert_eq!(client.get("/text").text(), "now a stream");
    assert_eq!(client.get("/stream").text(), "now a text");
    let mut malformed = Client::connect(server.local_addr());
    malformed.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    let response = malformed.response();
    assert_eq!(
        (response.status, response.text()),
        (400, ""),
        "a refusal's body is bytes or nothing"
    );
}

#[test]
fn ids_are_on_every_response_to_a_request_whoever_made_it() {
    let (_release, gate) = channel();
    let app = App::new(routes(gate)).slashes(Slashes::Redirect);
    let limits = limits().handler(Some(Duration::from_millis(50)));
    let server = start(server().request_ids().limits(limits), app);
    for (name, sent, status, _, has_request) in cases() {
        let mut client = server.connect();
        client.send(&sent);
        let response = client.response();
        assert_eq!(response.status, status, "{name}");
        assert_eq!(response.field("X-Request-Id").is_some(), has_request, "{name}");
    }
    let overdue = server.connect().get("/hang");
    assert_eq!(overdue.status, 503);
    assert_eq!(overdue.field("X-Request-Id").map(str::len), Some(16));
}
