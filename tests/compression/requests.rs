//! Compressed requests.

use std::io::{self, BufRead, Write};

use flate2::{Compress, Compression as Level, FlushCompress};
use hansel::test::Client;
use hansel::{App, Decompression, Request, Routes};
use proptest::prelude::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 18);
    encoder.write_all(bytes).unwrap();
    encoder.into_inner()
}

fn echo(request: &Request) -> hansel::Result<Vec<u8>> {
    Ok(request.bytes()?.to_vec())
}

fn client(decompression: Decompression) -> Client {
    let lines = |request: &Request| request.body().lines().map_while(Result::ok).count().to_string();
    let routes = Routes::new().post("/", echo).post("/lines", lines);
    Client::new(App::new(decompression.on(routes)))
}

fn sent(coding: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::post("/")
        .with_header("Content-Encoding", coding)
        .with_body(body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_handler_gets_what_was_compressed(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..5000),
            "(line [a-c]{0,20}\n){0,500}".prop_map(String::into_bytes),
        ],
        // The body is complete before the handler starts, or read as it arrives.
        buffer in prop_oneof![Just(64 * 1024), Just(10)],
    ) {
        let client = client(Decompression::new()).with_limits(hansel::Limits::new().body_buffer(buffer));
        for (coding, compressed) in [("gzip", gzip(&body)), ("br", brotli(&body)), ("identity", body.clone()), ("", body.clone())] {
            let response = client.send(sent(coding, compressed));
            prop_assert_eq!(response.status(), 200);
            prop_assert!(response.bytes() == body);
        }
    }

    #[test]
    fn what_is_damaged_is_an_error_and_never_a_part(cut in 1..60_usize, noise in proptest::collection::vec(any::<u8>(), 1..9)) {
        let client = client(Decompression::new());
        let body: String = (0..50).map(|n| format!("line {n}\n")).collect();
        for (coding, whole) in [("gzip", gzip(body.as_bytes())), ("br", brotli(body.as_bytes()))] {
            let part = &whole[..whole.len().saturating_sub(cut).max(1)];
            prop_assert_eq!(client.send(sent(coding, part)).status(), 400);
            let longer = [&whole[..], &noise].concat();
            prop_assert_eq!(client.send(sent(coding, longer)).status(), 400);
            // Noise is an error or, rarely, valid: it ends in any case.
            prop_assert!([200, 400, 413].contains(&client.send(sent(coding, &noise[..])).status().as_u16()));
        }
    }
}

#[test]
fn a_reader_reads_it_too_and_the_connection_goes_on() {
    let client = client(Decompression::new());
    let body = gzip(b"one\ntwo\nthree\n");
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Encoding: x-gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
    };
    let twice = [head("/lines").as_bytes(), &body, head("/").as_bytes(), &body].concat();
    let received = String::from_utf8(client.converse(&twice)).unwrap();
    assert!(received.contains("\r\n\r\n3HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\none\ntwo\nthree\n"), "{received}");
}

#[test]
fn several_members_of_gzip_are_one_body() {
    let members = [gzip(b"ham "), gzip(b"and eggs")].concat();
    assert_eq!(
        client(Decompression::new()).send(sent("gzip", members)).text(),
        "ham and eggs"
    );
}

#[test]
fn a_request_without_a_body_is_not_decompressed() {
    assert_eq!(client(Decompression::new()).send(sent("gzip", "")).status(), 200);
}

#[test]
fn s15_5_16_codings_that_are_not_known_and_several_are_refused_with_those_that_are_known() {
    let client = client(Decompression::new());
    for codings in ["compress", "zstd", "gzip, gzip", "br, gzip", "gzip;q=1", "*"] {
        let response = client.send(sent(codings, gzip(b"ham")));
        assert_eq!(response.status(), 415, "{codings}");
        assert_eq!(response.header("Accept-Encoding"), Some("br, gzip"));
    }
    let twice = sent("gzip", gzip(b"ham")).with_header("Content-Encoding", "gzip");
    assert_eq!(client.send(twice).status(), 415, "lines are one list");
}

/// One MiB of zeros in about one KiB, again and again.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut compress = Compress::new(Level::best(), false);
    let mut block = Vec::with_capacity(16 * 1024);
    compress
        .compress_vec(&vec![0; 1024 * 1024], &mut block, FlushCompress::Full)
        .unwrap();
    assert_eq!(compress.total_in(), 1024 * 1024);
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [&head[..], &block.repeat(mebibytes)].concat()
}

#[test]
fn a_bomb_is_refused_by_its_size_and_by_its_ratio() {
    let bomb = bomb(1024);
    assert!(bomb.len() < 1_200_000, "1 GiB in {} bytes", bomb.len());
    let by_size = client(Decompression::new()).send(sent("gzip", bomb.clone()));
    assert_eq!(by_size.status(), 413);
    let by_ratio = client(Decompression::new().largest(u64::MAX)).send(sent("gzip", bomb.clone()));
    assert_eq!(by_ratio.status(), 413);
    assert!(by_ratio.text().contains("200 times"), "{}", by_ratio.text());
    let in_brotli = brotli(&vec![0; 4 << 20]);
    for decompression in [Decompression::new(), Decompression::new().largest(u64::MAX)] {
        assert_eq!(client(decompression).send(sent("br", in_brotli.clone())).status(), 413);
    }
}

#[test]
fn the_bounds_are_exact() {
    let body = vec![b'x'; 100_000];
    let status = |decompression| client(decompression).send(sent("gzip", gzip(&body))).status().as_u16();
    let open = || Decompression::new().ratio(u64::MAX);
    assert_eq!(status(open().largest(100_000)), 200);
    assert_eq!(status(open().largest(99_999)), 413);
    let ratio = 100_000 / gzip(&body).len() as u64;
    assert_eq!(status(Decompression::new().ratio(2 * ratio)), 200);
    assert_eq!(status(Decompression::new().ratio(ratio / 2)), 413);
    assert_eq!(status(Decompression::new().ratio(0)), 413);
}

#[test]
fn the_limit_of_the_server_holds_for_what_is_sent() {
    let client = client(Decompression::new()).with_limits(hansel::Limits::new().body(100).body_buffer(10));
    let body: Vec<u8> = (0..2000_u32).map(|n| ((n * n) >> 3) as u8).collect();
    assert_eq!(client.send(sent("gzip", gzip(&body))).status(), 413);
    assert_eq!(client.send(sent("gzip", gzip(&[b'x'; 2000]))).bytes(), [b'x'; 2000]);
    let chunked = io::Cursor::new(gzip(&body));
    let mut framed =
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in chunked.into_inner().chunks(50) {
        framed.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        framed.extend(piece);
        framed.extend(b"\r\n");
    }
    framed.extend(b"0\r\n\r\n");
    let received = String::from_utf8(client.converse(&framed)).unwrap();
    assert!(received.starts_with("HTTP/1.1 413 "), "{received}");
}
