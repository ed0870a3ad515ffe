//! The load of `clients/stress`: clients that pipeline, drip, leave and request everything, and recognise each response
//! by its token.
//!
//! `stress_load PORT SECONDS CLIENTS SEED` prints how often it has seen what, and exits with 1 if a response was wrong
//! or missing.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// The same as in `clients/stress_server.rs`.
const HANDLER_MILLISECONDS: u64 = 1000;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"))
        .collect();
    let [port, seconds, clients, seed] = arguments[..] else {
        panic!("stress_load PORT SECONDS CLIENTS SEED");
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let seen = Seen::default();
    thread::scope(|scope| {
        for client in 0..clients {
            let seen = &seen;
            scope.spawn(move || {
                let mut random = Random::new(seed * 1_000_003 + client);
                while Instant::now() < end {
                    Session::run(port as u16, &mut random, seen);
                }
            });
        }
    });
    if !seen.tell() {
        std::process::exit(1);
    }
}

/// Counts of everything that was seen.
#[derive(Default)]
struct Seen {
    right: AtomicU64,
    other: Mutex<BTreeMap<String, u64>>,
    wrong: Mutex<BTreeMap<String, u64>>,
}

impl Seen {
    fn note(&self, what: &str) {
        *self.other.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    fn wrong(&self, what: String) {
        *self.wrong.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Prints the counts, and returns true if nothing was wrong.
    fn tell(&self) -> bool {
        println!("{:10} right", self.right.load(Relaxed));
        for (what, count) in &*self.other.lock().unwrap() {
            println!("{count:10} {what}");
        }
        let wrong = self.wrong.lock().unwrap();
        for (what, count) in wrong.iter().take(20) {
            println!("{count:10} WRONG: {what}");
        }
        wrong.is_empty() && self.right.load(Relaxed) > 0
    }
}

/// A fast generator of numbers that need not be good; the same for the same seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn is_one_of(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// The response that a request must get.
#[derive(Debug)]
enum Expected {
    Response(u16, Vec<u8>),
    /// The body that the client has sent; or 408, if the client was slow and others needed its place.
    Echo(Vec<u8>),
    /// The response to a HEAD.
    HeadOf(usize),
    /// A body that is cut off after some of these bytes.
    Broken(Vec<u8>),
    /// This body if the handler was in time, else 503 or a closed connection.
    InTime(Vec<u8>),
    /// This body, then the end of the connection.
    Last(Vec<u8>),
}

impl Expected {
    fn text(text: String) -> Expected {
        Expected::Response(200, text.into_bytes())
    }

    /// Returns true if the client may be told that it is too slow: only large bodies take what others wait for.
    fn may_be_slow(&self) -> bool {
        matches!(self, Expected::Echo(body) if body.len() >= 60_000)
    }

    /// Returns its name, for reports of responses that are missing.
    fn kind(&self) -> String {
        match self {
            Expected::Response(status, _) => format!("a response {status}"),
            Expected::Echo(body) => format!("an echo of {} bytes", body.len()),
            Expected::HeadOf(_) => "a response to HEAD".into(),
            Expected::Broken(_) => "a stream that panics".into(),
            Expected::InTime(_) => "a late response".into(),
            Expected::Last(_) => "a response before a drop that panics".into(),
        }
    }
}

/// A request that a client sends.
struct Asked {
    bytes: Vec<u8>,
    expected: Expected,
}

fn get(path: String, expected: Expected) -> Asked {
    let bytes = format!("GET {path} HTTP/1.1\r\nHost: stress\r\n\r\n").into_bytes();
    Asked { bytes, expected }
}

/// Returns a token that no other request has.
fn token() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("T{:x}", NEXT.fetch_add(1, Relaxed))
}

/// Returns a body made from a token.
fn body_of(token: &str, least: u64) -> Vec<u8> {
    token.repeat(1 + least as usize / token.len()).into_bytes()
}

fn pieces_of(token: &str, number: u64) -> Vec<u8> {
    (0..number)
        .map(|piece| format!("{token}:{piece};"))
        .collect::<String>()
        .into_bytes()
}

/// Returns a request after which the connection goes on.
fn usual(random: &mut Random) -> Asked {
    let token = token();
    match random.below(12) {
        0 => get(format!("/panic/{token}"), Expected::Response(500, Vec::new())),
        1 => get(format!("/sleep/{}/{token}", random.below(12)), Expected::text(token)),
        2 => get(format!("/busy/{}/{token}", random.below(6)), Expected::text(token)),
        3 => {
            let bytes = format!("HEAD /token/{token} HTTP/1.1\r\nHost: stress\r\n\r\n").into_bytes();
            let expected = Expected::HeadOf(token.len());
            Asked { bytes, expected }
        }
        4 => echo(body_of(&token, random.below(3000)), random),
        5 => {
            let pieces = random.below(30);
            let path = format!("/stream/{pieces}/{}/{token}", random.below(3));
            get(path, Expected::Response(200, pieces_of(&token, pieces)))
        }
        6 => {
            let bytes = 10_000 + random.below(100_000) as usize;
            get(format!("/large/{bytes}"), Expected::Response(200, vec![b'x'; bytes]))
        }
        7 => {
            let bytes = random.below(100_000) as usize;
            get(format!("/reader/{bytes}"), Expected::Response(200, vec![b'x'; bytes]))
        }
        8 => {
            let head = format!("POST /unread/{token} HTTP/1.1\r\nHost: stress\r\nContent-Length: 5\r\n\r\n12345");
            Asked {
                bytes: head.into_bytes(),
                expected: Expected::text(token),
            }
        }
        _ => get(format!("/token/{token}"), Expected::text(token)),
    }
}

/// Returns a request for the end of a pipeline.
fn last(random: &mut Random) -> Asked {
    let token = token();
    match random.below(6) {
        0 => {
            let pieces = random.below(30);
            let expected = Expected::Broken(pieces_of(&token, pieces));
            get(format!("/broken/{pieces}/{token}"), expected)
        }
        1 => {
            let milliseconds = HANDLER_MILLISECONDS - 60 + random.below(120);
            let expected = Expected::InTime(token.clone().into_bytes());
            get(format!("/sleep/{milliseconds}/{token}"), expected)
        }
        2 => {
            let expected = Expected::Last(token.clone().into_bytes());
            get(format!("/drop/{token}"), expected)
        }
        3 => echo(body_of(&token, 60_000 + random.below(200_000)), random),
        4 => echo(body_of(&token, 1_000_000 + random.below(500_000)), random),
        _ => get(format!("/token/{token}"), Expected::text(token)),
    }
}

/// Returns a request with this body, of announced length or in chunks.
fn echo(body: Vec<u8>, random: &mut Random) -> Asked {
    let mut bytes = b"POST /echo HTTP/1.1\r\nHost: stress\r\n".to_vec();
    if random.is_one_of(2) {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
    } else {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let most = if body.len() < 200 { 3 } else { body.len() / 20 };
        let mut rest = &body[..];
        while !rest.is_empty() {
            let size = (1 + random.below(most as u64) as usize).min(rest.len());
            let (chunk, behind) = rest.split_at(size);
            bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            rest = behind;
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    let expected = Expected::Echo(body);
    Asked { bytes, expected }
}

/// How a client sends its pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Usual,
    /// In small pieces.
    Dripping,
    /// It closes its sending side.
    HalfClosing,
    /// It leaves before it has the responses.
    Leaving,
    /// The same, in the middle of a request.
    CutOff,
}

impl Manner {
    fn any(random: &mut Random) -> Manner {
        match random.below(12) {
            0 => Manner::CutOff,
            1 => Manner::Leaving,
            2 => Manner::HalfClosing,
            3 | 4 => Manner::Dripping,
            _ => Manner::Usual,
        }
    }
}

/// A connection, and the requests on it.
struct Session<'s> {
    reader: Reader,
    seen: &'s Seen,
}

impl Session<'_> {
    fn run(port: u16, random: &mut Random, seen: &Seen) {
        let connected = TcpStream::connect(("127.0.0.1", port)).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let stream = match connected {
            Ok(stream) => stream,
            Err(error) => return seen.wrong(format!("can't connect: {error}")),
        };
        seen.note("connections");
        let mut session = Session {
            reader: Reader::new(stream),
            seen,
        };
        for _ in 0..=random.below(4) {
            if !session.converse(random) {
                return;
            }
        }
    }

    /// Pipelines some requests, and checks the responses. Returns true if the connection goes on.
    fn converse(&mut self, random: &mut Random) -> bool {
        let most = [1, 5, 40, 120][random.below(4) as usize];
        let mut asked: Vec<Asked> = (0..random.below(most)).map(|_| usual(random)).collect();
        asked.push(last(random));
        let mut bytes: Vec<u8> = asked.iter().flat_map(|asked| asked.bytes.iter().copied()).collect();
        let manner = Manner::any(random);
        if manner == Manner::CutOff {
            bytes.truncate(random.below(bytes.len() as u64) as usize);
        }
        let mut writer = self.reader.stream.try_clone().expect("a descriptor");
        let mut of_writer = Random::new(random.below(1 << 40));
        thread::scope(|scope| {
            scope.spawn(move || send(&mut writer, &bytes, manner, &mut of_writer));
            match manner {
                Manner::CutOff | Manner::Leaving => {
                    self.leave(random);
                    false
                }
                _ => self.check(&asked) && manner != Manner::HalfClosing,
            }
        })
    }

    /// Leaves, with a reset or an orderly close.
    fn leave(&mut self, random: &mut Random) {
        self.seen.note("connections left");
        thread::sleep(Duration::from_millis(random.below(15)));
        let stream = &self.reader.stream;
        if random.is_one_of(2) {
            // A reset.
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Checks the responses. Returns true if the connection goes on.
    fn check(&mut self, asked: &[Asked]) -> bool {
        let is_overdue = asked.iter().any(|asked| matches!(asked.expected, Expected::InTime(_)));
        for asked in asked {
            let response = match self.reader.response(matches!(asked.expected, Expected::HeadOf(_))) {
                Ok(response) => response,
                Err(_) if asked.expected.may_be_slow() => {
                    // It was slow, and still sending when it got 408.
                    self.seen.note("ends instead of echoes");
                    return false;
                }
                Err(_) if is_overdue => {
                    // If earlier responses are not sent yet, an overdue handler costs the connection.
                    self.seen.note("ends instead of late responses");
                    return false;
                }
                Err(error) => {
                    self.seen.wrong(format!("{error} instead of {}", asked.expected.kind()));
                    return false;
                }
            };
            if !self.judge(&response, &asked.expected) || response.is_last || response.is_broken {
                return false;
            }
            if let Expected::Last(_) = asked.expected {
                if self.reader.line().is_ok() {
                    self.seen.wrong("more behind a drop that panics".into());
                }
                return false;
            }
        }
        true
    }

    fn judge(&self, response: &Response, expected: &Expected) -> bool {
        let Response {
            status,
            body,
            is_broken,
            length,
            ..
        } = response;
        let is_whole = *status == 200 && !is_broken;
        let is_right = match expected {
            // Too many requests wait. That is not tested here, and 503 is right.
            _ if *status == 503 && !is_broken => {
                self.seen.note("503");
                return response.is_last;
            }
            Expected::Echo(_) if *status == 408 && expected.may_be_slow() => {
                self.seen.note("408");
                return false;
            }
            Expected::Response(500, _) => *status == 500 && !is_broken,
            Expected::Response(wanted, content) => status == wanted && !is_broken && body == content,
            Expected::HeadOf(wanted) => is_whole && *length == Some(*wanted),
            Expected::Broken(content) => *status == 200 && *is_broken && content.starts_with(body),
            Expected::Echo(content) | Expected::InTime(content) | Expected::Last(content) => {
                is_whole && body == content
            }
        };
        if is_right {
            self.seen.right.fetch_add(1, Relaxed);
        } else {
            let broken = if *is_broken { ", broken off" } else { "" };
            self.seen.wrong(format!("{status}{broken} for {}", expected.kind()));
        }
        is_right
    }
}

fn send(writer: &mut TcpStream, bytes: &[u8], manner: Manner, random: &mut Random) {
    // A client whose connection was ended need not read the rest: the responses decide.
    if manner == Manner::Dripping {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((1 + random.below(700) as usize).min(rest.len()));
            if writer.write_all(piece).is_err() {
                return;
            }
            if random.is_one_of(4) {
                thread::sleep(Duration::from_micros(random.below(1500)));
            }
            rest = behind;
        }
    } else {
        let _ = writer.write_all(bytes);
    }
    if manner == Manner::HalfClosing {
        let _ = writer.shutdown(Shutdown::Write);
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    length: Option<usize>,
    body: Vec<u8>,
    /// The server announces that it closes.
    is_last: bool,
    /// The connection ended inside the body.
    is_broken: bool,
}

/// Reads responses.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    read: usize,
}

impl Reader {
    fn new(stream: TcpStream) -> Reader {
        Reader {
            stream,
            buffer: Vec::new(),
            read: 0,
        }
    }

    /// Reads the next response, which may be one to a HEAD.
    fn response(&mut self, is_head: bool) -> Result<Response, String> {
        let line = self.line()?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("no status line: {line:?}"))?;
        let mut response = Response {
            status,
            length: None,
            body: Vec::new(),
            is_last: false,
            is_broken: false,
        };
        let mut is_chunked = false;
        loop {
            let field = self
                .line()
                .map_err(|error| format!("{error} in a head"))?
                .to_ascii_lowercase();
            match field.split_once(": ") {
                Some(("content-length", value)) => response.length = value.parse().ok(),
                Some(("transfer-encoding", "chunked")) => is_chunked = true,
                Some(("connection", "close")) => response.is_last = true,
                None if field.is_empty() => break,
                _ => {}
            }
        }
        if !is_head && status != 204 {
            let body = match response.length {
                Some(length) => self.exactly(length, &mut response.body),
                None if is_chunked => self.chunks(&mut response.body),
                None => return Err("a body without a length".into()),
            };
            response.is_broken = body.is_err();
        }
        Ok(response)
    }

    fn chunks(&mut self, into: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| format!("no chunk: {line:?}"))?;
            self.exactly(size, into)?;
            if !self.line()?.is_empty() {
                return Err("a chunk that does not end".into());
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn exactly(&mut self, length: usize, into: &mut Vec<u8>) -> Result<(), String> {
        let mut missing = length;
        while missing > 0 {
            if self.read == self.buffer.len() {
                self.fill()?;
            }
            let rest = &self.buffer[self.read..];
            let taken = missing.min(rest.len());
            into.extend_from_slice(&rest[..taken]);
            self.read += taken;
            missing -= taken;
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            let rest = &self.buffer[self.read..];
            if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                self.read += end + 2;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        self.buffer.drain(..self.read);
        self.read = 0;
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => Err("the end".into()),
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err("silence".into()),
            Err(error) => Err(error.kind().to_string()),
        }
    }
}
