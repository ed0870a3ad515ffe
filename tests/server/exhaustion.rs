//! A process that has no descriptors left (EMFILE): it goes on, and does not spin.
//!
//! The server is a process of its own, since the limit is one of the process: this test program, started
//! again for the one test that is ignored otherwise.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hansel::Server;

use crate::processes::{end_with_test, hear_address, tell_address};
use crate::support::{Client, PATIENCE, get, no_deadlines, sample};

/// What the server may open.
const DESCRIPTORS: usize = 40;
/// More than that.
const CLIENTS: usize = 100;
const LOOPS: usize = 2;

#[test]
#[ignore = "the test below starts it, as a process of its own"]
fn a_server_of_few_descriptors() {
    let server = Server::bind("127.0.0.1:0").unwrap().loops(LOOPS).quiet().health();
    tell_address(server.local_addrs()[0]);
    io::stdin().read_exact(&mut [0]).unwrap();
    end_with_test(0);
    server.limits(no_deadlines()).serve(|| "served").unwrap();
}

/// Starts it, and says where it listens. It serves once it has read a byte.
fn start() -> (Child, SocketAddr) {
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
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
        .spawn()
        .unwrap();
    let address = hear_address(&mut child);
    (child, address)
}

#[test]
fn without_descriptors_the_served_are_served_and_the_others_wait_their_turn() {
    let (mut server, address) = start();
    let mut first = Client::connect(address);
    // They are there before it serves: what it needs for that it must have already.
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = Client::of(TcpStream::connect(address).unwrap());
            client.send(get("/"));
            client
        })
        .collect();
    let began = Instant::now();
    server.stdin.as_ref().unwrap().write_all(b"!").unwrap();
    assert_eq!(first.get("/").text(), "served");
    // It has been at its end, and has said so.
    let failures = loop {
        let failures = sample(&mut first, "hansel_accept_failures_total");
        if failures > 0.0 {
            break failures;
        }
        assert!(began.elapsed() < PATIENCE, "it has descriptors for all");
    };
    // A loop that has failed rests for a tenth of a second.
    let most = LOOPS as f64 * ((began.elapsed().as_millis() / 100) as f64 + 1.0);
    assert!(failures <= most, "{failures} failures, {most} at most");
    // As soon as one has its answer and goes, there is room for another.
    for mut client in clients {
        assert_eq!(client.answer().text(), "served");
    }
    assert_eq!(first.get("/").text(), "served");
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
