//! Clients that send all their requests, say that this was all, and then read: every answer arrives.

use hansel::{Request, Server};

use crate::support::{chunked, get, no_deadlines, noise, post, server, start};

/// How often each case is run: losing answers is a race.
const RUNS: usize = 200;

fn answer(request: &Request) -> hansel::Result<Vec<u8>> {
    let mut answer = request.path().to_owned().into_bytes();
    answer.extend_from_slice(request.bytes()?);
    Ok(answer)
}

/// Sends `requests`, half-closes, and expects the `answers` in order, and then the end.
fn check(server: Server, requests: &[u8], answers: &[Vec<u8>]) {
    let server = start(server.limits(no_deadlines()), answer);
    for run in 0..RUNS {
        let mut client = server.connect();
        client.send(requests);
        client.finish_sending();
        for (n, expected) in answers.iter().enumerate() {
            let answer = client.answer();
            assert!(answer.body == *expected, "answer {n} of run {run}: {answer:?}");
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
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    for n in 0..count {
        let path = format!("/{n}");
        let body = noise(n * 37);
        if n % 2 == 0 {
            requests.extend(post(&path, &body));
        } else {
            requests.extend(format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").bytes());
            requests.extend(chunked(&body, 1000));
        }
        answers.push([path.into_bytes(), body].concat());
    }
    (requests, answers)
}

#[test]
fn every_answer_arrives() {
    let (requests, answers) = many(100);
    check(server(), &requests, &answers);
}

#[test]
fn every_answer_arrives_from_two_loops() {
    let (requests, answers) = many(100);
    check(server().loops(2), &requests, &answers);
}

#[test]
fn every_answer_arrives_when_requests_have_bodies() {
    let (requests, answers) = many_with_bodies(40);
    check(server().loops(2), &requests, &answers);
}

#[test]
fn every_answer_arrives_when_handlers_say_that_they_block() {
    let (requests, answers) = many(20);
    let server = start(server().limits(no_deadlines()), |request: &Request| {
        hansel::blocking(|| request.path().to_owned())
    });
    for _ in 0..RUNS {
        let mut client = server.connect();
        client.send(&requests);
        client.finish_sending();
        for expected in &answers {
            assert_eq!(client.answer().body, *expected);
        }
        client.end();
    }
}

#[test]
fn a_request_that_is_cut_off_is_not_run() {
    let server = start(server(), answer);
    for cut in [
        "GET /cut HTTP/1.1\r\nHost: a.te",
        "POST /cut HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc",
        "POST /cut HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /cut HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("{}{cut}", get("/whole")));
        client.finish_sending();
        assert_eq!(client.answer().text(), "/whole");
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{cut:?}: {rest}");
    }
}
