//! The server that `clients/run` tests with real clients, and `clients/soak` for a long time. Prints its address, and
//! drains when it is told to end. Arguments are limits in seconds, such as `handler=1`.

use std::alloc::System;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hansel::{Body, Html, IntoResponse, Limits, Method, Request, Response, Server, StatusCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations, for `/allocated`.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The length of the response to `/large`.
const LARGE: usize = 8 * 1024 * 1024;

/// Opens an event stream, sends what it received, and so reports to `/report` that everything works.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>hansel</title>
<p id="heard">
<script>
const events = new EventSource("/events");
const heard = [];
events.onmessage = (event) => {
    heard.push(event.data);
    document.getElementById("heard").textContent = heard.join();
    if (event.data === "last") {
        events.close();
        fetch("/report", { method: "POST", body: heard.join() });
    }
};
</script>
"#;

/// Reports of pages, on their way to whoever requests them.
struct Reports {
    sender: Sender<String>,
    receiver: Mutex<Receiver<String>>,
}

fn main() -> std::io::Result<()> {
    let mut limits = Limits::new().body(64 * 1024 * 1024);
    for argument in std::env::args().skip(1) {
        set(&mut limits, &argument).map_err(std::io::Error::other)?;
    }
    let server = Server::bind("127.0.0.1:0")?.limits(limits).quiet();
    println!("http://{}", server.local_addrs()[0]);
    std::io::stdout().flush()?;
    let (sender, receiver) = channel();
    let reports = Reports {
        sender,
        receiver: Mutex::new(receiver),
    };
    server.serve(move |request: &Request| respond(request, &reports))
}

/// Sets the limit that an argument names.
fn set(limits: &mut Limits, argument: &str) -> Result<(), String> {
    let (name, seconds) = argument.split_once('=').unwrap_or((argument, ""));
    let seconds = seconds.parse().map_err(|error| format!("{argument}: {error}"))?;
    let time = Duration::from_secs(seconds);
    match name {
        "handler" => limits.handler = Some(time),
        "head" => limits.head_time = time,
        "transfer" => limits.transfer_time = time,
        "idle" => limits.idle = time,
        _ => return Err(format!("{argument}: there is no such limit here")),
    }
    Ok(())
}

fn respond(request: &Request, reports: &Reports) -> hansel::Result<Response> {
    let response = match (request.method(), request.path()) {
        (&Method::GET | &Method::HEAD, "/") => Html(PAGE).into_response(),
        (&Method::GET | &Method::HEAD, "/hello") => "Hello, world!".into_response(),
        (&Method::GET, "/blocking") => hansel::blocking(|| "Hello, world!").into_response(),
        (&Method::GET, "/large") => vec![b'x'; LARGE].into_response(),
        (&Method::GET, "/events") => events(asked(request, "number", 5)?),
        (&Method::GET, "/panic") => panic!("as asked"),
        (&Method::GET, "/pause") => {
            std::thread::sleep(Duration::from_secs_f64(asked(request, "seconds", 0.0)?));
            "at last".into_response()
        }
        (&Method::GET, "/allocated") => {
            let stats = ALLOCATOR.stats();
            (stats.bytes_allocated - stats.bytes_deallocated)
                .to_string()
                .into_response()
        }
        (&Method::POST, "/echo") => request.bytes()?.to_vec().into_response(),
        (&Method::POST, "/refuse") => StatusCode::FORBIDDEN.into_response(),
        (&Method::POST, "/report") => {
            reports.sender.send(request.text()?.to_owned())?;
            ().into_response()
        }
        // Waits for a report: a handler may block.
        (&Method::GET, "/report") => {
            let receiver = reports.receiver.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.recv()?.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    Ok(response)
}

/// Returns the value of `name` in the query.
fn asked<T: std::str::FromStr>(request: &Request, name: &str, default: T) -> Result<T, T::Err> {
    request.query_value(name).map_or(Ok(default), |value| value.parse())
}

fn events(count: u64) -> Response {
    let events = Body::stream(move |client| {
        for number in 1..=count {
            write!(client, "data: {number}\n\n")?;
        }
        write!(client, "data: last\n\n")
    });
    Response::new(events).with_header("Content-Type", "text/event-stream")
}
