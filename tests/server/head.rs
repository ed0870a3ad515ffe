//! HEAD: the fields that GET would have, and never a wrong length.

use std::fs::File;

use hansel::test::Client as InProcess;
use hansel::{Body, Request, Response, StatusCode};

use crate::support::{get, no_deadlines, server, start};

/// Every kind of body, by path.
fn bodies(request: &Request) -> Response {
    let length = |response: Response| response.with_header("Content-Length", "1234");
    match request.path() {
        "/static" => Response::new("static"),
        "/long" => Response::new("x".repeat(100_000)),
        "/none" => Response::default(),
        "/no-bytes" => Response::new(""),
        "/file" => Response::new(Body::file(File::open("Cargo.toml").unwrap()).unwrap()),
        "/sized" => Response::new(Body::sized_reader(&b"sized"[..], 5)),
        "/reader" => Response::new(Body::reader(&b"read"[..])),
        "/stream" => Response::new(Body::stream(|client| std::io::Write::write_all(client, b"streamed"))),
        "/204" => Response::new("no content").with_status(StatusCode::NO_CONTENT),
        "/205" => Response::new("no content").with_status(StatusCode::RESET_CONTENT),
        "/304" => Response::new("no content").with_status(StatusCode::NOT_MODIFIED),
        "/404" => Response::new("not here").with_status(StatusCode::NOT_FOUND),
        "/other-length" => length(Response::new("static")),
        "/length-of-stream" => length(Response::new(Body::stream(|client| {
            std::io::Write::write_all(client, &[b'x'; 1234])
        }))),
        // They know the length without making the body, and make none for HEAD.
        "/own" if request.method() == "HEAD" => length(Response::default()),
        "/own-no-bytes" if request.method() == "HEAD" => length(Response::new("")),
        "/own-without" if request.method() == "HEAD" => Response::default(),
        _ => Response::new("x".repeat(1234)),
    }
}

const PATHS: [&str; 17] = [
    "/static",
    "/long",
    "/none",
    "/no-bytes",
    "/file",
    "/sized",
    "/reader",
    "/stream",
    "/204",
    "/205",
    "/304",
    "/404",
    "/other-length",
    "/length-of-stream",
    "/own",
    "/own-no-bytes",
    "/own-without",
];

/// RFC 9110 §8.6: a length in a response to HEAD "equals the decimal number of octets that would have been sent in the
/// content of a response if the same request had used the GET method".
fn check(path: &str, status: u16, head: Option<&str>, get: usize) {
    // RFC 9110 §15.4.5: that of a 304 is the one of the 200.
    if let (Some(length), true) = (head, status != 304) {
        assert_eq!(length, get.to_string(), "{path}");
    }
    let is_known = !matches!(path, "/none" | "/reader" | "/stream" | "/204" | "/304" | "/own-without");
    assert_eq!(head.is_some(), is_known, "{path}: {head:?}");
}

#[test]
fn a_length_is_that_of_get_or_is_not_sent() {
    let server = start(server().limits(no_deadlines()), bodies);
    let mut client = server.connect();
    for path in PATHS {
        client.send(get(path));
        let response = client.response();
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let head = client.head();
        assert_eq!(head.status, response.status, "{path}");
        check(path, head.status, head.field("Content-Length"), response.body.len());
    }
}

#[test]
fn the_test_client_sees_the_same() {
    let client = InProcess::new(bodies);
    for path in PATHS {
        let (response, head) = (client.get(path), client.call("HEAD", path));
        assert_eq!(head.bytes(), b"", "{path}");
        check(
            path,
            head.status().as_u16(),
            head.header("Content-Length"),
            response.bytes().len(),
        );
    }
}
