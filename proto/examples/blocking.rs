//! The whole protocol in one blocking loop: a thread per connection and nothing but `std`.
//!
//! `cargo run --example blocking 127.0.0.1:8080`, then
//! `python3 conformance/run_conformance.py 127.0.0.1 8080`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, FieldValue, Head, HttpDate, InvalidField, Limits, Next, Reason,
    Received, Refusal, ResponseHead, TargetForm,
};

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long, and for how many bytes, a refused client is still read, so that it gets its response.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Responses are held back while requests are waiting in the buffer, up to this many bytes.
const OUT_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address)?;
    println!("listening on {}", listener.local_addr()?);
    let limits = Arc::new(Limits::new().body_bytes(4 * 1024 * 1024));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let limits = Arc::clone(&limits);
        let spawned = thread::Builder::new().spawn(move || {
            if let Err(error) = Wire::new(stream).and_then(|wire| converse(wire, limits)) {
                eprintln!("connection lost: {error}");
            }
        });
        if let Err(error) = spawned {
            eprintln!("no thread for a connection: {error}");
        }
    }
    Ok(())
}

/// The main loop: one request after the other, until one side ends it.
fn converse(mut wire: Wire, limits: Arc<Limits>) -> io::Result<()> {
    let mut connection = Connection::new(limits);
    let mut head = Head::new();
    loop {
        let response = match next_request(&mut connection, &mut head, &mut wire)? {
            Arrival::Request(request) => respond(&request),
            Arrival::Refused(refusal) => Response::text(refusal.status(), &format!("{refusal}\n")),
            Arrival::Nothing => return wire.flush(),
        };
        match send(&mut connection, &response, &mut wire) {
            Next::Again if wire.out.len() < OUT_BYTES => {}
            Next::Again => wire.flush()?,
            // `next_request` reads every body, so nothing is left to drain.
            Next::Drain | Next::Close => return wire.close(),
        }
    }
}

/// The result of waiting for a request.
enum Arrival {
    Request(Request),
    Refused(Refusal),
    Nothing,
}

/// A complete request, as far as this server reads it.
struct Request {
    method: String,
    path: Vec<u8>,
    origin: bool,
    body: Vec<u8>,
}

/// Receives until a request is complete, refused, or will never come.
fn next_request(connection: &mut Connection, head: &mut Head, wire: &mut Wire) -> io::Result<Arrival> {
    let mut request = None;
    loop {
        let input = wire.input();
        match connection.receive(input, head) {
            Ok(Received::Head { len }) => {
                request = Some(Request {
                    method: head.method(input).to_owned(),
                    path: decode(head.path(input)),
                    origin: matches!(head.target_form(), TargetForm::Origin | TargetForm::Absolute),
                    body: Vec::new(),
                });
                wire.consume(len);
            }
            Ok(Received::Content { start, end }) => {
                if let Some(request) = &mut request {
                    request.body.extend_from_slice(&input[start..end]);
                }
                wire.consume(end);
            }
            Ok(Received::End { len, .. }) => {
                wire.consume(len);
                return Ok(request.map_or(Arrival::Nothing, Arrival::Request));
            }
            Ok(Received::Partial) => {
                connection.send_continue(&mut wire.out);
                if let Some(arrival) = read_more(connection, wire)? {
                    return Ok(arrival);
                }
            }
            Err(refusal) => return Ok(Arrival::Refused(refusal)),
        }
    }
}

/// Waits for more bytes. Returns what it means if there are none.
fn read_more(connection: &mut Connection, wire: &mut Wire) -> io::Result<Option<Arrival>> {
    match wire.fill() {
        Ok(0) => Ok(Some(match connection.end_of_input(wire.input()) {
            Ok(()) => Arrival::Nothing,
            Err(refusal) => Arrival::Refused(refusal),
        })),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let idle = connection.is_between_requests();
            Ok(Some(if idle {
                Arrival::Nothing
            } else {
                Arrival::Refused(connection.refuse(Reason::Timeout))
            }))
        }
        Err(error) => Err(error),
    }
}

/// Returns this server's response to a request.
fn respond(request: &Request) -> Response {
    if !request.origin {
        return Response::text(404, "nothing here\n");
    }
    match (request.path.as_slice(), request.method.as_str()) {
        (b"/", "GET" | "HEAD") => Response::text(200, "hello\n"),
        (b"/", _) => Response::not_allowed("GET, HEAD"),
        (b"/echo", "POST") => Response::new(200, "application/octet-stream", request.body.clone()),
        (b"/echo", _) => Response::not_allowed("POST"),
        _ => Response::text(404, "nothing here\n"),
    }
}

struct Response {
    status: u16,
    fields: FieldBlock,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Response {
    fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        Response {
            status,
            fields: FieldBlock::new(),
            content_type,
            body,
        }
    }

    fn text(status: u16, text: &str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
    }

    fn not_allowed(methods: &str) -> Response {
        Response::text(405, "not with this method\n")
            .with("Allow", methods)
            .unwrap_or_else(|invalid| {
                eprintln!("{invalid}");
                Response::text(500, "broken\n")
            })
    }

    fn with(mut self, name: &str, value: &str) -> Result<Response, InvalidField> {
        self.fields.append(name, value.as_bytes())?;
        Ok(self)
    }
}

/// Encodes a response after those not sent yet.
fn send(connection: &mut Connection, response: &Response, wire: &mut Wire) -> Next {
    let date = date();
    let head = ResponseHead::new(
        response.status,
        &response.fields,
        BodyLength::Known(response.body.len() as u64),
    )
    .date(HttpDate::new(date.as_bytes()))
    .default_content_type(FieldValue::new(response.content_type.as_bytes()));
    if connection.respond(&head, &mut wire.out) == BodyPlan::Plain {
        wire.out.extend_from_slice(&response.body);
    }
    connection.finish()
}

/// A socket, with what was received and not consumed, and with responses that were not sent.
struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    consumed: usize,
    out: Vec<u8>,
}

impl Wire {
    fn new(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire {
            stream,
            received: Vec::new(),
            consumed: 0,
            out: Vec::new(),
        })
    }

    fn input(&self) -> &[u8] {
        &self.received[self.consumed..]
    }

    fn consume(&mut self, len: usize) {
        self.consumed += len;
    }

    /// Sends what is due, then waits for more to read.
    fn fill(&mut self) -> io::Result<usize> {
        self.flush()?;
        self.received.drain(..self.consumed);
        self.consumed = 0;
        let kept = self.received.len();
        self.received.resize(kept + 16 * 1024, 0);
        let read = self.stream.read(&mut self.received[kept..]);
        self.received.truncate(kept + *read.as_ref().unwrap_or(&0));
        read
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// RFC 9112 §9.6: "To avoid the TCP reset problem, servers typically close a connection in
    /// stages." First the half that was written, then, when the client has seen it, the rest.
    fn close(mut self) -> io::Result<()> {
        self.flush()?;
        self.stream.shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LINGER;
        let mut sink = [0; 16 * 1024];
        let mut left = LINGER_BYTES;
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                break;
            }
            self.stream.set_read_timeout(Some(patience))?;
            match self.stream.read(&mut sink) {
                Ok(read) if read > 0 && read < left => left -= read,
                _ => break,
            }
        }
        Ok(())
    }
}

/// Percent-decodes a path. The escapes are known to be well formed.
fn decode(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| (digit as char).to_digit(16)).unwrap_or(0) as u8;
        decoded.push(digit() << 4 | digit());
    }
    decoded
}

/// Now, as IMF-fixdate (RFC 9110 §5.6.7).
fn date() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let days = seconds / 86400;
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    format!(
        "{weekday}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT",
        months[month]
    )
}

/// Year, month from 0 and day from 1 of a day since 1970.
fn civil(mut day: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month, day + 1)
}
