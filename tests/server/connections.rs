//! The limits of connections, in all and per peer.

use std::time::Instant;

use crate::support::{Client, NEVER, PATIENCE, no_deadlines, sample, server, start};

#[test]
fn one_peer_may_have_so_many_connections_and_has_them_back_when_it_closes_some() {
    for loops in [1, 2] {
        let limits = no_deadlines().connections_per_peer(3);
        let server = start(server().loops(loops).limits(limits), || "Hello");
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "Hello");
        }
        for _ in 0..40 {
            let mut refused = server.connect();
            let response = refused.response();
            assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
            assert_eq!(
                response.text(),
                "503 Service Unavailable: too many connections from one address\n"
            );
            response.assert_closes();
            refused.end();
        }
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "Hello", "those who are here stay");
        }
        clients.pop();
        // The server learns of it when it comes to it.
        loop {
            let mut next = server.connect();
            // One that is turned away is answered before it has asked.
            let _ = next.try_send(crate::support::get("/"));
            if next.response().status == 200 {
                break;
            }
        }
    }
}

#[test]
fn turning_connections_away_leaves_no_trace_in_the_count() {
    let limits = no_deadlines().connections(12);
    let server = start(
        server().loops(3).limits(limits).health_on("127.0.0.1:0").unwrap(),
        || "Hello",
    );
    for _ in 0..5 {
        let mut clients: Vec<_> = (0..12).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "Hello");
            // It has begun to ask, so it is not idle.
            client.send("GET / HT");
        }
        for _ in 0..20 {
            assert_eq!(server.connect().response().status, 503);
        }
        drop(clients);
        // The one that asks does not count.
        loop {
            let text = Client::connect(server.health_addrs()[0])
                .get("/metrics")
                .text()
                .to_owned();
            if text.lines().any(|line| line == "hansel_connections 0") {
                break;
            }
        }
    }
}

#[test]
fn a_client_that_has_said_that_it_sends_no_more_is_not_waited_for() {
    let limits = no_deadlines().linger(NEVER);
    let server = start(server().limits(limits).health_on("127.0.0.1:0").unwrap(), || "Hello");
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().text(), "Hello");
    client.end();
    // It has not closed its own side. The one that asks does not count.
    let until = Instant::now() + PATIENCE;
    while sample(&mut Client::connect(server.health_addrs()[0]), "hansel_connections") > 0.0 {
        assert!(Instant::now() < until, "it still has its place");
    }
}
