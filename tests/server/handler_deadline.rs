//! Handlers that take too long: who responds, whose connection is cut, and what happens to their threads.
//!
//! The deadline here is real time. So a request that must not be overdue has either no handler or plenty of time.

use std::io::{Read, Write};
use std::time::Duration;

use hansel::{Body, IntoResponse, Limits, Request, Response};

use crate::support::{Gate, NEVER, OpenAtEnd, Running, get, no_deadlines, post_head, server, start};

const SOON: Duration = Duration::from_millis(300);

fn limits() -> Limits {
    no_deadlines().handler(SOON)
}

/// `/hang` waits at `gate`, `/block` says that it does so, and everything else is answered at once.
fn hanging(gate: &Gate) -> impl Fn(&Request) -> String + use<> {
    let gate = gate.clone();
    move |request: &Request| {
        match request.segment(0) {
            Some("hang") => gate.pass(),
            Some("block") => hansel::blocking(|| gate.pass()),
            _ => {}
        }
        request.path().to_owned()
    }
}

fn sample(server: &Running, name: &str) -> f64 {
    let response = server.connect().get("/metrics");
    let line = response
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

/// Waits until so many threads are lost.
fn await_lost(server: &Running, lost: f64) {
    while sample(server, "hansel_threads_lost") != lost {
        std::thread::yield_now();
    }
}

#[test]
fn a_handler_that_hangs_is_answered_for_and_its_own_response_is_dropped() {
    for loops in [1, 2] {
        let gate = Gate::new();
        let server = start(server().loops(loops).limits(limits()).health(), hanging(&gate));
        let _open = OpenAtEnd(&gate);
        for (round, path) in (1..).zip(["/hang", "/block", "/hang"]) {
            let mut client = server.connect();
            client.send(get(path));
            gate.await_arrived(round);
            client.assert_given_up();
            assert_eq!(sample(&server, "hansel_handlers_overdue_total"), round as f64);
            await_lost(&server, 1.0);
            gate.admit(1);
            await_lost(&server, 0.0);
            assert_eq!(server.connect().get("/other").text(), "/other");
        }
    }
}

#[test]
fn lost_threads_are_replaced_up_to_half_of_all() {
    let gate = Gate::new();
    let server = start(server().threads(4).limits(limits()).health(), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    // Two of these can be replaced, so two more find a thread; then all are taken.
    for round in 1..=6 {
        let mut client = server.connect();
        client.send(get("/hang"));
        gate.await_arrived(round);
        client.assert_given_up();
    }
    await_lost(&server, 6.0);
    let mut waiting = server.connect();
    waiting.send(get("/late"));
    while sample(&server, "hansel_queue_length") < 1.0 {
        std::thread::yield_now();
    }
    gate.admit(6);
    assert_eq!(waiting.response().text(), "/late");
    await_lost(&server, 0.0);
    // Everybody is back, and nobody has been counted twice: four may run, and no more.
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/block"));
    }
    gate.await_arrived(10);
    while sample(&server, "hansel_queue_length") < 1.0 {
        std::thread::yield_now();
    }
    gate.admit(5);
}

#[test]
fn a_single_thread_is_never_replaced() {
    let gate = Gate::new();
    let server = start(server().threads(1).limits(limits()).health(), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/hang"));
    gate.await_arrived(1);
    client.assert_given_up();
    let mut waiting = server.connect();
    waiting.send(get("/hang"));
    while sample(&server, "hansel_queue_length") < 1.0 {
        std::thread::yield_now();
    }
    assert_eq!(gate.arrived(), 1, "one handler at a time");
    gate.admit(2);
    assert_eq!(waiting.response().text(), "/hang");
}

#[test]
fn requests_that_were_queued_have_their_time_from_their_own_beginning() {
    let gate = Gate::new();
    let server = start(server().threads(2).limits(limits()).health(), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/hang"));
    }
    // Three are given up: two at once, and one that has got a lost thread's place.
    gate.await_arrived(3);
    await_lost(&server, 3.0);
    assert_eq!(gate.arrived(), 3);
    gate.admit(5);
    let mut statuses: Vec<_> = clients.iter_mut().map(|client| client.response().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503, 503]);
}

#[test]
fn without_the_limit_a_handler_may_take_as_long_as_it_likes() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()).health(), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/hang"));
    gate.await_arrived(1);
    for _ in 0..100 {
        assert_eq!(sample(&server, "hansel_handlers_overdue_total"), 0.0);
    }
    gate.admit(1);
    assert_eq!(client.response().text(), "/hang");
}

#[test]
fn no_response_is_put_before_those_to_earlier_requests() {
    let gate = Gate::new();
    let server = start(server().limits(limits()), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    // Said to block: what is answered leaves before.
    let mut client = server.connect();
    client.send([get("/1"), get("/2"), get("/block"), get("/3")].concat());
    assert_eq!(client.response().text(), "/1");
    assert_eq!(client.response().text(), "/2");
    client.assert_given_up();
    // Found to block: the responses to the first two are with the thread. Whether it finds out in time
    // to send them is up to the system, but a refusal never takes their place.
    let mut client = server.connect();
    client.send([get("/1"), get("/2"), get("/hang")].concat());
    gate.await_arrived(2);
    let received = String::from_utf8(client.end_of_any_kind()).unwrap();
    assert!(
        received.is_empty() || received.starts_with("HTTP/1.1 200"),
        "{received}"
    );
}

#[test]
fn a_stream_is_no_late_handler() {
    let gate = Gate::new();
    let (at, hang) = (gate.clone(), hanging(&gate));
    let server = start(server().limits(limits()), move |request: &Request| {
        if request.segment(0) != Some("stream") {
            return hang(request).into_response();
        }
        let at = at.clone();
        Response::new(Body::stream(move |client| {
            client.write_all(b"one")?;
            at.pass();
            client.write_all(b"two")
        }))
    });
    let _open = OpenAtEnd(&gate);
    let mut stream = server.connect();
    stream.send(get("/stream"));
    assert_eq!(stream.head().status, 200);
    assert_eq!(stream.chunk(), b"one");
    gate.await_arrived(1);
    // A handler that began later is overdue, so the stream has had more time than that.
    let mut client = server.connect();
    client.send(get("/hang"));
    client.assert_given_up();
    gate.admit(2);
    assert_eq!(stream.chunk(), b"two");
    assert_eq!(stream.chunk(), b"");
}

#[test]
fn a_stream_has_a_limit_of_its_own() {
    let gate = Gate::new();
    let at = gate.clone();
    let limits = no_deadlines().stream(SOON);
    let server = start(server().limits(limits), move || {
        let at = at.clone();
        Response::new(Body::stream(move |client| {
            client.write_all(b"one")?;
            at.pass();
            client.write_all(b"two")
        }))
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk(), b"one");
    assert!(client.end_of_any_kind().is_empty(), "it looked whole");
    gate.admit(1);
}

#[test]
fn waiting_for_the_client_is_not_held_against_the_handler() {
    let gate = Gate::new();
    let hang = hanging(&gate);
    let limits = limits().body_buffer(0);
    let server = start(server().limits(limits), move |request: &Request| {
        if request.segment(0) != Some("upload") {
            return hang(request);
        }
        let mut text = String::new();
        request.body().read_to_string(&mut text).unwrap();
        text
    });
    let _open = OpenAtEnd(&gate);
    let mut uploading = server.connect();
    uploading.send(post_head("/upload", 6));
    uploading.send("abc");
    let mut client = server.connect();
    client.send(get("/hang"));
    client.assert_given_up();
    let mut client = server.connect();
    client.send(get("/hang"));
    client.assert_given_up();
    uploading.send("def");
    assert_eq!(uploading.response().text(), "abcdef");
}

#[test]
fn a_lost_thread_holds_up_no_end() {
    let gate = Gate::new();
    let server = start(server().limits(limits()), hanging(&gate));
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/hang"));
    client.assert_given_up();
    drop(client);
    server.shutdown(NEVER);
    assert_eq!(server.wait().cut, 0);
}
