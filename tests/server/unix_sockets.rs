//! Unix sockets, together with a network address.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use hansel::{Request, Server};

use crate::support::{Gate, OpenAtEnd, no_deadlines};

#[test]
fn a_unix_socket_serves_beside_an_address_and_is_gone_at_the_end() {
    let path = std::env::temp_dir().join(format!("hansel-serves-{}", std::process::id()));
    let server = Server::unix(&path, 0o600).unwrap().and_bind("127.0.0.1:0").unwrap();
    let server = server
        .spawn(|request: &Request| format!("{:?}", request.peer()))
        .unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("\r\n\r\nNone"), "{response}");
    let over_tcp = super::support::Client::connect(server.local_addr()).get("/");
    assert!(over_tcp.text().contains("127.0.0.1:"), "{}", over_tcp.text());
    assert!(path.exists());
    drop(client);
    server.shutdown(Duration::from_secs(60));
    server.wait();
    assert!(!path.exists());
}

#[test]
fn the_socket_of_a_successor_stays_when_its_predecessor_ends() {
    let path = std::env::temp_dir().join(format!("hansel-stays-{}", std::process::id()));
    let gate = Gate::new();
    let at = gate.clone();
    let first = Server::unix(&path, 0o600).unwrap().quiet();
    let first = first.spawn(move || at.pass()).unwrap();
    let open = OpenAtEnd(&gate);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    gate.await_arrived(1);
    first.shutdown(Duration::from_secs(60));
    while UnixStream::connect(&path).is_ok() {
        thread::yield_now();
    }
    // The first one drains: it has stopped listening, and the path is free.
    let second = Server::unix(&path, 0o600).unwrap().quiet().spawn(|| "second").unwrap();
    drop(open);
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    first.wait();
    let mut client = UnixStream::connect(&path).expect("the second is reached");
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("second"), "{response}");
    second.shutdown(Duration::from_secs(60));
    second.wait();
    assert!(!path.exists());
}

#[test]
fn responses_that_nobody_takes_yet_arrive_whole_and_in_order() {
    // At once done with, so that responses wait for each other; and long enough that a socket soon holds no more.
    static BODIES: LazyLock<Vec<String>> = LazyLock::new(|| (0..10).map(|n| n.to_string().repeat(7000)).collect());
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let path = std::env::temp_dir().join(format!("hansel-holds-{}", std::process::id()));
    let server = Server::unix(&path, 0o600)
        .unwrap()
        .loops(1)
        .limits(no_deadlines())
        .quiet();
    let server = server
        .spawn(|request: &Request| {
            ASKED.fetch_add(1, Relaxed);
            let digit = request.path().as_bytes().last().unwrap();
            BODIES[usize::from(digit - b'0')].as_str()
        })
        .unwrap();
    let mut clients: Vec<_> = (0..64).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let mut sent = 0;
    // One at a time from each, until their sockets have no more room for the responses.
    while ASKED.load(Relaxed) == sent * clients.len() {
        for client in &mut clients {
            client
                .write_all(format!("GET /{sent} HTTP/1.1\r\nHost: a.test\r\n\r\n").as_bytes())
                .unwrap();
        }
        sent += 1;
        let patience = Instant::now() + Duration::from_millis(500);
        while ASKED.load(Relaxed) < sent * clients.len() && Instant::now() < patience {
            thread::yield_now();
        }
    }
    for client in clients {
        client.shutdown(Shutdown::Write).unwrap();
        let mut responses = String::new();
        (&client).read_to_string(&mut responses).unwrap();
        let bodies: Vec<_> = responses.split("HTTP/1.1 200 OK").skip(1).collect();
        assert_eq!(bodies.len(), sent);
        for (n, response) in bodies.iter().enumerate() {
            assert!(
                response.ends_with(&format!("\r\n\r\n{}", BODIES[n % 10])),
                "response {n}"
            );
        }
    }
    server.shutdown(Duration::from_secs(60));
    server.wait();
}
