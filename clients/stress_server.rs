//! The server that `clients/stress` loads. Prints the address of its service, then that of its health lane.
//!
//! `stress_server THREADS`. Handlers that take longer than [`HANDLER`] get 503.

use std::alloc::System;
use std::io::{Read, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hansel::{Body, Limits, Request, Routes, Server, StatusCode};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations, for `/allocated`.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The deadline of handlers. The load requests some that take slightly more or less.
const HANDLER: Duration = Duration::from_millis(1000);

/// How long handlers wait for each other in `/meet`.
const MEETING: Duration = Duration::from_millis(900);

fn main() -> std::io::Result<()> {
    let argument = std::env::args().nth(1);
    let threads = argument.and_then(|threads| threads.parse().ok()).unwrap_or(16);
    let limits = Limits::new().handler(HANDLER);
    let health = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = Server::bind("127.0.0.1:0")?.health_on(health)?;
    let server = server.loops(2).threads(threads).limits(limits).quiet();
    println!("http://{}\nhttp://{health}", server.local_addrs()[0]);
    std::io::stdout().flush()?;
    server.serve(routes())
}

fn routes() -> Routes {
    Routes::new()
        .get("/token/{token}", |token: String| token)
        .post("/echo", |request: &Request| -> hansel::Result<Vec<u8>> {
            Ok(request.bytes()?.to_vec())
        })
        .post("/unread/{token}", |token: String| token)
        .get("/sleep/{milliseconds}/{token}", |milliseconds: u64, token: String| {
            std::thread::sleep(Duration::from_millis(milliseconds));
            token
        })
        .get("/busy/{milliseconds}/{token}", |milliseconds: u64, token: String| {
            let since = Instant::now();
            while since.elapsed() < Duration::from_millis(milliseconds) {
                std::hint::spin_loop();
            }
            token
        })
        .get("/stream/{pieces}/{milliseconds}/{token}", stream)
        .get("/broken/{pieces}/{token}", |pieces: u64, token: String| {
            Body::stream(move |client| {
                (0..pieces).try_for_each(|piece| write!(client, "{token}:{piece};"))?;
                panic!("asked for")
            })
        })
        .get("/large/{bytes}", |bytes: usize| vec![b'x'; bytes])
        .get("/reader/{bytes}", |bytes: u64| {
            Body::reader(std::io::repeat(b'x').take(bytes))
        })
        .get("/panic/{token}", |token: String| -> String {
            panic!("asked for {token}")
        })
        .get("/drop/{token}", |request: &Request, token: String| {
            request.set(PanicsInDrop);
            token
        })
        .get("/meet/{number}", meet)
        .get("/allocated", || {
            let stats = ALLOCATOR.stats();
            (stats.bytes_allocated - stats.bytes_deallocated).to_string()
        })
}

fn stream(pieces: u64, milliseconds: u64, token: String) -> Body {
    Body::stream(move |client| {
        for piece in 0..pieces {
            write!(client, "{token}:{piece};")?;
            std::thread::sleep(Duration::from_millis(milliseconds));
        }
        Ok(())
    })
}

/// Waits until that many handlers are here at once, which shows that there are that many threads.
fn meet(number: usize) -> StatusCode {
    static PRESENT: Mutex<usize> = Mutex::new(0);
    static CAME: Condvar = Condvar::new();
    let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
    *present += 1;
    CAME.notify_all();
    let outcome = CAME.wait_timeout_while(present, MEETING, |present| *present < number);
    let (present, waited) = outcome.unwrap_or_else(PoisonError::into_inner);
    drop(present);
    if waited.timed_out() {
        StatusCode::CONFLICT
    } else {
        StatusCode::OK
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("asked for");
        }
    }
}
