//! Tests of how large the buffers of one connection become, whatever its client sends.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Exchange, KEPT, Pool, ROOM, Step};
use crate::date::Date;

const BODY_BUFFER: usize = 64 * 1024;

/// Returns the memory that `Limits` documents for a request that is arriving.
fn bound() -> usize {
    hansel_proto::Limits::default().head_bytes + BODY_BUFFER + 3 * ROOM
}

/// Gives an exchange all of `bytes` in reads of `size` bytes. Returns the most memory it used, and the exchange at the
/// end.
fn most_memory(bytes: &[u8], size: usize) -> (usize, Exchange) {
    let mut exchange = Exchange::new(Arc::default(), BODY_BUFFER, Arc::default());
    let (date, mut out, mut most) = (Date::now(), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        exchange.receive_copy(piece);
        let step = exchange.advance(&date, &mut out);
        let request = &exchange.request;
        most = most.max(request.buffer.capacity() + request.body.collected.capacity());
        assert!(out.is_empty(), "{}", String::from_utf8_lossy(&out));
        if step != Step::Receive {
            break;
        }
    }
    (most, exchange)
}

fn head(framing: &str, size: usize) -> String {
    let begin = format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\nX: ");
    let filler = "x".repeat(size - begin.len() - 4);
    format!("{begin}{filler}\r\n\r\n")
}

#[test]
fn a_long_head_and_a_long_body_stay_within_the_bound() {
    let head = head(&format!("Content-Length: {BODY_BUFFER}"), 32_000);
    let bytes = [head.as_bytes(), &vec![b'x'; BODY_BUFFER]].concat();
    for size in [1000, 10_000, bytes.len()] {
        let (most, exchange) = most_memory(&bytes, size);
        assert!(most <= bound(), "{most} bytes");
        assert_eq!(exchange.request.bytes().unwrap().len(), BODY_BUFFER);
    }
}

#[test]
fn framing_is_not_kept_however_long_it_is() {
    let mut bytes = head("Transfer-Encoding: chunked", 32_000).into_bytes();
    let content: Vec<u8> = (0..60_000_u32).map(|n| n as u8).collect();
    for byte in &content {
        bytes.extend_from_slice(b"0000000000000001\r\n");
        bytes.push(*byte);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nChecksum: 1f\r\n\r\n");
    for size in [7, 1000, 10_000] {
        let (most, exchange) = most_memory(&bytes, size);
        assert!(most <= bound(), "{most} bytes");
        assert_eq!(exchange.request.bytes(), Ok(&content[..]));
        assert_eq!(exchange.request.trailers().count(), 1);
        assert_eq!(exchange.request.header("Host"), Some("a.test"));
    }
}

/// Returns the memory that an exchange has before its application is called, its own and that of the pool, and the last step.
fn before_dispatch(limits: (u64, u64, u64), body_buffer: usize, bytes: &[u8], read: usize) -> (usize, Step) {
    let (of_server, largest, least) = limits;
    let protocol = hansel_proto::Limits::new().body_bytes(largest.max(of_server));
    let pool = Pool::new(body_buffer, 64 * body_buffer + 1_000_000);
    let own = body_buffer.min(BODY_BUFFER);
    let mut exchange = Exchange::new(Arc::new(protocol), own, Arc::clone(&pool)).with_body_limits(of_server, least);
    let (date, mut out, mut most, mut rest) = (Date::now(), Vec::new(), 0, bytes);
    loop {
        let step = exchange.advance_with_room(&date, &mut out);
        if step != Step::Receive || rest.is_empty() {
            return (most, step);
        }
        let room = exchange.room();
        let (now, later) = rest.split_at(room.len().min(read).min(rest.len()));
        assert!(!now.is_empty(), "a read into nothing looks like the end");
        room[..now.len()].copy_from_slice(now);
        exchange.received(now.len());
        rest = later;
        let request = &exchange.request;
        let own = if exchange.lent > 0 {
            0
        } else {
            request.buffer.capacity()
        };
        most = most.max(own + request.body.collected.capacity().max(pool.in_use()));
    }
}

/// A request with a body, and what an exchange is configured with.
#[derive(Clone, Copy, Debug)]
struct Case {
    of_server: u64,
    /// The largest and the smallest limit of a route.
    largest: u64,
    least: u64,
    body_buffer: usize,
    size: usize,
    is_chunked: bool,
    /// The most bytes that a read brings.
    read: usize,
}

impl Case {
    fn bytes(self) -> Vec<u8> {
        let content = vec![b'x'; self.size];
        let begin = |framing: String| format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n").into_bytes();
        if !self.is_chunked {
            return [begin(format!("Content-Length: {}", self.size)), content].concat();
        }
        let chunks = content
            .chunks(5000)
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        let chunks = chunks.collect::<Vec<_>>().concat();
        [
            begin("Transfer-Encoding: chunked".into()),
            chunks,
            b"0\r\n\r\n".to_vec(),
        ]
        .concat()
    }

    fn check(self) -> Result<(), TestCaseError> {
        let limits = (self.of_server, self.largest, self.least);
        let (most, step) = before_dispatch(limits, self.body_buffer, &self.bytes(), self.read);
        let gathered = self.body_buffer.min(self.of_server as usize);
        // Memory doubles as a body arrives, and a read may bring what is beyond.
        prop_assert!(
            most <= 2 * gathered + 2 * KEPT + 4 * ROOM,
            "{most} bytes for {gathered}"
        );
        let is_beyond_server = self.size as u64 > self.of_server;
        let is_refused = is_beyond_server && self.largest == 0;
        // The read that fills the buffer may bring the end of a body that is a little larger. Nothing is left to wait
        // for then.
        let may_be_complete = !is_beyond_server && self.size <= self.body_buffer + self.read;
        match step {
            Step::Refused(status) => prop_assert!(is_refused && status == 413),
            Step::Call => prop_assert!(may_be_complete),
            Step::CallLive => prop_assert!(self.size > gathered || self.least != u64::MAX),
            Step::Receive => prop_assert!(false, "all of it is here"),
        }
        Ok(())
    }
}

#[test]
fn a_body_that_ends_in_the_read_that_fills_the_buffer_is_complete() {
    for is_chunked in [false, true] {
        let case = Case {
            of_server: 186_285,
            largest: 0,
            least: u64::MAX,
            body_buffer: 184_237,
            size: 184_238,
            is_chunked,
            read: 500,
        };
        case.check().unwrap();
        let (_, step) = before_dispatch(
            (case.of_server, 0, u64::MAX),
            case.body_buffer,
            &case.bytes(),
            case.read,
        );
        // The length of a chunked body is unknown when the buffer is full.
        assert_eq!(step, if is_chunked { Step::CallLive } else { Step::Call });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_a_route_allows_no_more_is_gathered_than_the_buffer_and_the_server_allow(
        of_server in 0..300_000_u64,
        largest in prop_oneof![Just(0), Just(1 << 30)],
        least in prop_oneof![Just(u64::MAX), 0..1000_u64],
        body_buffer in prop_oneof![0..300_000_usize, 0..10_000_usize],
        size in prop_oneof![0..600_000_usize, 0..10_000_usize],
        is_chunked: bool,
        read in 500..9000_usize,
    ) {
        Case { of_server, largest, least, body_buffer, size, is_chunked, read }.check()?;
    }
}
