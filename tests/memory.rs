//! The most memory that a connection uses, whatever its client does, as `Limits` and SECURITY.md promise it.
//!
//! A separate binary, because the allocator counts for the whole process.

use std::alloc::System;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hansel::{Handle, Limits, Request, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PATIENCE: Duration = Duration::from_secs(30);
const NEVER: Duration = Duration::from_secs(3600);

const KIB: usize = 1024;
/// Connections of each kind. What the server has besides is little for each of so many: on a busy machine, 64 KiB for one more
/// thread that answers.
const CONNECTIONS: usize = 64;
/// The same, where only a KiB is promised for each.
const CONNECTIONS_AT_REST: usize = 256;

/// The promise: for a request that is arriving, its head and its body, three times its target, and so much besides.
const ARRIVING: usize = (32 + 64 + 3 * 8 + 16) * KIB;
/// For responses that the client does not take.
const UNREAD: usize = 64 * KIB + 24 * KIB;
/// For a connection that rests, or has sent the beginning of a head.
const RESTING: usize = KIB;

#[test]
fn a_connection_has_no_more_memory_than_is_promised() {
    let limits = Limits::new().head_time(NEVER).transfer_time(NEVER).idle(NEVER);
    let long_head = |framing: &str| {
        // A target of as many segments as there can be, and fields up to the limit.
        let begin = format!(
            "POST /{} HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n",
            "/".repeat(8 * KIB - 2)
        );
        let fields: String = (0..97).map(|n| format!("X-{n}: {}\r\n", "x".repeat(230))).collect();
        let filler = "x".repeat(32 * KIB - begin.len() - fields.len() - 9);
        format!("{begin}{fields}Y: {filler}\r\n\r\n")
    };
    let body = "x".repeat(64 * KIB - 1);
    let announced = long_head("Content-Length: 65536");
    let in_chunks = long_head("Transfer-Encoding: chunked");
    let chunks: String = (0..64 * KIB - 1).map(|_| "1\r\nx\r\n").collect();
    let answered = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (kind, sent, most) in [
        ("nothing", String::new(), RESTING),
        ("a request that is answered", answered.to_owned(), RESTING),
        (
            "the beginning of a head",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: ".to_owned(),
            RESTING,
        ),
        ("half a head", announced[..32 * KIB - 100].to_owned(), ARRIVING),
        ("a head", announced.clone(), ARRIVING),
        ("half a body", format!("{announced}{body}"), ARRIVING),
        (
            "half a body in one chunk",
            format!("{in_chunks}{:x}\r\n{body}", 64 * KIB),
            ARRIVING,
        ),
        ("half a body in chunks", format!("{in_chunks}{chunks}"), ARRIVING),
        ("requests without end", answered.repeat(4000), UNREAD),
    ] {
        // One for each kind: what a server has been used for it keeps for a while, for the next one who needs it.
        let server = Server::bind("127.0.0.1:0").unwrap().loops(1).limits(limits.clone());
        let server = server.quiet().spawn(|_: &Request| vec![b'x'; 8 * KIB - 500]).unwrap();
        let connections = if most == RESTING {
            CONNECTIONS_AT_REST
        } else {
            CONNECTIONS
        };
        let held = held_by(&server, connections, sent.as_bytes());
        server.shutdown(Duration::ZERO);
        server.wait();
        println!("{kind}: {held} bytes");
        assert!(
            held <= most,
            "{kind}: {held} bytes for each connection, {most} are promised"
        );
    }
}

/// How many bytes the server comes to have for each connection that sends this and reads nothing.
fn held_by(server: &Handle, connections: usize, sent: &[u8]) -> usize {
    let mut probe = connect(server);
    probe.set_nonblocking(false).unwrap();
    // It has all that it keeps anyway.
    for _ in 0..100 {
        ask(&mut probe);
    }
    let mut clients: Vec<_> = (0..connections).map(|_| (connect(server), 0)).collect();
    let before = held();
    let (mut most, mut quiet) = (0, 0);
    let until = Instant::now() + PATIENCE;
    // Until the server takes no more.
    while quiet < 50 {
        assert!(Instant::now() < until, "it goes on and on");
        quiet += 1;
        for (client, done) in &mut clients {
            match client.write(&sent[*done..]) {
                Ok(0) => {}
                Ok(n) => (*done, quiet) = (*done + n, 0),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            // One at a time: what a connection needs only while something is under way goes to the next one.
            ask(&mut probe);
        }
        let now = held().saturating_sub(before);
        if now > most {
            (most, quiet) = (now, 0);
        }
    }
    most / connections
}

fn connect(server: &Handle) -> TcpStream {
    let client = TcpStream::connect(server.local_addr()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

/// Has a request answered, so that the server has seen to what came before it.
fn ask(client: &mut TcpStream) {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    let mut received = Vec::with_capacity(16 * KIB);
    let mut piece = [0; 4 * KIB];
    while !received.ends_with(b"xxxx") || received.len() < 8 * KIB - 500 {
        let n = client.read(&mut piece).unwrap();
        assert!(n > 0);
        received.extend_from_slice(&piece[..n]);
    }
}

/// What is allocated at this moment.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}
