//! The limits on a request: each limit at its edge, in one piece and byte by byte.

use hansel_proto::{Connection, Head, Limits, Reason, Received, Refusal};

use crate::wire::{accepted_within, chunked, get, post, refused_within};

#[test]
fn a_target_of_the_limit_passes_and_one_byte_more_is_414() {
    let limits = Limits::new().target_bytes(100);
    let with = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 1));
    assert_eq!(accepted_within(with(100), &limits).target.len(), 100);
    refused_within(with(101), Reason::TargetTooLong, &limits);
    refused_within(format!("GET /{}", "%41".repeat(40)), Reason::TargetTooLong, &limits);
    refused_within(
        format!("GET http://{}", "x".repeat(200)),
        Reason::TargetTooLong,
        &limits,
    );
    refused_within(format!("GET /?{}", "x".repeat(200)), Reason::TargetTooLong, &limits);
    assert_eq!(Reason::TargetTooLong.status(), 414);
}

/// RFC 9112 §3: "It is RECOMMENDED that all HTTP senders and recipients support, at a minimum,
/// request-line lengths of 8000 octets."
#[test]
fn request_lines_of_8000_bytes_pass_by_default() {
    let target = "/".to_owned() + &"x".repeat(8000 - "GET / HTTP/1.1".len());
    let request = accepted_within(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), &Limits::default());
    assert_eq!(request.target, target);
}

#[test]
fn a_head_of_the_limit_passes_and_one_byte_more_is_431() {
    let base = get("X: \r\n").len();
    let limits = Limits::new().head_bytes(200);
    let with = |length: usize| get(&format!("X: {}\r\n", "v".repeat(length - base)));
    assert_eq!(accepted_within(with(200), &limits).fields.len(), 2);
    refused_within(with(201), Reason::HeadTooLong, &limits);
    refused_within(get(&"Name: value\r\n".repeat(20)), Reason::HeadTooLong, &limits);
    assert_eq!(Reason::HeadTooLong.status(), 431);
    // Before the request line has ended, the target is what is too long.
    let short = Limits::new().head_bytes(50);
    refused_within(format!("GET /{}", "x".repeat(100)), Reason::TargetTooLong, &short);
}

#[test]
fn fields_up_to_the_limit_pass_and_one_more_is_431() {
    let limits = Limits::new().fields(10);
    let with = |fields: usize| get(&"A:\r\n".repeat(fields - 1));
    assert_eq!(accepted_within(with(10), &limits).fields.len(), 10);
    refused_within(with(11), Reason::TooManyFields, &limits);
    // What a lenient reader takes for the end of the head is no field too many.
    let bare = with(10).replace("\r\n\r\n", "\r\n\n\r\n\r\n");
    refused_within(bare, Reason::BareLf, &limits);
    let trailers = |fields: usize| chunked(&format!("0\r\n{}\r\n", "A:\r\n".repeat(fields)));
    assert_eq!(accepted_within(trailers(10), &limits).trailers.len(), 10);
    refused_within(trailers(11), Reason::TooManyFields, &limits);
}

#[test]
fn content_up_to_the_limit_passes_and_one_byte_more_is_413() {
    let limits = Limits::new().body_bytes(10);
    assert_eq!(
        accepted_within(post("Content-Length: 10\r\n", "0123456789"), &limits)
            .content
            .len(),
        10
    );
    refused_within(post("Content-Length: 11\r\n", ""), Reason::ContentTooLarge, &limits);
    assert_eq!(
        accepted_within(chunked("a\r\n0123456789\r\n0\r\n\r\n"), &limits)
            .content
            .len(),
        10
    );
    assert_eq!(
        accepted_within(chunked("9\r\n012345678\r\n1\r\n9\r\n0\r\n\r\n"), &limits)
            .content
            .len(),
        10
    );
    refused_within(chunked("b\r\n"), Reason::ContentTooLarge, &limits);
    refused_within(chunked("a\r\n0123456789\r\n1\r\n"), Reason::ContentTooLarge, &limits);
    assert_eq!(Reason::ContentTooLarge.status(), 413);
}

#[test]
fn trailers_up_to_the_limit_pass_and_one_byte_more_is_431() {
    let limits = Limits::new().trailer_bytes(100);
    // The empty line that ends the section counts, as it does for a head.
    let with = |length: usize| chunked(&format!("0\r\nX: {}\r\n\r\n", "v".repeat(length - 7)));
    assert_eq!(accepted_within(with(100), &limits).trailers[0].1.len(), 93);
    refused_within(with(101), Reason::TrailersTooLong, &limits);
    refused_within(
        chunked(&format!("0\r\nX: {}", "v".repeat(500))),
        Reason::TrailersTooLong,
        &limits,
    );
    assert_eq!(Reason::TrailersTooLong.status(), 431);
}

/// A buffer of `buffer_bytes` is enough: full, it is never left without a response. (`wire::drive`
/// asserts the same for every other test.)
#[test]
fn a_full_buffer_never_gets_stuck() {
    let limits = Limits::new().head_bytes(300).trailer_bytes(200);
    let endless = [
        "\r\n".repeat(9000),
        "M".repeat(9000),
        format!("GET /{}", "x".repeat(9000)),
        get(&format!("X: {}", "v".repeat(9000))),
        get("A:\r\n").trim_end().to_owned() + &"\r\nA:".repeat(9000),
        chunked(&"0".repeat(9000)),
        chunked(&format!("5;a=\"{}", "e".repeat(9000))),
        chunked(&format!("0;a={}\r\nX: {}", "e".repeat(4000), "v".repeat(9000))),
    ];
    for bytes in endless {
        let mut connection = Connection::new(limits.clone());
        let mut head = Head::new();
        let mut rest = bytes.as_bytes();
        let refusal = loop {
            let shown = &rest[..rest.len().min(limits.buffer_bytes())];
            match connection.receive(shown, &mut head) {
                Ok(Received::Head { len }) => rest = &rest[len..],
                Ok(other) => panic!("{other:?} with {} bytes shown", shown.len()),
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal.status(), 400 | 413 | 414 | 431 | 501), "{refusal}");
    }
}

/// Nor is a byte of `buffer_bytes` too many: the longest line between two chunks, with the line end before it and the
/// longest trailer section behind it, needs them all.
#[test]
fn a_buffer_of_one_byte_less_gets_stuck() {
    let limits = Limits::new().head_bytes(300).trailer_bytes(200);
    let head = chunked("");
    let line = format!("0;{}\r\n", "e".repeat(4096 - 4));
    let rest = format!("\r\n{line}X: {}", "v".repeat(200));
    let full = limits.buffer_bytes();
    assert!(rest.len() > full);

    let mut connection = Connection::new(limits);
    let mut parsed = Head::new();
    for bytes in [head.as_bytes(), b"1\r\nx"] {
        let received = connection.receive(bytes, &mut parsed);
        assert!(!matches!(received, Ok(Received::Partial) | Err(_)), "{received:?}");
    }
    let received = connection.receive(&rest.as_bytes()[..full - 1], &mut parsed);
    assert_eq!(received, Ok(Received::Partial));
    let received = connection.receive(&rest.as_bytes()[..full], &mut parsed);
    assert_eq!(
        received.map_err(|refusal| refusal.reason()),
        Err(Reason::TrailersTooLong)
    );
}

/// The work is linear in the bytes: a line that was whole is not read again before the last one has come. So nobody
/// notices that this one has become another in the meantime, until then.
#[test]
fn whole_lines_are_not_read_again_before_the_last_has_come() {
    let head = chunked("");
    for (before, bytes, end) in [
        ("", get("X: y\r\nZ: \r\n"), "\r\n"),
        (head.as_str(), "0\r\nX: y\r\nZ: \r\n\r\n".to_owned(), "\r\n"),
    ] {
        let mut connection = Connection::new(Limits::default());
        let mut head = Head::new();
        if !before.is_empty() {
            let len = before.len();
            assert_eq!(
                connection.receive(before.as_bytes(), &mut head),
                Ok(Received::Head { len })
            );
        }
        let open = bytes.strip_suffix(end).expect("an empty line");
        let line = bytes.find("Z: ").expect("the last line");
        let other = open.replace("X: y", "X  y");
        for shown in [&open[..line], &other[..line + 2], &other] {
            assert_eq!(connection.receive(shown.as_bytes(), &mut head), Ok(Received::Partial));
        }
    }
}

#[test]
fn limits_of_nothing_refuse_and_do_not_panic() {
    let limits = Limits::new()
        .head_bytes(0)
        .target_bytes(0)
        .fields(0)
        .body_bytes(0)
        .trailer_bytes(0);
    assert!(
        Connection::new(limits.clone())
            .receive(get("").as_bytes(), &mut Head::new())
            .is_err()
    );
    let limits = Limits::new()
        .head_bytes(usize::MAX)
        .target_bytes(usize::MAX)
        .fields(usize::MAX)
        .body_bytes(u64::MAX)
        .trailer_bytes(usize::MAX);
    assert!(
        Connection::new(limits)
            .receive(get("").as_bytes(), &mut Head::new())
            .is_ok()
    );
}

#[test]
fn a_head_that_only_announces_too_much_content_is_described_with_its_refusal() {
    let head_bytes = b"POST /a?b HTTP/1.1\r\nHost: a.test\r\nX-Key: 1\r\nContent-Length: 11\r\n\r\n";
    let bytes = [&head_bytes[..], b"not read"].concat();
    let mut head = Head::new();
    // The second time the same bytes come again.
    for _ in 0..2 {
        let refusal = Connection::new(Limits::new().body_bytes(10))
            .receive(&bytes, &mut head)
            .unwrap_err();
        assert_eq!(refusal, Refusal::content_too_large(10));
        assert_eq!(
            (head.len(), head.method(&bytes), head.target(&bytes)),
            (head_bytes.len(), "POST", "/a?b")
        );
        assert_eq!(head.field(&bytes, "X-Key"), Some(&b"1"[..]));
        assert_eq!(head.authority(&bytes), Some("a.test"));
    }
    let whole = Connection::new(Limits::new().body_bytes(11)).receive(&bytes, &mut head);
    assert_eq!(whole, Ok(Received::Head { len: head_bytes.len() }));
}
