//! The plain path allocates nothing per request, measured from outside: requests over a real socket.
//!
//! A separate binary, because the allocator counts for the whole process. (A counting allocator cannot be written
//! without `unsafe`, which is forbidden here, so this one comes from a crate.)

use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hansel::{Request, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests in a row. An allocation per request would show so many times.
const ROW: usize = 1000;

/// How many rows are tried. Things that are not done per request may allocate in some of them: the
/// watch when it looks at a handler that the system has interrupted, say.
const ROWS: usize = 20;

#[test]
fn the_plain_path_allocates_nothing_per_request() {
    let server = Server::bind("127.0.0.1:0").unwrap().loops(1).quiet();
    let server = server.spawn(respond).unwrap();
    let get = b"GET /hello/world?x=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
    let post = b"POST /hello/world HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\nContent!";
    let escaped = b"GET /hell%6F/w%C3%B6r%2Fld HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (name, request) in [("GET", &get[..]), ("POST", post), ("escaped GET", escaped)] {
        for pipelined in [1, 10] {
            let mut stream = TcpStream::connect(server.local_addr()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let requests = request.repeat(pipelined);
            let fewest = (0..ROWS).map(|_| allocations(&mut stream, &requests, pipelined)).min();
            // Not 0: on a machine with a load of twenty, the watch finds something to look at in every row. One for
            // each request would be a whole row of them at least.
            assert!(
                fewest.is_some_and(|fewest| fewest < ROW / 10),
                "{fewest:?} allocations in {ROW} times {pipelined} {name} requests"
            );
        }
    }
    server.shutdown(Duration::ZERO);
    server.wait();
}

fn respond(request: &Request) -> &'static str {
    assert_eq!(request.segments().count(), 2);
    assert!(request.header("host").is_some());
    assert!(request.bytes().is_ok());
    "Hello, world!"
}

/// How often anybody allocates while a row of requests is answered, a few at a time.
fn allocations(stream: &mut TcpStream, requests: &[u8], pipelined: usize) -> usize {
    let mut received = [0; 4096];
    let region = Region::new(ALLOCATOR);
    for _ in 0..ROW {
        stream.write_all(requests).unwrap();
        let mut responses = 0;
        let mut filled = 0;
        while responses < pipelined {
            let n = stream.read(&mut received[filled..]).unwrap();
            assert!(n > 0, "the connection ended");
            filled += n;
            responses = received[..filled]
                .windows(13)
                .filter(|bytes| bytes == b"Hello, world!")
                .count();
        }
        assert_eq!(responses, pipelined);
    }
    let change = region.change();
    change.allocations + change.reallocations
}
