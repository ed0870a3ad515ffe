//! Beside `httparse`, which parses the same heads and checks less: whatever we take, it takes, and
//! reads the same in it; whatever we alone refuse, we refuse for a rule it does not check.

use hansel_proto::{Connection, Head, Limits, Reason, Received};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /a/b%20c?d=e&f HTTP/1.1\r\nHost: a.test:80\r\nAccept: */*\r\nX-Empty:\r\n\r\n",
    "POST /echo HTTP/1.1\r\nhost:a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\n\r\n",
    "\r\nGET http://b.test/x HTTP/1.1\r\nHost: [::1]\r\nCookie: \ta=b; c=d \t\r\nUser-Agent: x (y; z)\r\n\r\n",
    "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nX: 0123456789012345678901234567890123456789\r\n\r\n",
];

const CHANGES: &[&str] = &[
    "",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    ":",
    "\0",
    "\u{7f}",
    "%",
    "\u{fc}",
    "\"",
    "#",
    "?",
    "/",
    "a",
    "1",
    "X: y\r\n",
    "HTTP/1.1",
    "Host: b\r\n",
    "Content-Length: 1\r\n",
    "@",
    "[",
    "\\",
];

/// A good head in which some stretches are replaced by something else.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), 0..3usize, select(CHANGES));
    (select(GOOD), vec(change, 0..4)).prop_map(|(good, changes)| {
        let mut bytes = good.as_bytes().to_vec();
        for (place, length, new) in changes {
            let start = place.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, new.bytes());
        }
        bytes
    })
}

/// The rules that are ours alone: `httparse` knows neither lines that must end with CR LF, nor what
/// a target is made of, nor what fields mean, nor limits.
fn is_a_rule_we_add(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BareLf
            | Reason::EmptyLines
            | Reason::Target
            | Reason::TargetEscape
            | Reason::TargetForm
            | Reason::TargetScheme
            | Reason::TargetUserInfo
            | Reason::TargetAuthority
            | Reason::Host
            | Reason::HostMissing
            | Reason::HostRepeated
            | Reason::ContentLength
            | Reason::ContentLengthRepeated
            | Reason::ContentTooLarge
            | Reason::LengthAndCoding
            | Reason::CodingBefore11
            | Reason::TransferEncoding
            | Reason::UnknownCoding
            | Reason::Expectation
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn beside_httparse(bytes in heads()) {
        let mut head = Head::new();
        let ours = Connection::new(Limits::default()).receive(&bytes, &mut head);
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let theirs = request.parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        match (ours, theirs) {
            (Ok(Received::Head { len }), Ok(httparse::Status::Complete(their_len))) => {
                prop_assert_eq!(len, their_len, "{}", text);
                prop_assert_eq!(head.method(&bytes), request.method.unwrap_or_default());
                prop_assert_eq!(head.target(&bytes), request.path.unwrap_or_default());
                prop_assert_eq!(head.version() as u8, request.version.unwrap_or_default());
                let fields = request.headers.iter().map(|header| (header.name, header.value));
                prop_assert!(head.fields(&bytes).eq(fields), "{}", text);
            }
            // It knows HTTP/1.0 and HTTP/1.1, and no higher minor version.
            (Ok(Received::Head { .. }), Err(httparse::Error::Version)) => {
                prop_assert!(!text.contains(" HTTP/1.0") && !text.contains(" HTTP/1.1\r\n"), "{}", text);
            }
            (Ok(Received::Partial), Ok(httparse::Status::Partial)) => {}
            (Err(refusal), Ok(_)) => prop_assert!(is_a_rule_we_add(refusal.reason()), "{} {}", refusal, text),
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{:?} {:?} {}", ours, theirs, text),
        }
    }
}
