//! RFC 9112 §6: where a request's body ends.

use hansel_proto::{Connection, Framing, Head, Limits, Reason, Received};

use crate::wire::{accepted, get, post, refused, refused_within};

const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// §6.3, rule 7: "If this is a request message and none of the above are true, then the message
/// body length is zero (no message body is present)."
#[test]
fn s6_3_without_length_and_coding_there_is_no_body() {
    assert_eq!(accepted(get("")).framing, Framing::None);
    let request = accepted(post("", ""));
    assert_eq!((request.framing, request.content), (Framing::None, vec![]));
}

/// §6.3, rule 6: "If a valid Content-Length header field is present without Transfer-Encoding, its
/// decimal value defines the expected message body length in octets." Whatever the method.
#[test]
fn s6_2_a_length_counts_bytes() {
    for method in ["POST", "GET", "HEAD", "DELETE", "OPTIONS", "FROB"] {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n");
        let request = accepted(text);
        assert_eq!(request.framing, Framing::Length(18));
        assert_eq!(request.content, b"GET / HTTP/1.1\r\n\r\n");
    }
    assert_eq!(accepted(post("Content-Length: 0\r\n", "")).framing, Framing::Length(0));
    assert_eq!(
        accepted("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi").content,
        b"hi"
    );
}

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`: leading zeros are digits, and decimal ones.
#[test]
fn s6_2_a_length_may_have_leading_zeros() {
    let zeros = "0".repeat(500);
    assert_eq!(
        accepted(post(&format!("Content-Length: {zeros}10\r\n"), "0123456789"))
            .content
            .len(),
        10
    );
}

/// §6.3, rule 5: "If a message is received without Transfer-Encoding and with an invalid
/// Content-Length header field, then the message framing is invalid and the recipient MUST treat it
/// as an unrecoverable error [...]. If the unrecoverable error is in a request message, the server
/// MUST respond with a 400 (Bad Request) status code and then close the connection."
#[test]
fn s6_3_an_invalid_length_is_refused() {
    for value in [
        "", "-5", "+5", "5a", "0x5", "5h", "five", "5 5", "5;q=1", "\"5\"", "5e0", "0_5", "5.0", "5,5", "5, 5", ",5",
        "5,", "5, 6", "\u{a0}5", "5\u{85}", "\u{ff15}", "+ 5", "- 5",
    ] {
        refused(
            post(&format!("Content-Length: {value}\r\n"), SMUGGLED),
            Reason::ContentLength,
        );
    }
    refused(post("Content-Length: 5\u{c}\r\n", SMUGGLED), Reason::FieldValue);
}

/// §6.3, rule 5 again, for differing lines; equal ones RFC 9110 §8.6 lets us refuse too.
#[test]
fn s6_3_a_repeated_length_is_refused() {
    for (first, second) in [
        ("5", "45"),
        ("45", "5"),
        ("5", "5"),
        ("5", "05"),
        ("5", "+5"),
        ("", "5"),
        ("5", "-1"),
    ] {
        let lines = format!("Content-Length: {first}\r\nX: y\r\ncontent-length: {second}\r\n");
        refused(post(&lines, SMUGGLED), Reason::ContentLengthRepeated);
    }
}

/// RFC 9110 §8.6: "a recipient MUST anticipate potentially large decimal numerals and prevent
/// parsing errors due to integer conversion overflows".
#[test]
fn s6_3_a_huge_length_does_not_wrap() {
    for value in [
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551621",
        "9223372036854775807",
    ] {
        refused(
            post(&format!("Content-Length: {value}\r\n"), SMUGGLED),
            Reason::ContentTooLarge,
        );
    }
    let nines = "9".repeat(400);
    refused(
        post(&format!("Content-Length: {nines}\r\n"), SMUGGLED),
        Reason::ContentTooLarge,
    );
}

/// RFC 9110 §8.6 again: what is too large to be counted is refused even if nothing else bounds the content.
#[test]
fn s6_3_a_length_that_cannot_be_counted_is_too_large() {
    let unlimited = Limits::new().body_bytes(u64::MAX);
    for value in ["18446744073709551615", "18446744073709551616", "99999999999999999999"] {
        let bytes = post(&format!("Content-Length: {value}\r\n"), SMUGGLED);
        refused_within(&bytes, Reason::ContentTooLarge, &unlimited);
        let refusal = Connection::new(unlimited.clone())
            .receive(bytes.as_bytes(), &mut Head::new())
            .expect_err("too large");
        assert!(
            refusal.to_string().contains("the limit is 18446744073709551614 "),
            "{refusal}"
        );
    }
    let most = post("Content-Length: 18446744073709551614\r\n", "");
    let mut head = Head::new();
    let received = Connection::new(unlimited).receive(most.as_bytes(), &mut head);
    assert_eq!(received, Ok(Received::Head { len: most.len() }));
    assert_eq!(head.framing(), Framing::Length(u64::MAX - 1));
}

/// §6.1: "A server MAY reject a request that contains both Content-Length and Transfer-Encoding":
/// "such a message might indicate an attempt to perform request smuggling" (§6.3).
#[test]
fn s6_1_length_and_coding_exclude_each_other() {
    for coding in ["chunked", "identity", "gzip", "", "chunked, identity", "xchunked"] {
        for length in ["45", "0", "x"] {
            let te = format!("Transfer-Encoding: {coding}\r\n");
            let cl = format!("Content-Length: {length}\r\n");
            refused(post(&format!("{te}{cl}"), SMUGGLED), Reason::LengthAndCoding);
            refused(post(&format!("{cl}{te}"), SMUGGLED), Reason::LengthAndCoding);
            refused(post(&format!("{cl}X: y\r\n{te}"), SMUGGLED), Reason::LengthAndCoding);
        }
    }
}

/// §6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding
/// header field MUST treat the message as if the framing is faulty, even if a Content-Length is
/// present, and close the connection".
#[test]
fn s6_1_no_coding_in_1_0() {
    for lines in ["", "Content-Length: 5\r\n", "Connection: keep-alive\r\n"] {
        let text = format!("POST / HTTP/1.0\r\nHost: a\r\n{lines}Transfer-Encoding: chunked\r\n\r\n{SMUGGLED}");
        refused(text, Reason::CodingBefore11);
    }
}

/// §7: "transfer-coding names are case-insensitive".
#[test]
fn s6_1_chunked_in_any_case() {
    for value in ["chunked", "CHUNKED", "ChUnKeD", " \tchunked\t "] {
        let request = accepted(post(&format!("tRANSFER-eNCODING:{value}\r\n"), "0\r\n\r\n"));
        assert_eq!(request.framing, Framing::Chunked);
    }
}

/// §6.1: "A server that receives a request message with a transfer coding it does not understand
/// SHOULD respond with 501 (Not Implemented)."
#[test]
fn s6_1_other_codings_are_not_implemented() {
    for value in [
        "gzip",
        "identity",
        "xchunked",
        "chunkedchunked",
        "gzip, chunked",
        "chunked, gzip",
        "chunk",
        "x;q=1",
    ] {
        refused(
            post(&format!("Transfer-Encoding: {value}\r\n"), SMUGGLED),
            Reason::UnknownCoding,
        );
    }
    refused(
        post(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            SMUGGLED,
        ),
        Reason::UnknownCoding,
    );
    assert_eq!(Reason::UnknownCoding.status(), 501);
}

/// §6.3, rule 4: "the server MUST respond with the 400 (Bad Request) status code and then close the
/// connection", if chunked is not the final coding; §7.1: and not "more than once".
#[test]
fn s6_3_anything_but_chunked_once_is_refused() {
    for value in [
        "",
        ",",
        "chunked,",
        ",chunked",
        "chunked, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked chunked",
        "chun ked",
        "cow chunked bar",
        "\u{ff}chunked",
        "chunked\u{a0}",
        "chunked;",
        "@",
    ] {
        refused(
            post(&format!("Transfer-Encoding: {value}\r\n"), SMUGGLED),
            Reason::TransferEncoding,
        );
    }
    refused(
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", SMUGGLED),
        Reason::TransferEncoding,
    );
    refused(
        post("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", SMUGGLED),
        Reason::TransferEncoding,
    );
    refused(
        post("Transfer-Encoding: \u{b}chunked\r\n", SMUGGLED),
        Reason::FieldValue,
    );
}

/// §5.1 and RFC 9110 §5.6.2: a name that only looks like it is another field.
#[test]
fn s6_1_only_the_field_itself_frames() {
    let lines = "Transfer_Encoding: chunked\r\nX-Content-Length: 9\r\nContent-Length: 5\r\n";
    let request = accepted(post(lines, "hello"));
    assert_eq!(
        (request.framing, request.content),
        (Framing::Length(5), b"hello".to_vec())
    );
    // RFC 9110 §7.6.1: the option names a hop-by-hop field; it does not take the framing away.
    let lines = "Content-Length: 5\r\nConnection: content-length\r\n";
    assert_eq!(accepted(post(lines, "hello")).content, b"hello");
}
