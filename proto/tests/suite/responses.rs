//! Responses: status line, framing, and the fields the protocol writes.

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, FieldValue, Head, HttpDate, Limits, Received, ResponseHead, Version,
    chunk, reason_phrase,
};

use crate::wire::{get, plain_response};

/// The encoded head, and the plan for the content, of a response to `request`.
fn respond(request: &str, response: &ResponseHead<'_>) -> (String, BodyPlan) {
    let mut connection = Connection::new(Limits::default());
    let received = connection.receive(request.as_bytes(), &mut Head::new());
    assert!(matches!(received, Ok(Received::Head { .. })), "{received:?}");
    let mut out = b"before ".to_vec();
    let plan = connection.respond(response, &mut out);
    let text = String::from_utf8(out).expect("text");
    (
        text.strip_prefix("before ")
            .expect("appended, nothing replaced")
            .to_owned(),
        plan,
    )
}

fn old(lines: &str) -> String {
    format!("GET / HTTP/1.0\r\n{lines}\r\n")
}

fn head_request() -> String {
    get("").replace("GET", "HEAD")
}

fn block(fields: &[(&str, &str)]) -> FieldBlock {
    let mut block = FieldBlock::new();
    for (name, value) in fields {
        block.append(name, value.as_bytes()).expect("a good field");
    }
    block
}

#[test]
fn a_plain_response() {
    let fields = block(&[("X-A", "1"), ("Set-Cookie", "a=b")]);
    let response = plain_response(&fields)
        .body(BodyLength::Known(13))
        .date(HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT"))
        .default_content_type(FieldValue::new(b"text/plain"));
    let (text, plan) = respond(&get(""), &response);
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
         X-A: 1\r\nSet-Cookie: a=b\r\nContent-Length: 13\r\n\r\n"
    );
    assert_eq!(plan, BodyPlan::Plain);
}

#[test]
fn what_the_application_gives_wins() {
    let fields = block(&[("date", "then"), ("content-TYPE", "x/y"), ("Server", "mine")]);
    let response = plain_response(&fields)
        .body(BodyLength::Known(1))
        .date(HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT"))
        .default_content_type(FieldValue::new(b"text/plain"));
    let (text, _) = respond(&get(""), &response);
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\ndate: then\r\ncontent-TYPE: x/y\r\nServer: mine\r\nContent-Length: 1\r\n\r\n"
    );
}

/// A field is what its name says, not what its length says.
#[test]
fn a_field_as_long_as_one_that_the_protocol_writes_is_another() {
    let fields = block(&[
        ("Vary", "*"),
        ("Expires", "0"),
        ("Set-Cookie", "close"),
        ("X-Request-Id", "1"),
        ("X-Rate-Remain1", "2"),
    ]);
    let response = plain_response(&fields)
        .body(BodyLength::Known(3))
        .date(HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT"))
        .default_content_type(FieldValue::new(b"text/plain"));
    let (text, _) = respond(&get(""), &response);
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Vary: *\r\nExpires: 0\r\nSet-Cookie: close\r\nX-Request-Id: 1\r\nX-Rate-Remain1: 2\r\n\
         Content-Length: 3\r\n\r\n"
    );
}

#[test]
fn a_content_type_needs_content() {
    let fields = FieldBlock::new();
    let typed = plain_response(&fields).default_content_type(FieldValue::new(b"a/b"));
    for (body, wanted) in [
        (BodyLength::None, false),
        (BodyLength::Known(0), false),
        (BodyLength::Known(1), true),
        (BodyLength::Unknown, true),
    ] {
        for request in [get(""), head_request()] {
            let (text, _) = respond(&request, &typed.body(body));
            assert_eq!(text.contains("Content-Type: a/b\r\n"), wanted, "{body:?}");
        }
        for status in [204, 205, 304] {
            let (text, _) = respond(&get(""), &typed.body(body).status(status));
            assert!(!text.contains("Content-Type"), "{status}");
        }
    }
}

/// A connection keeps what it found out for its last response. Whatever differs in the next one is noticed.
#[test]
fn a_response_is_the_same_behind_any_other() {
    let date = |text: &str| HttpDate::new(text.as_bytes());
    let kind = FieldValue::new(b"a/b");
    let noon = date("Fri, 20 Nov 2026 12:00:00 GMT");
    let plain = (
        get(""),
        block(&[]),
        200,
        BodyLength::Known(3),
        noon,
        kind,
        Version::Http11,
    );
    let mut responses = vec![plain.clone(); 17];
    responses[1].0 = head_request();
    responses[2].0 = old("Connection: keep-alive\r\n");
    responses[3].0 = get("Connection: close\r\n");
    responses[4].1 = block(&[("X", "y")]);
    responses[5].1 = block(&[("Date", "then")]);
    responses[6].1 = block(&[("Connection", "close")]);
    responses[7].2 = 404;
    responses[8].2 = 204;
    responses[9].3 = BodyLength::Known(4);
    responses[10].3 = BodyLength::Known(0);
    responses[11].3 = BodyLength::None;
    responses[12].3 = BodyLength::Unknown;
    responses[13].4 = date("Fri, 20 Nov 2026 12:00:01 GMT");
    responses[14].5 = FieldValue::new(b"a/c");
    responses[15].5 = None;
    responses[16].6 = Version::Http10;

    let mut kept = Connection::new(Limits::default());
    for before in &responses {
        for after in &responses {
            for (request, fields, status, body, date, default_content_type, version) in [before, after] {
                let response = ResponseHead::new(*status, fields, *body)
                    .date(*date)
                    .default_content_type(*default_content_type)
                    .version(*version);
                kept.restart();
                let received = kept.receive(request.as_bytes(), &mut Head::new());
                assert!(matches!(received, Ok(Received::Head { .. })), "{received:?}");
                let mut out = Vec::new();
                let plan = kept.respond(&response, &mut out);
                let (text, wanted) = respond(request, &response);
                assert_eq!((String::from_utf8(out).as_deref(), plan), (Ok(text.as_str()), wanted));
            }
        }
    }
}

/// RFC 9112 §4: "A server MUST send the space that separates the status-code from the reason-phrase
/// even when the reason-phrase is absent".
#[test]
fn s4_status_lines() {
    let fields = FieldBlock::new();
    for status in 200..=999 {
        for version in [Version::Http11, Version::Http10] {
            let (text, _) = respond(&get(""), &plain_response(&fields).status(status).version(version));
            let name = if version == Version::Http11 { "1.1" } else { "1.0" };
            let line = format!("HTTP/{name} {status} {}\r\n", reason_phrase(status));
            assert!(text.starts_with(&line), "{text}");
        }
    }
    assert_eq!(reason_phrase(418), "", "RFC 9110 §15.5.19: unused");
}

/// RFC 9110 §15: "values outside the range 100..599 are invalid" for a recipient; an interim or
/// impossible final status of the application is its mistake, and must not end up on the wire.
#[test]
fn s4_a_reason_of_its_own_is_of_one_response() {
    let fields = FieldBlock::new();
    let usual = ResponseHead::new(404, &fields, BodyLength::None);
    let own = usual.reason(FieldValue::new(b"No Such Crumb"));
    assert_eq!(FieldValue::new(b"two\r\nlines"), None);
    let mut connection = Connection::new(Limits::default());
    for (head, line) in [
        (usual, "HTTP/1.1 404 Not Found\r\n"),
        (own, "HTTP/1.1 404 No Such Crumb\r\n"),
        (own.reason(FieldValue::new(b"")), "HTTP/1.1 404 \r\n"),
        (usual, "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let request = get("");
        let mut parsed = Head::new();
        let received = connection.receive(request.as_bytes(), &mut parsed);
        assert!(matches!(received, Ok(Received::Head { .. })), "{received:?}");
        let mut out = Vec::new();
        connection.respond(&head, &mut out);
        assert!(out.starts_with(line.as_bytes()), "{}", out.escape_ascii());
        let _ = connection.receive(b"", &mut parsed);
        let _ = connection.finish();
    }
}

#[test]
fn a_status_that_is_none_is_500() {
    let fields = FieldBlock::new();
    for status in [0, 1, 99, 100, 101, 199, 1000, 65535] {
        let (text, _) = respond(&get(""), &plain_response(&fields).status(status));
        assert!(text.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{text}");
    }
}

/// RFC 9112 §6.3 and RFC 9110 §8.6, as a table: status, request, body -> framing field, plan.
#[test]
fn s6_3_the_framing_of_responses() {
    use BodyLength::{Known, Unknown};
    let connect = "CONNECT b:1 HTTP/1.1\r\nHost: b\r\n\r\n".to_owned();
    let length = |length: u64| Some(format!("Content-Length: {length}"));
    let chunked = Some("Transfer-Encoding: chunked".to_owned());
    let head = head_request;
    let table = [
        (200, get(""), BodyLength::None, length(0), BodyPlan::Omit),
        (200, get(""), Known(0), length(0), BodyPlan::Plain),
        (200, get(""), Known(u64::MAX), length(u64::MAX), BodyPlan::Plain),
        (200, get(""), Unknown, chunked.clone(), BodyPlan::Chunked),
        (404, get(""), Unknown, chunked, BodyPlan::Chunked),
        (200, old(""), Known(7), length(7), BodyPlan::Plain),
        (200, old(""), Unknown, None, BodyPlan::UntilClose),
        (
            200,
            old("Connection: keep-alive\r\n"),
            Unknown,
            None,
            BodyPlan::UntilClose,
        ),
        (200, head(), BodyLength::None, None, BodyPlan::Omit),
        (200, head(), Known(0), length(0), BodyPlan::Omit),
        (200, head(), Known(7), length(7), BodyPlan::Omit),
        (200, head(), Unknown, None, BodyPlan::Omit),
        (404, head(), Known(7), length(7), BodyPlan::Omit),
        (204, get(""), Known(7), None, BodyPlan::Omit),
        (204, get(""), Unknown, None, BodyPlan::Omit),
        (205, get(""), Known(7), length(0), BodyPlan::Omit),
        (304, get(""), Known(7), None, BodyPlan::Omit),
        (304, get(""), Unknown, None, BodyPlan::Omit),
        (304, head(), BodyLength::None, None, BodyPlan::Omit),
        (200, connect.clone(), Known(7), None, BodyPlan::Omit),
        (204, connect.clone(), BodyLength::None, None, BodyPlan::Omit),
        (299, connect.clone(), Unknown, None, BodyPlan::Omit),
        (403, connect, Known(7), length(7), BodyPlan::Plain),
    ];
    for (status, request, body, framing, wanted) in table {
        let fields = FieldBlock::new();
        let (text, plan) = respond(&request, &plain_response(&fields).status(status).body(body));
        let found: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("Content-Length") || line.starts_with("Transfer"))
            .collect();
        assert_eq!(
            found,
            framing.iter().map(String::as_str).collect::<Vec<_>>(),
            "{status} {body:?} {request}"
        );
        assert_eq!(plan, wanted, "{status} {body:?} {request}");
    }
}

/// RFC 9110 §8.6: a Content-Length in a response to HEAD, or in a 304, is that of the content GET
/// would have got: only the application can know it. Elsewhere it is never believed.
#[test]
fn a_given_length_never_frames() {
    let fields = block(&[("Content-Length", "99"), ("X", "y")]);
    let response = |status, body| plain_response(&fields).status(status).body(body);
    let lengths = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("Content-Length: "))
            .map(str::to_owned)
            .collect()
    };
    let cases = [
        (respond(&get(""), &response(200, BodyLength::Known(5))), vec!["5"]),
        (respond(&get(""), &response(200, BodyLength::Known(99))), vec!["99"]),
        (respond(&get(""), &response(200, BodyLength::None)), vec!["0"]),
        (respond(&get(""), &response(200, BodyLength::Unknown)), vec![]),
        (respond(&old(""), &response(200, BodyLength::Unknown)), vec![]),
        (respond(&get(""), &response(204, BodyLength::None)), vec![]),
        (respond(&get(""), &response(304, BodyLength::Known(0))), vec!["99"]),
        (respond(&head_request(), &response(200, BodyLength::None)), vec!["99"]),
        (
            respond(&head_request(), &response(200, BodyLength::Unknown)),
            vec!["99"],
        ),
        (respond(&get(""), &response(200, BodyLength::Known(0))), vec!["0"]),
        (
            respond(&head_request(), &response(200, BodyLength::Known(0))),
            vec!["99"],
        ),
        (
            respond(&head_request(), &response(200, BodyLength::Known(5))),
            vec!["5"],
        ),
    ];
    for ((text, _), wanted) in cases {
        assert_eq!(lengths(&text), wanted, "{text}");
        assert!(text.contains("\r\nX: y\r\n"), "{text}");
    }
}

/// RFC 9112 §9.6: the application may end the connection, and only that.
#[test]
fn s9_6_the_application_may_close() {
    for (value, closes) in [
        ("close", true),
        ("Close, keep-alive", true),
        ("keep-alive", false),
        ("", false),
    ] {
        let fields = block(&[("connection", value), ("X", "y")]);
        let (text, _) = respond(&get(""), &plain_response(&fields));
        let wanted = if closes { "Connection: close\r\n" } else { "" };
        assert_eq!(
            text,
            format!("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n{wanted}\r\n")
        );
    }
}

/// RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
#[test]
fn s7_8_an_upgrade_is_named_as_an_option() {
    let fields = block(&[("Upgrade", "websocket")]);
    let response = plain_response(&fields).status(426);
    let ends = |request: &str, line: &str| {
        let (text, _) = respond(request, &response);
        assert!(text.ends_with(&format!("{line}\r\n\r\n")), "{text}");
    };
    ends(&get(""), "Connection: upgrade");
    ends(&get("Connection: close\r\n"), "Connection: close, upgrade");
    ends(&old("Connection: keep-alive\r\n"), "Connection: keep-alive, upgrade");
    ends(&old(""), "Connection: close, upgrade");
}

/// RFC 9112 §7.1: "The chunked coding is complete when a chunk with a chunk-size of zero is
/// received": empty data must not look like the end.
#[test]
fn s7_1_chunks_are_encoded() {
    let mut out = Vec::new();
    chunk::encode(b"", &mut out);
    assert_eq!(out, b"");
    chunk::encode(&[b'x'; 0x1a2], &mut out);
    assert!(out.starts_with(b"1a2\r\nxxx") && out.ends_with(b"x\r\n"));
    out.clear();
    chunk::finish(&mut out);
    assert_eq!(out, b"0\r\n\r\n");
}

#[test]
fn s4_reason_phrases_are_those_of_the_registry() {
    // IANA HTTP Status Code Registry.
    let registry = [
        (100, "Continue"),
        (101, "Switching Protocols"),
        (102, "Processing"),
        (103, "Early Hints"),
        (104, "Upload Resumption Supported"),
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (203, "Non-Authoritative Information"),
        (204, "No Content"),
        (205, "Reset Content"),
        (206, "Partial Content"),
        (207, "Multi-Status"),
        (208, "Already Reported"),
        (226, "IM Used"),
        (300, "Multiple Choices"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (305, "Use Proxy"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (402, "Payment Required"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (407, "Proxy Authentication Required"),
        (408, "Request Timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (411, "Length Required"),
        (412, "Precondition Failed"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (415, "Unsupported Media Type"),
        (416, "Range Not Satisfiable"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (422, "Unprocessable Content"),
        (423, "Locked"),
        (424, "Failed Dependency"),
        (425, "Too Early"),
        (426, "Upgrade Required"),
        (428, "Precondition Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (451, "Unavailable For Legal Reasons"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (506, "Variant Also Negotiates"),
        (507, "Insufficient Storage"),
        (508, "Loop Detected"),
        (510, "Not Extended"),
        (511, "Network Authentication Required"),
    ];
    for status in 0..=u16::MAX {
        let registered = registry.iter().find(|(code, _)| *code == status);
        assert_eq!(
            reason_phrase(status),
            registered.map_or("", |(_, phrase)| *phrase),
            "{status}"
        );
    }
}

#[test]
fn what_is_shown_for_debugging_names_fields_and_no_values() {
    use hansel_proto::{Connection, FieldBlock, FieldValue, Head, HttpDate, LastSection};
    let text = b"GET /a HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n";
    let mut head = Head::new();
    let mut connection = Connection::new(Limits::default());
    connection.receive(text, &mut head).unwrap();
    let mut block = FieldBlock::new();
    block.set("X-Token", b"secret").unwrap();
    let shown = [
        (format!("{connection:?}"), "state"),
        (format!("{head:?}"), "target_form"),
        (format!("{:?}", head.fields(text)), "\"Cookie\""),
        (format!("{block:?}"), "FieldBlock([\"X-Token\"])"),
        (format!("{:?}", block.iter()), "[\"X-Token\"]"),
        (format!("{:?}", LastSection::default()), "LastSection(0 bytes)"),
        (
            format!("{:?}", HttpDate::at(0)),
            "HttpDate(Thu, 01 Jan 1970 00:00:00 GMT)",
        ),
    ];
    for (shown, part) in shown {
        assert!(shown.contains(part) && !shown.contains("secret"), "{shown}");
    }
    assert_eq!(
        format!("{:?}", FieldValue::new(b"text/plain").unwrap()),
        "FieldValue(\"text/plain\")"
    );
}
