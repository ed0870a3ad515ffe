//! Connections that handlers take over.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use hansel::{Method, Request, Response, Routes, StatusCode};

use crate::support::{Running, get, hear, no_deadlines, server, start};

fn echo() -> Response {
    Response::upgrade("echo", |mut stream| {
        let mut buffer = [0; 1000];
        loop {
            match stream.read(&mut buffer)? {
                0 => return stream.write_all(b"bye"),
                n => stream.write_all(&buffer[..n])?,
            }
        }
    })
}

fn echoing() -> Running {
    start(server().limits(no_deadlines()), Routes::new().get("/", echo))
}

const OPENING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: other, Echo\r\n\r\n";

#[test]
fn a_handler_has_the_connection_with_what_came_behind_the_request() {
    let server = echoing();
    let mut client = server.connect();
    client.send([OPENING, "early"].concat());
    let head = client.head();
    assert_eq!((head.status, head.field("Upgrade")), (101, Some("echo")));
    assert_eq!(head.field("Connection"), Some("upgrade"));
    assert_eq!(client.take(5), b"early");
    let long = vec![7; 3_000_000];
    let sent = long.clone();
    std::thread::scope(|scope| {
        let sender = client.stream.try_clone().unwrap();
        scope.spawn(move || (&sender).write_all(&sent).unwrap());
        assert!(client.take(long.len()) == long);
    });
    client.finish_sending();
    assert_eq!(client.rest(), b"bye");
}

#[test]
fn who_asks_for_no_such_protocol_is_told_which_there_is() {
    let server = echoing();
    let mut client = server.connect();
    client.send(get("/"));
    let response = client.response();
    assert_eq!((response.status, response.field("Upgrade")), (426, Some("echo")));
    client.send(OPENING.replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(client.response().status, 426);
}

#[test]
fn a_tunnel_is_the_response_to_connect_and_goes_both_ways_at_once() {
    let handler = |request: &Request| {
        if *request.method() != Method::CONNECT {
            return Response::tunnel(|_| Ok(()));
        }
        if request.target() != "there:1" {
            return Response::new("not there").with_status(StatusCode::FORBIDDEN);
        }
        Response::tunnel(|stream| {
            let (mut reading, mut writing) = (stream.clone(), stream);
            std::thread::scope(|scope| {
                let reader = scope.spawn(move || {
                    let mut all = Vec::new();
                    reading.read_to_end(&mut all).map(|_| all)
                });
                writing.write_all(b"first ")?;
                let all = reader.join().unwrap()?;
                writing.write_all(&all)
            })
        })
    };
    let server = start(server().limits(no_deadlines()), handler);
    let mut client = server.connect();
    client.send("CONNECT there:1 HTTP/1.1\r\nHost: there:1\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(
        (head.field("Content-Length"), head.field("Transfer-Encoding")),
        (None, None)
    );
    assert_eq!(client.take(6), b"first ");
    client.send("second");
    client.finish_sending();
    assert_eq!(client.rest(), b"second");

    let mut client = server.connect();
    client.send("CONNECT elsewhere:1 HTTP/1.1\r\nHost: elsewhere:1\r\n\r\n");
    assert_eq!(client.response().status, 403);
    assert_eq!(server.connect().get("/").status, 500, "it is no CONNECT");
}

#[test]
fn a_drain_ends_reading_and_what_is_written_then_arrives() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let routes = Routes::new().get("/", move || {
        let tell = tell.lock().unwrap().clone();
        Response::upgrade("echo", move |mut stream| {
            tell.send(None).unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            tell.send(Some(error.kind())).unwrap();
            stream.write_all(b"the end")
        })
    });
    let server = start(server().limits(no_deadlines()), routes);
    let mut client = server.connect();
    client.send(OPENING);
    assert_eq!(client.head().status, 101);
    assert_eq!(hear(&told), None);
    server.shutdown(Duration::from_secs(20));
    assert_eq!(hear(&told), Some(io::ErrorKind::ConnectionAborted));
    assert_eq!(client.rest(), b"the end");
}

#[test]
fn a_clone_that_waits_in_another_thread_ends_with_the_program_however_that_ends() {
    for panics in [false, true] {
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let routes = Routes::new().get("/", move || {
            let tell = tell.lock().unwrap().clone();
            Response::upgrade("echo", move |stream| {
                let mut clone = stream.clone();
                std::thread::spawn(move || tell.send(clone.read(&mut [0]).unwrap_err().kind()).unwrap());
                assert!(!panics, "on purpose");
                Ok(())
            })
        });
        let server = start(server().limits(no_deadlines()), routes);
        let mut client = server.connect();
        client.send(OPENING);
        assert_eq!(client.head().status, 101);
        assert_eq!(hear(&told), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn they_take_the_places_of_streams_and_no_thread_is_left_behind() {
    let server = start(
        server().limits(no_deadlines()).threads(2),
        Routes::new().get("/", echo).get("/page", || "here"),
    );
    let mut first = server.connect();
    first.send(OPENING);
    assert_eq!(first.head().status, 101);
    let mut second = server.connect();
    second.send(OPENING);
    assert_eq!(
        server.connect().get("/page").text(),
        "here",
        "the second waits for a place"
    );
    drop(first);
    assert_eq!(second.head().status, 101);
}
