//! Laws that hold for every input: generated ones, shrunk when they find a counterexample.

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, FieldValue, Framing, Head, HttpDate, Limits, Next, Received,
    ResponseHead, Version, chunk,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::wire::{Transcript, accepted, bytewise, drive};

/// What requests are made of, good and bad: strung together, they reach every corner.
const PARTS: &[&str] = &[
    "GET ",
    "POST ",
    "HEAD ",
    "OPTIONS ",
    "CONNECT ",
    "/",
    "/a%20b?c=d",
    "*",
    "http://b.test/x",
    "b.test:80",
    "/%zz",
    "/#",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    " HTTP/1.1\n",
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    "\t",
    ":",
    ",",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\n",
    "Host: a.test\r\n",
    "Host: a b\r\n",
    "X-Long: 0123456789abcdefghijklmnopqrstuvwxyz\r\n",
    "X : y\r\n",
    "X: \0\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 500\r\n",
    "Content-Length: x\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "hello",
    "5\r\nhello\r\n",
    "5\r\n",
    "5;a=\"b\\\"\"\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "X-Trailer: y\r\n",
    "ffffffffffffffff\r\n",
    "1\r\nx\r\n",
    "0000000000000000000000000001\r\nx\r\n",
    "\u{0}",
    "\u{ff}",
    "A:\r\n",
    "A: ",
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
];

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        20 => select(PARTS).prop_map(|part| part.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// Lines of fields, right and wrong, of which many come again.
const LINES: &[&str] = &[
    "Host: a.test\r\n",
    "Host: a.test \r\n",
    "Host: b.test:8080\r\n",
    "Host: a b\r\n",
    "Host:\r\n",
    "Accept: */*\r\n",
    "Accept: */*\t\r\n",
    "Accept:*/*\r\n",
    "Cookie: a=b\r\n",
    "Cookie: a=bc\r\n",
    "Connection: close\r\n",
    "Connection: Keep-Alive\r\n",
    "Connection: x, close\r\n",
    "Content-Length: 7\r\n",
    "Content-Length: 70\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "X: \r\n",
    "X : y\r\n",
    " folded\r\n",
];

fn sections() -> impl Strategy<Value = Vec<u8>> {
    // One host first, mostly: without it nothing passes.
    let host = prop_oneof![9 => select(&LINES[..3]), 1 => select(LINES)];
    (host, vec(select(LINES), 0..6)).prop_map(|(host, lines)| [host, &lines.concat()].concat().into_bytes())
}

/// Small limits, so that generated input reaches them.
fn limits() -> impl Strategy<Value = Limits> {
    (20..400usize, 5..60usize, 0..12usize, 0..600u64, 2..80usize).prop_map(
        |(head_bytes, target_bytes, fields, body_bytes, trailer_bytes)| {
            Limits::new()
                .head_bytes(head_bytes)
                .target_bytes(target_bytes)
                .fields(fields)
                .body_bytes(body_bytes)
                .trailer_bytes(trailer_bytes)
        },
    )
}

fn cut(bytes: &[u8], cuts: &[Index]) -> Transcript {
    cut_within(bytes, cuts, &Limits::default())
}

fn cut_within(bytes: &[u8], cuts: &[Index], limits: &Limits) -> Transcript {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    drive(places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]), limits)
}

/// The same but for how much had arrived when it was refused.
fn outcome(mut transcript: Transcript) -> Transcript {
    if transcript.closed {
        transcript.left = 0;
    }
    transcript
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// However bytes are cut into pieces, they mean the same. A line feed ends them, since a line
    /// that has not ended may be looked at later.
    #[test]
    fn any_split_gives_the_same_events(mut bytes in messages(), cuts in vec(any::<Index>(), 0..12)) {
        bytes.push(b'\n');
        let whole = outcome(drive([&bytes[..]], &Limits::default()));
        prop_assert_eq!(outcome(cut(&bytes, &cuts)), whole.clone());
        prop_assert_eq!(outcome(drive(bytewise(&bytes), &Limits::default())), whole);
    }

    /// Nor do limits depend on how bytes are cut.
    #[test]
    fn limits_do_not_depend_on_splits(mut bytes in messages(), cuts in vec(any::<Index>(), 0..12), limits in limits()) {
        bytes.push(b'\n');
        let whole = outcome(drive([&bytes[..]], &limits));
        prop_assert_eq!(outcome(cut_within(&bytes, &cuts, &limits)), whole.clone());
        prop_assert_eq!(outcome(drive(bytewise(&bytes), &limits)), whole);
    }

    /// What a head remembers of earlier ones changes nothing.
    #[test]
    fn a_head_reads_the_same_whatever_it_has_read_before(sections in vec(sections(), 1..8), limits in limits()) {
        let mut kept = Head::new();
        for section in sections {
            let bytes = [b"GET / HTTP/1.1\r\n", &section[..], b"\r\n"].concat();
            let mut fresh = Head::new();
            let expected = Connection::new(limits.clone()).receive(&bytes, &mut fresh);
            prop_assert_eq!(&Connection::new(limits.clone()).receive(&bytes, &mut kept), &expected);
            if let Ok(Received::Head { .. }) = expected {
                prop_assert!(kept.fields(&bytes).eq(fresh.fields(&bytes)));
                prop_assert_eq!(kept.authority(&bytes), fresh.authority(&bytes));
                prop_assert_eq!(kept.framing(), fresh.framing());
                prop_assert_eq!(kept.keep_alive(), fresh.keep_alive());
                prop_assert_eq!(kept.expects_continue(), fresh.expects_continue());
            }
        }
    }

    /// Nothing a client sends makes a connection panic, go round in circles, or claim bytes that
    /// are not there (`drive` asserts the latter two).
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300), limits in limits()) {
        drive([&bytes[..]], &limits);
        drive(bytewise(&bytes), &limits);
    }

    /// The accessors of a head never panic, whatever bytes they are shown.
    #[test]
    fn a_head_shown_other_bytes_does_no_harm(bytes in vec(any::<u8>(), 0..60)) {
        let mut head = Head::new();
        let good = b"GET http://a.test/p?q HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n";
        let received = Connection::new(Limits::default()).receive(good, &mut head);
        prop_assert!(received.is_ok());
        for (name, value) in head.fields(&bytes) {
            prop_assert!(name.len() + value.len() <= bytes.len());
        }
        let texts = [head.method(&bytes), head.target(&bytes), head.path(&bytes)];
        prop_assert!(texts.iter().all(|text| text.len() <= good.len()));
        let more = [head.query(&bytes), head.authority(&bytes), head.scheme(&bytes)];
        prop_assert!(more.iter().all(Option::is_some));
    }

    /// What is encoded in chunks is decoded as what it was.
    #[test]
    fn chunks_round_trip(chunks in vec(vec(any::<u8>(), 0..50), 0..10), cuts in vec(any::<Index>(), 0..10)) {
        let mut bytes = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for data in &chunks {
            chunk::encode(data, &mut bytes);
        }
        chunk::finish(&mut bytes);
        let transcript = cut(&bytes, &cuts);
        prop_assert_eq!(transcript.left, 0);
        prop_assert_eq!(&transcript.requests[0].content, &chunks.concat());
        prop_assert!(transcript.requests[0].whole);
    }

    /// A head made of good parts is read back as those parts.
    #[test]
    fn heads_round_trip(
        method in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}",
        path in "(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,9}){1,4}",
        query in proptest::option::of("([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,20}"),
        fields in vec(("x-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,10}", "([!-~]([ -~\t]{0,20}[!-~])?)?"), 0..10),
    ) {
        prop_assume!(method != "CONNECT");
        let mut text = format!("{method} {path}");
        if let Some(query) = &query {
            text += &format!("?{query}");
        }
        text += " HTTP/1.1\r\nHost: a\r\n";
        for (name, value) in &fields {
            text += &format!("{name}: {value}\r\n");
        }
        let request = accepted(text + "\r\n");
        prop_assert_eq!(request.method, method);
        prop_assert_eq!(request.escapes, path.contains('%'));
        prop_assert_eq!(request.path, path);
        prop_assert_eq!(request.query, query);
        prop_assert_eq!(request.framing, Framing::None);
        let sent: Vec<_> = fields.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        prop_assert_eq!(&request.fields[1..], &sent[..]);
    }

    /// Every response is one another parser reads, with the application's fields as they were given
    /// and exactly as much framing as its plan says.
    #[test]
    fn responses_round_trip(
        status in 0u16..1100,
        method in select(&["GET", "HEAD", "POST", "CONNECT"][..]),
        client in select(&["1.0", "1.1"][..]),
        option in select(&["", "Connection: close\r\n", "Connection: keep-alive\r\n"][..]),
        body in prop_oneof![Just(BodyLength::None), Just(BodyLength::Unknown), any::<u64>().prop_map(BodyLength::Known)],
        fields in vec((response_names(), vec(any::<u8>(), 0..12)), 0..6),
        version in select(&[Version::Http10, Version::Http11][..]),
    ) {
        let target = if method == "CONNECT" { "a:1" } else { "/" };
        let request = format!("{method} {target} HTTP/{client}\r\nHost: a\r\n{option}\r\n");
        let mut connection = Connection::new(Limits::default());
        let received = connection.receive(request.as_bytes(), &mut Head::new());
        prop_assert_eq!(received, Ok(Received::Head { len: request.len() }));
        let mut block = FieldBlock::new();
        for (name, value) in &fields {
            // What is refused stays out; that is what is tested.
            let _ = block.append(name, value);
        }
        let date = HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT");
        let response = ResponseHead::new(status, &block, body).date(date).default_content_type(FieldValue::new(b"a/b")).version(version);
        let mut out = Vec::new();
        let plan = connection.respond(&response, &mut out);

        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut headers);
        prop_assert_eq!(parsed.parse(&out), Ok(httparse::Status::Complete(out.len())));
        let sent = |name: &str| parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).count();
        for (name, value) in block.iter().filter(|(name, _)| !is_ours(name)) {
            prop_assert!(parsed.headers.iter().any(|header| header.name == name && header.value == value));
        }
        prop_assert_eq!(sent("date"), block.iter().filter(|(name, _)| *name == "date").count().max(1));
        let framing = (sent("content-length"), sent("transfer-encoding"));
        match plan {
            BodyPlan::Omit => prop_assert!(framing.0 <= 1 && framing.1 == 0),
            BodyPlan::Plain => prop_assert_eq!(framing, (1, 0)),
            BodyPlan::Chunked => prop_assert_eq!(framing, (0, 1)),
            BodyPlan::UntilClose => prop_assert_eq!(framing, (0, 0)),
        }
        prop_assert!(plan != BodyPlan::Chunked || client == "1.1");
        let closes = connection.finish() == Next::Close;
        let says = parsed.headers.iter().any(|h| h.name == "Connection" && h.value.starts_with(b"close"));
        prop_assert_eq!(closes, says);
    }

    /// What a connection keeps of its last response changes nothing about the next.
    #[test]
    fn a_response_is_the_same_whatever_was_answered_before(responses in vec(responses(), 1..12)) {
        let mut kept = Connection::new(Limits::default());
        for (request, fields, (status, body, date, content_type, version)) in responses {
            let mut block = FieldBlock::new();
            for (name, value) in &fields {
                let _ = block.append(name, value);
            }
            let response = ResponseHead::new(status, &block, body).date(date).default_content_type(content_type).version(version);
            let answered = |connection: &mut Connection| {
                let received = connection.receive(request.as_bytes(), &mut Head::new());
                assert!(matches!(received, Ok(Received::Head { .. })), "{received:?}");
                let mut out = Vec::new();
                let plan = connection.respond(&response, &mut out);
                (String::from_utf8(out), plan, connection.finish())
            };
            let response = answered(&mut kept);
            prop_assert_eq!(&response, &answered(&mut Connection::new(Limits::default())));
            if response.2 != Next::Again {
                kept.restart();
            }
        }
    }
}

type Response = (u16, BodyLength, Option<HttpDate>, Option<FieldValue<'static>>, Version);

/// Requests and their responses, of so few kinds that one is often like the one before.
fn responses() -> impl Strategy<Value = (String, Vec<(&'static str, &'static [u8])>, Response)> {
    let request = select(
        &[
            "GET / HTTP/1.1",
            "GET / HTTP/1.0",
            "HEAD / HTTP/1.1",
            "CONNECT a:1 HTTP/1.1",
        ][..],
    );
    let option = select(&["", "", "Connection: close\r\n", "Connection: keep-alive\r\n"][..]);
    let fields: [(&str, &[u8]); 6] = [
        ("x", b"y"),
        ("date", b"now"),
        ("content-type", b"c/d"),
        ("content-length", b"007"),
        ("connection", b"close"),
        ("upgrade", b"z"),
    ];
    let status = select(&[200, 200, 200, 404, 204, 205, 304, 100][..]);
    let lengths = [0, 7, 7, 1234, u64::MAX].map(BodyLength::Known);
    let body = select([&lengths[..], &[BodyLength::None, BodyLength::Unknown]].concat());
    let dates = ["Fri, 20 Nov 2026 12:00:00 GMT", "Fri, 20 Nov 2026 12:00:01 GMT", ""];
    let date = select(dates.map(|date| HttpDate::new(date.as_bytes())).to_vec());
    let content_type = select([None, FieldValue::new(b"a/b"), FieldValue::new(b"a/c")].to_vec());
    let version = select(&[Version::Http11, Version::Http11, Version::Http10][..]);
    let request = (request, option).prop_map(|(line, option)| format!("{line}\r\nHost: a\r\n{option}\r\n"));
    (
        request,
        vec(select(fields.to_vec()), 0..2),
        (status, body, date, content_type, version),
    )
}

fn response_names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z-]{1,8}",
        ".{0,4}",
        select(
            &[
                "content-length",
                "connection",
                "transfer-encoding",
                "date",
                "content-type",
                "upgrade"
            ][..]
        )
        .prop_map(str::to_owned),
    ]
}

fn is_ours(name: &str) -> bool {
    matches!(name, "content-length" | "connection")
}
