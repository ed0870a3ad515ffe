//! Subscribes to a server of this directory with many connections, and measures each message: until the last has it, and
//! the server's processor time.
//!
//! `bench-pushing SERVER ADDRESS SUBSCRIBERS NOT_READING MESSAGES LARGE` starts the server, and prints a line. So many large
//! messages are sent first, which fill the connections of those that do not read.

mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use server::Server;

/// Bytes of data in a message.
const DATA: usize = 200;
const LARGE: usize = 64 * 1024;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, server, address, numbers @ ..] = &arguments[..] else {
        panic!("see the source")
    };
    let numbers: Vec<usize> = numbers.iter().map(|number| number.parse().expect("a number")).collect();
    let [subscribers, not_reading, messages, large] = numbers[..] else {
        panic!("four numbers")
    };
    let address: SocketAddr = address.parse().expect("an address");
    let server = Server::start(server, &address.to_string());
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = server.memory();
    let idle: Vec<_> = (0..not_reading).map(|_| subscribe(address)).collect();
    let mut poll = Poll::new().expect("a poll");
    let mut clients: Vec<_> = (0..subscribers)
        .map(|key| {
            let stream = subscribe(address);
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = mio::net::TcpStream::from_std(stream);
            let registry = poll.registry();
            registry
                .register(&mut stream, Token(key), Interest::READABLE)
                .expect("a place");
            (stream, 0)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let each = (server.memory() - before) * 1024 / (subscribers + not_reading) as u64;
    let mut sender = TcpStream::connect(address).expect("a connection");
    let (mut until_last, mut times) = (Vec::new(), Vec::new());
    for _ in 0..large {
        send(&mut sender, LARGE);
        await_all(&mut poll, &mut clients, LARGE);
        await_response(&mut sender);
    }
    for _ in 0..messages {
        let processor = server.processor_time();
        let began = Instant::now();
        send(&mut sender, DATA);
        await_all(&mut poll, &mut clients, DATA);
        until_last.push(began.elapsed());
        await_response(&mut sender);
        std::thread::sleep(Duration::from_millis(20));
        times.push(server.processor_time() - processor);
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    println!(
        "{subscribers} + {not_reading} not reading: {each} bytes each; last after {:?}, processor {:?} per delivery",
        median(&mut until_last),
        median(&mut times) / subscribers as u32,
    );
    drop(idle);
}

fn subscribe(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("to send");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", head.escape_ascii());
    stream
}

fn send(sender: &mut TcpStream, len: usize) {
    let head = format!("POST /send HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n");
    sender.write_all(head.as_bytes()).expect("to send");
    sender.write_all(&vec![b'x'; len]).expect("to send");
}

/// Reads the response to the sender.
fn await_response(sender: &mut TcpStream) {
    let mut response = [0; 512];
    let _ = sender.read(&mut response).expect("a response");
}

/// Waits until all have one more message of this length.
fn await_all(poll: &mut Poll, clients: &mut [(mio::net::TcpStream, usize)], len: usize) {
    let mut events = Events::with_capacity(1024);
    let mut left = clients.len();
    while left > 0 {
        poll.poll(&mut events, Some(Duration::from_secs(30))).expect("events");
        assert!(!events.is_empty(), "{left} have not got the message");
        for event in &events {
            let (stream, got) = &mut clients[event.token().0];
            let mut bytes = [0; 16 * 1024];
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                *got += bytes[..n].iter().filter(|byte| **byte == b'x').count();
            }
            if *got >= len {
                *got -= len;
                left -= 1;
            }
        }
    }
}
