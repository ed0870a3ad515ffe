//! Every way in which hansel and hyper differ over a head, and the RFC that decides it.

use std::borrow::Cow;

use hansel_proto::Limits;

use crate::hyper;
use crate::naive::{Naive, has_whole_escapes, host_and_port, is_path, is_query};
use crate::verdict::{self, Accepted, Verdict};

/// A known difference in which hansel is right.
pub struct Difference {
    /// What is in the head.
    pub what: &'static str,
    /// A head on which they differ for this reason alone.
    pub example: &'static str,
    /// The rule that decides.
    pub rule: &'static str,
    /// Why hansel does what it does.
    pub why: &'static str,
    pub kind: Kind,
    /// Checks, with a third reading of the head, that it really has what `what` says.
    pub is_there: fn(&Naive<'_>) -> bool,
}

/// How the verdicts differ.
#[derive(Clone, Copy)]
pub enum Kind {
    /// hansel refuses it for this reason (the name of a `hansel_proto::Reason`), hyper accepts it.
    OnlyOursRefuses(&'static str),
    /// hyper refuses it with these words, hansel accepts it.
    OnlyTheirsRefuses(&'static str),
    /// Both accept it and read it differently; they agree once this function has corrected hyper's reading.
    ReadDifferently(fn(&mut Accepted)),
}

use Kind::{OnlyOursRefuses, OnlyTheirsRefuses, ReadDifferently};

/// All known differences.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "a line that ends with LF alone",
        example: "GET / HTTP/1.1\nHost: a\r\n\r\n",
        rule: "RFC 9112 §2.2",
        why: "\"a recipient MAY recognize a single LF as a line terminator\": one that does sees lines where a proxy \
              in front sees a value, which lets requests be smuggled",
        kind: OnlyOursRefuses("BareLf"),
        is_there: |read| {
            let mut before = 0;
            read.head.iter().any(|&byte| {
                let is_bare = byte == b'\n' && before != b'\r';
                before = byte;
                is_bare
            })
        },
    },
    Difference {
        what: "more than eight empty lines before the request line",
        example: "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 9112 §2.2",
        why: "\"at least one\" should be ignored; without a bound, empty lines would be bytes that no limit counts",
        kind: OnlyOursRefuses("EmptyLines"),
        is_there: |read| read.empty_lines > 8,
    },
    Difference {
        what: "a method of more than 64 bytes",
        example: "GETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGETGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 9112 §3",
        why: "\"A server that receives a method longer than any that it implements SHOULD respond with a 501\"",
        kind: OnlyOursRefuses("MethodTooLong"),
        is_there: |read| read.method.len() > 64,
    },
    Difference {
        what: "a byte in the target that no URI has there, such as # or a quote",
        example: "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 9112 §3.2, RFC 3986 §3.3",
        why: "a target consists of URI characters; servers read other characters differently (hyper drops a fragment)",
        kind: OnlyOursRefuses("Target"),
        is_there: |read| {
            let [path, query] = path_and_query(read.target);
            !is_query(read.target) || !is_path(path) || !is_query(query)
        },
    },
    Difference {
        what: "a % in the target without two hexadecimal digits behind it",
        example: "GET /100% HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 3986 §2.1",
        why: "it is not an escape, and what was meant is unknown",
        kind: OnlyOursRefuses("TargetEscape"),
        is_there: |read| !has_whole_escapes(read.target),
    },
    Difference {
        what: "a target of more than 8 KiB",
        example: "",
        rule: "RFC 9112 §3",
        why: "hansel's own limit, configurable; hyper's is 64 KiB",
        kind: OnlyOursRefuses("TargetTooLong"),
        is_there: |read| read.head.len() > Limits::default().target_bytes,
    },
    Difference {
        what: "a head of more than 32 KiB",
        example: "",
        rule: "RFC 6585 §5",
        why: "hansel's own limit, configurable; hyper's is 408 KiB",
        kind: OnlyOursRefuses("HeadTooLong"),
        is_there: |read| read.head.len() > Limits::default().head_bytes,
    },
    Difference {
        what: "a target whose form does not suit the method",
        example: "GET a.test HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 9112 §3.2",
        why: "authority-form is \"only used for CONNECT requests\", asterisk-form \"only used for a server-wide \
              OPTIONS request\"",
        kind: OnlyOursRefuses("TargetForm"),
        is_there: |read| match (read.method, read.target) {
            (b"CONNECT", target) => target.starts_with(b"/") || target == b"*",
            (method, b"*") => method != b"OPTIONS",
            (_, target) => !target.starts_with(b"/") && read.absolute().is_none(),
        },
    },
    Difference {
        what: "a target with a scheme other than http and https",
        example: "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 9112 §3.2.2, RFC 9110 §4.2",
        why: "this server is not the origin of such a resource",
        kind: OnlyOursRefuses("TargetScheme"),
        is_there: |read| {
            let scheme = read.absolute().map(|(scheme, _)| scheme.to_ascii_lowercase());
            scheme.is_some_and(|scheme| scheme != b"http" && scheme != b"https")
        },
    },
    Difference {
        what: "user information in the target",
        example: "GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 9110 §4.2.4",
        why: "\"a recipient SHOULD parse for userinfo and treat its presence as an error\"",
        kind: OnlyOursRefuses("TargetUserInfo"),
        is_there: |read| read.absolute().is_some_and(|(_, authority)| authority.contains(&b'@')),
    },
    Difference {
        what: "a target whose authority is no host with an optional port, or for CONNECT no host with a port",
        example: "CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        rule: "RFC 9110 §4.2.1, §9.3.6",
        why: "\"A server MUST reject a CONNECT request that targets an empty or invalid port number\"; a URI with an \
              empty host it \"MUST reject\" as well",
        kind: OnlyOursRefuses("TargetAuthority"),
        is_there: |read| match read.absolute() {
            Some((_, authority)) if read.method != b"CONNECT" => host_and_port(authority).is_none(),
            _ => !matches!(host_and_port(read.target), Some(Some(1..))),
        },
    },
    Difference {
        what: "no Host field in an HTTP/1.1 request",
        example: "GET / HTTP/1.1\r\n\r\n",
        rule: "RFC 9112 §3.2",
        why: "\"A server MUST respond with a 400\"; hyper leaves it to the application",
        kind: OnlyOursRefuses("HostMissing"),
        is_there: |read| read.version == b"HTTP/1.1" && read.values("host").is_empty(),
    },
    Difference {
        what: "two Host fields",
        example: "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        rule: "RFC 9112 §3.2",
        why: "\"MUST respond with a 400 [...] to any request message that contains more than one Host header field \
              line\"",
        kind: OnlyOursRefuses("HostRepeated"),
        is_there: |read| read.values("host").len() > 1,
    },
    Difference {
        what: "a Host field that is no host with an optional port",
        example: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        rule: "RFC 9112 §3.2",
        why: "\"or a Host header field with an invalid field value\": 400 as well",
        kind: OnlyOursRefuses("Host"),
        is_there: |read| match read.values("host")[..] {
            [host] => !host.is_empty() && host_and_port(host).is_none(),
            _ => false,
        },
    },
    Difference {
        what: "two Content-Length fields that are equal",
        example: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        rule: "RFC 9110 §8.6",
        why: "a recipient may take them as one or refuse them; a sender of two has lost track of its framing",
        kind: OnlyOursRefuses("ContentLengthRepeated"),
        is_there: |read| read.values("content-length").len() > 1,
    },
    Difference {
        what: "Content-Length and Transfer-Encoding together",
        example: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        rule: "RFC 9112 §6.1",
        why: "\"A server MAY reject\" it; this is how requests are smuggled (§11.2). hyper uses the coding and closes \
              the connection",
        kind: OnlyOursRefuses("LengthAndCoding"),
        is_there: |read| !read.values("content-length").is_empty() && !read.values("transfer-encoding").is_empty(),
    },
    Difference {
        what: "a Transfer-Encoding that ends with chunked and is more than that word",
        example: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        rule: "RFC 9112 §6.1, §6.3",
        why: "a sender \"MUST NOT\" apply chunked twice, and every other spelling is read differently by some server",
        kind: OnlyOursRefuses("TransferEncoding"),
        is_there: |read| read.values("transfer-encoding") != [b"chunked"],
    },
    Difference {
        what: "a transfer coding that hansel does not know, before chunked",
        example: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        rule: "RFC 9112 §6.1",
        why: "\"a transfer coding it does not understand SHOULD\" be answered with 501; hyper passes the content to \
              the application still encoded",
        kind: OnlyOursRefuses("UnknownCoding"),
        is_there: |read| read.list("transfer-encoding").iter().any(|coding| coding != "chunked"),
    },
    Difference {
        what: "an expectation other than 100-continue",
        example: "POST / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n\r\n",
        rule: "RFC 9110 §10.1.1",
        why: "\"MAY respond with a 417\": a client that expects something learns that it will not get it",
        kind: OnlyOursRefuses("Expectation"),
        is_there: |read| {
            read.list("expect")
                .iter()
                .any(|expectation| expectation != "100-continue")
        },
    },
    Difference {
        what: "a Content-Length of more than 1 MiB",
        example: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n",
        rule: "RFC 9110 §15.5.14",
        why: "hansel's own limit, configurable; hyper has none",
        kind: OnlyOursRefuses("ContentTooLarge"),
        is_there: |read| match read.values("content-length")[..] {
            [digits] => digits.len() > 6,
            _ => false,
        },
    },
    Difference {
        what: "a minor version above 1",
        example: "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        rule: "RFC 9110 §2.5",
        why: "\"SHOULD process the message as if it was in the highest minor version\" that is known",
        kind: OnlyTheirsRefuses("invalid HTTP version parsed"),
        is_there: |read| matches!(read.version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']),
    },
    Difference {
        what: "a backtick in a path",
        example: "GET /a`b HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 3986 §3.3",
        why: "some clients do not escape it, and hyper accepts it in a query; readers do not differ on where such a \
              target ends",
        kind: OnlyTheirsRefuses("invalid URI"),
        is_there: |read| path_and_query(read.target)[0].contains(&b'`'),
    },
    Difference {
        what: "an escape in the host of an absolute target",
        example: "GET http://a%41b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        rule: "RFC 3986 §3.2.2",
        why: "`reg-name = *( unreserved / pct-encoded / sub-delims )`",
        kind: OnlyTheirsRefuses("invalid URI"),
        is_there: |read| read.absolute().is_some_and(|(_, authority)| authority.contains(&b'%')),
    },
    Difference {
        what: "a Connection field with octets from 0x80 up beside close or keep-alive",
        example: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, \u{fc}\r\n\r\n",
        rule: "RFC 9112 §9.3, §9.6",
        why: "\"If the \"close\" connection option is present, the connection will not persist\"; hyper ignores a \
              field that is not ASCII",
        kind: ReadDifferently(|theirs| {
            let has = |option: &[u8]| {
                let lines = theirs.fields.iter().filter(|(name, _)| name == "connection");
                let mut options = lines.flat_map(|(_, value)| value.split(|&byte| byte == b','));
                options.any(|one| one.trim_ascii().eq_ignore_ascii_case(option))
            };
            theirs.keep_alive = !has(b"close") && (theirs.minor == 1 || has(b"keep-alive"));
        }),
        is_there: |read| read.values("connection").iter().any(|value| !value.is_ascii()),
    },
];

/// Returns `None` if both verdicts on `bytes` agree, and otherwise the known difference that explains them.
///
/// # Panics
/// If no known difference explains them.
pub fn explain(bytes: &[u8]) -> Option<&'static Difference> {
    let (bytes, ours, theirs) = settled(bytes);
    if ours == theirs || matches!((&ours, &theirs), (Verdict::Refused(_), Verdict::Refused(_))) {
        return None;
    }
    let read = Naive::read(&bytes);
    let explained = DIFFERENCES
        .iter()
        .find(|known| explains(known.kind, &ours, &theirs) && (known.is_there)(&read));
    assert!(
        explained.is_some(),
        "hansel and hyper differ, and nothing explains it:\nhansel: {ours:?}\nhyper:  {theirs:?}\nover:   \"{}\"",
        bytes[..bytes.len().min(1000)].escape_ascii()
    );
    explained
}

/// Ends every unfinished head, and begins another one where none has begun.
const END: &[u8] = b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Returns both verdicts, and the bytes they are about. If one parser decides before the head is whole, the head is
/// completed first.
fn settled(bytes: &[u8]) -> (Cow<'_, [u8]>, Verdict, Verdict) {
    let (ours, theirs) = (verdict::ours(bytes), hyper::verdict(bytes));
    if (ours == Verdict::Partial) == (theirs == Verdict::Partial) {
        return (bytes.into(), ours, theirs);
    }
    let ended = [bytes, END].concat();
    let (ours, theirs) = (verdict::ours(&ended), hyper::verdict(&ended));
    (ended.into(), ours, theirs)
}

fn explains(kind: Kind, ours: &Verdict, theirs: &Verdict) -> bool {
    match (kind, ours, theirs) {
        (OnlyOursRefuses(reason), Verdict::Refused(ours), Verdict::Accepted(_)) => reason == ours,
        (OnlyTheirsRefuses(words), Verdict::Accepted(_), Verdict::Refused(theirs)) => theirs.contains(words),
        (ReadDifferently(put_right), Verdict::Accepted(ours), Verdict::Accepted(theirs)) => {
            let mut theirs = theirs.clone();
            put_right(&mut theirs);
            *ours == theirs
        }
        _ => false,
    }
}

/// The path and the query of a target, without scheme and authority.
fn path_and_query(target: &[u8]) -> [&[u8]; 2] {
    let after_authority = |target: &'_ [u8]| -> usize {
        let Some(colon) = target.windows(3).position(|three| three == b"://") else {
            return 0;
        };
        let behind = &target[colon + 3..];
        let end = behind.iter().position(|byte| b"/?".contains(byte));
        colon + 3 + end.unwrap_or(behind.len())
    };
    let rest = if target.starts_with(b"/") {
        target
    } else {
        &target[after_authority(target)..]
    };
    match rest.iter().position(|&byte| byte == b'?') {
        Some(mark) => [&rest[..mark], &rest[mark + 1..]],
        None => [rest, b""],
    }
}
