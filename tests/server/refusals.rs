//! Requests that the server refuses by itself: each gets the right status, and the connection ends.

use hansel::{Limits, Request};

use crate::support::{Client, get, no_deadlines, post_head, server, start};

fn small() -> Limits {
    no_deadlines().head(4096).target(1000).fields(10).body(1000)
}

/// A request with these fields besides its Host.
fn with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
}

fn assert_refused(client: &mut Client, status: u16, what: &str) {
    let response = client.response();
    assert_eq!(response.status, status, "{what}");
    response.assert_closes();
    client.end();
}

#[test]
fn each_has_its_status_and_closes() {
    let server = start(server().limits(small()), |request: &Request| request.path().to_owned());
    let long_field = with(&format!("X: {}\r\n", "x".repeat(5000)));
    let endless_line = format!("GET /{}", "x".repeat(5000));
    let cases = [
        ("no host", 400, String::from("GET / HTTP/1.1\r\n\r\n")),
        ("no request", 400, String::from("nonsense\r\n\r\n")),
        ("a bad path", 400, get("/%zz")),
        ("a path that is no text", 400, get("/%FF")),
        (
            "two framings",
            400,
            with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        ),
        ("a body too large", 413, post_head("/", 1001)),
        (
            "a chunk too large",
            413,
            with("Transfer-Encoding: chunked\r\n") + "3e9\r\n",
        ),
        ("a target too long", 414, get(&format!("/{}", "x".repeat(1000)))),
        ("a line without an end", 414, endless_line),
        ("a field too long", 431, long_field),
        ("too many fields", 431, with(&"X: x\r\n".repeat(10))),
        ("an unknown coding", 501, with("Transfer-Encoding: gzip, chunked\r\n")),
        (
            "another major version",
            505,
            String::from("GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"),
        ),
    ];
    for (what, status, request) in cases {
        // What comes behind it is never run.
        let mut alone = server.connect();
        alone.send(&request);
        assert_refused(&mut alone, status, what);
        let mut behind = server.connect();
        behind.send(get("/first"));
        assert_eq!(behind.response().text(), "/first");
        behind.send(request.clone() + &get("/never"));
        assert_refused(&mut behind, status, what);
    }
    assert_eq!(server.connect().get("/still").text(), "/still");
}

#[test]
fn what_is_just_within_the_limits_is_served() {
    let server = start(server().limits(small()), |request: &Request| {
        request.path().len().to_string()
    });
    let mut client = server.connect();
    assert_eq!(client.get(&format!("/{}", "x".repeat(999))).text(), "1000");
    client.send(with(&"X: x\r\n".repeat(9)));
    assert_eq!(client.response().text(), "1");
    client.send(post_head("/", 1000));
    client.send([b'x'; 1000]);
    assert_eq!(client.response().text(), "1");
}
