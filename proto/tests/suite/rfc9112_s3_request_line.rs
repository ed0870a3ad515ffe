//! RFC 9112 §3: the request line, its target, and the Host that goes with it.

use hansel_proto::{Connection, Head, Limits, Reason, TargetForm};

use crate::wire::{accepted, get, refused};

fn with_target(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

/// §3: `request-line = method SP request-target SP HTTP-version`; a lenient split "MAY" be made,
/// and "can result in security vulnerabilities" (§3): we make none.
#[test]
fn s3_exactly_one_space_separates_the_parts() {
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::Target);
    refused("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Reason::Version);
    refused("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", Reason::Method);
    refused("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", Reason::Target);
    refused("GET\u{b}/ HTTP/1.1\r\nHost: a\r\n\r\n", Reason::Method);
    refused("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", Reason::Version);
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Reason::Method);
    refused("GET\r\nHost: a\r\n\r\n", Reason::Method);
}

/// RFC 9112 §2.1: a message starts with its start-line. A field line is none, which is said before the next one comes.
#[test]
fn s2_1_a_field_line_is_no_request_line() {
    for bytes in ["Host: a\r\n", "X:\r\n", "X:\r\nY:"] {
        let outcome = Connection::new(Limits::default()).receive(bytes.as_bytes(), &mut Head::new());
        assert_eq!(outcome.map_err(|refusal| refusal.reason()), Err(Reason::Method));
        refused(bytes, Reason::Method);
    }
}

/// RFC 1945 §4.1 had requests without a version; RFC 9112 §3 has not.
#[test]
fn s3_a_request_without_version_is_refused() {
    refused("GET /\r\n", Reason::MissingVersion);
    refused("GET /\r\nHost: a.test\r\n\r\n", Reason::MissingVersion);
}

/// §3.1: "The request method is case-sensitive", and RFC 9110 §9.1: `method = token`.
#[test]
fn s3_1_a_method_is_a_token() {
    for method in ["GET", "get", "M-SEARCH", "FROBNICATE", "!#$%&'*+-.^_`|~09azAZ"] {
        assert_eq!(accepted(with_target(method, "/")).method, method);
    }
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~ \n".contains(byte)) {
        let line = [b"G", &[byte][..], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        refused(line, Reason::Method);
    }
}

/// §3: "A server that receives a method longer than any that it implements SHOULD respond with a
/// 501 (Not Implemented) status code."
#[test]
fn s3_1_a_method_has_an_end() {
    assert_eq!(accepted(with_target(&"M".repeat(64), "/")).method.len(), 64);
    refused(with_target(&"M".repeat(65), "/"), Reason::MethodTooLong);
    // §2.2: empty lines may come before, and are no part of it.
    let lines = "\r\n".repeat(8);
    assert_eq!(
        accepted(lines.clone() + &with_target(&"M".repeat(64), "/"))
            .method
            .len(),
        64
    );
    refused(lines + &with_target(&"M".repeat(65), "/"), Reason::MethodTooLong);
    assert_eq!(Reason::MethodTooLong.status(), 501);
}

/// §3.2.1: `origin-form = absolute-path [ "?" query ]`.
#[test]
fn s3_2_1_origin_form() {
    let request = accepted(with_target("GET", "/a/b%20c//d/?x=1&y=/?:@!$'()*+,;=-._~%2f"));
    assert_eq!(request.form, TargetForm::Origin);
    assert_eq!(request.path, "/a/b%20c//d/");
    assert!(request.escapes);
    assert_eq!(request.query.as_deref(), Some("x=1&y=/?:@!$'()*+,;=-._~%2f"));
    assert_eq!(request.authority.as_deref(), Some("a.test"));
    assert_eq!(request.scheme, None);

    let request = accepted(with_target("GET", "/?%41"));
    assert_eq!((request.path.as_str(), request.query.as_deref()), ("/", Some("%41")));
    assert!(!request.escapes, "escapes in the query are not the path's");
    assert_eq!(accepted(with_target("GET", "/?")).query.as_deref(), Some(""));
    assert_eq!(accepted(with_target("GET", "/")).query, None);
    assert_eq!(accepted(with_target("GET", "//a/..;/@:")).path, "//a/..;/@:");
}

/// §3.2: "No whitespace is allowed in the request-target"; RFC 3986 §3.3 has what is, and others leave a few more
/// characters as they are. A backslash is a slash to some.
#[test]
fn s3_2_a_path_is_made_of_path_characters() {
    let good = b"ABCxyz019-._~!$&'()*+,;=:@/[]{}|^`";
    for byte in 0..=255u8 {
        let line = [b"GET /x", &[byte][..], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        match byte {
            _ if good.contains(&byte) || byte.is_ascii_alphanumeric() => {
                assert_eq!(accepted(line).path.len(), 3);
            }

            b'?' => assert_eq!(accepted(line).query.as_deref(), Some("")),
            b' ' => refused(line, Reason::Version),
            b'%' => refused(line, Reason::TargetEscape),
            b'\r' => refused(line, Reason::BareCr),
            b'\n' => refused(line, Reason::BareLf),
            _ => refused(line, Reason::Target),
        }
    }
}

/// RFC 3986 §3.4, and what browsers leave as it is: the WHATWG URL query percent-encode set.
#[test]
fn s3_2_a_query_is_made_of_query_characters() {
    let good = b"-._~!$&'()*+,;=:@/?[]{}|\\^`";
    for byte in 0..=255u8 {
        let line = [b"GET /?x", &[byte][..], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        match byte {
            _ if good.contains(&byte) || byte.is_ascii_alphanumeric() => {
                assert_eq!(accepted(line).query.map(|query| query.len()), Some(2));
            }
            b' ' => refused(line, Reason::Version),
            b'%' => refused(line, Reason::TargetEscape),
            b'\r' => refused(line, Reason::BareCr),
            b'\n' => refused(line, Reason::BareLf),
            _ => refused(line, Reason::Target),
        }
    }
}

/// RFC 3986 §2.1: `pct-encoded = "%" HEXDIG HEXDIG`.
#[test]
fn s3_2_escapes_are_whole() {
    for target in [
        "/%", "/%4", "/%zz", "/%4x", "/%%41", "/%u0041", "/?%", "/?a=%g0", "/a%20%", "/%+1",
    ] {
        refused(with_target("GET", target), Reason::TargetEscape);
    }
    assert_eq!(
        accepted(with_target("GET", "/%00%ff%2F%c0%af")).path,
        "/%00%ff%2F%c0%af",
        "not decoded here"
    );
}

/// §3.2.2: "a server MUST accept the absolute-form in requests even though most HTTP/1.1 clients
/// will only send the absolute-form to a proxy", and "MUST ignore the received Host header field".
#[test]
fn s3_2_2_absolute_form() {
    let request = accepted(with_target("GET", "http://b.test:81/p%41/q?r"));
    assert_eq!(request.form, TargetForm::Absolute);
    assert_eq!(request.scheme.as_deref(), Some("http"));
    assert_eq!(request.authority.as_deref(), Some("b.test:81"));
    assert_eq!(request.path, "/p%41/q");
    assert!(request.escapes);
    assert_eq!(request.query.as_deref(), Some("r"));
    assert_eq!(request.target, "http://b.test:81/p%41/q?r");

    let request = accepted(with_target("GET", "HTTPS://B.test?x=%41"));
    assert_eq!(
        (request.path.as_str(), request.query.as_deref()),
        ("/", Some("x=%41")),
        "RFC 9110 §4.2.3"
    );
    assert!(!request.escapes);
    assert_eq!(request.scheme.as_deref(), Some("HTTPS"));
    assert_eq!(
        accepted(with_target("GET", "http://[::1]:80/")).authority.as_deref(),
        Some("[::1]:80")
    );
    assert_eq!(accepted(with_target("GET", "http://b.test")).path, "/");
    for (target, query) in [
        ("http://b.test", None),
        ("http://b.test/x", None),
        ("http://b.test?", Some("")),
        ("http://b.test/x?", Some("")),
    ] {
        assert_eq!(accepted(with_target("GET", target)).query.as_deref(), query, "{target}");
    }
    assert_eq!(
        accepted("GET http://b.test/ HTTP/1.0\r\n\r\n").authority.as_deref(),
        Some("b.test")
    );
}

/// RFC 9110 §4.2.1 (no empty host), §4.2.4 (no user information); other schemes are not served.
#[test]
fn s3_2_2_absolute_forms_that_are_refused() {
    for target in [
        "http:///",
        "http://",
        "http://:80/",
        "http://a:x/",
        "http://[zz]/",
        "http://a%/",
        "http://a:70000/",
    ] {
        let reason = if target.contains('%') {
            Reason::TargetEscape
        } else {
            Reason::TargetAuthority
        };
        refused(with_target("GET", target), reason);
    }
    refused(with_target("GET", "http://u:p@a.test/"), Reason::TargetUserInfo);
    refused(with_target("GET", "http://@a.test/"), Reason::TargetUserInfo);
    refused(with_target("GET", "http://a.test/\\x"), Reason::Target);
    assert_eq!(accepted(with_target("GET", "http://a.test/[x]|^")).path, "/[x]|^");
    refused(with_target("GET", "http://a.test/#x"), Reason::Target);
    for target in ["file:///etc/passwd", "ftp://a.test/", "://a.test/", "xhttp://a.test/"] {
        refused(with_target("GET", target), Reason::TargetScheme);
    }
    refused("GET http://a.test/ HTTP/1.1\r\n\r\n", Reason::HostMissing);
}

/// §3.2.3: "The authority-form of request-target is only used for CONNECT requests", and RFC 9110
/// §9.3.6: "A server MUST reject a CONNECT request that targets an empty or invalid port number".
#[test]
fn s3_2_3_authority_form() {
    let request = accepted(with_target("CONNECT", "b.test:443"));
    assert_eq!(request.form, TargetForm::Authority);
    assert_eq!(request.authority.as_deref(), Some("b.test:443"));
    assert_eq!((request.path.as_str(), request.query), ("", None));
    assert_eq!(
        accepted(with_target("CONNECT", "[::1]:1")).authority.as_deref(),
        Some("[::1]:1")
    );

    for target in [
        "b.test",
        "b.test:",
        "b.test:0",
        "b.test:65536",
        ":80",
        "b.test:80/",
        "http://b.test:80/",
        "u@b:80",
    ] {
        refused(with_target("CONNECT", target), Reason::TargetAuthority);
    }
    for target in ["/", "/b.test:80", "*"] {
        refused(with_target("CONNECT", target), Reason::TargetForm);
    }
    for target in [
        "a.test:80",
        "a.test",
        "../x",
        "x/y",
        "?x",
        "http:a",
        "http:/a",
        "*/",
        "**",
        "\\",
    ] {
        refused(with_target("GET", target), Reason::TargetForm);
    }
}

/// §3.2.4: "The asterisk-form of request-target is only used for a server-wide OPTIONS request".
#[test]
fn s3_2_4_asterisk_form() {
    let request = accepted(with_target("OPTIONS", "*"));
    assert_eq!((request.form, request.path.as_str()), (TargetForm::Asterisk, "*"));
    assert_eq!(request.authority.as_deref(), Some("a.test"));
    for method in ["GET", "options", "POST", "HEAD"] {
        refused(with_target(method, "*"), Reason::TargetForm);
    }
    refused(with_target("OPTIONS", "*?x"), Reason::TargetForm);
}

/// §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
/// message that lacks a Host header field".
#[test]
fn s3_2_a_1_1_request_has_a_host() {
    refused("GET / HTTP/1.1\r\n\r\n", Reason::HostMissing);
    refused("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", Reason::HostMissing);
    refused("GET / HTTP/1.2\r\n\r\n", Reason::HostMissing);
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").authority, None);
    assert_eq!(
        accepted("GET / HTTP/1.0\r\nHost: b\r\n\r\n").authority.as_deref(),
        Some("b")
    );
}

/// §3.2 again: a field whose name is as long is no Host.
#[test]
fn s3_2_no_other_field_is_a_host() {
    for line in ["From: b\r\n", "Date: a b\r\n"] {
        refused(format!("GET / HTTP/1.1\r\n{line}\r\n"), Reason::HostMissing);
        assert_eq!(accepted(get(line)).authority.as_deref(), Some("a.test"));
    }
}

/// §3.2: "and to any request message that contains more than one Host header field line".
#[test]
fn s3_2_a_request_has_one_host() {
    refused(get("Host: a.test\r\n"), Reason::HostRepeated);
    refused(get("X: y\r\nHOST: b.test\r\n"), Reason::HostRepeated);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Reason::HostRepeated);
}

/// §3.2: "or a Host header field with an invalid field value". The values are tested with
/// `host.rs`; here, that they are looked at.
#[test]
fn s3_2_a_host_is_a_host() {
    for host in [
        "a b",
        "a:http",
        "[::1",
        "a%zz",
        "http://a",
        "a#b",
        "u@a",
        "a/b",
        ":80",
        "b\u{fc}cher.test",
    ] {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Reason::Host);
        refused(format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"), Reason::Host);
        refused(
            format!("GET http://a.test/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Reason::Host,
        );
    }
    for host in ["a.test:8080", "[::1]:80", "a.test.", "a.test:", "127.0.0.1", "A_b"] {
        let request = accepted(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(request.authority.as_deref(), Some(host));
    }
    // "a client MUST send a Host header field with an empty field value" where there is no host.
    assert_eq!(
        accepted("GET / HTTP/1.1\r\nHost:\r\n\r\n").authority.as_deref(),
        Some("")
    );
}
