//! Messages compressed by `permessage-deflate` (RFC 7692).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use hansel_proto::websocket::Failure;

pub(crate) fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let decoder = DeflateDecoder::new(bytes.chain(&b"\x00\x00\xff\xff\x03\x00"[..]));
    let mut limited = decoder.take(most as u64 + 1);
    limited.read_to_end(&mut out).map_err(|_| Failure::Compression)?;
    if out.len() > most {
        return Err(Failure::MessageTooLong);
    }
    Ok(out)
}

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(bytes);
    let _ = encoder.flush();
    let mut out = encoder.get_ref().clone();
    out.truncate(out.len().saturating_sub(4));
    out
}
