//! Nanoseconds per request head, compared with `httparse`, which checks less and does not decide the framing.
//!
//! `cargo run --release --example head_speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use hansel_proto::{BodyLength, Connection, FieldBlock, FieldValue, Head, HttpDate, Limits, Received, ResponseHead};

const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

const BROWSER: &[u8] = b"GET /articles/2026/sans-io?ref=front&page=2 HTTP/1.1\r\n\
    Host: www.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=8f4c1d2a7be94fd2a0c35c1e; theme=dark; seen=1731405600\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-User: ?1\r\n\
    Priority: u=0, i\r\n\r\n";

/// Rounds that are timed together.
const ROUNDS: usize = 256;

/// Returns the nanoseconds per round, with a fresh `start` for every one. The best of many is the figure; the rest is
/// noise.
fn nanoseconds<T: Clone>(start: &T, mut round: impl FnMut(&mut T)) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..4000 {
        let mut starts = vec![start.clone(); ROUNDS];
        let began = Instant::now();
        for start in &mut starts {
            round(start);
        }
        best = best.min(began.elapsed());
    }
    best.as_secs_f64() * 1e9 / ROUNDS as f64
}

/// A complete request and the state of its response: what a connection does besides I/O.
fn exchange(connection: &mut Connection, head: &mut Head, bytes: &[u8], fields: &FieldBlock, out: &mut Vec<u8>) {
    let Ok(Received::Head { len }) = connection.receive(black_box(bytes), head) else {
        panic!("the head is right")
    };
    let ended = connection.receive(&bytes[len..], head);
    assert!(matches!(ended, Ok(Received::End { .. })), "there is no body");
    out.clear();
    let response = ResponseHead::new(200, fields, BodyLength::Known(13))
        .date(const { HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT") })
        .default_content_type(const { FieldValue::new(b"text/plain; charset=utf-8") });
    connection.respond(&response, out);
    black_box(&out);
    connection.finish();
}

/// Returns the same head with its field lines in reverse order.
fn turned_round(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).expect("the heads here are text");
    let mut lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    lines[1..].reverse();
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

fn main() {
    let connection = Connection::new(Limits::default());
    let fields = FieldBlock::new();
    let mut out = Vec::with_capacity(1024);
    let mut head = Head::new();
    for (name, bytes) in [("small", SMALL), ("browser", BROWSER)] {
        let count = {
            let mut connection = connection.clone();
            connection.receive(bytes, &mut head).expect("the head is right");
            head.fields(bytes).len()
        };
        // The same fields with every request, as most clients send them: their section is recognised.
        let same = nanoseconds(&connection, |connection| {
            black_box(connection.receive(black_box(bytes), &mut head).is_ok());
        });
        // Another value each time, of a different length: all other lines are recognised.
        let mut longer = bytes.to_vec();
        longer.insert(bytes.len() - "\r\n\r\n".len(), b'x');
        let mut turn = 0;
        let mut alternating = |other: &[u8]| {
            nanoseconds(&connection, |connection| {
                turn ^= 1;
                let bytes = if turn == 0 { bytes } else { other };
                black_box(connection.receive(black_box(bytes), &mut head).is_ok());
            })
        };
        let another = alternating(&longer);
        // Other lines in other places: nothing is recognised.
        let changing = alternating(&turned_round(&longer));
        let theirs = nanoseconds(&(), |()| {
            let mut headers = [const { std::mem::MaybeUninit::uninit() }; 100];
            let mut request = httparse::Request::new(&mut []);
            let parsed = request.parse_with_uninit_headers(black_box(bytes), &mut headers);
            black_box(parsed.is_ok());
        });
        let both = nanoseconds(&connection, |connection| {
            exchange(connection, &mut head, bytes, &fields, &mut out);
        });
        println!(
            "{name:8} {:4} bytes, {count:2} fields: head {changing:6.1} ns, \
             with another value {another:6.1} ns, with the same fields again {same:6.1} ns, httparse {theirs:6.1} ns, \
             head, end and answer {both:6.1} ns",
            bytes.len(),
        );
    }
}
