//! The server from which `clients/slow_disk` requests files. Prints the address of its service, then that of its health
//! lane.
//!
//! `disk_server LOOPS THREADS DIRECTORY`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use hansel::{Body, Routes, Server, StatusCode};

/// How long handlers wait for each other in `/meet`.
const MEETING: Duration = Duration::from_secs(20);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [loops, threads, folder] = &arguments[..] else {
        return Err(io::Error::other("usage: disk_server LOOPS THREADS FOLDER"));
    };
    let folder = PathBuf::from(folder);
    let health = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = Server::bind("127.0.0.1:0")?
        .health_on(health)?
        .loops(loops.parse().map_err(io::Error::other)?)
        .threads(threads.parse().map_err(io::Error::other)?)
        .quiet();
    println!("http://{}\nhttp://{health}", server.local_addrs()[0]);
    io::stdout().flush()?;
    let routes = Routes::new()
        .get("/hello", || "Hello, world!")
        .get("/file/{name}", move |name: PathBuf| -> hansel::Result<Body> {
            Ok(Body::file(File::open(folder.join(name))?)?)
        })
        .get("/meet/{number}", meet);
    server.serve(routes)
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
