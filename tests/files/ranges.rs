//! RFC 9110 §14: ranges. Each rule by itself is tested where it is written; this is the whole response.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hansel::files::Files;
use hansel::{Limits, Request, Server};

use super::tree::{LAST_MODIFIED, Tree, client, get};

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 % 251) as u8).collect()
}

#[test]
fn s15_3_7_1_a_206_with_one_part_says_which_it_is() {
    let tree = Tree::new().with("a.css", "0123456789");
    let client = client(Files::new(tree.root()));
    let full = client.get("/a.css");
    let part = get(&client, "/a.css", &[("Range", "bytes=2-4")]);
    assert_eq!((part.status().as_u16(), part.text()), (206, "234"));
    assert_eq!(part.header("Content-Range"), Some("bytes 2-4/10"));
    for name in [
        "Content-Type",
        "ETag",
        "Last-Modified",
        "Cache-Control",
        "X-Content-Type-Options",
    ] {
        assert_eq!(part.header(name), full.header(name), "{name}");
    }
}

#[test]
fn s15_3_7_2_a_206_with_several_parts_says_of_each_which_it_is() {
    let tree = Tree::new().with("a.css", content(1000));
    let client = client(Files::new(tree.root()));
    let response = get(&client, "/a.css", &[("Range", "bytes=900-, 0-9, 500-599")]);
    assert_eq!(response.status(), 206);
    assert_eq!(response.header("Content-Range"), None);
    let content_type = response.header("Content-Type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for range in [900..1000, 0..10, 500..600] {
        let (first, last) = (range.start, range.end - 1);
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: text/css; charset=utf-8\r\nContent-Range: bytes {first}-{last}/1000\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&content(1000)[range]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(response.bytes() == expected);
    assert_eq!(response.header("Content-Length"), Some(&*expected.len().to_string()));
    let again = get(&client, "/a.css", &[("Range", "bytes=900-, 0-9, 500-599")]);
    assert_ne!(
        again.header("Content-Type"),
        Some(content_type),
        "nobody knows a boundary before"
    );
}

#[test]
fn s14_2_ranges_are_of_get_only_and_never_of_what_is_not_there() {
    let tree = Tree::new().with("a.txt", "0123456789");
    let client = client(Files::new(tree.root()));
    let head = client.send(Request::new(hansel::Method::HEAD, "/a.txt").with_header("Range", "bytes=0-1"));
    assert_eq!(
        (head.status().as_u16(), head.header("Content-Length")),
        (200, Some("10"))
    );
    assert_eq!(get(&client, "/b.txt", &[("Range", "bytes=0-1")]).status(), 404);
    let twice = get(&client, "/a.txt", &[("Range", "bytes=0-1"), ("Range", "bytes=0-1")]);
    assert_eq!(twice.status(), 200, "it is no list");
}

#[test]
fn s15_5_17_a_416_says_how_long_the_file_is() {
    let tree = Tree::new().with("a.txt", "0123456789");
    let response = get(&client(Files::new(tree.root())), "/a.txt", &[("Range", "bytes=10-")]);
    assert_eq!(response.status(), 416);
    assert_eq!(response.header("Content-Range"), Some("bytes */10"));
}

#[test]
fn s13_1_5_a_range_of_another_version_is_the_whole_file() {
    let tree = Tree::new().with("a.txt", "0123456789");
    let client = client(Files::new(tree.root()));
    let etag = client.get("/a.txt").header("ETag").unwrap().to_owned();
    let status = |if_range: &str, range: &str| {
        get(&client, "/a.txt", &[("If-Range", if_range), ("Range", range)])
            .status()
            .as_u16()
    };
    assert_eq!(status(&etag, "bytes=0-1"), 206);
    assert_eq!(status(LAST_MODIFIED, "bytes=0-1"), 206);
    assert_eq!(status(&etag, "bytes=10-"), 416);
    assert_eq!(status("\"other\"", "bytes=0-1"), 200);
    assert_eq!(status("\"other\"", "bytes=10-"), 200);
}

#[test]
fn large_parts_are_sent_by_a_server_without_a_thread_for_each() {
    const SIZE: usize = 3_000_000;
    const CLIENTS: usize = 12;
    let tree = Tree::new().with("large", content(SIZE));
    // One handler at a time: a client that does not read must not hold it.
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .loops(1)
        .threads(1)
        .quiet()
        .limits(Limits::default());
    let server = server.spawn(Files::new(tree.root())).unwrap();
    let ask = |range: &str| {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: {range}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let several = "bytes=0-999999, 1500000-2499999, 2900000-";
    let unread: Vec<TcpStream> = (0..CLIENTS).map(|_| ask(several)).collect();
    for stream in &unread {
        stream.peek(&mut [0]).unwrap();
    }
    let mut one = Vec::new();
    ask("bytes=1000000-").read_to_end(&mut one).unwrap();
    assert!(
        one.ends_with(&content(SIZE)[1_000_000..]),
        "others are served meanwhile"
    );
    for mut stream in unread {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        let body = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = std::str::from_utf8(&received[..body]).unwrap();
        let announced: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(received.len() - body, announced);
        for range in [0..1_000_000, 1_500_000..2_500_000, 2_900_000..SIZE] {
            let marker = format!("bytes {}-{}/{SIZE}\r\n\r\n", range.start, range.end - 1);
            let at = received
                .windows(marker.len())
                .position(|window| window == marker.as_bytes())
                .unwrap();
            let part = &received[at + marker.len()..][..range.len()];
            assert!(part == &content(SIZE)[range]);
        }
    }
    server.shutdown(Duration::ZERO);
    server.wait();
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection_early() {
    const SIZE: usize = 30_000_000;
    let tree = Tree::new().with("large", content(SIZE));
    let server = Server::bind("127.0.0.1:0").unwrap().loops(1).quiet();
    let server = server.spawn(Files::new(tree.root())).unwrap();
    for range in ["", "Range: bytes=0-9999999,20000000-29999999\r\n"] {
        tree.add("large", content(SIZE));
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET /large HTTP/1.1\r\nHost: a\r\n{range}\r\n").unwrap();
        stream.peek(&mut [0]).unwrap();
        std::fs::File::options()
            .write(true)
            .open(tree.path("large"))
            .unwrap()
            .set_len(1000)
            .unwrap();
        let mut received = Vec::new();
        // The end, or a reset: never a wait for the rest.
        let ended = stream.read_to_end(&mut received);
        assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
        assert!(received.starts_with(b"HTTP/1.1 20") && received.len() < SIZE / 2);
    }
    server.shutdown(Duration::ZERO);
    server.wait();
}
