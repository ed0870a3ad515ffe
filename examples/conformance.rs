//! The server that the conformance suite tests: `cargo run --release --example conformance -- PORT`.
//!
//! `conformance/CONTRACT.md` says how it must respond.

use std::time::Duration;

use hansel::{IntoResponse, Limits, Method, Request, Response, Server, StatusCode};

fn main() -> hansel::Result {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(8000);
    let limits = Limits::new()
        .body(128 * 1024)
        // `conformance/run_faults.py` waits 40 s for idle connections to be closed.
        .idle(Duration::from_secs(10));
    Ok(Server::bind(("127.0.0.1", port))?.limits(limits).serve(respond)?)
}

fn respond(request: &Request) -> Response {
    let mut path = request.segments();
    let name = path.next().unwrap_or("");
    if path.next().is_some() {
        return StatusCode::NOT_FOUND.into_response();
    }
    match (request.method(), name) {
        (&Method::GET | &Method::HEAD, "") => "hansel\n".into_response(),
        (_, "") => refused("GET, HEAD"),
        (&Method::POST, "echo") => request.bytes().map(<[u8]>::to_vec).into_response(),
        (_, "echo") => refused("POST"),
        (_, "panic") => panic!("as asked"),
        (_, "hang") => {
            std::thread::sleep(Duration::from_secs(20));
            "at last\n".into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refused(allowed: &str) -> Response {
    StatusCode::METHOD_NOT_ALLOWED
        .into_response()
        .with_header("Allow", allowed)
}
