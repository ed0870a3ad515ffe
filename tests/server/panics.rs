//! Panics wherever the program's code may have one: the response is a 500 or none, and everything else goes on.

use std::io::Write;
use std::thread;

use hansel::{Body, IntoResponse, Request, Response};

use crate::support::{Client, Gate, OpenAtEnd, Running, get, no_deadlines, noise, server, start};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("dropped a bomb, as asked");
        }
    }
}

/// Passes a gate when it is dropped.
struct Slow(Gate);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.pass();
    }
}

/// Panics when it becomes a response.
struct Refusing;

impl IntoResponse for Refusing {
    fn into_response(self) -> Response {
        panic!("no response, as asked")
    }
}

/// Every way to panic that a handler has, by path.
fn panicking(request: &Request) -> Response {
    match request.path() {
        "/handler" => panic!("as asked"),
        "/blocking" => hansel::blocking(|| panic!("as asked")),
        "/into" => Refusing.into_response(),
        "/stream" => Response::new(Body::stream(|client| {
            client.write_all(b"a part")?;
            panic!("as asked")
        })),
        "/context" => {
            request.set(Bomb);
            "fine so far".into_response()
        }
        "/unused-stream" => {
            // Never run, for HEAD, but dropped.
            let bomb = Bomb;
            Response::new(Body::stream(move |client| {
                let _bomb = &bomb;
                client.write_all(b"text")
            }))
        }
        path => path.to_owned().into_response(),
    }
}

/// The server is as good as new.
fn assert_unharmed(server: &Running) {
    for _ in 0..10 {
        let mut client = server.connect();
        assert_eq!(client.get("/one").text(), "/one");
        assert_eq!(client.get("/two").text(), "/two");
    }
}

#[test]
fn a_panic_in_a_handler_is_a_500_and_its_connection_goes_on() {
    let server = start(server().limits(no_deadlines()), panicking);
    let mut client = server.connect();
    for path in ["/handler", "/blocking"] {
        for _ in 0..20 {
            let response = client.get(path);
            assert_eq!((response.status, response.text()), (500, "Internal Server Error"));
            assert_eq!(client.get("/after").text(), "/after");
        }
    }
    assert_unharmed(&server);
}

#[test]
fn a_panic_while_a_response_is_made_is_a_500() {
    let server = start(server().limits(no_deadlines()), |_: &Request| Refusing);
    let mut client = server.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 500);
    }
}

#[test]
fn a_panic_in_a_stream_breaks_its_connection_off() {
    let server = start(server().limits(no_deadlines()), panicking);
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(get("/stream"));
        assert_eq!(client.head().status, 200);
        assert_eq!(client.chunk(), b"a part");
        assert_eq!(client.end_of_any_kind(), b"", "no last chunk");
    }
    assert_unharmed(&server);
}

/// Asks for `request` in all the ways that may drop what a handler leaves in different places.
fn asked_every_way(server: &Running, method: &str, path: &str) {
    for ending in [
        "",
        "Connection: close\r\n",
        "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a.test\r\n{ending}\r\n"));
        client.finish_sending();
        check_ending(&client.end_of_any_kind());
        assert_unharmed(server);
    }
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        // The client is gone when the response comes.
        let mut client = server.connect();
        client.send(format!("{method} {path} {version}\r\nHost: a.test\r\n\r\n"));
        client.reset();
        assert_unharmed(server);
    }
}

/// Nothing, or a response.
fn check_ending(received: &[u8]) {
    assert!(
        received.is_empty() || received.starts_with(b"HTTP/1.1 "),
        "{received:?}"
    );
}

#[test]
fn a_panic_where_a_context_value_is_dropped_harms_nobody_else() {
    let server = start(server().limits(no_deadlines()), panicking);
    asked_every_way(&server, "GET", "/context");
    asked_every_way(&server, "HEAD", "/context");
}

#[test]
fn a_panic_where_an_unused_stream_is_dropped_harms_nobody_else() {
    let server = start(server().limits(no_deadlines()), panicking);
    asked_every_way(&server, "HEAD", "/unused-stream");
    asked_every_way(&server, "GET", "/unused-stream");
}

#[test]
fn a_context_value_may_block_where_it_is_dropped() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        if request.path() == "/slow" {
            request.set(Slow(at.clone()));
        }
        request.path().to_owned()
    });
    let _open = OpenAtEnd(&gate);
    for (n, ending) in ["", "Connection: close\r\n"].into_iter().enumerate() {
        let mut slow = server.connect();
        slow.send(format!("GET /slow HTTP/1.1\r\nHost: a.test\r\n{ending}\r\n"));
        gate.await_arrived(n + 1);
        assert_eq!(server.connect().get("/other").text(), "/other");
        gate.admit(1);
        assert_eq!(slow.response().text(), "/slow");
    }
}

#[test]
fn a_context_value_may_block_where_it_is_dropped_behind_a_stream_that_has_failed() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        if request.path() != "/slow" {
            return "other".into_response();
        }
        request.set(Slow(at.clone()));
        Response::new(Body::stream(|client| {
            client.write_all(b"a part")?;
            Err(std::io::Error::other("no more"))
        }))
    });
    let _open = OpenAtEnd(&gate);
    let mut slow = server.connect();
    slow.send(get("/slow"));
    gate.await_arrived(1);
    assert_eq!(server.connect().get("/other").text(), "other");
    gate.admit(1);
    slow.head();
    assert_eq!(slow.chunk(), b"a part");
    assert_eq!(slow.end_of_any_kind(), b"");
}

#[test]
fn neighbours_of_panics_are_all_answered() {
    let server = start(server().loops(2).limits(no_deadlines()), panicking);
    thread::scope(|scope| {
        for bad in ["/handler", "/blocking", "/stream", "/context", "/unused-stream"] {
            let server = &server;
            scope.spawn(move || {
                for _ in 0..50 {
                    let mut client = server.connect();
                    let method = if bad == "/unused-stream" { "HEAD" } else { "GET" };
                    client.send(format!("{method} {bad} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
                    client.finish_sending();
                    client.end_of_any_kind();
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client: Client = server.connect();
                for n in 0..500 {
                    let path = format!("/{n}");
                    assert_eq!(client.get(&path).text(), path);
                }
            });
        }
    });
}

#[test]
fn responses_to_earlier_pipelined_requests_survive_a_panic_behind_them() {
    let server = start(server().limits(no_deadlines()), panicking);
    let mut client = server.connect();
    client.send(format!(
        "{}{}{}{}",
        get("/1"),
        get("/handler"),
        get("/2"),
        get("/stream")
    ));
    assert_eq!(client.response().text(), "/1");
    assert_eq!(client.response().status, 500);
    assert_eq!(client.response().text(), "/2");
    client.head();
    assert_eq!(client.chunk(), b"a part");
    assert_eq!(client.end_of_any_kind(), b"");
}

#[test]
fn responses_that_are_whole_survive_a_panic_in_a_drop_behind_them() {
    let server = start(server().limits(no_deadlines()), panicking);
    for _ in 0..20 {
        let mut client = server.connect();
        let behind = get("/never");
        client.send([get("/1"), get("/2"), get("/context"), behind].concat());
        assert_eq!(client.response().text(), "/1");
        assert_eq!(client.response().text(), "/2");
        assert_eq!(client.response().text(), "fine so far", "it is whole");
        client.end();
    }
    assert_unharmed(&server);
}

#[test]
fn a_response_longer_than_its_buffer_survives_the_panic_in_its_own_drop() {
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        request.set(Bomb);
        noise(1_000_000)
    });
    let mut client = server.connect();
    client.send([get("/"), get("/never")].concat());
    assert!(client.response().body == noise(1_000_000));
    client.end();
}

#[test]
fn a_body_that_is_dropped_unused_and_panics_takes_no_earlier_response_with_it() {
    let server = start(server().limits(no_deadlines()), panicking);
    let head = "HEAD /unused-stream HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut client = server.connect();
    client.send([&get("/1"), head, &get("/never")].concat());
    assert_eq!(client.response().text(), "/1");
    assert_eq!(client.head().status, 200);
    client.end();
}

#[test]
fn every_value_of_a_request_is_dropped_however_many_panic_and_never_with_the_loop_held() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        if request.path() == "/bombs" {
            for _ in 0..3 {
                request.set((Slow(at.clone()), Bomb));
            }
        }
        "fine so far"
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/bombs"));
    for n in 1..=3 {
        gate.await_arrived(n);
        assert_eq!(
            server.connect().get("/other").text(),
            "fine so far",
            "drop {n} holds up others"
        );
        gate.admit(1);
    }
    assert_eq!(client.response().text(), "fine so far");
    client.end();
}
