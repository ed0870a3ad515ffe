//! Deadlines are totals, so a client that sends or reads a little now and then does not pass.
//!
//! They are set to almost nothing here, so a test waits for what must happen, however long it takes. No test asserts
//! how long.

use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use hansel::{BodyError, Request, Response};

use crate::support::{Client, Gate, OpenAtEnd, PATIENCE, get, hear, no_deadlines, post_head, server, start};

const SHORT: Duration = Duration::from_millis(50);

fn echo(request: &Request) -> hansel::Result<Vec<u8>> {
    Ok(request.bytes()?.to_vec())
}

/// Sends `drop` over and over, at the pace of a slow client, until the server has something to say.
pub(crate) fn drip(client: &mut Client, drop: &[u8]) {
    let until = Instant::now() + PATIENCE;
    client.stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut byte = [0];
    loop {
        match client.stream.peek(&mut byte) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
        assert!(Instant::now() < until, "a drip that never ends");
        if client.stream.write_all(drop).is_err() {
            break;
        }
    }
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

fn assert_timed_out(client: &mut Client) {
    let response = client.response();
    assert_eq!(response.status, 408);
    response.assert_closes();
    client.end();
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let limits = no_deadlines().head_time(SHORT);
    let server = start(server().limits(limits), echo);
    let mut silent = server.connect();
    silent.send("GET / HTTP/1.1\r\nHost:");
    assert_timed_out(&mut silent);

    let mut dripping = server.connect();
    dripping.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Slow: ");
    drip(&mut dripping, b"o");
    assert_timed_out(&mut dripping);

    let mut later = server.connect();
    assert_eq!(later.get("/").status, 200);
    later.send("GET /");
    assert_timed_out(&mut later);
}

#[test]
fn a_client_that_never_asks_is_let_go_without_a_word() {
    let limits = no_deadlines().head_time(SHORT);
    let server = start(server().limits(limits), echo);
    server.connect().end();
    let mut empty_lines = server.connect();
    empty_lines.send("\r\n");
    let rest = empty_lines.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let limits = no_deadlines().idle(SHORT);
    let server = start(server().limits(limits), echo);
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    client.end();
}

#[test]
fn a_body_that_does_not_keep_the_rate_is_answered_408() {
    let limits = no_deadlines().transfer_time(SHORT).rate(u32::MAX);
    let server = start(server().limits(limits), echo);
    let mut silent = server.connect();
    silent.send(post_head("/", 1000));
    silent.send("x");
    assert_timed_out(&mut silent);

    let mut dripping = server.connect();
    dripping.send(post_head("/", 60_000));
    drip(&mut dripping, b"x");
    assert_timed_out(&mut dripping);

    let mut in_chunks = server.connect();
    in_chunks.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    drip(&mut in_chunks, b"1\r\nx\r\n");
    assert_timed_out(&mut in_chunks);
}

#[test]
fn a_body_earns_time_by_its_bytes() {
    // Each byte earns a second, and there is no time to begin with but for one byte.
    let limits = no_deadlines().transfer_time(Duration::from_secs(60)).rate(1);
    let server = start(server().limits(limits), echo);
    let mut client = server.connect();
    client.send(post_head("/", 1000));
    for _ in 0..1000 {
        client.send("x");
    }
    assert_eq!(client.response().body.len(), 1000);
}

#[test]
fn a_handler_that_reads_a_slow_body_learns_that_it_took_too_long() {
    let (tell, told) = mpsc::channel();
    let limits = no_deadlines().transfer_time(SHORT).rate(u32::MAX).body_buffer(0);
    let server = start(
        server().limits(limits),
        move |request: &Request| -> hansel::Result<Vec<u8>> {
            let body = request.bytes();
            tell.send(body.map(<[u8]>::len)).unwrap();
            Ok(body?.to_vec())
        },
    );
    let mut silent = server.connect();
    silent.send(post_head("/", 1000));
    assert_eq!(hear(&told), Err(BodyError::TimedOut));
    assert_timed_out(&mut silent);

    let mut dripping = server.connect();
    dripping.send(post_head("/", 100_000));
    drip(&mut dripping, b"x");
    assert_eq!(hear(&told), Err(BodyError::TimedOut));
    assert_timed_out(&mut dripping);
}

#[test]
fn the_time_that_a_handler_takes_before_it_reads_is_not_charged_to_its_client() {
    let transfer_time = Duration::from_secs(1);
    let limits = no_deadlines()
        .transfer_time(transfer_time)
        .rate(u32::MAX)
        .body_buffer(0);
    let server = start(server().limits(limits), move |request: &Request| {
        let began = Instant::now();
        while began.elapsed() <= transfer_time {
            thread::yield_now();
        }
        echo(request)
    });
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("ham");
    assert_eq!(client.response().text(), "ham");
}

#[test]
fn a_client_that_does_not_take_its_response_is_given_up() {
    let limits = no_deadlines().transfer_time(SHORT).rate(u32::MAX);
    let content: Arc<[u8]> = vec![b'x'; 64 * 1024 * 1024].into();
    let served = Arc::clone(&content);
    let server = start(server().limits(limits), move |_: &Request| {
        Response::new(Arc::clone(&served))
    });
    let mut client = server.connect();
    client.send(get("/"));
    // The server holds on to the content for as long as it is sending it.
    let until = Instant::now() + PATIENCE;
    while Arc::strong_count(&content) < 3 {
        assert!(Instant::now() < until, "it has not begun to send");
        thread::yield_now();
    }
    while Arc::strong_count(&content) > 2 {
        assert!(Instant::now() < until, "it goes on trying to send");
        thread::yield_now();
    }
    assert!(client.end_of_any_kind().len() < content.len());
}

#[test]
fn a_client_that_takes_its_response_slowly_but_fast_enough_gets_all_of_it() {
    let limits = no_deadlines().transfer_time(PATIENCE).rate(1);
    let server = start(server().limits(limits), |_: &Request| vec![b'x'; 4 * 1024 * 1024]);
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    let mut piece = [0; 1000];
    for _ in 0..100 {
        client.stream.read_exact(&mut piece).unwrap();
        thread::yield_now();
    }
}

#[test]
fn a_client_that_does_not_close_after_the_last_response_is_let_go() {
    let limits = no_deadlines().linger(SHORT);
    let server = start(server().limits(limits), echo);
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.end();
    await_reset(&mut client);
}

#[test]
fn a_client_that_has_said_that_it_sends_no_more_is_not_waited_for() {
    let server = start(server().limits(no_deadlines()), echo);
    for rest in [
        "\r\n",
        "Content-Length: 3\r\n\r\nham",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{rest}"
        ));
        assert_eq!(client.response().status, 200);
        client.end();
        await_reset(&mut client);
    }
}

#[test]
fn a_client_that_sends_more_than_it_said_or_has_said_nothing_is_waited_for() {
    let server = start(server().limits(no_deadlines()), echo);
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /more",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX : y\r\nConnection: close\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(request);
        client.response();
        client.end();
        for _ in 0..10 {
            client.send("what the server reads, lest a reset destroy its response");
        }
    }
}

/// It goes on sending, and in the end is told that nobody listens.
fn await_reset(client: &mut Client) {
    let until = Instant::now() + PATIENCE;
    while client.try_send("x").is_ok() {
        assert!(Instant::now() < until, "somebody still listens");
        thread::yield_now();
    }
}

#[test]
fn a_request_that_waits_too_long_for_a_thread_is_answered_503() {
    let gate = Gate::new();
    let at = gate.clone();
    // Any wait is too long, and only one may wait.
    let limits = no_deadlines().queue(1).queue_time(Duration::ZERO);
    let server = start(server().threads(1).limits(limits), move |_: &Request| {
        at.pass();
        "through"
    });
    let _open = OpenAtEnd(&gate);
    let mut running = server.connect();
    running.send(get("/"));
    gate.await_arrived(1);
    let (tell, told) = mpsc::channel();
    for _ in 0..2 {
        let mut client = server.connect();
        client.send(get("/"));
        let tell = tell.clone();
        thread::spawn(move || tell.send(client.response().status).unwrap());
    }
    assert_eq!(
        hear(&told),
        503,
        "there is one in the queue, so this one is turned away"
    );
    gate.admit(1);
    assert_eq!(running.response().text(), "through");
    assert_eq!(hear(&told), 503, "it has waited");
    gate.admit(1);
    // The permit may come back a little later than the response that tells of the wait, and any wait is too long.
    let until = Instant::now() + PATIENCE;
    while server.connect().get("/").status == 503 {
        assert!(Instant::now() < until, "no thread comes free");
    }
    assert_eq!(gate.arrived(), 2, "the last one has been answered by the handler");
}
