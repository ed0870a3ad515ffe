//! Trailers: fields after a chunked body (RFC 9110 §6.5).

use std::io::Read;

use hansel::Request;

use crate::support::{Client, Running, chunked, get, no_deadlines, noise, server, start};

/// Trailers that a client may send, and some that it may not.
const SECTION: &str = "Checksum: 1f\r\nHost: b.test\r\nX-Note: so it is\r\nContent-Length: 3\r\n\r\n";

/// What is told of them.
const SEEN: &str = "Checksum=1f X-Note=so it is ";

/// Tells, behind the length of the body, the trailers: before any of it is read, before all is, and after.
fn tells(body_buffer: usize) -> Running {
    let limits = no_deadlines().body_buffer(body_buffer);
    start(server().limits(limits), |request: &Request| -> hansel::Result<String> {
        let begin = trailers(request);
        let first = request.body().read(&mut [0])?;
        let middle = trailers(request);
        let mut rest = Vec::new();
        request.body().read_to_end(&mut rest)?;
        let fields = request.headers().count();
        let end = trailers(request);
        Ok(format!("{} {fields}|{begin}|{middle}|{end}", first + rest.len()))
    })
}

fn trailers(request: &Request) -> String {
    let text = |value| String::from_utf8_lossy(value).into_owned();
    request
        .trailers()
        .map(|(name, value)| format!("{name}={} ", text(value)))
        .collect()
}

fn request(content: &[u8], section: &str) -> Vec<u8> {
    let mut bytes = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    bytes.extend(chunked(content, 1000));
    // In the place of the empty section.
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(section.as_bytes());
    bytes
}

#[test]
fn those_of_a_body_that_is_here_are_known_from_the_beginning() {
    let server = tells(64 * 1024);
    for content in [noise(3), noise(20_000)] {
        let expected = format!("{} 2|{SEEN}|{SEEN}|{SEEN}", content.len());
        let bytes = request(&content, SECTION);
        let mut client = server.connect();
        client.send(&bytes);
        assert_eq!(client.response().text(), expected);
        client.send([&bytes[..], &bytes, get("/").as_bytes()].concat());
        assert_eq!(client.response().text(), expected);
        assert_eq!(client.response().text(), expected);
        assert_eq!(client.response().text(), "0 1|||", "they are that request's own");
    }
    let bytes = request(b"ham", SECTION);
    let mut client = server.connect();
    for byte in bytes {
        client.send([byte]);
    }
    assert_eq!(client.response().text(), format!("3 2|{SEEN}|{SEEN}|{SEEN}"));
}

#[test]
fn those_of_a_body_that_is_still_arriving_are_known_at_its_end() {
    let server = tells(0);
    let expected = |length| format!("{length} 2|||{SEEN}");
    let bytes = request(&noise(200_000), SECTION);
    let mut client = server.connect();
    client.send([&bytes[..], get("/").as_bytes()].concat());
    assert_eq!(client.response().text(), expected(200_000));
    assert_eq!(client.response().text(), "0 1|||");
    // The end comes when the content has been read long since.
    let (content, section) = bytes.split_at(bytes.len() - SECTION.len());
    client.send(content);
    client.send(section);
    assert_eq!(client.response().text(), expected(200_000));
}

#[test]
fn asking_for_the_whole_body_is_reading_it_to_its_end() {
    let limits = no_deadlines().body_buffer(0);
    let server = start(server().limits(limits), |request: &Request| -> hansel::Result<String> {
        let length = request.bytes()?.len();
        Ok(format!("{length} {}", trailers(request)))
    });
    let ask = |section| {
        let mut client: Client = server.connect();
        client.send(request(b"ham", section));
        client.response()
    };
    assert_eq!(ask(SECTION).text(), format!("3 {SEEN}"));
    assert_eq!(ask("\r\n").text(), "3 ");
    assert_eq!(ask("No field\r\n\r\n").status, 400);
}
