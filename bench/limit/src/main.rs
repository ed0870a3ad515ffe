//! The limit: what the machine can do if a server does nothing.
//!
//! It waits for events, reads, counts blank lines and writes a fixed response for each. It parses nothing, allocates
//! nothing, and checks nothing. A server can only be faster by making fewer system calls.

mod count;
mod system;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use count::Counter;
use memchr::memmem::Finder;
use system::{Epoll, Event};
use work::Settings;

/// How much is read at once.
const READ: usize = 64 * 1024;
/// The most bytes of responses that are written at once, if there are that many requests.
const WRITE: usize = 16 * 1024;
const EVENTS: usize = 1024;
/// The listener's token; connections have their descriptors.
const LISTENER: u64 = u64::MAX;

/// `PORT LOOPS RESPONSE BODY END`
#[derive(Clone, Copy)]
struct Wish {
    settings: Settings,
    /// How many bytes of body follow each head.
    body: usize,
    /// Close after one response.
    closes: bool,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [port, loops, response, body, end] = arguments[..] else {
        panic!("usage: bench-limit PORT LOOPS hello|item|json|10k|1m|upload BODY_BYTES keep|close");
    };
    let settings = Settings {
        port: port.parse().expect("a port"),
        loops: loops.parse().expect("a number of loops"),
        threads: 0,
        locks: false,
    };
    let wish = Wish {
        settings,
        body: body.parse().expect("a number of bytes"),
        closes: end == "close",
    };
    let responses: &'static Responses = Box::leak(Box::new(Responses::of(response, wish.body, wish.closes)));
    let serve = move || Loop::new(wish, responses)?.run();
    for _ in 1..settings.loops {
        std::thread::spawn(serve);
    }
    serve()
}

/// The response, repeated as often as it is worth writing at once.
struct Responses {
    bytes: Vec<u8>,
    len: usize,
}

impl Responses {
    fn of(name: &str, body_bytes: usize, closes: bool) -> Responses {
        let body = match name {
            "hello" => work::HELLO.to_owned(),
            // As long as most responses: shops have 1 to 4 digits, items 1 to 7, pages 1 or 2, sessions 16 to 43.
            "item" => work::item_page(
                "123",
                "1234",
                Some("page=12"),
                Some("session=123456789012345678901234567890"),
            ),
            "json" => String::from_utf8(work::json()).expect("JSON is UTF-8"),
            "10k" => work::ten_kb().to_owned(),
            "1m" => work::one_mb().to_owned(),
            "upload" => body_bytes.to_string(),
            other => panic!("no response is named {other:?}"),
        };
        let fields = match name {
            "item" => work::ITEM_HEADERS
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .concat(),
            "json" => "Content-Type: application/json\r\n".to_owned(),
            _ => "Content-Type: text/plain; charset=utf-8\r\n".to_owned(),
        };
        let closing = if closes { "Connection: close\r\n" } else { "" };
        let response = format!(
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n{fields}{closing}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Responses {
            bytes: response.repeat((WRITE / response.len()).max(1)).into_bytes(),
            len: response.len(),
        }
    }
}

struct Loop {
    wish: Wish,
    responses: &'static Responses,
    listener: TcpListener,
    epoll: Epoll,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    finder: Finder<'static>,
}

struct Connection {
    stream: TcpStream,
    counter: Counter,
    /// Bytes of responses that were not written.
    owed: usize,
    /// Where to continue in the repeated responses.
    offset: usize,
}

impl Loop {
    fn new(wish: Wish, responses: &'static Responses) -> io::Result<Loop> {
        let listener = wish.settings.listen();
        let epoll = Epoll::new()?;
        epoll.add_listener(listener.as_raw_fd(), LISTENER)?;
        Ok(Loop {
            wish,
            responses,
            listener,
            epoll,
            connections: Vec::new(),
            buffer: vec![0; READ],
            finder: count::finder(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = vec![Event::default(); EVENTS];
        loop {
            let ready = self.epoll.wait(&mut events)?;
            for event in &events[..ready] {
                match event.token() {
                    LISTENER => self.accept()?,
                    descriptor => self.serve(descriptor as usize),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(stream) = system::accept(&self.listener)? {
            let descriptor = stream.as_raw_fd();
            self.epoll.add_connection(descriptor)?;
            let index = descriptor as usize;
            if self.connections.len() <= index {
                self.connections.resize_with(index + 1, || None);
            }
            self.connections[index] = Some(Connection {
                stream,
                counter: Counter::new(self.wish.body),
                owed: 0,
                offset: 0,
            });
        }
        Ok(())
    }

    fn serve(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else {
            return;
        };
        let outcome = connection.serve(&mut self.buffer, self.responses, &self.finder);
        let is_done = self.wish.closes && matches!(outcome, Ok(true));
        if is_done || outcome.is_err() {
            self.connections[index] = None;
        }
    }
}

impl Connection {
    /// Reads what has arrived and responds to it. Returns true if something was sent and everything is written.
    fn serve(&mut self, buffer: &mut [u8], responses: &Responses, finder: &Finder<'_>) -> io::Result<bool> {
        while let Some(n) = ready(self.stream.read(buffer))? {
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.owed += self.counter.count(&buffer[..n], finder) * responses.len;
            if n < buffer.len() {
                break;
            }
        }
        let owed_something = self.owed > 0;
        while self.owed > 0 {
            let end = responses.bytes.len().min(self.offset + self.owed);
            let Some(n) = ready(self.stream.write(&responses.bytes[self.offset..end]))? else {
                return Ok(false);
            };
            self.owed -= n;
            self.offset = (self.offset + n) % responses.len;
        }
        Ok(owed_something)
    }
}

/// Returns `None` if the socket is not ready.
fn ready(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
