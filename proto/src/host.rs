//! `uri-host [ ":" port ]`: the Host field and the authority of a target.

use std::net::Ipv6Addr;

use crate::scan::{self, HEX, REG_NAME};

/// A parsed authority that follows the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) has_host: bool,
    /// The port; `None` without a colon, and with a colon that is followed by nothing.
    pub(crate) port: Option<u16>,
}

/// Returns true if this is a valid value of a Host field: a host and an optional port (RFC 9110 §7.2).
///
/// RFC 9112 §3.2: "If the authority component is missing or undefined for the target URI, then a client MUST send a
/// Host header field with an empty field value". So it may be empty, but a port without a host belongs to no URI.
///
/// ```
/// use hansel_proto::is_host;
///
/// assert!(is_host(b"example.org:8080") && is_host(b"[::1]") && is_host(b""));
/// assert!(!is_host(b"user@example.org") && !is_host(b"example.org/") && !is_host(b":80"));
/// ```
pub fn is_host(value: &[u8]) -> bool {
    value.is_empty() || authority(value).is_some_and(|authority| authority.has_host)
}

/// Parses `uri-host [ ":" port ]` (RFC 3986 §3.2.2, §3.2.3). Returns `None` if the bytes are anything else.
pub(crate) fn authority(bytes: &[u8]) -> Option<Authority> {
    let host_end = match bytes.first() {
        Some(b'[') => ip_literal_end(bytes)?,
        _ => reg_name_end(bytes)?,
    };
    let (host, rest) = bytes.split_at(host_end);
    let port = match rest.split_first() {
        None => None,
        Some((b':', digits)) => port(digits)?,
        Some(_) => return None,
    };
    Some(Authority {
        has_host: !host.is_empty(),
        port,
    })
}

/// RFC 3986 §3.2.2: `reg-name = *( unreserved / pct-encoded / sub-delims )`. Every `IPv4address` is one, too.
fn reg_name_end(bytes: &[u8]) -> Option<usize> {
    let mut at = scan::run(bytes, 0, REG_NAME);
    while bytes.get(at) == Some(&b'%') {
        let digits = bytes.get(at + 1..at + 3)?;
        if !digits.iter().all(|&digit| scan::is(digit, HEX)) {
            return None;
        }
        at = scan::run(bytes, at + 3, REG_NAME);
    }
    Some(at)
}

/// RFC 3986 §3.2.2: `IP-literal = "[" ( IPv6address / IPvFuture  ) "]"`.
fn ip_literal_end(bytes: &[u8]) -> Option<usize> {
    let close = bytes.iter().position(|&byte| byte == b']')?;
    let address = std::str::from_utf8(bytes.get(1..close)?).ok()?;
    let known = address.parse::<Ipv6Addr>().is_ok() || is_ip_future(address);
    known.then_some(close + 1)
}

/// RFC 3986 §3.2.2: `IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`.
fn is_ip_future(address: &str) -> bool {
    let Some(rest) = address.strip_prefix(['v', 'V']) else {
        return false;
    };
    let Some((version, address)) = rest.split_once('.') else {
        return false;
    };
    !version.is_empty()
        && scan::are_of(version.as_bytes(), HEX)
        && !address.is_empty()
        && address.bytes().all(|byte| byte == b':' || scan::is(byte, REG_NAME))
}

/// RFC 3986 §3.2.3: `port = *DIGIT`. A TCP port has 16 bits, so a larger number is invalid.
fn port(digits: &[u8]) -> Option<Option<u16>> {
    if digits.is_empty() {
        return Some(None);
    }
    let mut port = 0u16;
    for &digit in digits {
        let value = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        port = port.checked_mul(10)?.checked_add(value)?;
    }
    Some(Some(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_follow_the_grammar() {
        for value in [
            "",
            "a",
            "A.test",
            "a.test.",
            "a.test:",
            "a.test:80",
            "a:00080",
            "127.0.0.1:8080",
            "a_b",
            "a%41b",
            "%41",
            "aa%41%42bb",
            "a,b;c=d",
            "[::1]",
            "[::1]:80",
            "[::ffff:1.2.3.4]",
            "[v1.fe80::a+en1]",
            "a:65535",
            "a:0",
        ] {
            assert!(is_host(value.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn hosts_that_do_not() {
        for value in [
            ":80",
            "a b",
            "a:http",
            "a:-1",
            "a:+1",
            "a:80:80",
            "a:65536",
            "a:99999999999999999999",
            "[::1",
            "[]",
            "[zz::1]",
            "[::1]x",
            "[::1%25eth0]",
            "[127.0.0.1]",
            "[v.a]",
            "[v1.]",
            "[v1]",
            "::1",
            "a%zz",
            "a%4",
            "a%",
            "http://a",
            "a/",
            "a/b",
            "aa%41/b",
            "aaa%41 b",
            "%41/",
            "a?b",
            "a#b",
            "u@a",
            "\"a\"",
            "<a>",
            "a\\b",
            "a^b",
            "a\u{7f}",
            "bücher.test",
        ] {
            assert!(!is_host(value.as_bytes()), "{value:?}");
        }
    }
}
