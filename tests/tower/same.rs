//! Examples of *same request, same response*: of each kind of response, and of each limit.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hansel::{App, Application, Body, IntoApplication, IntoResponse, Limits, Request, Response, Routes, StatusCode};

use crate::servers::{PATIENCE, Servers};
use crate::silence;

static STREAMS_RUN: AtomicUsize = AtomicUsize::new(0);

fn app() -> impl Application {
    let handler = |request: &Request| -> hansel::Result<Response> {
        Ok(match request.path() {
            "/upload" => Response::new(request.bytes()?.len().to_string()),
            "/file" => Response::new(Body::file(std::fs::File::open("Cargo.lock")?)?),
            "/sized" => Response::new(Body::sized_reader(std::io::repeat(b'x'), 1_000_000)),
            "/long" => Response::new("x".repeat(1_000_000)),
            "/stream" => Response::new(Body::stream(|client| {
                STREAMS_RUN.fetch_add(1, SeqCst);
                (0..1000).try_for_each(|n| write!(client, "{n} "))
            })),
            "/none" => StatusCode::NO_CONTENT.into_response(),
            "/unchanged" => StatusCode::NOT_MODIFIED.into_response().with_header("ETag", "\"a\""),
            "/reset" => StatusCode::RESET_CONTENT.into_response(),
            "/panic" => panic!("on purpose"),
            "/close" => Response::new("bye").with_header("Connection", "close"),
            "/interim" => StatusCode::CONTINUE.into_response(),
            _ => (StatusCode::NOT_FOUND, "not here\n")
                .into_response()
                .with_header("X-Path", request.path()),
        })
    };
    handler.into_application()
}

pub(crate) fn request(line: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn chunked(content: &[u8]) -> Vec<u8> {
    let mut body = format!("{:x}\r\n", content.len()).into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    body
}

#[test]
fn the_same_request_gets_the_same_response() {
    silence();
    let servers = Servers::of(app, Limits::default());
    let paths = [
        "/file",
        "/sized",
        "/long",
        "/stream",
        "/none",
        "/unchanged",
        "/reset",
        "/panic",
        "/close",
        "/interim",
        "/else",
        "/%C3%A9?a=b",
        "/%FF",
    ];
    for path in paths {
        let before = STREAMS_RUN.load(SeqCst);
        for method in ["HEAD", "GET", "POST", "OPTIONS"] {
            let request = request(&format!("{method} {path}"), "", b"");
            let [own, others @ ..] = servers.responses(&request);
            for other in others {
                assert!(own == other, "{method} {path}:\n{own:?}\n{other:?}");
            }
            if method == "HEAD" {
                assert_eq!(own.body, b"", "{path}");
                assert_eq!(STREAMS_RUN.load(SeqCst), before, "no stream runs for HEAD");
            }
        }
    }
}

#[test]
fn a_limit_is_the_same_one_everywhere() {
    let limits = Limits::new().target(9_000).fields(103).body(3_000_000).head(100_000);
    silence();
    let servers = Servers::of(app, limits);
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: x\r\n")).collect::<String>();
    let target = |len: usize| format!("GET /{}", "a".repeat(len - 1));
    let mut requests = vec![
        (200, request("GET /long", &many(101), b"")),
        (431, request("GET /long", &many(102), b"")),
        (404, request(&target(9_000), "", b"")),
        (414, request(&target(9_001), "", b"")),
        (404, request("GET /", &format!("X: {}\r\n", "x".repeat(90_000)), b"")),
    ];
    for (status, size) in [(200, 1_048_577), (200, 3_000_000), (413, 3_000_001)] {
        let body = vec![b'x'; size];
        let announced = format!("Content-Length: {size}\r\n");
        requests.push((status, request("POST /upload", &announced, &body)));
        requests.push((
            status,
            request("POST /upload", "Transfer-Encoding: chunked\r\n", &chunked(&body)),
        ));
    }
    for (status, bytes) in requests {
        let responses = servers.responses(&bytes);
        for response in &responses {
            assert_eq!(response.status, status, "{}", String::from_utf8_lossy(&bytes[..80]));
            // Hyper does not tell the size of a chunk before its content, so the handler has begun there.
            assert!(status == 413 || *response == responses[0], "{responses:?}");
        }
    }
}

#[test]
fn a_request_that_names_no_host_gets_the_same_response_everywhere() {
    silence();
    let servers = Servers::of(app, Limits::default());
    for (status, line) in [
        (400, "GET /none HTTP/1.1"),
        (400, "GET http://a.test/none HTTP/1.1"),
        (204, "GET /none HTTP/1.0"),
        (204, "GET http://a.test/none HTTP/1.0"),
    ] {
        let responses = servers.responses(format!("{line}\r\nConnection: close\r\n\r\n").as_bytes());
        assert_eq!(responses[0].status, status, "{line}");
        assert!(
            responses.iter().all(|response| *response == responses[0]),
            "{line}: {responses:?}"
        );
    }
}

/// Each line comes back before the next one is sent, so the request arrives while the response is on its way.
#[test]
fn a_handler_that_has_begun_its_response_reads_what_arrives_after_that() {
    fn echo(request: &Request) -> hansel::Result<Response> {
        let mut client = request.respond_now(Response::new(Body::empty()), None)?;
        client.write_all(b"begun.")?;
        client.flush()?;
        let (mut body, mut piece) = (request.body(), [0; 100]);
        loop {
            match body.read(&mut piece)? {
                0 => break,
                n => client.write_all(&piece[..n]).and_then(|()| client.flush())?,
            }
        }
        client.finish()?;
        Ok(Response::default())
    }
    // What is larger than the buffer is read while the handler runs.
    let limits = Limits::new().body_buffer(4);
    let servers = Servers::of(|| App::new(Routes::new().post("/", echo)).responds_early(), limits);
    for (way, address) in [("own", servers.own.local_addr()), ("hyper", servers.hyper.address)] {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut received = Vec::new();
        let mut read_until = |client: &mut TcpStream, text: &str| {
            while !received.windows(text.len()).any(|window| window == text.as_bytes()) {
                let mut piece = [0; 1000];
                let n = client
                    .read(&mut piece)
                    .unwrap_or_else(|error| panic!("{way}, {text}: {error}"));
                assert!(n > 0, "{way} closes before {text}: {}", received.escape_ascii());
                received.extend_from_slice(&piece[..n]);
            }
        };
        let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 21\r\n\r\nfirst.";
        client.write_all(head.as_bytes()).unwrap();
        for (next, answer) in [("second.", "first."), ("the.last", "second."), ("", "the.last")] {
            read_until(&mut client, "begun.");
            read_until(&mut client, answer);
            client.write_all(next.as_bytes()).unwrap();
        }
        // The end of a chunked body.
        read_until(&mut client, "\r\n0\r\n\r\n");
    }
}
