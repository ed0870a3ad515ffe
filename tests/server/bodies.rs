//! Request bodies: complete before the handler starts, or read as they arrive.

use std::io::{BufRead, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hansel::{BodyError, IntoResponse, Limits, Request, Response, StatusCode};

use crate::support::{
    Client, Gate, OpenAtEnd, Running, chunked, get, hear, no_deadlines, noise, post, post_head, server, start,
};

/// Longer than what is gathered before a handler starts, by default.
const LARGE: usize = 1_200_000;

/// Gathered in memory that all connections share.
const MIDDLING: usize = 300_000;

const CHUNKED_HEAD: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

fn echo(request: &Request) -> hansel::Result<Vec<u8>> {
    Ok(request.bytes()?.to_vec())
}

fn expecting(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_body_up_to_the_buffer_is_whole_before_the_handler_starts() {
    let gate = Gate::new();
    gate.admit(1000);
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        at.pass();
        let mut body = Vec::new();
        request.body().read_to_end(&mut body).unwrap();
        body
    });
    let body = noise(Limits::default().body_buffer);
    let small = &body[..64 * 1024];
    let in_chunks = [CHUNKED_HEAD.as_bytes(), &chunked(&body, 9999)].concat();
    for (request, body) in [(post("/", small), small), (post("/", &body), &body), (in_chunks, &body)] {
        let before = gate.arrived();
        let mut client = server.connect();
        let (last, most) = request.split_last().unwrap();
        client.send(most);
        assert_eq!(server.connect().get("/").body, b"");
        assert_eq!(gate.arrived(), before + 1, "only the other one has started");
        client.send([*last]);
        assert_eq!(client.response().body, body);
    }
}

#[test]
fn a_larger_body_is_read_as_it_arrives() {
    let gate = Gate::new();
    gate.admit(1000);
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        at.pass();
        echo(request)
    });
    let body = noise(LARGE);
    let in_chunks = [CHUNKED_HEAD.as_bytes(), &chunked(&body, 10_000)].concat();
    for request in [post("/", &body), in_chunks] {
        let before = gate.arrived();
        let mut client = server.connect();
        // No handler waits for it before so much is here as is gathered of smaller ones.
        let (beginning, rest) = request.split_at(1000);
        client.send(beginning);
        assert_eq!(server.connect().get("/").body, b"");
        assert_eq!(gate.arrived(), before + 1, "only the other one has started");
        let before = before + 1;
        let (first, second) = rest.split_at(rest.len() - 10);
        client.send(first);
        gate.await_arrived(before + 1);
        client.send(second);
        assert_eq!(client.response().body, body);
        assert_eq!(client.get("/").body, b"", "the connection goes on");
    }
}

#[test]
fn what_finds_no_memory_to_be_gathered_in_is_read_as_it_arrives() {
    let gate = Gate::new();
    gate.admit(1000);
    let at = gate.clone();
    let limits = no_deadlines().body_memory(2 * MIDDLING - 1);
    let server = start(server().limits(limits), move |request: &Request| {
        at.pass();
        echo(request)
    });
    let body = noise(MIDDLING);
    let (first, second) = body.split_at(MIDDLING - 10);
    let begin = || {
        let mut client = server.connect();
        client.send(post_head("/", MIDDLING));
        client.send(first);
        client
    };
    for round in 0..5 {
        let before = gate.arrived();
        let mut gathered = begin();
        assert_eq!(server.connect().get("/").body, b"");
        assert_eq!(gate.arrived(), before + 1, "only the other one has started");
        let mut read = begin();
        gate.await_arrived(before + 2);
        if round % 2 == 0 {
            gathered.send(second);
            assert_eq!(gathered.response().body, body);
        }
        // It gives its memory back, answered or not.
        gathered.reset();
        read.send(second);
        assert_eq!(read.response().body, body);
        assert_eq!(read.get("/").body, b"", "the connection goes on");
    }
}

/// A server with a megabyte for bodies, of which a quarter of four threads may read what arrives: that one is taken.
fn with_little_memory(limits: Limits, gate: &Gate) -> (Running, Client) {
    let at = gate.clone();
    let limits = limits.body_memory(1024 * 1024);
    let server = start(server().threads(4).limits(limits), move |request: &Request| {
        if request.path() == "/wait" {
            at.pass();
        }
        echo(request)
    });
    let mut waiting = server.connect();
    waiting.send(expecting(MIDDLING).replace("POST /", "POST /wait"));
    gate.await_arrived(1);
    (server, waiting)
}

#[test]
fn who_announces_a_body_keeps_nobody_from_memory() {
    let gate = Gate::new();
    let (server, _waiting) = with_little_memory(no_deadlines(), &gate);
    let _open = OpenAtEnd(&gate);
    let in_chunks = [CHUNKED_HEAD.as_bytes(), &chunked(b"x", 1)[..6]].concat();
    let _slow: Vec<_> = (0..40)
        .map(|n| {
            let mut client = server.connect();
            match n % 4 {
                0 => client.send(post_head("/", LARGE)),
                1 => client.send(&in_chunks),
                _ => client.send(post_head("/", MIDDLING)),
            }
            client.send("x");
            client
        })
        .collect();
    let body = noise(MIDDLING);
    let mut client = server.connect();
    for _ in 0..3 {
        assert!(client.post("/", &body).body == body);
        client.send(CHUNKED_HEAD);
        client.send(chunked(&body, 10_000));
        assert!(client.response().body == body);
    }
}

#[test]
fn a_slow_body_makes_room_when_others_need_its_memory() {
    let gate = Gate::new();
    let limits = no_deadlines()
        // What the slow ones have sent gives them more time than this test has.
        .transfer_time(Duration::from_secs(1))
        .rate(10_000);
    let (server, _waiting) = with_little_memory(limits, &gate);
    let _open = OpenAtEnd(&gate);
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.connect();
            client.send(post_head("/", 500_000));
            client.send(noise(400_000));
            client
        })
        .collect();
    let body = noise(MIDDLING);
    assert!(server.connect().post("/", &body).body == body);
    let refused = slow.into_iter().filter_map(|mut client| {
        client.stream.set_nonblocking(true).unwrap();
        let has_response = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        has_response.then(|| client.response())
    });
    let refused: Vec<_> = refused.collect();
    assert!(!refused.is_empty());
    for response in refused {
        assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
    }
}

#[test]
fn of_those_who_have_all_memory_and_wait_for_more_one_makes_room_for_the_others() {
    let gate = Gate::new();
    let limits = no_deadlines().transfer_time(Duration::from_secs(1)).rate(1);
    let (server, _waiting) = with_little_memory(limits, &gate);
    let _open = OpenAtEnd(&gate);
    // Each needs more than a third of the memory, and so do the larger and larger buffers that it has on its way there.
    let request = [CHUNKED_HEAD.as_bytes(), &chunked(&noise(400_000), 10_000)].concat();
    let responses = thread::scope(|scope| {
        let client = || {
            let mut client = server.connect();
            // A client that is refused may be cut off while it sends.
            let _ = client.try_send(&request);
            client.response().status
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(responses.contains(&200), "{responses:?}");
    assert!(
        responses.iter().all(|status| [200, 503].contains(status)),
        "{responses:?}"
    );
}

#[test]
fn bodies_behind_one_another_arrive_as_they_were_sent_however_large() {
    let server = start(server().limits(no_deadlines()), echo);
    let sizes = [MIDDLING, 0, 500_000, 1000, 70_000, 0, LARGE, 100_000, MIDDLING];
    let bodies = sizes.map(noise);
    let requests = bodies.each_ref().map(|body| post("/", body)).concat();
    for piece in [777, 50_000, requests.len()] {
        let mut client = server.connect();
        let mut sending = client.stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for piece in requests.chunks(piece) {
                    sending.write_all(piece).unwrap();
                }
            });
            for body in &bodies {
                assert!(client.response().body == *body, "{} bytes", body.len());
            }
        });
    }
}

#[test]
fn requests_behind_a_body_that_is_read_as_it_arrives_are_all_answered() {
    const BEHIND: usize = 4000;
    let gate = Gate::new();
    gate.admit(1000);
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        if request.method() == "POST" {
            at.pass();
        }
        Ok::<_, hansel::Error>(request.bytes()?.len().to_string())
    });
    for round in 1..=20 {
        let mut client = server.connect();
        client.send(post_head("/", LARGE));
        client.send(noise(LARGE - 10));
        gate.await_arrived(round);
        // The rest of the body and what is behind it arrive together: the body's reader takes more
        // from the socket than is its own, and leaves some of it there.
        let mut rest = noise(10);
        rest.extend(get("/").repeat(BEHIND).bytes());
        let mut sending = client.stream.try_clone().unwrap();
        let sender = thread::spawn(move || sending.write_all(&rest).unwrap());
        assert_eq!(client.response().text(), LARGE.to_string());
        for _ in 0..BEHIND {
            assert_eq!(client.response().text(), "0");
        }
        sender.join().unwrap();
    }
}

#[test]
fn others_are_answered_while_a_body_is_awaited() {
    let server = start(server().limits(no_deadlines()), echo);
    let mut slow = server.connect();
    let body = noise(LARGE);
    slow.send(post_head("/", LARGE));
    let mut other = server.connect();
    for piece in body.chunks(LARGE / 10) {
        assert_eq!(other.post("/", b"other").text(), "other");
        slow.send(piece);
    }
    assert_eq!(slow.response().body, body);
}

#[test]
fn a_client_that_waits_with_a_small_body_is_told_to_continue() {
    let server = start(server(), echo);
    let mut client = server.connect();
    client.send(expecting(3));
    assert_eq!(client.head().status, 100);
    client.send("ham");
    assert_eq!(client.response().text(), "ham");
    assert_eq!(client.post("/", b"eggs").text(), "eggs");
}

#[test]
fn a_client_that_waits_with_a_large_body_is_told_to_continue_when_it_is_read() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        at.pass();
        echo(request)
    });
    let _open = OpenAtEnd(&gate);
    for (n, size) in [MIDDLING, LARGE].into_iter().enumerate() {
        let body = noise(size);
        let mut client = server.connect();
        client.send(expecting(size));
        gate.await_arrived(n + 1);
        gate.admit(1);
        assert_eq!(client.head().status, 100);
        client.send(&body);
        assert_eq!(client.response().body, body, "100 was sent once");
    }
}

#[test]
fn a_body_that_is_not_wanted_is_not_asked_for_and_the_connection_ends() {
    let server = start(server().limits(no_deadlines()), |_: &Request| StatusCode::FORBIDDEN);
    let mut client = server.connect();
    client.send(expecting(LARGE));
    let response = client.response();
    assert_eq!(response.status, 403, "and no 100 before it");
    response.assert_closes();
    client.end();
}

#[test]
fn a_body_that_was_sent_without_waiting_is_not_asked_for() {
    let server = start(server(), echo);
    let mut client = server.connect();
    client.send(format!("{}ham", expecting(3)));
    assert_eq!(client.response().text(), "ham");
}

#[test]
fn an_invitation_to_send_a_body_stands_behind_the_responses_to_earlier_requests() {
    let server = start(
        server().limits(no_deadlines()),
        |request: &Request| -> hansel::Result<Vec<u8>> {
            let mut response = request.path().to_owned().into_bytes();
            response.extend_from_slice(request.bytes()?);
            Ok(response)
        },
    );
    let body = noise(LARGE);
    // Few responses, and so many that a client with little room does not take them all at once.
    for earlier in [1, 60] {
        let path = format!("/{}", "x".repeat(1000));
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&server.local_addr().into()).unwrap();
        let mut client = Client::of(socket.into());
        client.send(get(&path).repeat(earlier) + &expecting(LARGE));
        for _ in 0..earlier {
            assert_eq!(client.response().text(), path);
        }
        assert_eq!(client.head().status, 100);
        client.send(&body);
        assert_eq!(client.response().body, [b"/", &body[..]].concat());
    }
}

#[test]
fn a_client_of_http_10_is_never_told_to_continue() {
    let server = start(server(), echo);
    let mut client = server.connect();
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client.send("ham");
    assert_eq!(client.response().text(), "ham");
    client.end();
}

#[test]
fn a_body_too_large_is_refused_by_its_announced_length() {
    let limits = no_deadlines().body(1000);
    let server = start(server().limits(limits), echo);
    assert_eq!(server.connect().post("/", &noise(1000)).status, 200);
    for head in [post_head("/", 1001), expecting(1001), post_head("/", usize::MAX)] {
        let mut client = server.connect();
        client.send(head);
        let refused = client.response();
        assert_eq!(refused.status, 413, "and no 100 before it");
        refused.assert_closes();
        client.end();
    }
}

#[test]
fn a_body_too_large_is_refused_when_its_chunks_go_too_far() {
    // Gathered for the handler, and read by it.
    for body_buffer in [64 * 1024, 100] {
        let limits = no_deadlines().body(1000).body_buffer(body_buffer);
        let server = start(server().limits(limits), echo);
        let mut client = server.connect();
        client.send(CHUNKED_HEAD);
        client.send(chunked(&noise(1000), 500));
        assert_eq!(client.response().status, 200);
        client.send(CHUNKED_HEAD);
        client.send(chunked(&noise(1001), 500));
        let refused = client.response();
        assert_eq!(refused.status, 413);
        refused.assert_closes();
        client.end();
    }
}

#[test]
fn broken_chunks_are_refused_and_what_follows_is_not_run() {
    for body_buffer in [64 * 1024, 0] {
        let limits = no_deadlines().body_buffer(body_buffer);
        let server = start(server().limits(limits), echo);
        let mut client = server.connect();
        client.send(CHUNKED_HEAD);
        client.send(format!("3\r\nham\r\nnonsense\r\n{}", get("/smuggled")));
        let refused = client.response();
        assert_eq!(refused.status, 400);
        refused.assert_closes();
        client.end();
    }
}

#[test]
fn a_response_to_a_body_that_is_left_unread_arrives_and_ends_the_connection() {
    let server = start(server().limits(no_deadlines()), |_: &Request| "not interested");
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(post_head("/", 1_500_000));
        // The server goes on reading for a while, so that this does not destroy its response.
        client.send(noise(1_500_000));
        let response = client.response();
        assert_eq!(response.text(), "not interested");
        response.assert_closes();
        client.end();
    }
}

#[test]
fn what_a_handler_leaves_of_a_body_is_not_taken_for_a_request() {
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        let mut first = [0; 10];
        request.body().read_exact(&mut first).unwrap();
        String::from_utf8_lossy(&first).into_owned()
    });
    let mut body = b"0123456789".to_vec();
    body.extend(get("/smuggled").repeat(30_000).bytes());
    assert!(body.len() > LARGE, "and not gathered before the handler starts");
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(post_head("/", body.len()));
        client.send(&body);
        assert_eq!(client.response().text(), "0123456789");
        client.end();
    }
}

#[test]
fn a_reader_takes_up_where_the_last_one_stopped() {
    let server = start(server(), |request: &Request| {
        let mut pieces = Vec::new();
        for _ in 0..3 {
            let mut piece = String::new();
            request.body().take(2).read_to_string(&mut piece).unwrap();
            pieces.push(piece);
        }
        pieces.join("|")
    });
    let mut client = server.connect();
    assert_eq!(client.post("/", b"abcde").text(), "ab|cd|e");
    client.send(CHUNKED_HEAD);
    client.send(chunked(b"abcde", 3));
    assert_eq!(client.response().text(), "ab|cd|e");
}

#[test]
fn a_body_is_read_by_lines_and_looked_at_where_it_is_whole_or_arriving() {
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        let mut looker = request.body();
        let first = *looker.fill_buf().unwrap().first().unwrap();
        // Looking takes nothing.
        drop(looker);
        let lines: Vec<usize> = request.body().lines().map(|line| line.unwrap().len()).collect();
        assert!(request.body().fill_buf().unwrap().is_empty());
        format!("{} {} {}", first as char, lines.len(), lines.iter().sum::<usize>())
    });
    for count in [3, 60_000] {
        let body = "a line of ham\n".repeat(count);
        let seen = format!("a {count} {}", count * 13);
        let mut client = server.connect();
        assert_eq!(client.post("/", body.as_bytes()).text(), seen);
        client.send(CHUNKED_HEAD);
        client.send(chunked(body.as_bytes(), 10_007));
        assert_eq!(client.response().text(), seen);
    }
}

#[test]
fn one_reader_looks_at_an_arriving_body_at_a_time() {
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        let mut looker = request.body();
        let here = looker.fill_buf().unwrap().len();
        assert_eq!(request.bytes().unwrap_err(), BodyError::InUse);
        let error = request.body().read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
        looker.consume(here);
        // Beyond what is there, there is nothing to be taken.
        looker.consume(usize::MAX);
        (here + request.bytes().unwrap().len()).to_string()
    });
    let mut client = server.connect();
    assert_eq!(client.post("/", &noise(LARGE)).text(), LARGE.to_string());
}

#[test]
fn a_reader_that_has_failed_keeps_nobody_from_the_reason() {
    let (tell, told) = mpsc::channel();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        let mut reader = request.body();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        tell.send((error.kind(), request.bytes().unwrap_err())).unwrap();
        drop(reader);
        Response::default()
    });
    let mut client = server.connect();
    client.send(post_head("/", LARGE));
    client.send(noise(LARGE - 10));
    client.finish_sending();
    assert_eq!(
        hear(&told),
        (std::io::ErrorKind::UnexpectedEof, BodyError::Disconnected)
    );
}

#[test]
fn a_handler_learns_that_the_client_of_its_body_is_gone() {
    let (tell, told) = mpsc::channel();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        tell.send(None).unwrap();
        let outcome = request.bytes().map(<[u8]>::len);
        tell.send(Some(outcome)).unwrap();
        Response::default()
    });
    for reset in [false, true] {
        let mut client = server.connect();
        client.send(post_head("/", LARGE));
        client.send(noise(LARGE - 10));
        assert_eq!(hear(&told), None);
        if reset {
            client.reset();
        } else {
            client.finish_sending();
            client.end_of_any_kind();
        }
        assert_eq!(hear(&told), Some(Err(BodyError::Disconnected)));
    }
}

#[test]
fn a_read_error_with_a_question_mark_becomes_its_status() {
    let limits = no_deadlines().body(LARGE as u64);
    let server = start(
        server().limits(limits),
        |request: &Request| -> hansel::Result<Response> {
            let mut body = Vec::new();
            request.body().read_to_end(&mut body)?;
            Ok(body.into_response())
        },
    );
    let mut client = server.connect();
    client.send(CHUNKED_HEAD);
    // The last chunk goes too far. The server closes when it sees so, maybe in the middle of this.
    let _ = client.try_send(chunked(&noise(LARGE + 1), 50_000));
    assert_eq!(client.response().status, 413);
    client.end();
}
