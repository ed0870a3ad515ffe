//! Chunked bodies: the same content however they are split, and what was encoded decodes again.
#![no_main]

use hansel_fuzz::{converse, converse_in_pieces};
use hansel_proto::chunk;
use libfuzzer_sys::fuzz_target;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fuzz_target!(|bytes: &[u8]| {
    let request = [HEAD, bytes].concat();
    converse_in_pieces(&request, request.chunks(1));

    let mut encoded = HEAD.to_vec();
    for piece in bytes.chunks(100) {
        chunk::encode(piece, &mut encoded);
    }
    chunk::finish(&mut encoded);
    let conversation = converse(encoded.chunks(7));
    if bytes.len() <= 4096 {
        let request = &conversation.requests[0];
        assert!(request.is_whole && request.content == bytes);
    } else {
        assert_eq!(conversation.refused, Some(413));
    }
});
