//! The PROXY protocol, versions 1 and 2: what a proxy announces about a connection before its first byte.
//!
//! Written after HAProxy's `proxy-protocol.txt` (2020/03/05), which is the specification. Without I/O: bytes in, result
//! out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::request::Relayed;

/// The longest version 2 header. Addresses take at most 232 bytes; the rest is for extensions, which are ignored.
const LONGEST: usize = 4096;

/// §2.1: "a 108-byte buffer is always enough to store all the line and a trailing zero".
const LONGEST_LINE: usize = 107;

/// §2.2: "The binary header format starts with a constant 12 bytes block".
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;

/// The result of parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// The beginning of a header.
    Partial,
    /// A complete header of that length. What follows it belongs to the connection.
    Whole { len: usize, relayed: Relayed },
}

/// The bytes are not a header, and the connection ends. §2: the receiver "MUST not try to guess whether the protocol
/// header is present or not".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A parser of headers. The server knows only this pointer, so the linker drops the PROXY protocol from programs
/// without it.
pub(crate) type ParseProxyHeader = fn(&[u8]) -> Result<ProxyHeader, Malformed>;

/// Parses the header at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Result<ProxyHeader, Malformed> {
    if is_beginning(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else if is_beginning(bytes, b"PROXY ") {
        parse_line(bytes)
    } else {
        Err(Malformed)
    }
}

/// Returns true if the two agree as far as both go.
fn is_beginning(bytes: &[u8], constant: &[u8]) -> bool {
    bytes.iter().zip(constant).all(|(byte, expected)| byte == expected)
}

/// Version 1, §2.1: `PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n`.
fn parse_line(bytes: &[u8]) -> Result<ProxyHeader, Malformed> {
    let window = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        // "The receiver must wait for the CRLF sequence before starting to decode".
        let is_too_long = window.len() == LONGEST_LINE;
        return if is_too_long {
            Err(Malformed)
        } else {
            Ok(ProxyHeader::Partial)
        };
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = std::str::from_utf8(line.ok_or(Malformed)?).map_err(|_| Malformed)?;
    let words = line.strip_prefix("PROXY ").ok_or(Malformed)?;
    Ok(ProxyHeader::Whole {
        len: end + 1,
        relayed: relayed_by_line(words).ok_or(Malformed)?,
    })
}

fn relayed_by_line(line: &str) -> Option<Relayed> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // "the receiver must ignore anything presented before the CRLF is found". The connection is relayed all the
        // same: what follows may be a client's, and the header names none.
        return Some(Relayed::For(None));
    }
    let mut addresses = || Some((words.next()?, words.next()?));
    let source = match (family, addresses()?) {
        ("TCP4", (source, destination)) => same_family::<Ipv4Addr>(source, destination)?,
        ("TCP6", (source, destination)) => same_family::<Ipv6Addr>(source, destination)?,
        _ => return None,
    };
    port(words.next()?)?;
    port(words.next()?)?;
    words.next().is_none().then_some(Relayed::For(known(source)))
}

/// Returns the address, if it can belong to somebody: RFC 4291 §2.5.2 and RFC 1122 §3.2.1.3 exclude the unspecified
/// one.
fn known(address: IpAddr) -> Option<IpAddr> {
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

fn same_family<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<IpAddr> {
    destination.parse::<A>().ok()?;
    Some(source.parse::<A>().ok()?.into())
}

/// §2.1: "a decimal integer in the range [0..65535] inclusive", and "Heading zeroes are not permitted".
fn port(text: &str) -> Option<u16> {
    let is_canonical = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| is_canonical)
}

/// Version 2, §2.2: signature, version and command, family, length, addresses, extensions.
fn parse_binary(bytes: &[u8]) -> Result<ProxyHeader, Malformed> {
    let Some((fixed, behind)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(ProxyHeader::Partial);
    };
    let [.., command, family, high, low] = *fixed;
    let block = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + block > LONGEST {
        return Err(Malformed);
    }
    // An invalid header need not arrive completely.
    let family = match (command, family) {
        // "the connection was established on purpose by the proxy without being relayed": it has no client.
        (0x20, _) => Family::Nobody,
        (0x21, 0x11) => Family::V4,
        (0x21, 0x21) => Family::V6,
        (0x21, 0x31) => Family::Unix,
        // "the connection is forwarded for an unknown, unspecified or unsupported protocol".
        (0x21, 0x00) => Family::Nobody,
        // "Receivers must drop connections presenting unexpected values here"; datagrams are not connections.
        _ => return Err(Malformed),
    };
    if block < family.len() {
        return Err(Malformed);
    }
    let Some(addresses) = behind.get(..block) else {
        return Ok(ProxyHeader::Partial);
    };
    Ok(ProxyHeader::Whole {
        len: FIXED + block,
        relayed: family.relayed(addresses),
    })
}

#[derive(Clone, Copy)]
enum Family {
    /// A header without addresses: the connection is the proxy's own, or its client is unknown.
    Nobody,
    V4,
    V6,
    Unix,
}

impl Family {
    /// Returns the number of bytes of the two addresses and their ports.
    fn len(self) -> usize {
        match self {
            Family::Nobody => 0,
            Family::V4 => 12,
            Family::V6 => 36,
            Family::Unix => 216,
        }
    }

    /// Returns the client of the connection: the first address is the source.
    fn relayed(self, addresses: &[u8]) -> Relayed {
        let source = match self {
            Family::V4 => addresses.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
            Family::V6 => addresses.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
            // A path is not a network address.
            Family::Unix | Family::Nobody => None,
        };
        Relayed::For(source.and_then(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by(address: &str) -> Relayed {
        Relayed::For(Some(address.parse().unwrap()))
    }

    fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        header.extend(block);
        header
    }

    fn tcp4() -> Vec<u8> {
        binary(0x21, 0x11, &[192, 0, 2, 1, 10, 0, 0, 1, 0xdc, 4, 1, 0xbb])
    }

    fn tcp6(extension: &[u8]) -> Vec<u8> {
        let mut block = [0; 36];
        block[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        block[15] = 7;
        binary(0x21, 0x21, &[&block[..], extension].concat())
    }

    fn good() -> Vec<(Vec<u8>, Relayed)> {
        vec![
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n".to_vec(), by("192.0.2.1")),
            (
                b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(),
                by("255.255.255.255"),
            ),
            (b"PROXY TCP6 2001:db8::7 ::1 0 8080\r\n".to_vec(), by("2001:db8::7")),
            (
                b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:10.0.0.1 1 1\r\n".to_vec(),
                by("192.0.2.1"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Relayed::For(None)),
            (
                b"PROXY UNKNOWN ffff::1 what ever 65535\r\n".to_vec(),
                Relayed::For(None),
            ),
            (b"PROXY TCP4 0.0.0.0 10.0.0.1 1 1\r\n".to_vec(), Relayed::For(None)),
            (b"PROXY TCP6 :: ::1 1 1\r\n".to_vec(), Relayed::For(None)),
            (binary(0x21, 0x11, &[0; 12]), Relayed::For(None)),
            (binary(0x21, 0x21, &[0; 36]), Relayed::For(None)),
            (tcp4(), by("192.0.2.1")),
            (tcp6(&[]), by("2001:db8::7")),
            (tcp6(&[4, 0, 2, 0, 0]), by("2001:db8::7")),
            (binary(0x21, 0x31, &[b'/'; 216]), Relayed::For(None)),
            (binary(0x20, 0, &[]), Relayed::For(None)),
            (binary(0x20, 0x11, &[1; 12]), Relayed::For(None)),
            (binary(0x21, 0, &[1; 30]), Relayed::For(None)),
        ]
    }

    #[test]
    fn a_header_is_partial_up_to_its_last_byte_and_ends_there() {
        for (header, relayed) in good() {
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(ProxyHeader::Partial), "{end} of {header:?}");
            }
            let whole = Ok(ProxyHeader::Whole {
                len: header.len(),
                relayed,
            });
            assert_eq!(parse(&header), whole);
            for behind in [&b"GET / HTTP/1.1\r\n"[..], b"\r\n", b"PROXY UNKNOWN\r\n", &[0; 300]] {
                assert_eq!(parse(&[&header[..], behind].concat()), whole);
            }
        }
    }

    #[test]
    fn what_is_no_header_is_malformed() {
        for line in [
            "GET / HTTP/1.1\r\n",
            "proxy UNKNOWN\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
            "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
            "PROXY TCP4 ::1 ::1 1 1\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
        }
        assert_eq!(parse(b"\x16\x03\x01"), Err(Malformed), "TLS");
        for header in [
            binary(0x11, 0x11, &[0; 12]),
            binary(0x22, 0x11, &[0; 12]),
            binary(0x21, 0x12, &[0; 12]),
            binary(0x21, 0x41, &[0; 12]),
            binary(0x21, 0x11, &[0; 11]),
            binary(0x21, 0x21, &[0; 35]),
            binary(0x21, 0x31, &[0; 215]),
        ] {
            assert_eq!(
                parse(&header[..FIXED]),
                Err(Malformed),
                "told by the fixed part: {header:?}"
            );
        }
    }

    #[test]
    fn a_header_has_an_end() {
        let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; LONGEST_LINE]].concat();
        assert_eq!(parse(&endless[..LONGEST_LINE - 1]), Ok(ProxyHeader::Partial));
        assert_eq!(parse(&endless[..LONGEST_LINE]), Err(Malformed));
        assert_eq!(
            parse(&binary(0x20, 0, &vec![0; LONGEST - FIXED + 1])[..FIXED]),
            Err(Malformed)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_verdict_that_more_bytes_do_not_overturn(
            start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"]),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, &noise].concat();
            let whole = parse(&bytes);
            for end in 0..bytes.len() {
                match parse(&bytes[..end]) {
                    Ok(ProxyHeader::Partial) => {}
                    verdict => prop_assert_eq!(verdict, whole),
                }
            }
            if let Ok(ProxyHeader::Whole { len, .. }) = whole {
                prop_assert!(len <= bytes.len() && len <= LONGEST);
            }
        }
    }
}
