//! Heads: an accepted head has what every request must have, and parses the same byte by byte.
#![no_main]

use hansel_fuzz::converse_in_pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for request in converse_in_pieces(bytes, bytes.chunks(1)).requests {
        let text = request.head;
        assert!(text.ends_with(b"\r\n\r\n"));
        // RFC 9112 §2.2: a bare LF is not a line end here.
        assert!(
            (1..text.len()).all(|i| text[i] != b'\n' || text[i - 1] == b'\r'),
            "{text:?}"
        );
        let named = |wanted: &str| {
            request
                .fields
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .count()
        };
        assert!(named("host") <= 1);
        // RFC 9112 §6.1: both together are how requests are smuggled.
        assert!(named("content-length") == 0 || named("transfer-encoding") == 0);
    }
});
