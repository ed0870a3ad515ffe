//! Descriptors: the limit of connections fits what the process may open. If all are used up (EMFILE), the server still
//! says so.
//!
//! The server is a separate process, because the limit is one of the process: this test program, started again for the
//! one test that is otherwise ignored.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hansel::{IntoResponse, Limits, Request, Response, Server};

use crate::processes::{end_with_test, hear_address, tell_address};
use crate::support::{Client, PATIENCE, get, no_deadlines, sample};

const LOOPS: usize = 2;

#[test]
#[ignore = "the tests below start it, as a process of its own"]
fn a_server_of_few_descriptors() {
    let server = Server::bind("127.0.0.1:0").unwrap().loops(LOOPS).health();
    let server = server.health_on("127.0.0.1:0").unwrap();
    tell_address(server.local_addrs()[0]);
    end_with_test(0);
    server.limits(no_deadlines()).serve(respond).unwrap();
}

/// Files that a handler has forgotten to close.
static LEAKED: Mutex<Vec<File>> = Mutex::new(Vec::new());

fn respond(request: &Request) -> Response {
    let mut leaked = LEAKED.lock().unwrap_or_else(PoisonError::into_inner);
    match request.path() {
        "/leak" => {
            let error = loop {
                match File::open("/dev/null") {
                    Ok(file) => leaked.push(file),
                    Err(error) => break error,
                }
            };
            error.raw_os_error().unwrap_or(0).to_string().into_response()
        }
        "/close" => {
            leaked.clear();
            "closed".into_response()
        }
        "/open" => std::fs::read_dir("/dev/fd")
            .unwrap()
            .count()
            .to_string()
            .into_response(),
        _ => "served".into_response(),
    }
}

/// A server that may have so many descriptors, the soft and the hard limit.
struct Limited {
    process: Child,
    address: SocketAddr,
    health: SocketAddr,
    /// Its limit of connections, and what it says if it has lowered that.
    connections: usize,
    said: Option<String>,
}

fn start(soft: usize, hard: usize) -> Limited {
    let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    let mut process = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "exhaustion::a_server_of_few_descriptors",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let address = hear_address(&mut process);
    let mut told = BufReader::new(process.stderr.take().unwrap())
        .lines()
        .map(io::Result::unwrap);
    let (mut health, mut connections) = (None, 0);
    for line in told.by_ref().take_while(|line| !line.starts_with("  queue ")) {
        if let Some(at) = line.strip_prefix("hansel: health checks on ") {
            health = at.parse().ok();
        } else if let Some(rest) = line.strip_prefix("  connections ") {
            connections = rest.split(',').next().unwrap().parse().unwrap();
        }
    }
    let is_lowered = connections < Limits::default().connections;
    Limited {
        process,
        address,
        health: health.unwrap(),
        connections,
        said: is_lowered.then(|| told.next().unwrap()),
    }
}

impl Limited {
    fn probe(&self, path: &str) -> String {
        let mut client = Client::connect(self.health);
        let response = client.get(path);
        assert_eq!(response.status, 200, "{path}");
        response.text().to_owned()
    }

    fn sample(&self, name: &str) -> f64 {
        sample(&mut Client::connect(self.health), name)
    }

    /// A client that has been answered 200, however many others had to be turned away before.
    fn served(&self) -> Client {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut client = Client::connect(self.address);
            let _ = client.try_send(get("/"));
            let response = client.response();
            if response.status == 200 {
                return client;
            }
            assert_eq!(response.status, 503);
            assert!(Instant::now() < until, "nobody is served");
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let status = self.process.wait().unwrap();
        assert!(std::thread::panicking() || status.success());
    }
}

#[test]
fn the_limit_of_connections_is_lowered_to_the_descriptors_and_that_is_said() {
    let server = start(64, 64);
    let asked = Limits::default().connections;
    let given = server.connections;
    assert!((8..48).contains(&given), "{given} connections");
    assert_eq!(
        server.said.as_deref(),
        Some(&*format!(
            "hansel: only {given} of {asked} connections: the process may have only 64 descriptors; \
             raise LimitNOFILE= of its service, or ulimit -n"
        ))
    );
}

#[test]
fn the_limit_of_descriptors_is_raised_as_far_as_connections_need_it_and_the_system_allows() {
    let server = start(64, 400);
    assert!((300..400).contains(&server.connections), "{}", server.connections);
    assert!(server.said.as_ref().unwrap().contains("only 400 descriptors"));
    // More than the soft limit was.
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(server.address)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").text(), "served");
    }
    drop(clients);
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    if hard.is_none_or(|hard| hard >= 20_000) {
        let enough = start(64, 20_000);
        assert_eq!(
            (&enough.said, enough.connections),
            (&None, Limits::default().connections)
        );
    }
}

#[test]
fn a_crowd_beyond_the_descriptors_is_answered_and_leaves_nothing_behind() {
    let server = start(64, 64);
    let mut first = server.served();
    let open = first.get("/open").text().to_owned();
    drop(first);
    for round in 0..3 {
        let mut clients: Vec<_> = (0..300)
            .map(|_| {
                let mut client = Client::connect(server.address);
                let _ = client.try_send(get("/"));
                client
            })
            .collect();
        let statuses: Vec<_> = clients.iter_mut().map(|client| client.response().status).collect();
        assert!(
            statuses.iter().all(|status| [200, 503].contains(status)),
            "{statuses:?}"
        );
        let served = statuses.iter().filter(|&&status| status == 200).count();
        // In later rounds, some places may still be those of clients that have just gone.
        assert!(round > 0 || served + 1 >= server.connections, "{served}");
        assert_eq!(server.probe("/livez"), "alive\n");
        drop(clients);
    }
    assert_eq!(
        server.sample("hansel_accept_failures_total"),
        0.0,
        "the limit comes before that"
    );
    let until = Instant::now() + PATIENCE;
    while server.served().get("/open").text() != open {
        assert!(Instant::now() < until, "descriptors are lost");
    }
}

#[test]
fn with_every_descriptor_taken_probes_are_answered_and_clients_told_503() {
    let server = start(64, 64);
    let mut leaking = server.served();
    let open = leaking.get("/open").text().to_owned();
    let error = leaking.get("/leak").text().parse().unwrap();
    assert_eq!(
        io::Error::from_raw_os_error(error).kind(),
        io::Error::from_raw_os_error(24).kind()
    );
    // It has asked, so it is not idle.
    leaking.send("GET /cl");
    for _ in 0..40 {
        let mut refused = Client::connect(server.address);
        let response = refused.response();
        assert_eq!(response.status, 503);
        response.assert_closes();
        refused.end();
        assert_eq!(server.probe("/livez"), "alive\n");
        assert_eq!(server.probe("/readyz"), "ready\n");
        assert!(server.sample("hansel_accept_failures_total") > 0.0);
    }
    // Those who take no response and stay do not keep the reserve.
    let silent: Vec<_> = (0..20).map(|_| Client::connect(server.address)).collect();
    assert_eq!(server.probe("/livez"), "alive\n");
    drop(silent);
    // Of many who come at once, nobody is left to wait.
    let mut crowd: Vec<_> = (0..100).map(|_| Client::connect(server.address)).collect();
    for client in &mut crowd {
        assert_eq!(client.response().status, 503);
        client.end();
    }
    leaking.send("ose HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(leaking.response().text(), "closed");
    drop(leaking);
    let until = Instant::now() + PATIENCE;
    while server.served().get("/open").text() != open {
        assert!(Instant::now() < until, "descriptors are lost");
    }
}

#[test]
fn with_every_descriptor_taken_an_idle_connection_makes_room_for_a_new_one() {
    let server = start(64, 64);
    let idle = server.served();
    let mut leaking = server.served();
    leaking.get("/leak");
    leaking.send("GET /cl");
    let mut newest = Vec::new();
    idle.stream.set_nonblocking(true).unwrap();
    // Usually the first one takes its place; but the server may have had a file open when all others were taken.
    while !matches!(idle.stream.peek(&mut [0]), Ok(0)) {
        newest.push(server.served());
    }
    assert_eq!(newest.last_mut().unwrap().get("/").text(), "served");
    leaking.send("ose HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(leaking.response().text(), "closed");
}

#[test]
fn with_every_descriptor_taken_for_good_the_server_does_not_spin() {
    let server = start(64, 64);
    let mut watching = server.served();
    let mut leaking = server.served();
    leaking.get("/leak");
    leaking.send("GET /cl");
    // The reserve as well, one probe for each of it: they ask nothing, and so keep it.
    let silent: Vec<_> = (0..30).map(|_| Client::connect(server.health)).collect();
    let began = Instant::now();
    let before = sample(&mut watching, "hansel_accept_failures_total");
    let failures = loop {
        let failures = sample(&mut watching, "hansel_accept_failures_total") - before;
        if failures > 30.0 {
            break failures;
        }
        assert!(began.elapsed() < PATIENCE, "{failures}: it has descriptors for all");
    };
    // Each of a reserve may have cost a failure. Then a loop rests for a tenth of a second.
    let most = 8.0 + LOOPS as f64 * ((began.elapsed().as_millis() / 100) as f64 + 1.0);
    assert!(failures <= most, "{failures}, {most} at most");
    drop(silent);
    leaking.send("ose HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(leaking.response().text(), "closed");
    assert_eq!(server.probe("/livez"), "alive\n");
}
