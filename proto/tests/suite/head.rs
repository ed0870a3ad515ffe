//! The content of a head, and what is kept of it for the next one.

use hansel_proto::{Connection, Head, LastSection, Limits, Received};

use crate::wire::get;

/// A head that has read `bytes`.
fn read(bytes: &str) -> Head {
    let mut head = Head::new();
    read_into(&mut head, bytes);
    head
}

fn read_into(head: &mut Head, bytes: &str) {
    let received = Connection::new(Limits::default()).receive(bytes.as_bytes(), head);
    assert_eq!(received, Ok(Received::Head { len: bytes.len() }));
}

/// RFC 9110 §9.1: "The method token is case-sensitive".
#[test]
fn s9_1_a_method_is_asked_for_by_its_exact_name() {
    for method in ["GET", "POST", "get", "M"] {
        let bytes = get("").replacen("GET", method, 1);
        let head = read(&bytes);
        for asked in ["GET", "POST", "get", "M", "", "GETS"] {
            assert_eq!(
                head.is_method(bytes.as_bytes(), asked),
                asked == method,
                "{asked} of {method}"
            );
        }
    }
}

/// RFC 9110 §5.1: "Field names are case-insensitive"; of several fields it is the first (§5.3).
#[test]
fn s5_1_a_field_is_found_by_its_name_in_any_case() {
    let text = get("X-A: 1\r\nx-b:\r\nX-A: 2\r\n");
    let (head, bytes) = (read(&text), text.as_bytes());
    for (name, value) in [
        ("host", Some(&b"a.test"[..])),
        ("x-a", Some(b"1")),
        ("X-B", Some(b"")),
        ("X-C", None),
        ("X", None),
        ("", None),
    ] {
        assert_eq!(head.field(bytes, name), value, "{name}");
    }
    let mut fields = head.fields(bytes);
    assert_eq!((fields.len(), fields.size_hint()), (4, (4, Some(4))));
    assert_eq!(fields.next(), Some(("Host", &b"a.test"[..])));
    assert_eq!(fields.len(), 3);
}

/// One head serves two connections in turn: with the section of each it has what it had before.
#[test]
fn a_section_that_is_swapped_out_comes_back_as_it_was() {
    let first = get("X: 1\r\n");
    let second = get("Longer: 2\r\nConnection: close\r\n");
    let section = |bytes: &str| bytes.len() - "GET / HTTP/1.1\r\n".len();
    let mut last = LastSection::default();
    assert!(last.is_empty());
    assert_eq!(last.len(), 0);

    let mut head = read(&first);
    head.swap_last_section(&mut last);
    assert!(!last.is_empty());
    assert_eq!(last.len(), section(&first));
    assert_eq!(head.fields(first.as_bytes()).len(), 0, "nothing is left");

    read_into(&mut head, &second);
    assert!(!head.keep_alive());
    head.swap_last_section(&mut last);
    assert_eq!(last.len(), section(&second));
    assert_eq!(head.field(first.as_bytes(), "X"), Some(&b"1"[..]));
    assert!(head.keep_alive());
}

/// What a head remembers must not double what a long one takes in memory: 4 KiB of a section, no more.
#[test]
fn a_long_section_is_not_remembered() {
    for (length, remembered) in [(4096, 4096), (4097, 0), (100, 100)] {
        let line = "GET / HTTP/1.1\r\n";
        let empty = get("X: \r\n").len() - line.len();
        let bytes = get(&format!("X: {}\r\n", "x".repeat(length - empty)));
        let mut head = read(&bytes);
        assert_eq!(head.fields(bytes.as_bytes()).len(), 2);
        let mut last = LastSection::default();
        head.swap_last_section(&mut last);
        assert_eq!(last.len(), remembered, "{length}");
    }
}
