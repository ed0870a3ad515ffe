//! RFC 9112 §2: messages, their lines, and the version.

use hansel_proto::{Reason, Version};

use crate::wire::{accepted, get, refused};

/// §2.2: "In the interest of robustness, a server that is expecting to receive and parse a
/// request-line SHOULD ignore at least one empty line (CRLF) received prior to the request-line."
#[test]
fn s2_2_a_few_empty_lines_before_a_request_are_ignored() {
    for count in 0..=8 {
        let request = accepted("\r\n".repeat(count) + &get(""));
        assert_eq!(request.path, "/");
    }
    refused("\r\n".repeat(9) + &get(""), Reason::EmptyLines);
    refused("\r\n".repeat(1000), Reason::EmptyLines);
}

/// §2.2: "a recipient MAY recognize a single LF as a line terminator": MAY, and we do not.
#[test]
fn s2_2_a_line_does_not_end_with_lf_alone() {
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::BareLf);
    refused("GET\n/ HTTP/1.1\r\nHost: a\r\n\r\n", Reason::BareLf);
    refused("GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", Reason::BareLf);
    refused("GET / HTTP/1.1\nHost: a\n\n", Reason::BareLf);
    refused(get("X: y\nContent-Length: 40\r\n"), Reason::BareLf);
    refused(get("X\n: y\r\n"), Reason::BareLf);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", Reason::BareLf);
}

/// §2.2: "A recipient of such a bare CR MUST consider that element to be invalid or replace each
/// bare CR with SP".
#[test]
fn s2_2_a_bare_cr_is_invalid_everywhere() {
    refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::BareCr);
    refused("GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", Reason::BareCr);
    refused("GET / HTTP/1.1\rHost: a\r\r", Reason::BareCr);
    refused(get("X: y\rContent-Length: 40\r\n"), Reason::BareCr);
    refused(get("X: y\r\r\n"), Reason::BareCr);
    refused(get("\rX: y\r\n"), Reason::BareCr);
    refused(get("X\r: y\r\n"), Reason::FieldName);
}

/// §2.2: "A recipient that receives whitespace between the start-line and the first header field
/// MUST either reject the message as invalid or consume each whitespace-preceded line".
#[test]
fn s2_2_no_whitespace_before_the_first_field() {
    refused(
        "GET / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n",
        Reason::LeadingWhitespace,
    );
    refused("GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n", Reason::LeadingWhitespace);
    refused("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", Reason::LeadingWhitespace);
}

/// §2.2: "When a server listening only for HTTP request messages [...] receives a sequence of
/// octets that does not match the HTTP-message grammar [...], the server SHOULD respond with a 400".
#[test]
fn s2_2_other_protocols_are_refused() {
    refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", Reason::Method);
    refused("SSH-2.0-OpenSSH_9.6\r\n\r\n", Reason::Method);
    refused("EHLO a.test\r\nMAIL FROM:<a@a.test>\r\n\r\n", Reason::MissingVersion);
    refused("*1\r\n$4\r\nINFO\r\n\r\n", Reason::Method);
    refused("DESCRIBE /x RTSP/1.0\r\nCSeq: 1\r\n\r\n", Reason::Version);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Reason::UnsupportedVersion);
}

/// §2.3: `HTTP-version = HTTP-name "/" DIGIT "." DIGIT`, and "HTTP-name is case-sensitive".
#[test]
fn s2_3_a_version_is_spelt_exactly() {
    for version in [
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "ICY/1.1",
        "HTTP/1",
        "HTTP/2",
        "HTTP/.1",
        "HTTP/1.",
        "HTTP/1,1",
        "HTTP/-1.1",
        "HTTP/+1.1",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1.1x",
        "HTTP/1.1.1",
        "HTTP/ 1.1",
        "HTTP /1.1",
        "HTTP/11",
        "HTTP/257.257",
        "HTTP/1.1 ",
        " HTTP/1.1",
        "HTTP/x.y",
        "HTTP/\u{b2}.1",
        "x HTTP/1.1",
        "HTTP",
    ] {
        refused(format!("GET / {version}\r\nHost: a.test\r\n\r\n"), Reason::Version);
    }
    refused("GET / \r\nHost: a.test\r\n\r\n", Reason::Version);
}

/// RFC 9110 §2.5: "A recipient that receives a message with a major version number that it
/// implements and a minor version number higher than what it implements SHOULD process the message
/// as if it was in the highest minor version within that major version".
#[test]
fn s2_3_a_higher_minor_version_is_1_1() {
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").version, Version::Http10);
    for minor in 1..=9 {
        let request = accepted(format!("GET / HTTP/1.{minor}\r\nHost: a\r\n\r\n"));
        assert_eq!(request.version, Version::Http11);
        assert!(request.keep_alive);
    }
}

/// RFC 9110 §15.6.6: "The 505 (HTTP Version Not Supported) status code indicates that the server
/// does not support, or refuses to support, the major version of HTTP that was used".
#[test]
fn s2_3_another_major_version_is_505() {
    for version in ["0.9", "0.0", "2.0", "3.0", "9.9"] {
        refused(
            format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n"),
            Reason::UnsupportedVersion,
        );
    }
    assert_eq!(Reason::UnsupportedVersion.status(), 505);
}
