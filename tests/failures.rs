//! No failure is silent: without a logger it stands on the standard error, with its request, its id and its pattern.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use hansel::{App, Body, Extension, Handle, Response, Routes, Server};

/// Set for the process that fails.
const CHILD: &str = "HANSEL_TEST_FAILS";

struct Missing;

fn app() -> App {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the oven is cold")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    App::new(
        Routes::new()
            .get("/error/{n}", |n: String| -> hansel::Result<String> {
                let n: u8 = n.parse().map_err(Outer)?;
                Ok(n.to_string())
            })
            .get("/boxed", || -> hansel::Result<&str> {
                Err(Box::<dyn std::error::Error + Send + Sync>::from("a boxed error"))?
            })
            .get("/anyhow", || -> hansel::Result<&str> {
                Err(anyhow::anyhow!("the cause").context("an error of anyhow"))?
            })
            .get("/panic/{n}", |_: u8| -> &str { panic!("out of crumbs") })
            .get("/extension", |_: Extension<Missing>| "")
            .get("/header", || Response::new("").with_header("X-Bad", "a\nb"))
            .get("/interim", || hansel::StatusCode::CONTINUE)
            .get("/stream", || {
                Response::new(Body::stream(|client| {
                    client.write_all(b"so far")?;
                    Err(std::io::Error::other("the stream ran dry"))
                }))
            }),
    )
}

/// What is asked, and what is told of it.
const FAILURES: [(&str, &str, &str); 8] = [
    (
        "/error/x",
        "handler failed at GET /error/x (request ID, pattern /error/{n}): the oven is cold; caused by: ",
        "invalid digit",
    ),
    (
        "/boxed",
        "handler failed at GET /boxed (request ID, pattern /boxed): ",
        "a boxed error",
    ),
    (
        "/anyhow",
        "handler failed at GET /anyhow (request ID, pattern /anyhow): an error of anyhow; caused by: ",
        "the cause",
    ),
    (
        "/panic/7",
        "handler panicked at GET /panic/7 (request ID, pattern /panic/{n}): ",
        "out of crumbs",
    ),
    (
        "/extension",
        "handler failed at GET /extension (request ID, pattern /extension): it takes an Extension<",
        "Missing>, and no hook has set one",
    ),
    (
        "/header",
        "a response that can't be sent became a 500 at GET /header (request ID, pattern /header): ",
        "tests/failures.rs:",
    ),
    (
        "/interim",
        "a response that can't be sent became a 500 at GET /interim (request ID, pattern /interim): ",
        "100 Continue is interim",
    ),
    (
        "/stream",
        "the body of a response failed at GET /stream (request ID, pattern /stream): ",
        "the stream ran dry",
    ),
];

#[test]
fn without_a_logger_failures_stand_on_the_standard_error() {
    if std::env::var_os(CHILD).is_some() {
        return fail();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "without_a_logger_failures_stand_on_the_standard_error",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let told = String::from_utf8(child.stderr).unwrap();
    let ids = String::from_utf8(child.stdout).unwrap();
    for (path, line, rest) in FAILURES {
        // The panic's own message is the panic hook's.
        let lines: Vec<_> = told
            .lines()
            .filter(|line| line.starts_with("hansel: ") && line.contains(path))
            .collect();
        assert_eq!(lines.len(), 2, "{path}: {told}");
        let id_of = |told: &str| {
            told.split_once("(request ")
                .unwrap()
                .1
                .split_once(", ")
                .unwrap()
                .0
                .to_owned()
        };
        for told in &lines {
            let nameless = told.replace(&id_of(told), "ID");
            assert!(nameless.starts_with(&format!("hansel: {line}")), "{told}");
            assert!(told.contains(rest), "{told}");
        }
        let id = id_of(lines[0]);
        assert!(ids.contains(&format!("{path} {id}\n")), "{path}: {id} of {ids}");
    }
}

/// Has each failure happen on a server that sends ids, and so keeps a record of patterns, and on one that does not.
fn fail() {
    let server = || Server::bind("127.0.0.1:0").unwrap().quiet();
    for path in FAILURES.map(|(path, ..)| path) {
        let response = failed(path, server().request_ids().spawn(app()).unwrap());
        let id = response.split("X-Request-Id: ").nth(1).unwrap();
        println!("{path} {}", id.split("\r\n").next().unwrap());
        failed(path, server().spawn(app()).unwrap());
    }
}

/// What the client is told.
fn failed(path: &str, server: Handle) -> String {
    let mut client = TcpStream::connect(server.local_addr()).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    // A stream that fails is cut off.
    let _ = client.read_to_string(&mut response);
    let status = if path == "/stream" { "200" } else { "500" };
    assert_eq!(response.split(' ').nth(1), Some(status), "{path}: {response}");
    for secret in ["oven", "boxed error", "anyhow", "crumbs", "Missing", "dry"] {
        assert!(!response.contains(secret), "{response}");
    }
    server.shutdown(std::time::Duration::from_secs(10));
    server.wait();
    response
}
