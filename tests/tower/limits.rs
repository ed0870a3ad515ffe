//! Limits of routes are the same on every server.

use std::time::Duration;

use hansel::{App, Application, ClientDeadline, Hooks, Limits, Request, RouteLimits, Routes, StatusCode};

use crate::same::{chunked, request};
use crate::servers::{Servers, asked};

/// Routes with limits that are larger and smaller than the server's.
fn limited() -> impl Application {
    let size = |request: &Request| request.bytes().map(|body| body.len().to_string());
    let guarded = Hooks::on(Routes::new().post("/", size).route_body_limit(100_000))
        .before(|request: &Request| request.header("X-Key").is_none().then_some(StatusCode::UNAUTHORIZED))
        .body_limit(10);
    let routes = Routes::new()
        .post("/large", size)
        .route_body_limit(100_000)
        .post("/small", size)
        .route_body_limit(10)
        .post("/plain", size)
        .post("/full", size)
        .route_concurrency(0)
        .mount("/guarded", guarded)
        .mount("/app", App::new(Routes::new().post("/app", size).route_body_limit(100)));
    App::new(routes).respond(|seen, response| {
        let seen = format!("{:?} {:?}", seen.origin(), seen.pattern());
        response.set_header("X-Seen", seen);
    })
}

#[test]
fn limits_of_routes_are_the_same_everywhere() {
    for body_buffer in [1_000_000, 100, 0] {
        let servers = Servers::of(limited, Limits::new().body(1000).body_buffer(body_buffer));
        for (status, path, size) in [
            (200, "/large", 100_000),
            (200, "/large", 1001),
            (413, "/large", 100_001),
            (200, "/small", 10),
            (413, "/small", 11),
            (413, "/small", 1001),
            (200, "/plain", 1000),
            (413, "/plain", 1001),
            (413, "/plain", 50_000),
            (503, "/full", 1),
            (401, "/guarded", 5000),
            (404, "/nowhere", 5000),
            (200, "/app", 100),
            (413, "/app", 101),
        ] {
            let body = vec![b'x'; size];
            let line = format!("POST {path}");
            let announced = format!("Content-Length: {size}\r\n");
            let in_chunks = "Transfer-Encoding: chunked\r\n";
            for (bytes, is_announced) in [
                (request(&line, &announced, &body), true),
                (request(&line, in_chunks, &chunked(&body)), false),
            ] {
                let [own, hyper, client, _] = servers.responses(&bytes);
                let statuses = [own.status, hyper.status, client.status];
                assert_eq!(statuses, [status; 3], "{body_buffer} {path} {size} {is_announced}");
                // Of chunks, how much has arrived decides who refuses them.
                if is_announced {
                    assert!(
                        own == hyper && own == client,
                        "{path} {size}: {own:?} {hyper:?} {client:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn deadlines_of_routes_are_the_same_on_both_servers() {
    fn waiting() -> impl Application {
        // Longer than the deadlines of a moment, and much longer.
        let wait = || std::thread::sleep(Duration::from_millis(200));
        let hang = || std::thread::sleep(Duration::from_secs(5));
        let routes = Routes::new()
            .get("/server", hang)
            .get("/always", wait)
            .route_deadline(None)
            .get("/long", wait)
            .route_deadline(Duration::from_secs(3600))
            .mount(
                "/below",
                Hooks::on(
                    Routes::new()
                        .get("/short", hang)
                        .get("/long", wait)
                        .route_deadline(None),
                )
                .deadline(MOMENT),
            );
        App::new(Hooks::on(routes).limits(RouteLimits::new().client_deadline(ClientDeadline::seconds("X-Wait"))))
    }
    const MOMENT: Duration = Duration::from_millis(50);
    for (of_server, path, status) in [
        (Some(MOMENT), "/server", 503),
        (Some(MOMENT), "/always", 204),
        (Some(MOMENT), "/long", 204),
        (None, "/below/short", 503),
        (None, "/below/long", 204),
    ] {
        let servers = Servers::of(waiting, Limits::new().handler(of_server));
        let bytes = request(&format!("GET {path}"), "", b"");
        for address in [servers.own.local_addr(), servers.hyper.address] {
            let received = asked(address, &bytes);
            assert_eq!(received.status, status, "{path} of {of_server:?}");
        }
    }
    // A client that says how long it waits gets less time than the route and the server allow, and never more.
    for (of_server, path, wait, status) in [
        (None, "/server", "0.05", 503),
        (Some(Duration::from_secs(3600)), "/always", "0.05", 503),
        (None, "/long", "0.05", 503),
        (None, "/long", "3600", 204),
        (Some(MOMENT), "/server", "3600", 503),
        (None, "/below/short", "3600", 503),
        (None, "/long", "soon", 400),
    ] {
        let servers = Servers::of(waiting, Limits::new().handler(of_server));
        let bytes = request(&format!("GET {path}"), &format!("X-Wait: {wait}\r\n"), b"");
        for address in [servers.own.local_addr(), servers.hyper.address] {
            let received = asked(address, &bytes);
            assert_eq!(received.status, status, "{path} of {of_server:?} in {wait}");
        }
    }
}
