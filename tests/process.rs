//! A server seen from outside its process: its threads, and which loop watches which connection.
//!
//! A separate binary, because it counts for the whole process; its tests run one after the other.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hansel::{Handle, Limits, Request, Server};

/// How many slow clients there are, if the system lets one process have them and their server.
const CLIENTS: usize = 1000;

const PATIENCE: Duration = Duration::from_secs(30);
const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn slow_clients_hold_no_threads() {
    let _turn = turn();
    let server = server(2);
    let clients = CLIENTS.min(descriptors_left() / 2);
    assert!(clients >= 100, "the system allows too few open files to show anything");
    assert_eq!(get(&mut connect(&server)), "0");
    let before = threads();

    // Half of them stop in their heads, half in their bodies; and then go on byte by byte.
    let request = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\n01234567890123456789";
    let head = b"POST / HTTP/1.1\r\nHo";
    let stops = [head.len(), request.len() - 10];
    let mut slow: Vec<_> = (0..clients).map(|n| (connect(&server), stops[n % 2])).collect();
    for (client, stop) in &mut slow {
        client.write_all(&request[..*stop]).unwrap();
    }
    let mut most = 0;
    for _ in 0..5 {
        for (client, sent) in &mut slow {
            client.write_all(&request[*sent..=*sent]).unwrap();
            *sent += 1;
        }
        assert_eq!(get(&mut connect(&server)), "0", "a new client is answered");
        most = most.max(threads());
    }
    // Each loop may have been handed over once or twice because the system interrupted its thread.
    assert!(
        most <= before + 4,
        "{most} threads with {clients} slow clients, {before} without"
    );

    for (client, sent) in &mut slow {
        client.write_all(&request[*sent..]).unwrap();
    }
    for (client, _) in &mut slow {
        assert_eq!(response(client), "20");
    }
    stop(server);
}

#[test]
fn connections_are_spread_over_the_loops() {
    let _turn = turn();
    const CONNECTIONS: usize = 60;
    let server = server(3);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = connect(&server);
        // It has its place when it is answered.
        assert_eq!(get(&mut client), "0");
        clients.push(client);
    }
    let loops = watched_sockets();
    assert_eq!(loops.len(), 3, "{loops:?}");
    for sockets in loops.values() {
        // Its share, give or take a few.
        assert!(*sockets >= CONNECTIONS / 3 - 8, "{loops:?}");
    }
    stop(server);
}

#[test]
fn a_server_that_has_ended_leaves_no_threads_and_no_descriptors() {
    let _turn = turn();
    let (threads_before, descriptors_before) = (threads(), descriptors());
    for _ in 0..10 {
        let server = server(2);
        let mut client = connect(&server);
        assert_eq!(get(&mut client), "0");
        drop(client);
        stop(server);
    }
    // Its last thread has only to return from its function by now.
    let until = Instant::now() + PATIENCE;
    while threads() > threads_before || descriptors() > descriptors_before {
        assert!(
            Instant::now() < until,
            "{} threads and {} descriptors more than before",
            threads() - threads_before,
            descriptors() - descriptors_before
        );
        std::thread::yield_now();
    }
}

/// Waits for the test before to end, and all of its servers.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let until = Instant::now() + PATIENCE;
    while !watched_sockets().is_empty() {
        assert!(Instant::now() < until, "a server does not end");
        std::thread::yield_now();
    }
    turn
}

fn server(loops: usize) -> Handle {
    let limits = Limits::new().head_time(NEVER).transfer_time(NEVER).idle(NEVER);
    let server = Server::bind("127.0.0.1:0").unwrap().loops(loops).limits(limits).quiet();
    server
        .spawn(|request: &Request| request.bytes().unwrap().len().to_string())
        .unwrap()
}

fn stop(server: Handle) {
    server.shutdown(Duration::ZERO);
    server.wait();
}

fn connect(server: &Handle) -> TcpStream {
    let client = TcpStream::connect(server.local_addr()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

fn get(client: &mut TcpStream) -> String {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    response(client)
}

/// The body of the one response that is to come.
fn response(client: &mut TcpStream) -> String {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let length = head.split("Content-Length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() == length {
                return body.to_owned();
            }
        }
        let mut piece = [0; 1024];
        let n = client.read(&mut piece).unwrap();
        assert!(n > 0, "the connection ended");
        received.extend_from_slice(&piece[..n]);
    }
}

/// The threads of servers in this process: those of the tests themselves come and go.
fn threads() -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap();
    // One may have ended since it was listed.
    let names = names.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("hansel")).count()
}

/// The open files of this process.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many more files this process may open.
fn descriptors_left() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line["Max open files".len()..].split_whitespace().next().unwrap();
    // "unlimited" is as good as any large number.
    soft.parse().unwrap_or(usize::MAX) - descriptors() - 50
}

/// How many descriptors each epoll instance of this process watches, by its own descriptor (proc(5),
/// fdinfo).
fn watched_sockets() -> BTreeMap<String, usize> {
    let mut watched = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo").unwrap() {
        let path = entry.unwrap().path();
        // The descriptor by which the directory is read is gone again.
        let Ok(about) = fs::read_to_string(&path) else { continue };
        let sockets = about.lines().filter(|line| line.starts_with("tfd:")).count();
        if sockets > 0 {
            watched.insert(path.display().to_string(), sockets);
        }
    }
    watched
}
