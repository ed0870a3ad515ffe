//! 64 MiB pass through `tower` in each direction, both ways, and never much of it is in memory.
//!
//! A separate binary, because the allocator counts for the whole process.

use std::alloc::System;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use hansel::{Body, Limits, Request, Routes, Server, tower};
use http_body::Body as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MIB: u64 = 1024 * 1024;
const LARGE: u64 = 64 * MIB;

/// The most that may be in memory: what is gathered ahead (1 MiB), and a few buffers.
const MOST: i64 = 6 * MIB as i64;

/// The most memory that was in use since it was set to zero.
static PEAK: AtomicI64 = AtomicI64::new(0);

fn in_use() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Is called for each piece that a receiver has taken. At the first MiB it is slow, so that a sender that does not wait
/// for it fills the memory.
fn taken(before: u64, now: u64) {
    let until = Instant::now() + Duration::from_millis(300);
    let is_slow = before < MIB && now >= MIB;
    loop {
        PEAK.fetch_max(in_use(), SeqCst);
        if !is_slow || Instant::now() > until {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A body of that many octets, which come as fast as they are asked for.
struct Large(u64);

impl http_body::Body for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        let piece = vec![b'x'; self.0.min(32 * 1024) as usize];
        self.0 -= piece.len() as u64;
        Poll::Ready(Some(Ok(http_body::Frame::data(piece.into()))))
    }
}

/// Handlers of axum's that receive and send.
fn theirs() -> Router {
    let upload = |request: axum::extract::Request| async move {
        let mut body = request.into_body();
        let mut received = 0;
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let length = frame.unwrap().into_data().map_or(0, |data| data.len()) as u64;
            taken(received, received + length);
            received += length;
        }
        received.to_string()
    };
    Router::new()
        .route("/upload", post(upload))
        .route("/download", get(|| async { axum::body::Body::new(Large(LARGE)) }))
}

/// The same of hansel's.
fn ours() -> Routes {
    Routes::new()
        .post("/upload", |request: &Request| -> hansel::Result<String> {
            let (mut received, mut piece) = (0, vec![0; 64 * 1024]);
            loop {
                let n = request.body().read(&mut piece)? as u64;
                taken(received, received + n);
                received += n;
                if n == 0 {
                    return Ok(received.to_string());
                }
            }
        })
        .get("/download", || {
            Body::stream(|client| {
                let piece = vec![b'x'; 32 * 1024];
                (0..LARGE / piece.len() as u64).try_for_each(|_| client.write_all(&piece))
            })
        })
}

/// Sends 64 MiB, and returns what the server says.
fn upload(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {LARGE}\r\n\r\n"
    )
    .unwrap();
    let piece = vec![b'x'; 32 * 1024];
    for _ in 0..LARGE / piece.len() as u64 {
        stream.write_all(&piece).unwrap();
    }
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    received.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Receives 64 MiB in chunks, and returns how much came in all.
fn download(address: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /download HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (mut received, mut piece) = (0, vec![0; 64 * 1024]);
    loop {
        let n = stream.read(&mut piece).unwrap() as u64;
        taken(received, received + n);
        received += n;
        if n == 0 {
            return received;
        }
    }
}

/// Runs a transfer, during which little memory is used.
fn within_little_memory<T>(what: &str, transfer: impl FnOnce() -> T) -> T {
    let before = in_use();
    PEAK.store(before, SeqCst);
    let transferred = transfer();
    let used = PEAK.load(SeqCst) - before;
    println!("{what}: {} KiB", used / 1024);
    assert!(used < MOST, "{what}: {used} bytes were in memory");
    transferred
}

#[test]
fn large_bodies_stream_in_both_directions_and_both_ways_with_little_memory() {
    let limits = Limits::new().body(2 * LARGE);
    let theirs_on_ours = Server::bind("127.0.0.1:0")
        .unwrap()
        .limits(limits.clone())
        .spawn(theirs())
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let ours_on_theirs = listener.local_addr().unwrap();
    let service = tower::Service::new(ours()).with_limits(limits);
    let router = Router::new().fallback_service(service);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            let mut connection = auto::Builder::new(TokioExecutor::new());
            connection.http1().half_close(true);
            tokio::spawn(async move {
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    for (name, address) in [
        ("a router on hansel", theirs_on_ours.local_addr()),
        ("hansel below a router", ours_on_theirs),
    ] {
        let received = within_little_memory(&format!("an upload to {name}"), || upload(address));
        assert_eq!(received, LARGE.to_string());
        let received = within_little_memory(&format!("a download from {name}"), || download(address));
        assert!(received > LARGE, "{received} with its framing");
    }
    theirs_on_ours.shutdown(Duration::from_secs(10));
    theirs_on_ours.wait();
}
