//! The access log, and request ids.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansel::{AccessLog, App, Body, Chain, Request, Response, Routes, Server, StatusCode, Trust};

use crate::support::{Gate, NEVER, OpenAtEnd, get, hear, no_deadlines, server, start};

/// Lines as they are written.
struct Lines {
    tell: Sender<String>,
    rest: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let _ = self.tell.send(String::from_utf8(line).unwrap());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines() -> (Lines, Receiver<String>) {
    let (tell, told) = channel();
    (Lines { tell, rest: Vec::new() }, told)
}

fn json(told: &Receiver<String>) -> serde_json::Value {
    let line = hear(told);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn logged_as_json(server: Server) -> (Server, Receiver<String>) {
    let (lines, told) = lines();
    (server.access_log(AccessLog::json(lines)), told)
}

#[test]
fn every_response_is_a_line_with_its_pattern() {
    let (server, told) = logged_as_json(server());
    let routes = Routes::new().get("/people/{id}", |id: u32| format!("person {id}"));
    let server = start(server, routes);
    let mut client = server.connect();
    assert_eq!(client.get("/people/7?x=%20").text(), "person 7");
    let line = json(&told);
    assert_eq!(line["method"], "GET");
    assert_eq!(line["target"], "/people/7?x=%20");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], 8);
    assert_eq!(line["endpoint"], "/people/{id}");
    let peer = client.stream.local_addr().unwrap().to_string();
    assert_eq!(line["peer"], peer);
    assert_eq!(client.get("/nowhere").status, 404);
    let line = json(&told);
    assert_eq!(
        (&line["status"], &line["endpoint"]),
        (&404.into(), &serde_json::Value::Null)
    );
}

/// As in the map: a mount at `/` is the path that it is at.
#[test]
fn what_is_mounted_at_the_root_has_the_pattern_of_the_map() {
    let (server, told) = logged_as_json(server());
    let deep = Routes::new().get("/x", || "x").get("/", || "top");
    // A miss behind the first mount: its part of the pattern is taken back.
    let first = Routes::new().mount("/", Routes::new().get("/messages/{id}", |_: u32| "id"));
    let second = Routes::new().mount(
        "/",
        Routes::new()
            .get("/messages/{word}", |_: &str| "word")
            .mount("/deep", deep),
    );
    let app = App::new(Chain::new().then(first).then(second));
    let map = app.routes().to_string();
    let server = start(server, app);
    let mut client = server.connect();
    for (target, endpoint) in [
        ("/messages/7", "/messages/{id}"),
        ("/messages/new", "/messages/{word}"),
        ("/deep/x", "/deep/x"),
        ("/deep", "/deep"),
    ] {
        assert_eq!(client.get(target).status, 200, "{target}");
        assert_eq!(json(&told)["endpoint"], endpoint, "{target}");
        assert!(map.contains(endpoint), "{map}");
    }
}

#[test]
fn a_combined_line_is_the_usual_one() {
    let (lines, told) = lines();
    let server = start(server().access_log(AccessLog::combined(lines)), || "Hello");
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nReferer: http://b.test/\r\nUser-Agent: \"x\"\r\n\r\n");
    client.response();
    let line = hear(&told);
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(
        line.ends_with(" +0000] \"GET / HTTP/1.1\" 200 5 \"http://b.test/\" \"\\\"x\\\"\"\n"),
        "{line}"
    );
}

#[test]
fn pipelined_requests_have_a_line_each_in_order() {
    let (server, told) = logged_as_json(server());
    let server = start(server, |request: &Request| request.path().to_owned());
    let mut client = server.connect();
    client.send((0..100).map(|n| get(&format!("/{n}"))).collect::<String>());
    for n in 0..100 {
        client.response();
        assert_eq!(json(&told)["target"], format!("/{n}"));
    }
}

#[test]
fn what_is_sent_is_counted_however_it_is_made() {
    let (server, told) = logged_as_json(server());
    let server = start(server, |request: &Request| match request.segment(0) {
        Some("long") => Response::new("x".repeat(100_000)),
        Some("stream") => Response::new(Body::stream(|client| {
            client.write_all(b"one")?;
            client.write_all(b"two")
        })),
        _ => Response::new(Body::stream(|client| {
            client.write_all(b"one")?;
            panic!("in the middle of a stream")
        })),
    });
    let mut client = server.connect();
    client.get("/long");
    assert_eq!(json(&told)["bytes"], 100_000);
    client.send("HEAD /long HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.head();
    assert_eq!(json(&told)["bytes"], 0);
    client.get("/stream");
    assert_eq!(json(&told)["bytes"], 6);
    client.send(get("/broken"));
    client.end_of_any_kind();
    let line = json(&told);
    assert_eq!((&line["bytes"], &line["target"]), (&3.into(), &"/broken".into()));
}

#[test]
fn refusals_are_lines_with_what_is_known_of_the_request() {
    let limits = no_deadlines().body(10);
    let (server, told) = logged_as_json(server().limits(limits));
    let server = start(server, || "Hello");
    server.connect().get("/first");
    json(&told);
    let mut bad = server.connect();
    bad.send("NONSENSE\r\n\r\n");
    assert_eq!(bad.response().status, 400);
    let line = json(&told);
    assert_eq!(
        (&line["status"], &line["target"]),
        (&400.into(), &serde_json::Value::Null)
    );
    assert_eq!(server.connect().post("/large", &[0; 11]).status, 413);
    let line = json(&told);
    assert_eq!(line["status"], 413);
    assert_eq!([&line["method"], &line["target"]], ["POST", "/large"]);
    assert_eq!(line["id"].as_str().map(str::len), Some(16));
}

#[test]
fn a_request_that_finds_the_queue_full_is_a_line() {
    let gate = Gate::new();
    let at = gate.clone();
    let limits = no_deadlines().queue(0);
    let (server, told) = logged_as_json(server().threads(1).limits(limits));
    let server = start(server, move || at.pass());
    let _open = OpenAtEnd(&gate);
    let mut stuck = server.connect();
    stuck.send(get("/"));
    gate.await_arrived(1);
    assert_eq!(server.connect().get("/refused").status, 503);
    let line = json(&told);
    assert_eq!((&line["status"], &line["target"]), (&503.into(), &"/refused".into()));
}

#[test]
fn probes_are_no_lines() {
    let (server, told) = logged_as_json(server().health());
    let server = start(server, || "Hello");
    let mut client = server.connect();
    client.get("/livez");
    client.send([get("/"), get("/livez"), get("/")].concat());
    for _ in 0..3 {
        client.response();
    }
    assert_eq!(json(&told)["target"], "/");
    assert_eq!(json(&told)["target"], "/");
    server.shutdown(NEVER);
    drop(client);
    server.wait();
    assert!(told.try_recv().is_err());
}

#[test]
fn a_log_that_hangs_holds_up_nobody_and_its_drops_are_counted() {
    struct Hanging(Gate);
    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.pass();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let log = AccessLog::json(Hanging(gate.clone())).buffer(1000);
    let server = start(server().access_log(log), || "Hello");
    let mut client = server.connect();
    client.get("/");
    gate.await_arrived(1);
    for _ in 0..200 {
        assert_eq!(client.get("/").text(), "Hello");
    }
}

#[test]
fn all_lines_are_written_when_the_server_has_ended() {
    let written = Arc::new(Mutex::new(Vec::new()));
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = AccessLog::combined(Kept(Arc::clone(&written)));
    let server = start(server().loops(2).access_log(log), || "Hello");
    for _ in 0..50 {
        server.connect().get("/");
    }
    server.shutdown(Duration::from_secs(60));
    server.wait();
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    assert_eq!(written.lines().count(), 50);
}

#[test]
fn an_id_is_one_in_handler_response_and_log_and_never_a_strangers() {
    let (server, told) = logged_as_json(server().request_ids());
    let server = start(server, |request: &Request| match request.segment(0) {
        Some("panic") => panic!("on purpose"),
        _ => (StatusCode::OK, request.id().to_string()),
    });
    let mut client = server.connect();
    let mut seen = Vec::new();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: forged\r\n\r\n");
        let response = client.response();
        let id = response.text().to_owned();
        assert_eq!(response.field("X-Request-Id"), Some(&*id));
        assert_eq!(json(&told)["id"], id);
        assert!(id != "forged" && !seen.contains(&id), "{id}");
        seen.push(id);
    }
    let failed = client.get("/panic");
    assert_eq!(failed.status, 500);
    assert_eq!(json(&told)["id"], failed.field("X-Request-Id").unwrap());
}

#[test]
fn a_refused_head_is_its_clients_and_never_its_proxys() {
    for (header, client) in [
        (
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 1\r\n",
            serde_json::Value::from("192.0.2.1"),
        ),
        ("PROXY UNKNOWN\r\n", serde_json::Value::Null),
    ] {
        let trust = Trust::peers(["127.0.0.1"]).unwrap();
        let (server, told) = logged_as_json(server().proxy_protocol().trust(trust));
        let server = start(server, || "");
        let mut connection = server.connect();
        connection.send(format!("{header}GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n"));
        assert_eq!(connection.response().status, 400, "no Host");
        assert_eq!(json(&told)["client"], client);
    }
}
