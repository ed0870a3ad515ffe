//! Readers and streams.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hansel::test::Client;
use hansel::{App, Body, Compression, Request, Response, Routes, Server};

use super::{decoded, text};

fn app(body: impl Fn() -> Body + Send + Sync + 'static) -> App {
    let events = move || Response::new(body()).with_header("Content-Type", "text/event-stream");
    App::new(Compression::new().on(Routes::new().get("/", events)))
}

fn accepting(codings: &str) -> Request {
    Request::get("/").with_header("Accept-Encoding", codings)
}

fn decoder<'r>(coding: &str, source: impl Read + 'r) -> Box<dyn Read + 'r> {
    match coding {
        "br" => Box::new(brotli::Decompressor::new(source, 4096)),
        _ => Box::new(flate2::read::GzDecoder::new(source)),
    }
}

#[test]
fn readers_and_streams_arrive_whole() {
    let bodies: [fn() -> Body; 3] = [
        || Body::reader(io::Cursor::new(text())),
        || Body::sized_reader(io::Cursor::new(text()), text().len() as u64),
        || {
            Body::stream(|client| {
                let text = text();
                text.split_inclusive('\n').try_for_each(|line| write!(client, "{line}"))
            })
        },
    ];
    for body in bodies {
        for coding in ["gzip", "br"] {
            let response = Client::new(app(body)).send(accepting(coding));
            assert_eq!(response.header("Content-Encoding"), Some(coding));
            assert_eq!(response.header("Content-Length"), None);
            assert!(response.is_whole());
            assert!(decoded(&response) == text().as_bytes());
        }
    }
    let empty = Client::new(app(|| Body::stream(|_| Ok(())))).send(accepting("br"));
    assert_eq!(decoded(&empty), b"");
    let short = Client::new(app(|| Body::sized_reader(&b"short"[..], 5))).send(accepting("br"));
    assert_eq!(short.header("Content-Encoding"), None, "its length is known");
}

#[test]
fn a_stream_that_fails_has_no_end_for_a_decoder_either() {
    let body = || {
        Body::stream(|client| {
            client
                .write_all(text().as_bytes())
                .and(Err(io::Error::other("no more")))
        })
    };
    for coding in ["gzip", "br"] {
        let response = Client::new(app(body)).send(accepting(coding));
        assert!(!response.is_whole());
        let mut decoded = Vec::new();
        assert!(decoder(coding, response.bytes()).read_to_end(&mut decoded).is_err());
        assert!(decoded == text().as_bytes(), "all that was written has arrived");
    }
}

/// Writes one event for each message, and ends with the sender.
fn events(go_on: Receiver<()>) -> impl Fn() -> Body + Send + Sync {
    let go_on = Mutex::new(Some(go_on));
    move || {
        let go_on = go_on.lock().unwrap().take().unwrap();
        Body::stream(move |client| {
            for number in 0.. {
                write!(client, "data: {number}\n\n")?;
                if go_on.recv().is_err() {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn read_event(source: &mut dyn Read, number: usize) {
    let expected = format!("data: {number}\n\n");
    let mut event = vec![0; expected.len()];
    source.read_exact(&mut event).unwrap();
    assert_eq!(String::from_utf8(event).unwrap(), expected);
}

/// Reads a few events, each of which is written once the one before was read, and the end.
fn read_events(source: &mut dyn Read, go_on: Sender<()>) {
    for number in 0..3 {
        read_event(source, number);
        go_on.send(()).unwrap();
    }
    read_event(source, 3);
    drop(go_on);
    assert_eq!(source.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn each_event_arrives_before_the_next_is_written() {
    for coding in ["gzip", "br"] {
        let (send, go_on) = channel();
        let stream = Client::new(app(events(go_on))).open(accepting(coding));
        assert_eq!(stream.response().header("Content-Encoding"), Some(coding));
        let mut source = decoder(coding, stream);
        read_events(&mut *source, send);
    }
}

#[test]
fn each_event_crosses_a_socket_before_the_next_is_written() {
    for coding in ["gzip", "br"] {
        let (send, go_on) = channel();
        let server = Server::bind("127.0.0.1:0")
            .unwrap()
            .loops(1)
            .quiet()
            .spawn(app(events(go_on)))
            .unwrap();
        let mut socket = TcpStream::connect(server.local_addr()).unwrap();
        // HTTP/1.0 has no chunks, so the body is all that follows the head.
        write!(socket, "GET / HTTP/1.0\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains(&format!("\r\nContent-Encoding: {coding}\r\n")), "{head}");
        let mut source = decoder(coding, socket);
        read_events(&mut *source, send);
        drop(source);
        server.shutdown(Duration::ZERO);
        server.wait();
    }
}
