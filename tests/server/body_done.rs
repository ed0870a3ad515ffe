//! The end of a body is told once, whatever its client does.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hansel::{Body, Done, Request, Response};

use crate::support::{Running, get, hear, no_deadlines, server, start};

/// More than a client that does not read takes.
const LARGE: usize = 32 * 1024 * 1024;

/// Starts a server that tells what became of each body.
fn telling() -> (Running, Receiver<Done>) {
    let (tell, told): (Sender<Done>, _) = channel();
    let respond = move |request: &Request| {
        let body = match request.path() {
            "/text" => Body::from("text"),
            "/large" => Body::from(vec![b'x'; LARGE]),
            "/owned" => Body::owned(vec![b'x'; LARGE]),
            "/file" => Body::file(File::open(std::env::current_exe().unwrap()).unwrap()).unwrap(),
            "/stream" => Body::stream(|out| (0..LARGE / 1024).try_for_each(|_| out.write_all(&[b'x'; 1024]))),
            "/failing" => Body::stream(|_| Err(std::io::Error::other("out of crumbs"))),
            _ => Body::sized_stream(4, |out| out.write_all(b"four")),
        };
        let tell = tell.clone();
        Response::new(body.on_done(move |done| tell.send(done).unwrap()))
    };
    (start(server().limits(no_deadlines()), respond), told)
}

/// Nothing else was told, and nobody is left who could.
fn assert_over(server: Running, told: &Receiver<Done>) {
    drop(server);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), []);
}

#[test]
fn a_body_that_is_sent_whole_is_told_as_sent_once() {
    let (server, told) = telling();
    let mut client = server.connect();
    for path in ["/text", "/large", "/owned", "/file", "/stream", "/sized"] {
        assert!(!client.get(path).body.is_empty(), "{path}");
        assert_eq!(hear(&told), Done::Sent, "{path}");
    }
    // Several together.
    client.send([get("/text"), get("/sized"), get("/text")].concat());
    for _ in 0..3 {
        client.response();
        assert_eq!(hear(&told), Done::Sent);
    }
    assert_over(server, &told);
}

#[test]
fn a_body_that_head_does_not_ask_for_is_omitted() {
    let (server, told) = telling();
    let mut client = server.connect();
    for path in ["/text", "/large", "/owned", "/file", "/stream", "/sized"] {
        client.send(get(path).replace("GET", "HEAD"));
        assert_eq!(client.head().status, 200);
        assert_eq!(hear(&told), Done::Omitted, "{path}");
    }
    assert_over(server, &told);
}

#[test]
fn a_body_whose_client_leaves_is_given_up() {
    let (server, told) = telling();
    for path in ["/large", "/owned", "/stream"] {
        let mut client = server.connect();
        client.send(get(path));
        client.take(1);
        client.reset();
        assert_eq!(hear(&told), Done::GivenUp, "{path}");
    }
    assert_over(server, &told);
}

#[test]
fn a_body_that_its_program_or_the_end_of_the_server_breaks_off_is_given_up() {
    let (server, told) = telling();
    let mut clients = Vec::new();
    let mut client = server.connect();
    client.send(get("/failing"));
    client.end_of_any_kind();
    assert_eq!(hear(&told), Done::GivenUp);

    for path in ["/large", "/owned", "/stream"] {
        let mut client = server.connect();
        client.send(get(path));
        client.take(1);
        clients.push(client);
    }
    server.shutdown(Duration::ZERO);
    // A connection on its way back to a loop that has ended goes with the server.
    drop(server);
    let mut all: Vec<_> = clients.iter().map(|_| hear(&told)).collect();
    all.extend(told.try_iter());
    assert_eq!(all, [Done::GivenUp; 3]);
}
