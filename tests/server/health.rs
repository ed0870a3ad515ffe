//! The health lane: probes get responses whatever the handlers do.

use std::time::Duration;

use hansel::Request;

use crate::support::{Client, Gate, NEVER, OpenAtEnd, Running, get, no_deadlines, server, start};

/// The address of the health lane's own listener.
fn lane(server: &Running) -> Client {
    Client::connect(server.health_addrs()[0])
}

#[test]
fn the_lane_is_off_unless_it_is_asked_for() {
    let server = start(server(), |request: &Request| format!("mine: {}", request.path()));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(server.connect().get(path).text(), format!("mine: {path}"));
    }
}

#[test]
fn beside_the_application_the_lane_takes_its_three_paths_only() {
    let server = start(server().health(), |request: &Request| {
        format!("mine: {}", request.path())
    });
    let mut client = server.connect();
    assert_eq!(client.get("/livez").text(), "alive\n");
    assert_eq!(client.get("/readyz").text(), "ready\n");
    assert_eq!(client.get("/metrics").status, 200);
    for path in ["/", "/livez/", "/livez/x", "/Livez", "/metricsx"] {
        assert_eq!(client.get(path).text(), format!("mine: {path}"));
    }
    assert_eq!(client.get("/livez?verbose").text(), "alive\n");
}

#[test]
fn an_address_of_its_own_serves_nothing_else() {
    let server = start(server().health_on("127.0.0.1:0").unwrap(), |request: &Request| {
        format!("mine: {}", request.path())
    });
    assert_eq!(lane(&server).get("/livez").text(), "alive\n");
    assert_eq!(lane(&server).get("/").status, 404);
    assert_eq!(server.connect().get("/livez").text(), "mine: /livez");
}

#[test]
fn the_status_page_is_at_the_lane_s_own_address_and_nowhere_else() {
    let on = server().health().health_on("127.0.0.1:0").unwrap().status_page();
    let server = start(on, |request: &Request| format!("mine: {}", request.path()));
    let page = lane(&server).get("/");
    assert_eq!(
        (page.status, page.field("Content-Type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert_eq!(page.field("Cache-Control"), Some("no-store"));
    let policy = page.field("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert_eq!(page.text().matches("://").count(), 1, "only the namespace of SVG");
    assert_eq!(lane(&server).get("/status").status, 404);
    assert_eq!(lane(&server).post("/", b"x").status, 405);
    assert_eq!(server.connect().get("/livez").text(), "alive\n");
    assert_eq!(server.connect().get("/").text(), "mine: /");
}

#[test]
fn a_status_page_without_an_address_of_its_own_keeps_the_server_from_starting() {
    let error = server().health().status_page().spawn(|| "Hello").unwrap_err();
    assert!(error.to_string().contains("Server::health_on"), "{error}");
}

#[test]
fn probes_keep_to_the_rules_of_methods() {
    let server = start(server().health(), || "Hello");
    let mut client = server.connect();
    client.send("HEAD /livez HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("6")));
    let posted = client.post("/livez", b"x");
    assert_eq!(
        (posted.status, posted.field("Allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    client.send("OPTIONS /livez HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let options = client.response();
    assert_eq!(
        (options.status, options.field("Allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(client.get("/").text(), "Hello", "the connection goes on");
}

#[test]
fn pipelined_probes_and_requests_are_answered_in_order() {
    let server = start(server().health(), |request: &Request| request.path().to_owned());
    let mut client = server.connect();
    let all = [get("/1"), get("/livez"), get("/livez"), get("/2"), get("/readyz")];
    client.send(all.concat());
    for expected in ["/1", "alive\n", "alive\n", "/2", "ready\n"] {
        assert_eq!(client.response().text(), expected);
    }
}

#[test]
fn probes_are_answered_with_every_thread_stuck_and_the_queue_full() {
    for loops in [1, 2] {
        let gate = Gate::new();
        let at = gate.clone();
        let limits = no_deadlines().queue(2);
        let server = server().loops(loops).threads(2).limits(limits).health();
        let server = start(server.health_on("127.0.0.1:0").unwrap(), move || {
            at.pass();
            "through"
        });
        let _open = OpenAtEnd(&gate);
        let mut stuck: Vec<_> = (0..2).map(|_| server.connect()).collect();
        for client in &mut stuck {
            client.send(get("/"));
        }
        gate.await_arrived(2);
        // Two of the next four find a place in the queue, two are refused.
        let mut waiting: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for client in &mut waiting {
            client.send(get("/"));
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(server.connect().get(path).status, 200, "{path} beside the application");
            assert_eq!(lane(&server).get(path).status, 200, "{path} on its own address");
        }
        gate.admit(6);
        for client in &mut stuck {
            assert_eq!(client.response().text(), "through");
        }
    }
}

#[test]
fn the_lanes_own_address_has_places_when_the_others_are_taken() {
    let limits = no_deadlines().connections(1);
    let server = server().limits(limits).health_on("127.0.0.1:0").unwrap();
    let server = start(server, || "Hello");
    let mut only = server.connect();
    assert_eq!(only.get("/").status, 200);
    // It has begun to ask, so it is not idle.
    only.send("GET / HT");
    assert_eq!(server.connect().response().status, 503, "there is one place");
    assert_eq!(lane(&server).get("/livez").status, 200);
}

#[test]
fn readiness_follows_what_the_application_says() {
    let server = start(server().health(), || "Hello");
    let mut client = server.connect();
    assert_eq!(client.get("/readyz").status, 200);
    server.set_ready(false);
    assert_eq!(client.get("/readyz").status, 503);
    assert_eq!(client.get("/livez").status, 200);
    assert_eq!(client.get("/").status, 200, "only the balancer is told");
    server.set_ready(true);
    assert_eq!(client.get("/readyz").status, 200);
}

#[test]
fn readiness_is_denied_before_the_listeners_close() {
    let server = start(server().health().drain_delay(NEVER), || "Hello");
    let mut client = server.connect();
    assert_eq!(client.get("/readyz").status, 200);
    server.shutdown(NEVER);
    assert_eq!(client.get("/readyz").status, 503);
    // Whoever has not heard of it yet is served as before.
    assert_eq!(client.get("/").text(), "Hello");
    assert_eq!(server.connect().get("/").text(), "Hello");
    assert_eq!(server.connect().get("/readyz").status, 503);
    // Asked again, it does not wait any longer.
    server.shutdown(NEVER);
    client.end();
    assert_eq!(server.wait().cut, 0);
}

#[test]
fn the_lanes_own_address_answers_until_the_last_request_of_a_drain() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = server().limits(no_deadlines()).health_on("127.0.0.1:0").unwrap();
    let server = start(server, move || {
        at.pass();
        "through"
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/"));
    gate.await_arrived(1);
    // One that asks nothing must not hold up the end.
    let mut silent = lane(&server);
    server.shutdown(Duration::from_secs(3600));
    assert_eq!(lane(&server).get("/readyz").status, 503);
    let live = lane(&server).get("/livez");
    assert_eq!(live.status, 200);
    gate.admit(1);
    assert_eq!(client.response().text(), "through");
    drop(client);
    assert_eq!(server.wait().cut, 0, "nothing was cut");
    silent.end_of_any_kind();
}

#[test]
fn who_is_connected_to_the_lane_at_the_end_may_still_ask() {
    let server = server().loops(1).health_on("127.0.0.1:0").unwrap();
    let server = start(server, || "Hello");
    let mut known = lane(&server);
    assert_eq!(known.get("/livez").status, 200);
    let mut new = lane(&server);
    // Nobody else is there whom it would wait for.
    server.shutdown(NEVER);
    assert_eq!(new.get("/readyz").status, 503);
    server.wait();
    known.end_of_any_kind();
}
