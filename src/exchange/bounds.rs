//! Tests of how large the buffers of one connection become, whatever its client sends.

use std::sync::Arc;

use super::{Exchange, Step};
use crate::date::Date;

const BODY_BUFFER: usize = 64 * 1024;

/// Returns the memory that `Limits` documents for a request that is arriving.
fn bound() -> usize {
    hansel_proto::Limits::default().head_bytes + BODY_BUFFER + 3 * super::ROOM
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
