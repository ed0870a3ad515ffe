//! Extreme limits: nothing breaks, and requests within them get responses.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use hansel::{Body, IntoResponse, Limits, Request, Response};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{Client, NEVER, PATIENCE, Running, get, no_deadlines, noise, post, server, start};

/// The times that are hardest to add to others.
const TIMES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_millis(1),
    Duration::from_secs(u32::MAX as u64),
    Duration::from_secs(i64::MAX as u64 - 1),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

fn application(request: &Request) -> hansel::Result<Response> {
    Ok(match request.segment(0) {
        Some("block") => hansel::blocking(|| "blocked").into_response(),
        Some("stream") => Response::new(Body::stream(|client| write!(client, "streamed"))),
        Some("long") => noise(300_000).into_response(),
        _ => request.bytes()?.len().to_string().into_response(),
    })
}

/// Sends a request that is whole, and reads up to the end of the connection, whatever comes.
fn ask(server: &Running, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    // It may be refused, and closed, before it is sent.
    let _ = stream
        .write_all(request)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    match stream.read_to_end(&mut received) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        outcome => drop(outcome.unwrap()),
    }
    received
}

/// Every kind of request is answered, or its connection ends; and the server ends.
fn try_everything(limits: Limits, drain_delay: Duration, grace: Duration) {
    let shown = limits.to_string();
    assert!(!shown.is_empty());
    let server = start(server().threads(4).limits(limits).drain_delay(drain_delay), application);
    let pipelined = [get("/"), get("/block"), get("/")].concat().into_bytes();
    for _ in 0..2 {
        for request in [
            get("/").into_bytes(),
            get("/block").into_bytes(),
            get("/block").into_bytes(),
            get("/stream").into_bytes(),
            get("/long").into_bytes(),
            post("/", &noise(100_000)),
            post("/", b"x"),
            pipelined.clone(),
        ] {
            let received = ask(&server, &request);
            assert!(received.is_empty() || received.starts_with(b"HTTP/1.1 "), "{shown}");
        }
    }
    server.shutdown(grace);
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        select(&TIMES[..]),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n))
    ]
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        select(&[0, 1, 2, 1 << 16, 1 << 31, usize::MAX / 2, usize::MAX - 1, usize::MAX][..]),
        any::<usize>()
    ]
}

prop_compose! {
    fn times()(
        head_time in time(),
        transfer_time in time(),
        idle in time(),
        handler in proptest::option::of(time()),
        stream in proptest::option::of(time()),
        linger in time(),
        queue_time in time(),
        rate in prop_oneof![select(&[0, 1, u32::MAX][..]), any::<u32>()],
    ) -> Limits {
        Limits::new().head_time(head_time).transfer_time(transfer_time).idle(idle).handler(handler).stream(stream).linger(linger).queue_time(queue_time).rate(rate)
    }
}

prop_compose! {
    fn sizes()(
        head in size(),
        target in size(),
        fields in size(),
        body in size(),
        body_buffer in size(),
        body_memory in size(),
        connections in size(),
        connections_per_peer in proptest::option::of(size()),
        pipelined in size(),
        queue in size(),
    ) -> Limits {
        Limits::new().head(head).target(target).fields(fields).body(body as u64).body_buffer(body_buffer).body_memory(body_memory).connections(connections).connections_per_peer(connections_per_peer).pipelined(pipelined).queue(queue)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn no_times_break_a_server(limits in times(), delay in time(), grace in time()) {
        try_everything(limits, delay, grace);
    }

    #[test]
    fn no_sizes_break_a_server(limits in sizes()) {
        try_everything(limits, Duration::ZERO, Duration::ZERO);
    }
}

#[test]
fn a_time_that_is_longer_than_anybody_waits_never_comes() {
    for never in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_secs(u32::MAX as u64),
    ] {
        let limits = Limits::new()
            .head_time(never)
            .transfer_time(never)
            .idle(never)
            .handler(never)
            .stream(never)
            .linger(never)
            .queue_time(never);
        let server = start(server().limits(limits), application);
        let mut client = server.connect();
        for _ in 0..3 {
            for path in ["/", "/block", "/stream", "/long"] {
                assert_eq!(client.get(path).status, 200, "{path}");
            }
            assert_eq!(client.post("/", &noise(100_000)).text(), "100000");
        }
        // A body in two parts, and a drain that waits for the second.
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\na");
        assert_eq!(server.connect().get("/").status, 200);
        server.shutdown(never);
        client.send("b");
        assert_eq!(client.response().text(), "2");
        drop(client);
        assert_eq!(server.wait().cut, 0);
    }
}

#[test]
fn no_time_at_all_is_up_at_once_and_for_nobody_else() {
    let none = Duration::ZERO;
    let with = |set: fn(&mut Limits)| {
        let mut limits = no_deadlines();
        set(&mut limits);
        start(server().limits(limits), application)
    };
    // It is closed behind each response.
    let server = with(|limits| limits.idle = Duration::ZERO);
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    client.end_of_any_kind();
    // Only what a handler takes that has lost its loop, not what it takes to answer at once.
    let server = with(|limits| limits.handler = Some(Duration::ZERO));
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    // A handler has no limit although streams have.
    let server = with(|limits| limits.stream = Some(Duration::ZERO));
    let mut client = server.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/block").status, 200);
    }
    let server = with(|limits| limits.queue_time = Duration::ZERO);
    assert_eq!(server.connect().get("/block").status, 200);
    // A drain without grace ends.
    let server = with(|limits| limits.linger = NEVER);
    let _open = Client::connect(server.local_addr());
    server.shutdown(none);
    server.wait();
}
