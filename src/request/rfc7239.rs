//! The field `Forwarded` (RFC 7239): from whom each proxy has a request.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The element of one proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'r> {
    /// The address of `for`; `None` if it is hidden, malformed or missing.
    pub(super) client: Option<IpAddr>,
    /// True or false for the `proto` https or http.
    pub(super) is_secure: Option<bool>,
    /// The value of `host`, if it is a valid host.
    pub(super) host: Option<&'r str>,
    /// Which of the three parameters it has.
    given: [bool; 3],
}

/// The elements of one field line, in order. RFC 7239 §4: `Forwarded = 1#forwarded-element`.
///
/// If a line breaks the grammar, nothing is known from there on: then the last element is an empty one.
pub(super) struct Elements<'r> {
    rest: Option<&'r [u8]>,
}

impl<'r> Elements<'r> {
    pub(super) fn of(line: &'r [u8]) -> Elements<'r> {
        Elements { rest: Some(line) }
    }
}

impl<'r> Iterator for Elements<'r> {
    type Item = Element<'r>;

    fn next(&mut self) -> Option<Element<'r>> {
        loop {
            let Some((element, behind)) = element(self.rest.take()?) else {
                return Some(Element::default());
            };
            self.rest = behind;
            // RFC 9110 §5.6.1.2: a recipient ignores empty elements.
            if element.is_some() {
                return element;
            }
        }
    }
}

/// Parses one element, if it is not empty, and returns what follows the comma that ends it, if there is one.
///
/// RFC 7239 §4: `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`.
fn element(list: &[u8]) -> Option<(Option<Element<'_>>, Option<&[u8]>)> {
    let mut element = None;
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return Some((element, None)),
            [b',', behind @ ..] => return Some((element, Some(behind))),
            [b';', behind @ ..] => {
                element.get_or_insert_default();
                rest = behind;
                continue;
            }
            _ => {}
        }
        let (name, value, behind) = pair(rest)?;
        element.get_or_insert_default().take(name, value)?;
        rest = behind.trim_ascii_start();
        if !matches!(rest, [] | [b',' | b';', ..]) {
            return None;
        }
    }
}

impl<'r> Element<'r> {
    /// Stores a parameter. Returns `None` if it is not allowed.
    fn take(&mut self, name: &[u8], value: Value<'r>) -> Option<()> {
        const NAMES: [&str; 3] = ["for", "proto", "host"];
        let is_named = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        let Some(place) = NAMES.iter().position(is_named) else {
            return Some(());
        };
        // §4: "Each parameter MUST NOT occur more than once per field-value."
        if std::mem::replace(self.given.get_mut(place)?, true) {
            return None;
        }
        match place {
            0 => self.client = node(&value.unescaped()),
            1 => self.is_secure = is_https(&value.unescaped()),
            _ => self.host = value.plain().and_then(host),
        }
        Some(())
    }
}

/// Reads the value behind a `=`, without its quotes.
#[derive(Clone, Copy)]
struct Value<'r> {
    octets: &'r [u8],
    has_escapes: bool,
}

impl<'r> Value<'r> {
    /// RFC 9110 §5.6.4: recipients "MUST handle a quoted-pair as if it were replaced by the octet following the
    /// backslash."
    fn unescaped(self) -> Cow<'r, [u8]> {
        if !self.has_escapes {
            return Cow::Borrowed(self.octets);
        }
        let mut unescaped = Vec::with_capacity(self.octets.len());
        let mut octets = self.octets.iter().copied();
        while let Some(octet) = octets.next() {
            unescaped.extend(if octet == b'\\' { octets.next() } else { Some(octet) });
        }
        Cow::Owned(unescaped)
    }

    /// The value, if it needs no unescaping.
    fn plain(self) -> Option<&'r [u8]> {
        (!self.has_escapes).then_some(self.octets)
    }
}

/// RFC 7239 §4: `forwarded-pair = token "=" value`, and a value is a token or a quoted string. Also returns what
/// follows it.
fn pair(text: &[u8]) -> Option<(&[u8], Value<'_>, &[u8])> {
    let equals = find(text, |byte| !is_name(byte)).filter(|length| *length > 0)?;
    let (name, rest) = text.split_at_checked(equals)?;
    let rest = rest.strip_prefix(b"=")?;
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let (value, behind) = quoted_string(quoted)?;
        return Some((name, value, behind));
    }
    // Addresses with colons or brackets must be quoted (§6), and often are not.
    let is_end = |byte| matches!(byte, b',' | b';' | b' ' | b'\t' | b'"');
    let (octets, behind) = rest.split_at_checked(find(rest, is_end).unwrap_or(rest.len()))?;
    let value = Value {
        octets,
        has_escapes: false,
    };
    Some((name, value, behind))
}

/// Parses a quoted string (RFC 9110 §5.6.4) after its first quote.
fn quoted_string(text: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut has_escapes = false;
    let mut is_escaped = false;
    let end = find(text, |byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        has_escapes |= is_escaped;
        is_end
    })?;
    let (octets, behind) = text.split_at_checked(end)?;
    Some((Value { octets, has_escapes }, behind.get(1..)?))
}

/// Returns the index of the first such byte.
fn find(text: &[u8], mut is_wanted: impl FnMut(u8) -> bool) -> Option<usize> {
    let place = text.iter().position(|byte| is_wanted(*byte));
    #[cfg(test)]
    super::steps::count(place.unwrap_or(text.len()) + 1);
    place
}

/// RFC 9110 §5.6.2: the characters of a token.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 7239 §6: `node = nodename [ ":" node-port ]`. An IPv6 address is in brackets there; in X-Forwarded-For it often
/// is not. "unknown" and `_hidden` are nodes without an address.
pub(super) fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = text
        .parse()
        .ok()
        .or_else(|| v6_in_brackets(text))
        .or_else(|| v4_with_port(text))?;
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

fn v6_in_brackets(text: &str) -> Option<IpAddr> {
    let (address, behind) = text.strip_prefix('[')?.split_once(']')?;
    let is_whole = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
    address.parse::<Ipv6Addr>().ok().filter(|_| is_whole).map(IpAddr::from)
}

fn v4_with_port(text: &str) -> Option<IpAddr> {
    let (address, port) = text.split_once(':')?;
    address
        .parse::<Ipv4Addr>()
        .ok()
        .filter(|_| is_port(port))
        .map(IpAddr::from)
}

/// RFC 7239 §6: `node-port = port / obfport`, `port = 1*5DIGIT`, `obfport = "_" 1*(ALPHA / DIGIT / "." / "_" / "-")`.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            let is_hiding = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !hidden.is_empty() && hidden.bytes().all(is_hiding)
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Returns true for https, false for http, and `None` for any other scheme.
pub(super) fn is_https(scheme: &[u8]) -> Option<bool> {
    match scheme {
        scheme if scheme.eq_ignore_ascii_case(b"https") => Some(true),
        scheme if scheme.eq_ignore_ascii_case(b"http") => Some(false),
        _ => None,
    }
}

/// Returns the host that this names, with its port if it has one; `None` if it is empty or invalid.
pub(super) fn host(text: &[u8]) -> Option<&str> {
    let is_host = !text.is_empty() && hansel_proto::is_host(text);
    std::str::from_utf8(text).ok().filter(|_| is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each element as `client scheme host`.
    fn read(line: &str) -> Vec<String> {
        let shown = |element: Element<'_>| {
            let client = element.client.map_or("-".to_owned(), |client| client.to_string());
            let scheme = element
                .is_secure
                .map_or("-", |is_secure| if is_secure { "https" } else { "http" });
            format!("{client} {scheme} {}", element.host.unwrap_or("-"))
        };
        Elements::of(line.as_bytes()).map(shown).collect()
    }

    #[test]
    fn the_examples_of_section_4() {
        assert_eq!(read("for=\"_gazonk\""), ["- - -"]);
        assert_eq!(read("For=\"[2001:db8:cafe::17]:4711\""), ["2001:db8:cafe::17 - -"]);
        assert_eq!(read("for=192.0.2.60;proto=http;by=203.0.113.43"), ["192.0.2.60 http -"]);
        assert_eq!(
            read("for=192.0.2.43, for=198.51.100.17"),
            ["192.0.2.43 - -", "198.51.100.17 - -"]
        );
    }

    #[test]
    fn names_have_any_case_and_values_may_be_quoted() {
        assert_eq!(
            read("FOR=\"192.0.2.1:_p.o-r_t\";Proto=\"HTTPS\";HOST=\"a.test:8080\""),
            ["192.0.2.1 https a.test:8080"]
        );
        assert_eq!(read("for=\"192.0.2\\.1\";proto=\"\\h\\t\\t\\p\""), ["192.0.2.1 http -"]);
        assert_eq!(read("x=\"a\\\"b, for=10.6.6.6;\\\\\";for=192.0.2.1"), ["192.0.2.1 - -"]);
        assert_eq!(read("for=unknown;secret=\", ;\" ; proto=https"), ["- https -"]);
    }

    #[test]
    fn empty_elements_are_none() {
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read(" ,\t, "), [""; 0]);
        assert_eq!(
            read(", for=192.0.2.1,, ,for=192.0.2.2 ,"),
            ["192.0.2.1 - -", "192.0.2.2 - -"]
        );
        assert_eq!(read(";"), ["- - -"], "no pair, and still an element");
    }

    #[test]
    fn behind_what_is_malformed_nothing_is_known() {
        for line in [
            "for=10.6.6.6;x=\"",
            "for=\"10.6.6.6",
            "for=10.6.6.6;\"",
            "for",
            "=10.6.6.6",
            "for =10.6.6.6",
            "for=10.6.6.6 proto=http",
            "for=\"10.6.6.6\"x",
            "for=10.6.6.6;x=\"\\",
            "for=10.6.6.6;for=10.6.6.6",
            "for=10.6.6.6;FOR=x",
            "proto=https;proto=http",
        ] {
            assert_eq!(read(&format!("{line}, for=192.0.2.1")), ["- - -"], "{line}");
            assert_eq!(
                read(&format!("for=192.0.2.1, {line}")),
                ["192.0.2.1 - -", "- - -"],
                "{line}"
            );
        }
    }

    #[test]
    fn nodes_have_addresses_and_ports_or_none() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("192.0.2.1:_x", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]:_x", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ] {
            assert_eq!(node(text.as_bytes()), expected.parse().ok(), "{text}");
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "localhost",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:_",
            "192.0.2.1:123456",
            "192.0.2.1:+1",
            "192.0.2.1:_/",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]1",
            "[2001:db8::1]:",
            " 192.0.2.1",
            "0.0.0.0",
            "[::]:1",
            "::ffff:0.0.0.0",
        ] {
            assert_eq!(node(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_one_or_none() {
        for (line, expected) in [
            ("host=a.test", "- - a.test"),
            ("host=\"[::1]:8080\"", "- - [::1]:8080"),
            ("host=\"\"", "- - -"),
            ("host=\"a b\"", "- - -"),
            ("host=\"u@a\"", "- - -"),
            ("host=\"a/b\"", "- - -"),
        ] {
            assert_eq!(read(line), [expected], "{line}");
        }
    }
}
