//! Targets with octets that no URI has, such as `/Jürgen` as it stands: encoded before anybody else sees them.

use std::ops::Range;

use percent_encoding::{AsciiSet, percent_encode};

use super::{Exchange, Stage};

/// Only octets beyond ASCII are encoded. All others mean what they mean, or are refused.
const BEYOND_ASCII: &AsciiSet = &AsciiSet::EMPTY;

/// No method is longer: the parser refuses it.
const METHOD_BYTES: usize = 64;

impl Exchange {
    /// Percent-encodes the octets beyond ASCII in the target of a request whose head is arriving. So it is a URI, and has
    /// the same meaning to everybody.
    #[cold]
    pub(super) fn encode_target(&mut self) {
        if self.stage != Stage::Head {
            return;
        }
        let arrived = self.request.buffer.get(self.position..self.filled).unwrap_or(&[]);
        let Some(range) = target_beyond_ascii(arrived, self.limits.target_bytes) else {
            return;
        };
        let raw = arrived.get(range.clone()).unwrap_or(&[]);
        let encoded: Vec<u8> = percent_encode(raw, BEYOND_ASCII).flat_map(str::bytes).collect();
        self.filled += encoded.len() - raw.len();
        let buffer = &mut self.request.buffer;
        let behind = buffer.split_off(self.position + range.end);
        buffer.truncate(self.position + range.start);
        buffer.extend_from_slice(&encoded);
        buffer.extend_from_slice(&behind);
    }
}

/// Returns where in the beginning of a head its target is, as far as it has arrived, if that is a path with octets beyond
/// ASCII: no more than `most` bytes of it, because a longer one is refused.
fn target_beyond_ascii(head: &[u8], most: usize) -> Option<Range<usize>> {
    // RFC 9112 §2.2: empty lines may come before the request line.
    let method = head.iter().position(|octet| !matches!(octet, b'\r' | b'\n'))?;
    let within = head.iter().skip(method).take(METHOD_BYTES + 1);
    let start = method + within.copied().position(|octet| octet == b' ')? + 1;
    let rest = head.get(start..)?;
    // An authority is a host, which has no such octets.
    if !rest.starts_with(b"/") {
        return None;
    }
    let rest = rest.get(..most).unwrap_or(rest);
    let len = rest
        .iter()
        .position(|octet| matches!(octet, b' ' | b'\r' | b'\n'))
        .unwrap_or(rest.len());
    let is_beyond = !rest.get(..len)?.is_ascii();
    is_beyond.then_some(start..start + len)
}

#[cfg(test)]
mod tests {
    use crate::test::Client;
    use crate::{App, Request};
    use proptest::prelude::*;

    fn echo() -> App {
        App::new(|request: &Request| request.target().to_owned())
    }

    /// Returns the status and the content of the response to a request for this target.
    fn asked(client: &Client, target: &[u8]) -> (u16, String) {
        let bytes = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let received = client.converse(&bytes);
        let text = String::from_utf8_lossy(&received);
        let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        let content = text.split_once("\r\n\r\n").map_or("", |(_, content)| content);
        (status, content.to_owned())
    }

    #[test]
    fn raw_octets_are_refused_unless_the_application_takes_them() {
        let target = "/Jürgen?q=ß".as_bytes();
        assert_eq!(asked(&Client::new(echo()), target).0, 400);
        let client = Client::new(echo().takes_raw_targets());
        assert_eq!(asked(&client, target), (200, "/J%C3%BCrgen?q=%C3%9F".to_owned()));
    }

    #[test]
    fn only_paths_and_queries_may_have_raw_octets() {
        let client = Client::new(echo().takes_raw_targets());
        for target in ["http://ä/", "ä", "*ä", "/a b", "/a\u{1}ä", "/%ä"] {
            assert_eq!(asked(&client, target.as_bytes()).0, 400, "{target}");
        }
        let method = client.converse("GÄT / HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes());
        assert!(method.starts_with(b"HTTP/1.1 400"));
        let version = client.converse("GET /ä HTTP/1.1ä\r\nHost: a\r\n\r\n".as_bytes());
        assert!(version.starts_with(b"HTTP/1.1 400"));
    }

    #[test]
    fn the_limit_of_a_target_counts_it_as_encoded() {
        let client = Client::new(echo().takes_raw_targets());
        let status = |count: usize| asked(&client, format!("/{}", "ä".repeat(count)).as_bytes()).0;
        // "ä" is two octets, which become six, and the limit is 8192.
        assert_eq!((status(1365), status(1366)), (200, 414));
    }

    proptest! {
        #[test]
        fn a_raw_target_means_what_its_encoded_form_means(path in "[a-zäß€/%?]{0,12}", octets in prop::collection::vec(128..=255_u8, 0..4)) {
            let raw = [b"/", path.as_bytes(), &octets].concat();
            let encoded: String = percent_encoding::percent_encode(&raw, super::BEYOND_ASCII).collect();
            let client = Client::new(echo().takes_raw_targets());
            prop_assert_eq!(asked(&client, &raw), asked(&client, encoded.as_bytes()));
        }
    }
}
