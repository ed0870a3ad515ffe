//! RFC 9112 §8 and §9: incomplete messages, persistence, pipelining and the end of a connection.

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, Head, Limits, Next, Reason, Received, ResponseHead, Span, Version,
};

use crate::wire::{accepted, chunked, get, plain_response, post};

/// A connection that was shown `bytes` and has taken the head at their start; and what is left.
fn begun(bytes: &str) -> (Connection, Head, &[u8]) {
    let mut connection = Connection::new(Limits::default());
    let mut head = Head::new();
    match connection.receive(bytes.as_bytes(), &mut head) {
        Ok(Received::Head { len }) => (connection, head, &bytes.as_bytes()[len..]),
        other => panic!("{other:?} for {bytes}"),
    }
}

/// The response to the request `bytes`, and what comes next.
fn answered(bytes: &str, response: &ResponseHead<'_>) -> (String, Next) {
    let (mut connection, mut head, mut rest) = begun(bytes);
    let mut out = Vec::new();
    loop {
        match connection.receive(rest, &mut head).expect("a good request") {
            Received::End { .. } => break,
            Received::Content { end, .. } => rest = &rest[end..],
            other => panic!("{other:?}"),
        }
    }
    connection.respond(response, &mut out);
    (String::from_utf8(out).expect("text"), connection.finish())
}

fn persists(bytes: &str) -> bool {
    let fields = FieldBlock::new();
    let (text, next) = answered(bytes, &plain_response(&fields));
    let request = accepted(bytes);
    assert_eq!(text.contains("Connection: close\r\n"), next == Next::Close, "{text}");
    assert_eq!(request.keep_alive, next == Next::Again);
    next == Next::Again
}

/// §9.6: "A client that sends a "close" connection option MUST NOT send further requests on that connection", so
/// once its request is whole it is done; nobody else has said that.
#[test]
fn s9_6_a_client_that_sends_close_is_done_when_its_request_is_whole() {
    const CHUNKED_LAST: &str = "Connection: close\r\nTransfer-Encoding: chunked\r\n";
    let is_done = |bytes: &str| {
        let (mut connection, mut head, mut rest) = begun(bytes);
        while let Ok(Received::Content { end, .. }) = connection.receive(rest, &mut head) {
            assert!(!connection.client_is_done(), "the end of the body is to come");
            rest = &rest[end..];
        }
        connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
        connection.finish();
        connection.client_is_done()
    };
    assert!(is_done(&get("Connection: close\r\n")));
    assert!(is_done(&post(
        "Connection: Keep-Alive, Close\r\nContent-Length: 3\r\n",
        "ham"
    )));
    assert!(is_done(&post(CHUNKED_LAST, "3\r\nham\r\n0\r\n\r\n")));
    assert!(!is_done(&get("")), "it may ask again");
    assert!(!is_done("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), "it has not said so");
    assert!(!is_done(&post("Connection: close\r\nContent-Length: 4\r\n", "ham")));
    assert!(!is_done(&post(CHUNKED_LAST, "x\r\n")), "the request was refused");
}

/// §9.3: "If the "close" connection option is present [...], the connection will not persist", else
/// "If the received protocol is HTTP/1.1 (or later), the connection will persist".
#[test]
fn s9_3_1_1_persists_unless_closed() {
    assert!(persists(&get("")));
    assert!(persists(&get("Connection: keep-alive\r\n")));
    assert!(persists(&get("Connection: closed, xclose, close-x, clos\r\n")));
    assert!(persists(&get("Connection: ,, ,foo;bar ,\r\n")));
    assert!(persists(&get("Connection:\r\n")));
    assert!(persists(&get("X-Connection: close\r\nProxy-Connection: close\r\n")));
    assert!(persists(&get(
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    )));
    for value in [
        "close",
        "CLOSE",
        "Close",
        " \tclose\t ",
        "close, keep-alive",
        "keep-alive,close",
        "a,,close ,b",
    ] {
        assert!(!persists(&get(&format!("Connection:{value}\r\n"))), "{value}");
    }
    assert!(!persists(&get(
        "Connection: keep-alive\r\nX: y\r\ncONNECTION: x, Close\r\n"
    )));
}

/// §9.3: "If the received protocol is HTTP/1.0, the "keep-alive" connection option is present, [...]
/// and the recipient wishes to honor the HTTP/1.0 "keep-alive" mechanism, the connection will
/// persist", and the response says so.
#[test]
fn s9_3_1_0_persists_if_asked() {
    let old = |lines: &str| format!("GET / HTTP/1.0\r\n{lines}\r\n");
    assert!(!persists(&old("")));
    assert!(!persists(&old("Connection: upgrade\r\n")));
    assert!(!persists(&old("Connection: keep-alive, close\r\n")));
    assert!(!persists(&old("Keep-Alive: timeout=5\r\n")));
    assert!(persists(&old("Connection: keep-alive\r\n")));
    assert!(persists(&old("Connection: x\r\nConnection: Keep-Alive\r\n")));
    let fields = FieldBlock::new();
    let (text, _) = answered(&old("Connection: keep-alive\r\n"), &plain_response(&fields));
    assert!(text.ends_with("Connection: keep-alive\r\n\r\n"), "{text}");
}

/// §9.3 again: only the field itself decides, not one whose name is as long.
#[test]
fn s9_3_no_other_field_decides() {
    assert!(persists(&get("User-Agent: close\r\n")));
    assert!(!persists("GET / HTTP/1.0\r\nUser-Agent: keep-alive\r\n\r\n"));
}

/// §9.3.2: "A server MAY process a sequence of pipelined requests in parallel [...] but it MUST send
/// the corresponding responses in the same order": here, one after the other.
#[test]
fn s9_3_2_a_pipelined_request_waits_for_the_response_before_it() {
    let second = get("X: 2\r\n");
    let bytes = get("X: 1\r\n") + &second;
    let (mut connection, mut head, rest) = begun(&bytes);
    assert_eq!(
        connection.receive(rest, &mut head),
        Ok(Received::End {
            len: 0,
            trailers: Span::default()
        })
    );
    assert_eq!(
        connection.receive(rest, &mut head),
        Ok(Received::Partial),
        "the response comes first"
    );
    let mut out = Vec::new();
    connection.respond(&plain_response(&FieldBlock::new()), &mut out);
    assert_eq!(connection.receive(rest, &mut head), Ok(Received::Partial), "all of it");
    assert_eq!(connection.finish(), Next::Again);
    assert_eq!(
        connection.receive(rest, &mut head),
        Ok(Received::Head { len: second.len() })
    );
}

/// §9.6: "A server that receives a "close" connection option MUST initiate closure of the
/// connection [...]. The server MUST NOT process any further requests received on that connection."
#[test]
fn s9_6_nothing_is_read_after_the_last_response() {
    let bytes = get("Connection: close\r\n") + &get("");
    let (mut connection, mut head, rest) = begun(&bytes);
    assert!(matches!(connection.receive(rest, &mut head), Ok(Received::End { .. })));
    connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
    assert_eq!(connection.finish(), Next::Close);
    assert_eq!(connection.receive(rest, &mut head), Ok(Received::Partial));
    assert!(!connection.wants_head());
    let mut out = Vec::new();
    connection.respond(&plain_response(&FieldBlock::new()), &mut out);
    assert_eq!(out, b"", "the last response was the last");
    assert_eq!(connection.finish(), Next::Close);
}

/// §9.3: "A server MUST read the entire request message body or close the connection after sending
/// its response; otherwise, the remaining data [...] would be misinterpreted as the next request".
#[test]
fn s9_3_an_unread_body_is_drained_or_the_connection_closed() {
    for body in [post("Content-Length: 40\r\n", ""), chunked("")] {
        let (mut connection, mut head, _) = begun(&body);
        connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
        assert_eq!(connection.finish(), Next::Drain);
        assert_eq!(connection.finish(), Next::Drain, "asking again changes nothing");
        assert!(!connection.wants_head());

        let (rest, size) = match body.contains("chunked") {
            true => ("28\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n\r\n0\r\n\r\n", 44),
            false => ("GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", 40),
        };
        let rest = rest.as_bytes();
        let content = connection.receive(rest, &mut head);
        assert_eq!(
            content,
            Ok(Received::Content {
                start: size - 40,
                end: size
            })
        );
        let end = connection.receive(&rest[size..], &mut head);
        assert_eq!(
            end,
            Ok(Received::End {
                len: rest.len() - size,
                trailers: end_span(size)
            })
        );
        assert!(connection.wants_head());
        assert_eq!(connection.finish(), Next::Again);
    }
}

fn end_span(size: usize) -> Span {
    if size == 44 {
        Span { start: 5, end: 5 }
    } else {
        Span::default()
    }
}

/// §9.3 again: a body that breaks a rule cannot be read to its end, so the connection closes, even if the response to
/// the request is on its way already, or out.
#[test]
fn s9_3_a_body_refused_behind_its_response_closes() {
    for response_is_out in [false, true] {
        let bytes = chunked("");
        let (mut connection, mut head, _) = begun(&bytes);
        connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
        if response_is_out {
            assert_eq!(connection.finish(), Next::Drain);
        }
        let refusal = connection.receive(b"x\r\n", &mut head).expect_err("no size");
        assert_eq!(refusal.reason(), Reason::ChunkSize);
        assert!(!connection.owes_response(), "it has one");
        let mut out = Vec::new();
        assert_eq!(
            connection.respond(&plain_response(&FieldBlock::new()), &mut out),
            BodyPlan::Omit
        );
        assert_eq!(out, b"");
        assert_eq!(connection.finish(), Next::Close);
        assert_eq!(connection.finish(), Next::Close);
        assert_eq!(connection.end_of_input(b""), Ok(()), "nothing is cut short any more");
        assert_eq!(connection.receive(b"x\r\n", &mut head), Err(refusal));
    }
}

#[test]
fn a_request_without_body_needs_no_draining() {
    for bytes in [get(""), post("Content-Length: 0\r\n", "")] {
        let (mut connection, ..) = begun(&bytes);
        connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
        assert_eq!(connection.finish(), Next::Again);
    }
}

/// §8: "A server that receives an incomplete request message, usually due to a canceled request or a
/// triggered timeout exception, MAY send an error response prior to closing the connection."
#[test]
fn s8_a_request_cut_short_is_never_whole() {
    let cuts = [
        "G",
        "GET / HTTP/1.1\r\nHost: a.test\r\n",
        "\r\nGET /",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for bytes in cuts {
        let mut connection = Connection::new(Limits::default());
        let mut head = Head::new();
        let mut rest = bytes.as_bytes();
        loop {
            match connection.receive(rest, &mut head).expect("nothing wrong so far") {
                Received::Partial => break,
                Received::Head { len } => rest = &rest[len..],
                Received::Content { end, .. } => rest = &rest[end..],
                Received::End { .. } => panic!("whole: {bytes}"),
            }
        }
        let refusal = connection.end_of_input(rest).expect_err(bytes);
        assert_eq!((refusal.reason(), refusal.status()), (Reason::Incomplete, 400));
        assert!(connection.owes_response());
        assert_eq!(
            connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut head),
            Err(refusal)
        );
    }
}

#[test]
fn the_end_between_requests_is_no_refusal() {
    for bytes in ["", "\r\n", "\r\n\r\n"] {
        let mut connection = Connection::new(Limits::default());
        assert_eq!(
            connection.receive(bytes.as_bytes(), &mut Head::new()),
            Ok(Received::Partial)
        );
        assert!(connection.is_between_requests(), "empty lines are no request");
        assert_eq!(connection.end_of_input(bytes.as_bytes()), Ok(()));
    }
    // A half-closed client still gets its response, and needs not be told that it closed.
    let bytes = get("");
    let (mut connection, mut head, rest) = begun(&bytes);
    assert!(matches!(connection.receive(rest, &mut head), Ok(Received::End { .. })));
    assert_eq!(connection.end_of_input(b""), Ok(()));
    assert!(connection.owes_response());
}

#[test]
fn a_connection_knows_whether_a_request_is_under_way() {
    let mut connection = Connection::new(Limits::default());
    let mut head = Head::new();
    assert!(connection.is_between_requests() && connection.wants_head());
    assert_eq!(connection.receive(b"GE", &mut head), Ok(Received::Partial));
    assert!(!connection.is_between_requests() && connection.wants_head());
    let bytes = get("");
    assert!(matches!(
        connection.receive(bytes.as_bytes(), &mut head),
        Ok(Received::Head { .. })
    ));
    assert!(!connection.is_between_requests() && !connection.wants_head() && connection.owes_response());
    connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
    assert!(!connection.is_between_requests() && !connection.owes_response());
    assert_eq!(connection.finish(), Next::Again);
    assert!(connection.is_between_requests() && connection.wants_head());
}

/// §9.6: "A server that sends a "close" connection option [...] MUST NOT process any further
/// requests": a server that stops says so with the response it still gives.
#[test]
fn s9_6_a_draining_server_says_close() {
    for early in [true, false] {
        let mut connection = Connection::new(Limits::default());
        let mut head = Head::new();
        if early {
            connection.close_after_response();
        }
        let bytes = get("");
        assert!(matches!(
            connection.receive(bytes.as_bytes(), &mut head),
            Ok(Received::Head { .. })
        ));
        connection.close_after_response();
        assert!(connection.closes_after_response());
        let mut out = Vec::new();
        connection.respond(&plain_response(&FieldBlock::new()), &mut out);
        assert!(out.ends_with(b"Connection: close\r\n\r\n"));
        assert_eq!(connection.finish(), Next::Close);
    }
}

/// §9.3: whether the connection persists follows from the request, as soon as its head is there, and from the server.
#[test]
fn s9_3_whether_it_closes_is_known_with_the_head() {
    let mut connection = Connection::new(Limits::default());
    assert!(!connection.closes_after_response(), "nobody has asked for anything");
    connection.close_after_response();
    assert!(connection.closes_after_response(), "the server wants it");

    let old = "GET / HTTP/1.0\r\n\r\n".to_owned();
    for (bytes, closes) in [
        (get(""), false),
        (post("Content-Length: 3\r\n", ""), false),
        (get("Connection: close\r\n"), true),
        (old, true),
    ] {
        let (mut connection, ..) = begun(&bytes);
        assert_eq!(connection.closes_after_response(), closes, "{bytes}");
        connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
        assert_eq!(connection.closes_after_response(), closes, "{bytes}");
    }

    let bytes = get("");
    let (mut connection, mut head, _) = begun(&bytes);
    connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
    assert_eq!(connection.finish(), Next::Again);
    assert!(!connection.closes_after_response(), "the next request has not come");
    assert!(connection.receive(b"\0", &mut head).is_err());
    assert!(connection.closes_after_response(), "a refusal is the last answer");
}

/// RFC 9112 §6.3: a request without content ends with its head. Who asks is told so at once, instead of by
/// [`Received::End`].
#[test]
fn s6_3_a_request_without_content_ends_with_its_head() {
    assert!(!Connection::new(Limits::default()).ends_with_head(), "there is no head");
    for (bytes, ends) in [
        (get(""), true),
        (post("Content-Length: 0\r\n", ""), true),
        (post("Content-Length: 3\r\n", "ham"), false),
        (chunked("0\r\n\r\n"), false),
    ] {
        let behind = bytes.clone() + &get("");
        let (mut connection, mut head, rest) = begun(&behind);
        assert_eq!(connection.ends_with_head(), ends, "{bytes}");
        assert!(
            !ends || !connection.ends_with_head(),
            "it has ended, and ends once: {bytes}"
        );
        let received = connection.receive(rest, &mut head);
        assert_eq!(received == Ok(Received::Partial), ends, "{bytes}");
        connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
        assert_eq!(connection.finish(), Next::Again, "{bytes}");
        if ends {
            let received = connection.receive(rest, &mut head);
            assert!(matches!(received, Ok(Received::Head { .. })), "{bytes}");
        }
    }
}

/// Whatever has happened on a connection, a restarted one is as good as a new one.
#[test]
fn a_restarted_connection_remembers_nothing() {
    let expecting = post("Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    for past in [
        "",
        "GET /half HTT",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        &expecting,
        &post("Content-Length: 5\r\n", "ham"),
        &chunked("5\r\nham"),
        &chunked("5\r\nhello\r\n0\r\nX"),
        "\0",
    ] {
        for (responses, closes) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut connection = Connection::new(Limits::default());
            let mut head = Head::new();
            let mut rest = past.as_bytes();
            while let Ok(received) = connection.receive(rest, &mut head) {
                match received {
                    Received::Head { len } | Received::Content { end: len, .. } => rest = &rest[len..],
                    Received::Partial | Received::End { .. } => break,
                }
            }
            if responses {
                connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
            }
            if closes {
                connection.close_after_response();
            }

            connection.restart();
            assert!(connection.is_between_requests() && connection.wants_head(), "{past:?}");
            assert!(!connection.owes_response() && !connection.needs_continue(), "{past:?}");
            assert!(
                !connection.closes_after_response() && !connection.client_is_done(),
                "{past:?}"
            );
            assert_eq!(connection.end_of_input(b""), Ok(()), "{past:?}");
            let request = get("");
            let len = request.len();
            assert_eq!(
                connection.receive(request.as_bytes(), &mut head),
                Ok(Received::Head { len })
            );
            assert!(connection.ends_with_head() && !connection.client_is_done(), "{past:?}");
            let mut out = Vec::new();
            let fields = FieldBlock::new();
            let response = plain_response(&fields).body(BodyLength::Known(3));
            assert_eq!(connection.respond(&response, &mut out), BodyPlan::Plain, "{past:?}");
            assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "{past:?}");
            assert_eq!(connection.finish(), Next::Again, "{past:?}");
        }
    }
}

#[test]
fn a_wish_to_close_that_comes_late_still_closes() {
    let bytes = get("");
    let (mut connection, ..) = begun(&bytes);
    connection.respond(&plain_response(&FieldBlock::new()), &mut Vec::new());
    connection.close_after_response();
    assert_eq!(connection.finish(), Next::Close);
}

/// §9.5: a server may close a connection that was silent for too long, and RFC 9110 §15.5.9 wants
/// `close` in a 408.
#[test]
fn s9_5_a_response_nobody_asked_for_is_the_last() {
    let fields = FieldBlock::new();
    let response = plain_response(&fields).status(408).body(BodyLength::Known(3));
    // Behind a HEAD that was answered: its lack of content must not stick.
    let bytes = get("").replace("GET", "HEAD");
    let (mut connection, mut head, rest) = begun(&bytes);
    assert!(matches!(connection.receive(rest, &mut head), Ok(Received::End { .. })));
    assert_eq!(
        connection.respond(&response.status(200), &mut Vec::new()),
        BodyPlan::Omit
    );
    assert_eq!(connection.finish(), Next::Again);

    let refusal = connection.refuse(Reason::Timeout);
    assert_eq!(refusal.status(), 408);
    let mut out = Vec::new();
    assert_eq!(connection.respond(&response, &mut out), BodyPlan::Plain);
    assert_eq!(
        out,
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(connection.finish(), Next::Close);

    let mut silent = Connection::new(Limits::default());
    let mut out = Vec::new();
    assert_eq!(silent.respond(&response.status(503), &mut out), BodyPlan::Plain);
    assert!(out.ends_with(b"Connection: close\r\n\r\n"));
    assert_eq!(silent.finish(), Next::Close);
}

#[test]
fn the_first_refusal_stands() {
    let mut connection = Connection::new(Limits::default());
    let refusal = connection.receive(b"\0", &mut Head::new()).expect_err("not HTTP");
    assert_eq!(connection.refuse(Reason::Timeout), refusal);
    assert_eq!(connection.end_of_input(b""), Err(refusal));
}

/// RFC 9110 §9.3.2: no response to HEAD has content, a refusal included.
#[test]
fn a_refused_head_request_is_answered_without_content() {
    for (head_line, plan) in [("HEAD", BodyPlan::Omit), ("GET", BodyPlan::Plain)] {
        for whole in [true, false] {
            let bytes = format!("{head_line} / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
            let mut connection = Connection::new(Limits::default());
            let mut head = Head::new();
            let mut received = Ok(Received::Partial);
            let first = if whole { bytes.len() } else { 1 };
            for end in first..=bytes.len() {
                // Another connection's head may be in there: it must not matter.
                head = other_head(head_line);
                received = connection.receive(&bytes.as_bytes()[..end], &mut head);
            }
            assert_eq!(received.map_err(|refusal| refusal.reason()), Err(Reason::HostRepeated));
            let fields = FieldBlock::new();
            let response = plain_response(&fields).status(400).body(BodyLength::Known(3));
            assert_eq!(connection.respond(&response, &mut Vec::new()), plan);
            drop(head);
        }
    }
}

/// The head of a request with another method than this one.
fn other_head(method: &str) -> Head {
    let other = if method == "HEAD" { "GET" } else { "HEAD" };
    let bytes = format!("{other} / HTTP/1.1\r\nHost: other\r\n\r\n");
    begun(&bytes).1
}

/// §9.3.1 and RFC 9110 §9.3.6: the bytes behind a CONNECT are no request.
#[test]
fn a_successful_connect_closes() {
    let fields = FieldBlock::new();
    let bytes = "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n";
    let (text, next) = answered(bytes, &plain_response(&fields).body(BodyLength::Known(5)));
    assert_eq!(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_eq!(next, Next::Close);
    let (text, next) = answered(bytes, &plain_response(&fields).status(405));
    assert_eq!(text, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(next, Next::Again);
}

#[test]
fn a_response_in_the_older_version_persists_only_if_it_says_so() {
    let fields = FieldBlock::new();
    let old = plain_response(&fields)
        .version(Version::Http10)
        .body(BodyLength::Known(1));
    let (text, next) = answered(&get(""), &old);
    assert_eq!(
        text,
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n"
    );
    assert_eq!(next, Next::Again);
    let (text, next) = answered(&get(""), &old.body(BodyLength::Unknown));
    assert_eq!(text, "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n");
    assert_eq!(next, Next::Close);
}

#[test]
fn a_second_response_to_a_request_is_not_sent() {
    let bytes = get("");
    let (mut connection, ..) = begun(&bytes);
    let mut out = Vec::new();
    connection.respond(&plain_response(&FieldBlock::new()), &mut out);
    let length = out.len();
    connection.respond(&plain_response(&FieldBlock::new()), &mut out);
    assert_eq!(out.len(), length);
    assert_eq!(connection.finish(), Next::Again);
}

#[test]
fn finishing_what_was_not_answered_closes() {
    let bytes = get("");
    let (mut connection, ..) = begun(&bytes);
    assert_eq!(connection.finish(), Next::Close);
}

/// Thousands of connections may be kept: each must be small. The head of its last response, some 130 bytes, it has
/// elsewhere.
#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection>() <= 216, "{}", size_of::<Connection>());
}
