//! Clients that send all their requests, close their sending side, and then read: every response arrives.

use hansel::{Request, Server};

use crate::support::{chunked, get, no_deadlines, noise, post, server, start};

/// How often each case is run: losing responses is a race.
const RUNS: usize = 200;

fn respond(request: &Request) -> hansel::Result<Vec<u8>> {
    let mut response = request.path().to_owned().into_bytes();
    response.extend_from_slice(request.bytes()?);
    Ok(response)
}

/// Sends `requests`, half-closes, and expects the `responses` in order, and then the end.
fn check(server: Server, requests: &[u8], responses: &[Vec<u8>]) {
    let server = start(server.limits(no_deadlines()), respond);
    for run in 0..RUNS {
        let mut client = server.connect();
        client.send(requests);
        client.finish_sending();
        for (n, expected) in responses.iter().enumerate() {
            let response = client.response();
            assert!(response.body == *expected, "response {n} of run {run}: {response:?}");
        }
        client.end();
    }
}

fn many(count: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let paths: Vec<String> = (0..count).map(|n| format!("/{n}")).collect();
    let requests = paths.iter().flat_map(|path| get(path).into_bytes()).collect();
    (requests, paths.into_iter().map(String::into_bytes).collect())
}

fn many_with_bodies(count: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    for n in 0..count {
        let path = format!("/{n}");
        let body = noise(n * 37);
        if n % 2 == 0 {
            requests.extend(post(&path, &body));
        } else {
            requests.extend(format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").bytes());
            requests.extend(chunked(&body, 1000));
        }
        responses.push([path.into_bytes(), body].concat());
    }
    (requests, responses)
}

#[test]
fn every_response_arrives() {
    let (requests, responses) = many(100);
    check(server(), &requests, &responses);
}

#[test]
fn every_response_arrives_from_two_loops() {
    let (requests, responses) = many(100);
    check(server().loops(2), &requests, &responses);
}

#[test]
fn every_response_arrives_when_requests_have_bodies() {
    let (requests, responses) = many_with_bodies(40);
    check(server().loops(2), &requests, &responses);
}

#[test]
fn every_response_arrives_when_handlers_say_that_they_block() {
    let (requests, responses) = many(20);
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        hansel::blocking(|| request.path().to_owned())
    });
    for _ in 0..RUNS {
        let mut client = server.connect();
        client.send(&requests);
        client.finish_sending();
        for expected in &responses {
            assert_eq!(client.response().body, *expected);
        }
        client.end();
    }
}

#[test]
fn a_request_that_is_cut_off_is_not_run() {
    let server = start(server(), respond);
    for cut in [
        "GET /cut HTTP/1.1\r\nHost: a.te",
        "POST /cut HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc",
        "POST /cut HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /cut HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("{}{cut}", get("/whole")));
        client.finish_sending();
        assert_eq!(client.response().text(), "/whole");
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{cut:?}: {rest}");
    }
}
