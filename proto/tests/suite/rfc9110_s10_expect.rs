//! RFC 9110 §10.1.1: the expectation of `100 Continue`.

use hansel_proto::{BodyLength, Connection, FieldBlock, Head, Limits, Next, Reason, Received};

use crate::wire::{accepted, get, plain_response, post, refused};

fn begun(bytes: &str) -> Connection {
    let mut connection = Connection::new(Limits::default());
    assert!(matches!(
        connection.receive(bytes.as_bytes(), &mut Head::new()),
        Ok(Received::Head { .. })
    ));
    connection
}

fn expecting(framing: &str) -> String {
    post(&format!("Expect: 100-continue\r\n{framing}\r\n"), "")
}

/// "A server that receives a 100-continue expectation [...] MUST [...] send either the 100
/// (Continue) response or a final status code".
#[test]
fn s10_1_1_a_waiting_client_gets_one_100() {
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut connection = begun(&expecting(framing));
        assert!(connection.needs_continue());
        let mut out = Vec::new();
        connection.send_continue(&mut out);
        assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
        assert!(!connection.needs_continue());
        connection.send_continue(&mut out);
        assert_eq!(out.len(), 25, "once");
        out.clear();
        connection.respond(&plain_response(&FieldBlock::new()), &mut out);
        assert_eq!(
            connection.finish(),
            Next::Drain,
            "the body will come, so the connection may live"
        );
    }
}

/// "A server MAY omit sending a 100 (Continue) response if it has already received some or all of
/// the content for the corresponding request".
#[test]
fn s10_1_1_no_100_once_content_has_come() {
    for (framing, content) in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhel"),
    ] {
        let mut connection = begun(&expecting(framing));
        let received = connection.receive(content.as_bytes(), &mut Head::new());
        assert!(matches!(received, Ok(Received::Content { .. })));
        assert!(!connection.needs_continue());
        let mut out = Vec::new();
        connection.send_continue(&mut out);
        assert_eq!(out, b"");
    }
}

/// "A server that responds with a final status code instead of reading the entire request content
/// SHOULD indicate whether it intends to close the connection": it does, since nobody knows whether
/// the next bytes are content.
#[test]
fn s10_1_1_a_final_response_instead_of_100_closes() {
    let mut connection = begun(&expecting("Content-Length: 40"));
    let mut out = Vec::new();
    connection.respond(&plain_response(&FieldBlock::new()), &mut out);
    assert!(out.ends_with(b"Connection: close\r\n\r\n"));
    assert!(!connection.needs_continue(), "not behind a final head");
    assert_eq!(connection.finish(), Next::Close);
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(connection.receive(smuggled, &mut Head::new()), Ok(Received::Partial));
}

/// "A client MUST NOT generate a 100-continue expectation in a request that does not include
/// content": if one does, there is nothing to wait for.
#[test]
fn s10_1_1_without_content_nobody_waits() {
    assert!(!accepted(get("Expect: 100-continue\r\n")).expects_continue);
    assert!(!accepted(post("Expect: 100-continue\r\nContent-Length: 0\r\n", "")).expects_continue);
    assert!(accepted(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi")).expects_continue);
}

/// "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
/// expectation."
#[test]
fn s10_1_1_1_0_expects_nothing() {
    for value in ["100-continue", "200-ok"] {
        let text = format!("POST / HTTP/1.0\r\nExpect: {value}\r\nContent-Length: 2\r\n\r\nhi");
        let request = accepted(text);
        assert!(!request.expects_continue);
        assert_eq!(request.content, b"hi");
    }
}

/// "The Expect field value is case-insensitive", and a list.
#[test]
fn s10_1_1_the_expectation_in_any_case() {
    for lines in [
        "Expect: 100-Continue\r\n",
        "expect: 100-CONTINUE , 100-continue\r\n",
        "Expect: ,100-continue,\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
    ] {
        assert!(
            accepted(post(&format!("{lines}Content-Length: 2\r\n"), "hi")).expects_continue,
            "{lines}"
        );
    }
    assert!(!accepted(post("Expect:\r\nContent-Length: 2\r\n", "hi")).expects_continue);
}

/// "A server that receives an Expect field value containing a member other than 100-continue MAY
/// respond with a 417 (Expectation Failed) status code".
#[test]
fn s10_1_1_any_other_expectation_fails() {
    for value in [
        "200-ok",
        "100-continue, x",
        "100-continue;q=1",
        "100",
        "100-continue 100-continue",
    ] {
        refused(
            post(&format!("Expect: {value}\r\nContent-Length: 2\r\n"), "hi"),
            Reason::Expectation,
        );
        refused(get(&format!("Expect: {value}\r\n")), Reason::Expectation);
    }
    assert_eq!(Reason::Expectation.status(), 417);
}

#[test]
fn a_body_too_large_is_refused_before_it_is_sent() {
    let bytes = expecting("Content-Length: 99999999");
    let mut connection = Connection::new(Limits::default());
    let refusal = connection
        .receive(bytes.as_bytes(), &mut Head::new())
        .expect_err("too large");
    assert_eq!(refusal.status(), 413);
    assert!(!connection.needs_continue());
    let mut out = Vec::new();
    let fields = FieldBlock::new();
    connection.respond(&plain_response(&fields).status(413).body(BodyLength::None), &mut out);
    assert!(out.starts_with(b"HTTP/1.1 413 Content Too Large\r\n"));
}
