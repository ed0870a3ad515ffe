//! Bodies that are not in memory: server-sent events, files, and uploads that are read as they arrive.
//!
//! `cargo run --example streaming`, then `curl -N http://127.0.0.1:8080/events`, `curl http://127.0.0.1:8080/file` and
//! `curl --data-binary @Cargo.lock http://127.0.0.1:8080/upload`.

use std::fs::File;
use std::io::{BufRead, Write};
use std::thread;
use std::time::Duration;

use hansel::{Body, Request, Response, Server, StatusCode};

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8080")?.serve(respond)?)
}

fn respond(request: &Request) -> hansel::Result<Response> {
    match request.segment(0) {
        Some("events") => Ok(events(Duration::from_secs(1))),
        Some("file") => Ok(Response::new(Body::file(File::open("Cargo.toml")?)?)),
        Some("upload") => count_lines(request).map(Response::new),
        _ => Ok(Response::new(StatusCode::NOT_FOUND)),
    }
}

/// Sends an event after each `pause`, until the client leaves or the server stops: then `write!` returns an error, and
/// `?` ends the loop.
fn events(pause: Duration) -> Response {
    let events = Body::stream(move |client| {
        for event in 1.. {
            write!(client, "data: event {event}\n\n")?;
            thread::sleep(pause);
        }
        Ok(())
    });
    Response::new(events).with_header("Content-Type", "text/event-stream")
}

/// Reads a body of any size as it arrives, without holding it in memory.
fn count_lines(request: &Request) -> hansel::Result<String> {
    let mut count = 0;
    for line in request.body().split(b'\n') {
        line?;
        count += 1;
    }
    Ok(format!("{count} lines\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;
    use std::io::{BufReader, Read};
    use std::net::TcpStream;

    #[test]
    fn files_and_uploads_pass_whole() {
        let client = Client::new(respond);
        assert_eq!(
            client.get("/file").text(),
            std::fs::read_to_string("Cargo.toml").unwrap()
        );
        assert_eq!(client.post("/upload", "line\n".repeat(50_000)).text(), "50000 lines\n");
        assert_eq!(client.get("/").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_first_events_come_and_the_stream_ends_when_its_client_leaves() {
        let client = Client::new(|_: &Request| events(Duration::ZERO));
        let mut stream = client.open(Request::get("/events"));
        assert_eq!(stream.response().header("Content-Type"), Some("text/event-stream"));
        let mut lines = stream.by_ref().lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("data: event 1"));
        assert_eq!(lines.nth(1).as_deref(), Some("data: event 2"));
        assert!(stream.leave().is_err(), "`write!` was an error");
    }

    #[test]
    fn events_come_one_by_one_and_end_when_the_server_stops() {
        let server = Server::bind("127.0.0.1:0")
            .unwrap()
            .spawn(|_: &Request| events(Duration::from_millis(1)))
            .unwrap();
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut received = BufReader::new(stream);
        let mut line = String::new();
        while line != "data: event 3\n" {
            line.clear();
            assert_ne!(
                received.read_line(&mut line).unwrap(),
                0,
                "ended before the third event"
            );
        }
        server.shutdown(Duration::from_secs(60));
        assert_eq!(server.wait().cut, 0, "the stream ended by itself");
        let mut rest = String::new();
        received.read_to_string(&mut rest).unwrap();
        assert!(
            !rest.ends_with("\r\n0\r\n\r\n"),
            "what was broken off does not look whole"
        );
    }
}
