//! Responses that are written while they are sent: streams and readers.

use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use hansel::{Body, BodyWriter, Request, Response, StatusCode, Version};

use crate::support::{Gate, NEVER, OpenAtEnd, Running, get, hear, no_deadlines, noise, server, start};

const PIECE: usize = 64 * 1024;

/// Serves whatever `write` writes, to every request.
fn streaming(write: impl Fn(&mut BodyWriter<'_>) -> io::Result<()> + Clone + Send + Sync + 'static) -> Running {
    start(server().limits(no_deadlines()), move |_: &Request| {
        let write = write.clone();
        Response::new(Body::stream(move |client| write(client))).with_header("Content-Type", "text/event-stream")
    })
}

/// Serves a stream that goes on until it fails, and tells how it failed.
fn endless() -> (Running, mpsc::Receiver<io::ErrorKind>) {
    let (tell, told) = mpsc::channel();
    let server = streaming(move |client| {
        let piece = noise(PIECE);
        loop {
            if let Err(error) = client.write_all(&piece) {
                tell.send(error.kind()).unwrap();
                return Err(error);
            }
        }
    });
    (server, told)
}

#[test]
fn events_from_a_plain_loop_arrive_one_by_one() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = streaming(move |client| {
        for tick in 0..5 {
            write!(client, "data: {tick}\n\n")?;
            at.pass();
        }
        Ok(())
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/"));
    let head = client.head();
    assert_eq!(head.field("Transfer-Encoding"), Some("chunked"));
    assert_eq!(head.field("Content-Type"), Some("text/event-stream"));
    for tick in 0..5 {
        // The next one is not even written before this one is here.
        assert_eq!(client.chunk(), format!("data: {tick}\n\n").into_bytes());
        gate.admit(1);
    }
    assert_eq!(client.chunk(), b"");
    client.send(get("/"));
    assert_eq!(client.head().status, 200, "the connection goes on");
}

#[test]
fn a_client_of_http_10_gets_a_stream_without_chunks_and_the_end() {
    let server = streaming(|client| {
        for word in ["one ", "two ", "three"] {
            client.write_all(word.as_bytes())?;
        }
        Ok(())
    });
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert_eq!(response.field("Transfer-Encoding"), None);
    assert_eq!(response.text(), "one two three");
    client.end();
}

#[test]
fn a_response_made_http_10_is_not_chunked_either() {
    let server = start(server(), |_: &Request| {
        let mut response = Response::new(Body::stream(|client| client.write_all(b"text")));
        response.set_version(Version::HTTP_10);
        response
    });
    let mut client = server.connect();
    client.send(get("/"));
    let response = client.response();
    assert_eq!((response.version.as_str(), response.text()), ("HTTP/1.0", "text"));
    client.end();
}

#[test]
fn buffered_writes_leave_together() {
    let server = streaming(|client| {
        let mut client = BufWriter::new(client);
        for n in 0..100 {
            write!(client, "{n},")?;
        }
        client.flush()
    });
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert!(client.chunk().ends_with(b"99,"));
    assert_eq!(client.chunk(), b"");
}

#[test]
fn pipelined_streams_keep_their_order() {
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        let path = request.path().to_owned();
        Response::new(Body::stream(move |client| {
            for _ in 0..3 {
                client.write_all(path.as_bytes())?;
            }
            Ok(())
        }))
    });
    let mut client = server.connect();
    for n in 0..50 {
        client.send(get(&format!("/{n}")));
    }
    client.finish_sending();
    for n in 0..50 {
        assert_eq!(client.response().text(), format!("/{n}").repeat(3));
    }
    client.end();
}

#[test]
fn head_runs_no_stream() {
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&has_run);
    let server = start(server(), move |request: &Request| {
        let runs = Arc::clone(&runs);
        let body = Body::stream(move |client| {
            runs.store(true, Ordering::SeqCst);
            client.write_all(b"text")
        });
        let status = if request.path() == "/none" {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::OK
        };
        Response::new(body).with_status(status)
    });
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.get("/none").status, 204);
    assert!(!has_run.load(Ordering::SeqCst));
    assert_eq!(client.get("/").text(), "text");
    assert!(has_run.load(Ordering::SeqCst));
}

#[test]
fn a_stream_waits_for_a_client_that_does_not_read_and_others_do_not() {
    // Far more than all buffers on the way.
    const PIECES: usize = 4000;
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        if request.path() == "/other" {
            return Response::new("other");
        }
        let counted = Arc::clone(&counted);
        Response::new(Body::stream(move |client| {
            let piece = [b'x'; PIECE];
            for _ in 0..PIECES {
                client.write_all(&piece)?;
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        }))
    });
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    for _ in 0..200 {
        assert_eq!(server.connect().get("/other").text(), "other");
    }
    let so_far = written.load(Ordering::SeqCst);
    assert!(so_far < PIECES / 2, "{so_far} pieces were written to nobody");
    for _ in 0..PIECES {
        assert_eq!(client.chunk().len(), PIECE);
    }
    assert_eq!(client.chunk(), b"");
}

#[test]
fn a_writer_learns_that_its_client_is_gone() {
    let (server, told) = endless();
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    client.chunk();
    client.reset();
    let kind = hear(&told);
    assert!(
        matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
        "{kind:?}"
    );
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.head().status, 200, "the server goes on");
}

#[test]
fn a_writer_between_two_writes_can_ask_whether_its_client_is_there() {
    let (tell, told) = mpsc::channel();
    let server = streaming(move |client| {
        client.write_all(b"x")?;
        while client.is_open() {
            std::thread::yield_now();
        }
        tell.send(()).unwrap();
        Ok(())
    });
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert_eq!(client.chunk(), b"x");
    client.reset();
    hear(&told);
}

#[test]
fn a_client_that_has_only_finished_sending_gets_its_stream_whole() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = streaming(move |client| {
        for _ in 0..100 {
            client.write_all(&noise(PIECE))?;
        }
        at.pass();
        assert!(client.is_open());
        client.write_all(b"the end")
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/"));
    client.finish_sending();
    client.head();
    for _ in 0..100 {
        assert_eq!(client.chunk().len(), PIECE);
    }
    gate.admit(1);
    assert_eq!(client.chunk(), b"the end");
    assert_eq!(client.chunk(), b"");
    client.end();
}

#[test]
fn a_writer_learns_that_the_server_drains() {
    let (server, told) = endless();
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    client.chunk();
    server.shutdown(NEVER);
    assert_eq!(hear(&told), io::ErrorKind::ConnectionAborted);
    client.end_of_any_kind();
    assert_eq!(server.wait().cut, 0);
}

#[test]
fn a_stream_that_begins_while_the_server_drains_is_ended_too() {
    let (tell, told) = mpsc::channel();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        let tell = tell.clone();
        let _ = request.bytes();
        Response::new(Body::stream(move |client| {
            loop {
                if let Err(error) = client.write_all(b"tick") {
                    tell.send(error.kind()).unwrap();
                    return Err(error);
                }
            }
        }))
    });
    let mut idle = server.connect();
    idle.send(get("/none"));
    idle.head();
    idle.chunk();
    drop(idle);
    hear(&told);

    // Its request is still arriving when the drain begins.
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nab");
    let mut other = server.connect();
    other.send("GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n");
    other.head();
    server.shutdown(NEVER);
    assert_eq!(hear(&told), io::ErrorKind::ConnectionAborted);
    client.send("c");
    assert_eq!(hear(&told), io::ErrorKind::ConnectionAborted);
    client.end_of_any_kind();
    assert_eq!(server.wait().cut, 0);
}

#[test]
fn a_stream_that_fails_is_never_taken_for_whole() {
    let server = streaming(|client| {
        client.write_all(b"a part")?;
        Err(io::Error::other("no more"))
    });
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert_eq!(client.chunk(), b"a part");
    assert_eq!(client.end_of_any_kind(), b"", "no last chunk");
}

#[test]
fn a_client_that_stalls_is_given_up() {
    let (tell, told) = mpsc::channel();
    let limits = no_deadlines().transfer_time(Duration::from_millis(20)).rate(u32::MAX);
    let server = start(server().limits(limits), move |_: &Request| {
        let tell = tell.clone();
        Response::new(Body::stream(move |client| {
            let piece = noise(PIECE);
            loop {
                if let Err(error) = client.write_all(&piece) {
                    tell.send(error.kind()).unwrap();
                    return Err(error);
                }
            }
        }))
    });
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(hear(&told), io::ErrorKind::TimedOut);
    client.end_of_any_kind();
}

#[test]
fn readers_are_sent_whole() {
    let content = noise(300_000);
    let served = content.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        let reader = io::Cursor::new(served.clone());
        Response::new(match request.path() {
            "/sized" => Body::sized_reader(reader, served.len() as u64),
            "/part" => Body::sized_reader(reader, 1000),
            "/none" => Body::sized_reader(reader, 0),
            _ => Body::reader(reader),
        })
    });
    let mut client = server.connect();
    let unsized_response = client.get("/unsized");
    assert_eq!(unsized_response.field("Transfer-Encoding"), Some("chunked"));
    assert_eq!(unsized_response.body, content);
    let sized = client.get("/sized");
    assert_eq!(sized.field("Content-Length"), Some("300000"));
    assert_eq!(sized.body, content);
    assert_eq!(client.get("/part").body, content[..1000]);
    assert_eq!(client.get("/none").body, b"");
    client.send("GET /unsized HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().body, content);
    client.end();
}

#[test]
fn a_reader_that_ends_early_or_fails_breaks_the_connection_off() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken disk"))
        }
    }
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        Response::new(match request.path() {
            "/early" => Body::sized_reader(&b"a part"[..], 100),
            _ => Body::reader(b"a part".chain(Failing)),
        })
    });
    let mut early = server.connect();
    early.send(get("/early"));
    assert_eq!(early.head().field("Content-Length"), Some("100"));
    assert_eq!(early.end_of_any_kind(), b"a part");
    let mut failing = server.connect();
    failing.send(get("/failing"));
    failing.head();
    assert_eq!(failing.chunk(), b"a part");
    assert_eq!(failing.end_of_any_kind(), b"", "no last chunk");
}

/// Serves a stream at each path that waits until its client is gone, and says so by its path.
fn waiting(server: hansel::Server) -> (Running, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let running = start(server.limits(no_deadlines()), move |request: &Request| {
        let (tell, path) = (tell.clone(), request.path().to_owned());
        if path == "/other" {
            return Response::new("other");
        }
        Response::new(Body::stream(move |client| {
            client.write_all(b"x")?;
            while client.wait(NEVER) {}
            assert!(!client.is_open());
            tell.send(path).unwrap();
            Ok(())
        }))
    });
    (running, told)
}

#[test]
fn a_stream_that_only_waits_learns_that_its_client_is_gone() {
    let (server, told) = waiting(server());
    let mut client = server.connect();
    // On a connection that has been used, as on a new one.
    for path in ["/new", "/used"] {
        if path == "/used" {
            client = server.connect();
            assert_eq!(client.get("/other").text(), "other");
        }
        client.send(get(path));
        client.head();
        assert_eq!(client.chunk(), b"x");
        client.reset();
        assert_eq!(hear(&told), path);
        client = server.connect();
    }
}

#[test]
fn a_stream_that_only_waits_learns_that_its_client_has_closed_in_order() {
    let (server, told) = waiting(server());
    let mut client = server.connect();
    client.send(get("/closed"));
    client.head();
    assert_eq!(client.chunk(), b"x");
    // Everything has been read: this is no reset.
    drop(client);
    assert_eq!(hear(&told), "/closed");
}

#[test]
fn a_client_that_sends_no_more_is_there_and_gets_whole_chunks_and_the_connection_ends_in_order() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = streaming(move |client| {
        client.write_all(b"x")?;
        at.pass();
        for _ in 0..100 {
            assert!(client.wait(Duration::from_micros(10)) && client.is_open());
        }
        client.write_all(b"the end")
    });
    let _open = OpenAtEnd(&gate);
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert_eq!(client.chunk(), b"x");
    client.finish_sending();
    gate.admit(1);
    assert_eq!(client.chunk(), b"the end");
    assert_eq!(client.chunk(), b"");
    client.end();
}

#[test]
fn a_stream_that_waits_learns_that_the_server_drains() {
    let (server, told) = waiting(server());
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    // Else it may learn it where it writes.
    assert_eq!(client.chunk(), b"x");
    server.shutdown(NEVER);
    assert_eq!(hear(&told), "/");
    assert_eq!(server.wait().cut, 0);
}

#[test]
#[cfg(unix)]
fn a_stream_that_only_waits_learns_that_its_client_has_closed_a_unix_socket() {
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("waiting.sock");
    let _ = std::fs::remove_file(&path);
    let (_server, told) = waiting(hansel::Server::unix(&path, 0o600).unwrap().loops(1).quiet());
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.write_all(get("/unix").as_bytes()).unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"1\r\nx\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        received.extend(byte);
    }
    drop(client);
    assert_eq!(hear(&told), "/unix");
}

#[test]
fn head_waits_for_no_place_of_streams() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().threads(2).limits(no_deadlines()), move |_: &Request| {
        let at = at.clone();
        Response::new(Body::stream(move |client| {
            client.write_all(b"x")?;
            at.pass();
            Ok(())
        }))
    });
    let _open = OpenAtEnd(&gate);
    let mut first = server.connect();
    first.send(get("/"));
    first.head();
    gate.await_arrived(1);
    let mut second = server.connect();
    second.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(second.head().status, 200);
    // The stream has kept its place meanwhile.
    gate.admit(1);
    assert_eq!((first.chunk(), first.chunk()), (b"x".to_vec(), Vec::new()));
}
