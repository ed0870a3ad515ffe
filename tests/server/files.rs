//! Files as responses.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use hansel::{Body, Request, Response, StatusCode};

use crate::support::{get, no_deadlines, noise, server, start};

fn written(name: &str, content: &[u8]) -> PathBuf {
    let name = format!("{name}-{}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn files_of_any_size_arrive_whole_and_the_connection_goes_on() {
    let content = noise(1_000_000);
    let path = written("whole", &content);
    let server = start(
        server().limits(no_deadlines()),
        move |request: &Request| -> hansel::Result<Body> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(request.segment(0).unwrap_or("").parse()?))?;
            Ok(Body::file(file)?)
        },
    );
    let mut client = server.connect();
    for start in [0, 1, 500_000, 999_999, 1_000_000] {
        let response = client.get(&format!("/{start}"));
        assert_eq!(
            response.field("Content-Length").unwrap(),
            (content.len() - start).to_string()
        );
        assert!(response.body == content[start..], "from {start}");
    }
    client.send("HEAD /0 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().field("Content-Length"), Some("1000000"));
    for _ in 0..20 {
        client.send(get("/0"));
    }
    client.finish_sending();
    for _ in 0..20 {
        assert!(client.response().body == content);
    }
    client.end();
}

#[test]
fn a_range_of_a_file_is_sent_with_its_length_and_by_no_thread() {
    let content = noise(20_000_000);
    let path = written("ranges", &content);
    let server = start(
        server().threads(1).limits(no_deadlines()),
        move |request: &Request| -> hansel::Result<Response> {
            let number = |i| request.segment(i).unwrap_or("").parse::<u64>();
            let body = Body::file_range(File::open(&path)?, number(0)?..number(1)?)?;
            Ok(Response::new(body).with_status(StatusCode::PARTIAL_CONTENT))
        },
    );
    let mut client = server.connect();
    for (start, end) in [(0, 1), (7, 7), (1_000_000, 3_000_000), (19_999_999, 20_000_000)] {
        let target = format!("/{start}/{end}");
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let head = client.head();
        let response = client.get(&target);
        for head in [&head, &response] {
            assert_eq!(head.status, 206);
            assert_eq!(head.field("Content-Length").unwrap(), (end - start).to_string());
        }
        assert!(response.body == content[start..end], "{target}");
    }
    assert_eq!(
        client.get("/0/20000001").status,
        500,
        "the handler's error, before anything is sent"
    );
    let mut stalled: Vec<_> = (0..5)
        .map(|_| {
            let mut client = server.connect();
            client.send(get("/1/20000000"));
            client.head();
            client
        })
        .collect();
    for _ in 0..20 {
        assert!(server.connect().get("/3/5").body == content[3..5]);
    }
    for client in &mut stalled {
        assert!(client.take(19_999_999) == content[1..]);
    }
}

#[test]
fn large_parts_of_a_file_and_the_text_around_them_keep_their_order_whoever_sends_them() {
    let content = noise(3_000_000);
    let path = written("sections", &content);
    let parts = [
        (0, 200_000),
        (100, 2_900_000),
        (7, 7),
        (65_536, 131_073),
        (2_999_999, 3_000_000),
    ];
    let expected: Vec<u8> = parts
        .iter()
        .flat_map(|&(start, end)| [format!("[{start}]").as_bytes(), &content[start..end]].concat())
        .collect();
    for threads in [1, 4] {
        let path = path.clone();
        let server = start(
            server().threads(threads).limits(no_deadlines()),
            move |request: &Request| -> hansel::Result<Body> {
                if request.path() == "/other" {
                    return Ok("other".into());
                }
                let sections = parts.map(|(start, end)| (format!("[{start}]").into_bytes(), start as u64..end as u64));
                Ok(Body::file_sections(File::open(&path)?, sections))
            },
        );
        // A client that reads at once, and one whose socket is full first.
        let mut patient = server.connect();
        patient.send([get("/"), get("/other"), get("/"), get("/other")].concat());
        let mut client = server.connect();
        client.send([get("/other"), get("/")].concat());
        assert_eq!(client.response().text(), "other");
        assert!(client.response().body == expected);
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        assert!(client.response().body == expected);
        client.end();
        for _ in 0..2 {
            assert!(patient.response().body == expected);
            assert_eq!(patient.response().text(), "other");
        }
    }
}

#[test]
fn a_large_file_that_shrinks_breaks_the_connection_off_behind_what_it_had() {
    let path = written("shrinking-large", &noise(2_000_000));
    let server = start(
        server().limits(no_deadlines()),
        move |_: &Request| -> hansel::Result<Response> {
            let file = File::options().read(true).write(true).open(&path)?;
            let body = Body::file(file.try_clone()?)?;
            file.set_len(500_000)?;
            Ok(Response::new(body))
        },
    );
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.head().field("Content-Length"), Some("2000000"));
    assert!(client.end_of_any_kind() == noise(500_000));
}

#[test]
fn a_file_that_shrinks_breaks_the_connection_off() {
    let path = written("shrinking", &noise(100_000));
    let server = start(
        server().limits(no_deadlines()),
        move |_: &Request| -> hansel::Result<Response> {
            let file = File::options().read(true).write(true).open(&path)?;
            let body = Body::file(file.try_clone()?)?;
            file.set_len(1000)?;
            Ok(Response::new(body))
        },
    );
    let mut client = server.connect();
    client.send(format!("{}{}", get("/"), get("/behind")));
    assert_eq!(client.head().field("Content-Length"), Some("100000"));
    assert_eq!(client.end_of_any_kind(), noise(1000));
}

#[test]
fn of_a_file_that_can_not_be_read_nothing_is_sent_and_what_stands_before_it_is() {
    let path = written("emptied", b"");
    let server = start(
        server().limits(no_deadlines()),
        move |request: &Request| -> hansel::Result<Response> {
            if request.path() == "/other" {
                return Ok(Response::new("other"));
            }
            let file = File::options().read(true).write(true).open(&path)?;
            file.set_len(1000)?;
            let body = Body::file(file.try_clone()?)?;
            file.set_len(0)?;
            Ok(Response::new(body))
        },
    );
    let mut client = server.connect();
    client.send([get("/other"), get("/file"), get("/other")].concat());
    assert_eq!(client.response().text(), "other");
    assert_eq!(client.end_of_any_kind(), b"");
}

#[test]
fn a_file_costs_no_thread_while_its_client_does_not_read() {
    let path = written("stalled", &noise(20_000_000));
    let server = start(
        server().threads(1).limits(no_deadlines()),
        move |request: &Request| -> hansel::Result<Body> {
            if request.path() == "/other" {
                return Ok("other".into());
            }
            Ok(Body::file(File::open(&path)?)?)
        },
    );
    let mut stalled: Vec<_> = (0..5)
        .map(|_| {
            let mut client = server.connect();
            client.send(get("/"));
            client.head();
            client
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(server.connect().get("/other").text(), "other");
    }
    for client in &mut stalled {
        assert!(client.take(20_000_000) == noise(20_000_000));
    }
}
