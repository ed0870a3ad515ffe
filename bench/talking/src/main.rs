//! Opens many WebSockets at a server of this directory, and measures: the memory of each; messages that come back; a
//! message to all of a room; the end of each; and how long a socket waits while nothing else happens, and while a handler
//! of another blocks.
//!
//! `bench-talking SERVER ADDRESS SOCKETS ACTIVE SECONDS MESSAGES` starts the server, and prints a line. So many of the sockets
//! send at the same time, each its next message when the last has come back.

#[path = "../../pushing/src/server.rs"]
mod server;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use server::Server;

/// Bytes of a message that comes back, and of one to all. A server's frame has a head of two bytes, or of four.
const ECHOED: usize = 100;
const TOLD: usize = 200;
const MASK: [u8; 4] = [1, 2, 3, 4];

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, server, address, numbers @ ..] = &arguments[..] else {
        panic!("see the source")
    };
    let numbers: Vec<usize> = numbers.iter().map(|number| number.parse().expect("a number")).collect();
    let [sockets, active, seconds, messages] = numbers[..] else {
        panic!("four numbers")
    };
    let address: SocketAddr = address.parse().expect("an address");
    let server = Server::start(server, &address.to_string());
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = server.memory();
    let mut room = Crowd::open(address, "/chat", sockets);
    std::thread::sleep(Duration::from_secs(1));
    let each = server.memory().saturating_sub(before) * 1024 / sockets as u64;

    let (mut until_last, mut times) = (Vec::new(), Vec::new());
    let told = frame(&[b'x'; TOLD]);
    for _ in 0..messages {
        let processor = server.processor_time();
        let began = Instant::now();
        room.send(0, &told);
        room.await_all(TOLD + 4);
        until_last.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(20));
        times.push(server.processor_time() - processor);
    }
    // A process may not have as many descriptors as for both.
    let processor = server.processor_time();
    drop(room);
    std::thread::sleep(Duration::from_secs(1));
    let closed = server.processor_time() - processor;
    let mut crowd = Crowd::open(address, "/echo", active);
    crowd.talk(Duration::from_millis(500));
    let (processor, began) = (server.processor_time(), Instant::now());
    let count = crowd.talk(Duration::from_secs(seconds as u64));
    let (taken, spent) = (began.elapsed(), server.processor_time() - processor);
    let [calm, first, later] = waits(address);
    println!(
        "{each} bytes each; echo {:.0} a second, processor {:.3}us; chat last after {:.3}ms, processor {:.3}us; \
         end of each {:.3}us; waits {:.3}ms calm, {:.3}ms first, {:.3}ms later",
        count as f64 / taken.as_secs_f64(),
        micros(spent) / count as f64,
        micros(median(&mut until_last)) / 1e3,
        micros(median(&mut times)) / sockets as f64,
        micros(closed) / sockets as f64,
        micros(calm) / 1e3,
        micros(first) / 1e3,
        micros(later) / 1e3,
    );
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Opens a socket.
fn open(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .expect("to send");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", head.escape_ascii());
    stream
}

/// Returns the frame of a client with this text, masked.
fn frame(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(len @ 0..=125) => out.push(0x80 | len),
        _ => {
            out.push(0x80 | 126);
            out.extend((text.len() as u16).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(text.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// Many sockets.
struct Crowd {
    poll: Poll,
    /// Each with the number of bytes that have come since the last message was complete.
    clients: Vec<(mio::net::TcpStream, usize)>,
}

impl Crowd {
    fn open(address: SocketAddr, path: &str, count: usize) -> Crowd {
        let poll = Poll::new().expect("a poll");
        let client = |key| {
            let stream = open(address, path);
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = mio::net::TcpStream::from_std(stream);
            let registry = poll.registry();
            registry
                .register(&mut stream, Token(key), Interest::READABLE)
                .expect("a place");
            (stream, 0)
        };
        let clients = (0..count).map(client).collect();
        Crowd { poll, clients }
    }

    fn send(&mut self, key: usize, frame: &[u8]) {
        // It has taken all before, so there is room.
        let sent = self.clients[key].0.write(frame).expect("to send");
        assert_eq!(sent, frame.len());
    }

    /// Reads what has come, and returns who has a whole message more, of so many bytes.
    fn complete(&mut self, events: &mut Events, len: usize) -> Vec<usize> {
        self.poll.poll(events, Some(Duration::from_secs(30))).expect("events");
        assert!(!events.is_empty(), "a message has not come");
        let mut complete = Vec::new();
        for event in events.iter() {
            let key = event.token().0;
            let (stream, got) = &mut self.clients[key];
            let mut bytes = [0; 16 * 1024];
            loop {
                match stream.read(&mut bytes) {
                    Ok(0) => panic!("the server has closed a socket"),
                    Ok(n) => *got += n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            if *got >= len {
                *got -= len;
                complete.push(key);
            }
        }
        complete
    }

    /// Waits until all have one more message.
    fn await_all(&mut self, len: usize) {
        let mut events = Events::with_capacity(1024);
        let mut left = self.clients.len();
        while left > 0 {
            left -= self.complete(&mut events, len).len();
        }
    }

    /// Has each send a message, and the next one when that has come back. Returns how many have come back.
    fn talk(&mut self, time: Duration) -> usize {
        let frame = frame(&[b'x'; ECHOED]);
        let mut events = Events::with_capacity(1024);
        (0..self.clients.len()).for_each(|key| self.send(key, &frame));
        let (end, mut count, mut silent) = (Instant::now() + time, 0, 0);
        while silent < self.clients.len() {
            for key in self.complete(&mut events, ECHOED + 2) {
                count += 1;
                if Instant::now() < end {
                    self.send(key, &frame);
                } else {
                    silent += 1;
                }
            }
        }
        count
    }
}

/// How often the waits are measured. The median counts, because now and then all of the machine stops for some milliseconds.
const TRIES: usize = 7;

/// Returns the longest that a socket waits within a second: while nothing else happens; while a handler of another blocks, the
/// first time, after it has always been quick; and the same later.
fn waits(address: SocketAddr) -> [Duration; 3] {
    let mut sleeper = open(address, "/sleep");
    let mut other = open(address, "/echo");
    let quick = frame(b"0");
    let mut answer = [0; 3];
    for _ in 0..2000 {
        sleeper.write_all(&quick).expect("to send");
        sleeper.read_exact(&mut answer).expect("an answer");
    }
    let mut calm: Vec<_> = (0..TRIES).map(|_| longest_wait(&mut other)).collect();
    let first = longest_wait_beside(&mut sleeper, &mut other);
    let mut later: Vec<_> = (0..TRIES)
        .map(|_| longest_wait_beside(&mut sleeper, &mut other))
        .collect();
    [median(&mut calm), first, median(&mut later)]
}

/// Returns the longest that a socket waits while the handler of the sleeper blocks for a second.
fn longest_wait_beside(sleeper: &mut TcpStream, other: &mut TcpStream) -> Duration {
    sleeper.write_all(&frame(b"1000")).expect("to send");
    let longest = longest_wait(other);
    let mut answer = [0; 6];
    sleeper.read_exact(&mut answer).expect("an answer");
    longest
}

/// Returns the longest that a message has taken to come back, within 0.9 seconds.
fn longest_wait(socket: &mut TcpStream) -> Duration {
    let (message, mut answer) = (frame(&[b'x'; ECHOED]), [0; ECHOED + 2]);
    let (begin, mut longest) = (Instant::now(), Duration::ZERO);
    while begin.elapsed() < Duration::from_millis(900) {
        let sent = Instant::now();
        socket.write_all(&message).expect("to send");
        socket.read_exact(&mut answer).expect("an answer");
        longest = longest.max(sent.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    longest
}
