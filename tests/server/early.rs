//! Responses that begin before their handlers return, and bodies that are read on other threads.

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use hansel::{App, Body, Done, Limits, Request, Response, StatusCode};

use crate::support::{Gate, NEVER, OpenAtEnd, Running, get, hear, no_deadlines, post_head, server, start};

fn serve<K>(handler: impl hansel::dispatch::IntoDispatch<K>) -> Running {
    start(server().limits(no_deadlines()), App::new(handler).responds_early())
}

fn begin(request: &Request, len: Option<u64>) -> std::io::Result<hansel::ResponseWriter> {
    request.respond_now(Response::default().with_header("X-Early", "yes"), len)
}

#[test]
fn what_a_handler_writes_arrives_while_it_runs_and_the_connection_goes_on() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = serve(move |request: &Request| {
        let mut body = begin(request, None)?;
        write!(body, "one")?;
        at.pass();
        write!(body, "two")?;
        body.finish()
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(get("/"));
        let head = client.head();
        assert_eq!((head.status, head.field("X-Early")), (200, Some("yes")));
        assert_eq!(client.chunk(), b"one");
        gate.admit(1);
        assert_eq!(client.chunk(), b"two");
        assert_eq!(client.chunk(), b"");
    }
}

#[test]
fn what_can_be_gathered_needs_no_wait_and_the_rest_is_left_to_the_handler() {
    const PIECES: usize = 100;
    let piece = |index: usize| [b'a' + (index % 26) as u8; 1000];
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let server = serve(move |request: &Request| {
        let mut body = begin(request, Some(PIECES as u64 * 1000))?;
        assert!(body.try_write(b"")?);
        assert!(!body.try_write(&[0; 100_000])?, "it is sent from where it is");
        for index in 0..PIECES {
            if !body.try_write(&piece(index))? {
                count.fetch_add(1, Ordering::Relaxed);
                body.write_all(&piece(index))?;
            }
        }
        assert!(!body.try_write(b"more than was announced")?);
        body.finish()
    });
    let mut client = server.connect();
    client.send(get("/"));
    let response = client.response();
    assert_eq!(response.body, (0..PIECES).flat_map(piece).collect::<Vec<u8>>());
    assert_ne!(refused.load(Ordering::Relaxed), 0, "all of it does not fit");
}

#[test]
fn responses_come_in_order_to_requests_that_were_sent_together() {
    let server = serve(|request: &Request| {
        if request.path() == "/early" {
            let mut body = begin(request, Some(5))?;
            body.write_all(b"early")?;
            body.finish()?;
        }
        std::io::Result::Ok(Response::new("usual"))
    });
    let mut client = server.connect();
    let paths = ["/usual", "/early", "/early", "/usual", "/early"];
    client.send(paths.map(get).concat());
    for path in paths {
        let response = client.response();
        assert_eq!(response.text(), &path[1..]);
        assert_eq!(response.field("Content-Length"), Some("5"));
    }
}

#[test]
fn a_response_that_is_not_finished_is_cut_whatever_the_handler_returns() {
    let server = serve(|request: &Request| {
        let mut body = begin(request, request.query().map(|len| len.parse().unwrap()))?;
        write!(body, "part")?;
        match request.path() {
            "/panics" => panic!("on purpose"),
            "/drops" => Ok(Response::new("dropped")),
            "/short" => body.finish().map(|()| Response::default()),
            "/long" => write!(body, "and more").map(|()| Response::default()),
            _ => Err(std::io::Error::other("on purpose")),
        }
    });
    for target in ["/panics", "/drops", "/fails", "/short?9", "/long?5"] {
        let mut client = server.connect();
        client.send(get(target));
        assert_eq!(client.head().status, 200, "{target}");
        if target.contains('?') {
            assert_eq!(client.take(4), b"part");
        } else {
            assert_eq!(client.chunk(), b"part", "{target}");
        }
        client.end();
    }
}

#[test]
fn a_writer_belongs_to_its_call_on_any_thread() {
    let (give, given) = mpsc::channel();
    let server = serve(move |request: &Request| {
        let mut body = begin(request, None)?;
        if request.path() == "/kept" {
            write!(body, "kept")?;
            give.send(body).unwrap();
            return Ok(());
        }
        let writing = thread::spawn(move || write!(body, "elsewhere").and_then(|()| body.finish()));
        writing.join().unwrap()
    });
    let mut client = server.connect();
    assert_eq!(client.get("/").text(), "elsewhere");
    client.send(get("/kept"));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk(), b"kept");
    client.end();
    let mut body = hear(&given);
    assert!(!body.is_open());
    assert_eq!(write!(body, "late").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(body.finish().unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn head_has_the_head_alone_and_old_clients_read_to_the_end() {
    let server = serve(|request: &Request| {
        let mut body = begin(request, None)?;
        write!(body, "{}", request.method())?;
        body.finish()
    });
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().field("X-Early"), Some("yes"));
    assert_eq!(client.get("/").text(), "GET");
    let mut old = server.connect();
    old.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(old.response().text(), "GET");
}

#[test]
fn hooks_see_the_response_that_is_sent_once_and_who_waits_for_its_end_is_told() {
    let seen = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    let counted = Arc::clone(&seen);
    let handler = move |request: &Request| {
        let tell = tell.clone();
        let body = Body::empty().on_done(move |done| tell.send(done).unwrap());
        let mut body = request.respond_now(Response::new(body), None)?;
        write!(body, "ham")?;
        body.finish()?;
        std::io::Result::Ok(StatusCode::IM_A_TEAPOT)
    };
    let app = App::new(hansel::Routes::new().get("/ham", handler))
        .responds_early()
        .respond(move |seen, response| {
            counted.fetch_add(1, Ordering::SeqCst);
            assert_eq!(response.status(), 200);
            response.set_header("X-Pattern", seen.pattern().unwrap());
        });
    let server = start(server().limits(no_deadlines()), app);
    let mut client = server.connect();
    for count in 1..4 {
        let response = client.get("/ham");
        assert_eq!((response.status, response.text()), (200, "ham"));
        assert_eq!(response.field("X-Pattern"), Some("/ham"));
        assert_eq!(seen.load(Ordering::SeqCst), count);
        assert_eq!(hear(&told), Done::Sent);
    }
}

#[test]
fn a_body_is_read_on_another_thread_while_the_response_is_written() {
    let server = start(
        server().limits(no_deadlines().body_buffer(0)),
        App::new(|request: &Request| {
            let mut to = begin(request, None)?;
            let mut from = request.owned_body();
            let echo = move || {
                std::io::copy(&mut from, &mut to)?;
                to.finish()
            };
            thread::spawn(echo).join().unwrap()
        })
        .responds_early(),
    );
    let mut client = server.connect();
    client.send(post_head("/", 6));
    client.send("ham");
    assert_eq!(
        client.head().field("Connection"),
        Some("close"),
        "it responds before it has all"
    );
    assert_eq!(client.chunk(), b"ham");
    client.send("egg");
    assert_eq!(client.chunk(), b"egg");
    assert_eq!(client.chunk(), b"");
    client.end();
}

#[test]
fn one_thread_waits_for_the_body_while_another_waits_for_the_client_to_take_the_response() {
    const LARGE: usize = 8 * 1024 * 1024;
    let gate = Gate::new();
    let at = gate.clone();
    let app = App::new(move |request: &Request| {
        let mut from = request.owned_body();
        let at = at.clone();
        let reading = thread::spawn(move || {
            let mut whole = Vec::new();
            at.pass();
            from.read_to_end(&mut whole).map(|_| whole)
        });
        let mut to = begin(request, None)?;
        to.write_all(&vec![b'x'; LARGE])?;
        to.write_all(&reading.join().unwrap()?)?;
        to.finish()
    });
    let server = start(server().limits(no_deadlines().body_buffer(0)), app.responds_early());
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(post_head("/", 6));
    client.send("ham");
    gate.admit(1);
    assert_eq!(client.head().status, 200);
    // Whichever of the two is woken first, the other one is as well.
    assert_eq!(client.chunk().len(), LARGE);
    client.send("egg");
    assert_eq!(client.chunk(), b"hamegg");
    assert_eq!(client.chunk(), b"");
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told_so_before_the_response_or_not_at_all() {
    let handler = |request: &Request| {
        let is_read_first = request.path() == "/first";
        let read = || request.bytes().map(<[u8]>::len).unwrap_or(0);
        let first = if is_read_first { read() } else { 0 };
        let mut body = begin(request, None)?;
        let len = if is_read_first { first } else { read() };
        write!(body, "{len}")?;
        body.finish()
    };
    let app = App::new(handler).responds_early();
    let server = start(server().limits(no_deadlines().body_buffer(0)), app);
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = server.connect();
    client.send(head("/first"));
    assert_eq!(client.head().status, 100);
    client.send("ham");
    assert_eq!(client.response().text(), "3");
    client.send(head("/later"));
    client.send("ham");
    assert_eq!(client.response().text(), "3");
    client.end();
}

#[test]
fn an_owned_body_ends_with_its_call() {
    let (give, given) = mpsc::channel();
    let server = start(
        server().limits(no_deadlines().body_buffer(0)),
        move |request: &Request| {
            let mut body = request.owned_body();
            let mut first = [0; 3];
            body.read_exact(&mut first).unwrap();
            give.send(body).unwrap();
            first.to_vec()
        },
    );
    let mut client = server.connect();
    client.send(post_head("/", 6));
    client.send("ham");
    assert_eq!(client.response().text(), "ham");
    assert_eq!(
        hear(&given).read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionAborted
    );
}

#[test]
fn nobody_responds_early_who_has_not_said_so_or_has_begun_already() {
    let handler = |request: &Request| {
        let error = match begin(request, None) {
            Err(error) => error,
            Ok(mut body) => {
                let error = begin(request, None).unwrap_err();
                write!(body, "{:?}", error.kind())?;
                return body.finish().map(|()| String::new());
            }
        };
        Ok(format!("{:?}", error.kind()))
    };
    assert_eq!(serve(handler).connect().get("/").text(), "AlreadyExists");
    let server = start(server(), handler);
    assert_eq!(server.connect().get("/").text(), "Unsupported");
    let mounted = App::new(hansel::Routes::new().mount("/in", App::new(handler).responds_early()));
    let server = start(crate::support::server(), mounted);
    assert_eq!(
        server.connect().get("/in").text(),
        "AlreadyExists",
        "it says so for its parts"
    );
}

#[test]
fn a_drain_cuts_an_early_response_as_it_does_a_stream_and_an_overdue_handler_begins_none() {
    let gate = Gate::new();
    let at = gate.clone();
    let (tell, told) = mpsc::channel();
    let server = serve(move |request: &Request| {
        let mut body = begin(request, None)?;
        write!(body, "part")?;
        at.pass();
        tell.send(body.is_open()).unwrap();
        write!(body, "more")?;
        body.finish()
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert_eq!(client.chunk(), b"part");
    server.shutdown(NEVER);
    while std::net::TcpStream::connect(server.local_addr()).is_ok() {
        thread::yield_now();
    }
    gate.admit(1);
    assert!(!hear(&told));
    client.end();

    let gate = Gate::new();
    let at = gate.clone();
    let (tell, told) = mpsc::channel();
    let app = App::new(move |request: &Request| {
        at.pass();
        tell.send(begin(request, None).unwrap_err().kind()).unwrap();
    });
    let limits = Limits::new().handler(Some(std::time::Duration::from_millis(10)));
    let server = start(crate::support::server().limits(limits), app.responds_early());
    let _open = OpenAtEnd(&gate);
    assert_eq!(server.connect().get("/").status, 503);
    gate.admit(1);
    assert_eq!(hear(&told), ErrorKind::TimedOut);
}
