//! Compressed responses and requests: what is compressed, what is not, and the rules of RFC 9110 for both.

mod requests;
mod responses;
mod streams;

use std::io::Read;

use hansel::test;

/// Returns a text that becomes much smaller.
fn text() -> String {
    (0..400).map(|n| format!("muffin number {n}\n")).collect()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut decoded).unwrap();
    decoded
}

fn unbrotli(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    brotli::Decompressor::new(bytes, 4096)
        .read_to_end(&mut decoded)
        .unwrap();
    decoded
}

/// Returns the body as a client sees it.
fn decoded(response: &test::Response) -> Vec<u8> {
    match response.header("Content-Encoding") {
        Some("gzip") => gunzip(response.bytes()),
        Some("br") => unbrotli(response.bytes()),
        None => response.bytes().to_vec(),
        Some(other) => panic!("{other}"),
    }
}
