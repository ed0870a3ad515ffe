//! A hook for responses sees the same on every server.

use std::time::Duration;

use hansel::{App, Application, Limits, Request, Response, Routes};

use crate::servers::{Servers, asked};
use crate::silence;

/// An application that shapes all its responses in one place.
fn shaped() -> impl Application {
    struct Missing;
    let routes = Routes::new()
        .get("/", || "Hello")
        .post("/number", |hansel::Json(number): hansel::Json<u8>| number.to_string())
        .post("/upload", |request: &Request| -> hansel::Result<String> {
            Ok(request.bytes()?.len().to_string())
        })
        .get("/panic", || -> &str { panic!("on purpose") })
        .get("/error", || -> hansel::Result<&str> {
            Err(std::io::Error::other("on purpose").into())
        })
        .get("/extension", |_: hansel::Extension<Missing>| "")
        .get("/header", || Response::new("").with_header("X-Bad", "a\nb"));
    App::new(routes)
        .slashes(hansel::Slashes::Redirect)
        .respond(|seen, response| {
            // What differs from server to server is the id.
            response.set_header("X-Seen", format!("{:?} {}", seen.origin(), seen.request().is_some()));
            if response.status().is_client_error() || response.status().is_server_error() {
                let text = response
                    .body()
                    .bytes()
                    .map(|text| String::from_utf8_lossy(text).into_owned());
                response.set_body(format!("error: {}", text.unwrap_or_default()));
            }
        })
}

#[test]
fn a_hook_for_responses_sees_the_same_everywhere() {
    let limits = Limits::new().body(100).target(100).fields(10);
    silence();
    let servers = Servers::of(shaped, limits);
    let post = |path: &str, kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let ask =
        |method: &str, target: &str| format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let json = "application/json";
    let many = "x".repeat(200);
    let chunked = format!(
        "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nc8\r\n{many}\r\n0\r\n\r\n"
    );
    for (status, seen, request) in [
        (200, "Handler true", ask("GET", "/")),
        (404, "Missed true", ask("GET", "/nowhere")),
        (404, "Missed true", ask("HEAD", "/nowhere")),
        (405, "Missed true", ask("DELETE", "/")),
        (204, "Automatic true", ask("OPTIONS", "/")),
        (308, "Automatic true", ask("GET", "/error/")),
        (415, "Rejected true", post("/number", "text/plain", "7")),
        (400, "Rejected true", post("/number", json, "tru")),
        (422, "Rejected true", post("/number", json, "700")),
        (200, "Handler true", post("/number", json, "7")),
        (500, "Panicked true", ask("GET", "/panic")),
        (500, "Failed true", ask("GET", "/error")),
        (500, "Failed true", ask("GET", "/extension")),
        (500, "Failed true", ask("GET", "/header")),
        (
            400,
            "Refused false",
            "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        (414, "Refused false", ask("GET", &format!("/{}", "a".repeat(100)))),
        (
            431,
            "Refused false",
            ask("GET", "/").replace("Host: a", &format!("Host: a{}", "\r\nX: y".repeat(10))),
        ),
        (
            417,
            "Refused false",
            ask("GET", "/").replace("Host: a", "Host: a\r\nExpect: more"),
        ),
        (413, "Refused true", post("/upload", "text/plain", &many)),
        (413, "Refused true", chunked),
    ] {
        let [own, hyper, client, _] = servers.responses(request.as_bytes());
        let line = request.lines().next();
        assert_eq!(
            (own.status, own.header("x-seen")),
            (status, Some(seen)),
            "{line:?}: {own:?}"
        );
        assert_eq!(hyper, own, "{line:?}");
        assert_eq!(client, own, "{line:?}");
    }
}

#[test]
fn a_hook_sees_a_copy_of_what_a_handler_still_has() {
    fn hanging() -> impl Application {
        let (_never, gate) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new((_never, gate));
        let routes = Routes::new().get("/hang", move || {
            let _ = held.lock().unwrap().1.recv_timeout(Duration::from_secs(1));
            "late"
        });
        App::new(routes).respond(|seen, response| {
            let target = seen.request().map_or("", Request::target).to_owned();
            response.set_body(format!("{:?} {target}", seen.origin()));
        })
    }
    let limits = Limits::new().handler(Some(Duration::from_millis(50)));
    silence();
    let servers = Servers::of(hanging, limits);
    let request = b"GET /hang?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for address in [servers.own.local_addr(), servers.hyper.address] {
        let received = asked(address, request);
        assert_eq!(String::from_utf8_lossy(&received.body), "Overdue /hang?x");
        assert_eq!(received.status, 503);
    }
}
