//! What every test here needs: a server that ends with its test, a client that reads strictly, and means to establish
//! order without a clock.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hansel::{Handle, IntoApplication, Limits, Server};

/// When a test that waits is held to hang. Nothing is expected to take that long, so no outcome
/// depends on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A limit that never strikes while a test runs.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// A server on a free port of this machine, with one loop.
pub(crate) fn server() -> Server {
    Server::bind("127.0.0.1:0").unwrap().loops(1).quiet()
}

/// The default limits, without any deadline: whatever ends a connection is the thing under test.
pub(crate) fn no_deadlines() -> Limits {
    Limits::new()
        .head_time(NEVER)
        .transfer_time(NEVER)
        .idle(NEVER)
        .queue_time(NEVER)
        .handler(None)
}

/// A running server. It ends with its test.
pub(crate) struct Running(Handle);

pub(crate) fn start<S>(server: Server, application: impl IntoApplication<S>) -> Running {
    Running(server.spawn(application).unwrap())
}

impl Running {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.local_addr())
    }
}

impl Deref for Running {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shutdown(Duration::ZERO);
        self.0.wait();
    }
}

/// A connection that reads responses strictly, and panics rather than wait for ever.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Bytes received and not yet used.
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) version: String,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::of(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// As [`send`](Client::send), for a server that may close in the middle of it.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Asks for `path`, and reads the response.
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(get(path));
        self.response()
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Response {
        self.send(post(path, body));
        self.response()
    }

    /// Tells the server that nothing more will come.
    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with a reset in place of an orderly end.
    pub(crate) fn reset(self) {
        let socket = socket2::Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// One whole response to a request that was not HEAD.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        self.read_body(&mut response);
        response
    }

    /// The body that belongs to a head.
    #[track_caller]
    pub(crate) fn read_body(&mut self, response: &mut Response) {
        if response.status < 200 || response.status == 204 || response.status == 304 {
            return;
        }
        let length = response
            .field("Content-Length")
            .map(|length| length.parse::<usize>().unwrap());
        let coding = response.field("Transfer-Encoding");
        response.body = match (length, coding) {
            (Some(length), None) => self.take(length),
            (None, Some("chunked")) => self.chunks(),
            (None, None) => {
                assert_eq!(response.field("Connection"), Some("close"), "a body up to the end");
                self.rest()
            }
            framing => panic!("contradictory framing {framing:?}"),
        };
    }

    /// Whether anything comes before the connection ends.
    #[track_caller]
    pub(crate) fn has_more(&mut self) -> bool {
        !self.received.is_empty() || self.fill() > 0
    }

    /// The head of a response.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        let head = self.until(b"\r\n\r\n");
        let head = String::from_utf8(head).expect("a head of plain text");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap();
        let (version, rest) = status_line.split_once(' ').expect("a status line");
        let (status, _reason) = rest.split_once(' ').expect("a space behind the status");
        assert!(matches!(version, "HTTP/1.1" | "HTTP/1.0"), "{status_line}");
        assert_eq!(status.len(), 3, "{status_line}");
        let fields = lines
            .take_while(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(": ").expect("a field");
                assert!(
                    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
                    "{line}"
                );
                assert!(!value.contains(['\r', '\n']) && value.trim() == value, "{line}");
                (name.to_owned(), value.to_owned())
            })
            .collect();
        let response = Response {
            status: status.parse().unwrap(),
            version: version.to_owned(),
            fields,
            body: Vec::new(),
        };
        if response.status >= 200 || response.status == 101 {
            assert!(response.field("Date").is_some(), "{head}");
        } else {
            assert!(response.fields.is_empty(), "{head}");
        }
        response
    }

    /// The content of the next chunk; empty for the last one.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let line = self.until(b"\r\n");
        let size = std::str::from_utf8(&line).unwrap().trim_end();
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let content = self.take(size);
        assert_eq!(self.take(2), b"\r\n", "behind a chunk");
        content
    }

    #[track_caller]
    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            match self.chunk() {
                chunk if chunk.is_empty() => return body,
                chunk => body.extend(chunk),
            }
        }
    }

    /// Everything up to the end of the connection, which must be an orderly one.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.received)
    }

    /// The connection ends here, and nothing more comes.
    #[track_caller]
    pub(crate) fn end(&mut self) {
        let rest = self.rest();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Asserts that the server responds for a handler that takes too long, and closes the connection.
    #[track_caller]
    pub(crate) fn assert_given_up(&mut self) {
        let response = self.response();
        assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
        assert_eq!(response.text(), "", "it might have been a HEAD");
        response.assert_closes();
        self.end();
    }

    /// The connection ends, in order or not. What came before is returned.
    #[track_caller]
    pub(crate) fn end_of_any_kind(&mut self) -> Vec<u8> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => self.received.extend_from_slice(&piece[..n]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("no end of the connection: {error}"),
            }
        }
        std::mem::take(&mut self.received)
    }

    /// What comes before the connection ends, or up to the end of a chunked response.
    pub(crate) fn end_or_response(&mut self) -> Vec<u8> {
        let mut piece = [0; 16 * 1024];
        while !self.received.ends_with(b"\r\n0\r\n\r\n") {
            match self.stream.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => self.received.extend_from_slice(&piece[..n]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!(
                    "neither a response nor an end: {error}, after {}",
                    self.received.escape_ascii()
                ),
            }
        }
        std::mem::take(&mut self.received)
    }

    /// Exactly `n` bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        while self.received.len() < n {
            assert!(
                self.fill() > 0,
                "the connection ended {} bytes early",
                n - self.received.len()
            );
        }
        self.received.drain(..n).collect()
    }

    #[track_caller]
    fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        let mut searched = 0;
        loop {
            let found = self.received[searched..]
                .windows(mark.len())
                .position(|bytes| bytes == mark);
            if let Some(at) = found {
                return self.received.drain(..searched + at + mark.len()).collect();
            }
            searched = self.received.len().saturating_sub(mark.len() - 1);
            let so_far = String::from_utf8_lossy(&self.received).into_owned();
            assert!(self.fill() > 0, "the connection ended after {so_far:?}");
        }
    }

    #[track_caller]
    fn fill(&mut self) -> usize {
        let mut piece = [0; 16 * 1024];
        let n = self.stream.read(&mut piece).expect("a response, or the end");
        self.received.extend_from_slice(&piece[..n]);
        n
    }
}

impl Response {
    /// The one field of that name, if there is one.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} comes twice");
        Some(&value.1)
    }

    /// All fields, one a line.
    pub(crate) fn head_text(&self) -> String {
        self.fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn assert_closes(&self) {
        assert_eq!(self.field("Connection"), Some("close"));
    }
}

/// A GET request.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

/// A POST request with its body.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = post_head(path, body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// The head of a POST request whose body is to follow.
pub(crate) fn post_head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n")
}

/// `content` in chunks of `size`, and the end.
pub(crate) fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in content.chunks(size) {
        out.extend(format!("{:x}\r\n", chunk.len()).bytes());
        out.extend_from_slice(chunk);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}

/// Bytes that look different everywhere, so that nothing can be swapped or lost unnoticed.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

/// A place that handlers pass one by one when they are let through.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<Passage>, Condvar)>);

#[derive(Debug, Default)]
struct Passage {
    arrived: usize,
    admitted: usize,
    passed: usize,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    /// Arrives, and waits to be let through.
    pub(crate) fn pass(&self) {
        let mut passage = self.lock();
        passage.arrived += 1;
        self.0.1.notify_all();
        let mut passage = self.wait_until(passage, "at the gate", |passage| passage.passed < passage.admitted);
        passage.passed += 1;
        self.0.1.notify_all();
    }

    /// Waits until so many have arrived, since the beginning.
    #[track_caller]
    pub(crate) fn await_arrived(&self, n: usize) {
        drop(self.wait_until(self.lock(), "arriving", |passage| passage.arrived >= n));
    }

    pub(crate) fn arrived(&self) -> usize {
        self.lock().arrived
    }

    /// Lets through `n` more, here or still to come.
    pub(crate) fn admit(&self, n: usize) {
        let mut passage = self.lock();
        passage.admitted = passage.admitted.saturating_add(n);
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Passage> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it `holds`; panics if it never does.
    #[track_caller]
    fn wait_until<'g>(
        &'g self,
        mut passage: MutexGuard<'g, Passage>,
        what: &str,
        holds: impl Fn(&Passage) -> bool,
    ) -> MutexGuard<'g, Passage> {
        let until = Instant::now() + PATIENCE;
        while !holds(&passage) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}: still {:?}", *passage);
            passage = self
                .0
                .1
                .wait_timeout(passage, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        passage
    }
}

/// The next thing that was told.
#[track_caller]
pub(crate) fn hear<T>(told: &Receiver<T>) -> T {
    told.recv_timeout(PATIENCE).expect("something to be told")
}

/// Opens a gate for good when a test is over, even if it fails: its handlers can end.
pub(crate) struct OpenAtEnd<'g>(pub(crate) &'g Gate);

impl Drop for OpenAtEnd<'_> {
    fn drop(&mut self) {
        self.0.admit(usize::MAX / 2);
    }
}

/// Counts who is inside at the same time.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

pub(crate) struct Inside(Crowd);

impl Crowd {
    pub(crate) fn enter(&self) -> Inside {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Inside(self.clone())
    }

    /// The most there ever were.
    pub(crate) fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends each line of a log.
pub(crate) struct Lines(pub(crate) Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().for_each(|line| self.0.send(line.into()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The value of a sample, named with its labels; 0 if there is no such sample yet.
#[track_caller]
pub(crate) fn sample(client: &mut Client, name: &str) -> f64 {
    let response = client.get("/metrics");
    assert_eq!(response.status, 200);
    assert_eq!(
        response.field("Content-Type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let line = response
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}
