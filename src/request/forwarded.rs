//! Where a request came from before the proxies: the lists that they add to.
//!
//! Each proxy appends to the list whom it has the request from. So the last element is the peer's word;
//! if it names another proxy that is trusted, the element before is that one's word, and so on. The
//! first address that is not a trusted proxy's is the client; what is on its left, anybody may have
//! written.

use std::net::{IpAddr, SocketAddr};

use super::Request;
use super::trust::{Fields, Trust};

/// Whom a peer has connected for, as it says itself when it connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// For itself, or it says nothing.
    #[default]
    No,
    /// For a client at this address, or for one without an address.
    For(Option<IpAddr>),
}

/// The client, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// None if it has no address, or the proxies do not tell.
    pub(super) address: Option<IpAddr>,
    /// None if nobody says.
    pub(super) is_secure: Option<bool>,
}

/// Where the request of `request` came from, which arrived from `source` by a peer that is trusted.
pub(super) fn origin(request: &Request, trust: &Trust, source: Option<IpAddr>) -> Origin {
    let found = match trust.fields {
        Fields::Standard => standard(request, trust),
        Fields::Customary => customary(request, trust),
    };
    // A request that a proxy makes for itself names nobody.
    found.unwrap_or(Origin {
        address: source,
        is_secure: None,
    })
}

/// Looks through a list from its first element on, and keeps what a walk from its last would stop at.
struct Walk<'t> {
    trust: &'t Trust,
    stop: Option<Origin>,
    /// Which element that is.
    index: usize,
    seen: usize,
}

impl<'t> Walk<'t> {
    fn new(trust: &'t Trust) -> Walk<'t> {
        Walk {
            trust,
            stop: None,
            index: 0,
            seen: 0,
        }
    }

    fn pass(&mut self, element: Origin) {
        // Whoever stands after a stranger, or after nobody, is believed by those further right.
        let is_trusted = element.address.is_some_and(|address| self.trust.admits(address));
        if self.stop.is_none() || !is_trusted {
            self.stop = Some(element);
            self.index = self.seen;
        }
        self.seen += 1;
    }
}

/// The list of `X-Forwarded-For`: addresses with commas between them.
fn customary(request: &Request, trust: &Trust) -> Option<Origin> {
    let mut walk = Walk::new(trust);
    for address in elements(request, "x-forwarded-for") {
        walk.pass(Origin {
            address: node(address),
            is_secure: None,
        });
    }
    // A proxy writes the scheme anew, or appends it as it appends the address.
    let schemes = elements(request, "x-forwarded-proto").count();
    let from_right = walk.seen.saturating_sub(walk.index).max(1);
    let index = schemes.saturating_sub(from_right);
    let scheme = elements(request, "x-forwarded-proto").nth(index);
    walk.stop.map(|stop| Origin {
        is_secure: scheme.and_then(is_https),
        ..stop
    })
}

/// The elements of all lists of that name, in order.
fn elements<'r>(request: &'r Request, name: &'static str) -> impl Iterator<Item = &'r [u8]> {
    values(request, name)
        .flat_map(|list| list.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn values<'r>(request: &'r Request, name: &'static str) -> impl Iterator<Item = &'r [u8]> {
    request
        .headers()
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The list of `Forwarded`. RFC 7239 §4: `Forwarded = 1#forwarded-element`.
fn standard(request: &Request, trust: &Trust) -> Option<Origin> {
    let mut walk = Walk::new(trust);
    for list in values(request, "forwarded") {
        let mut rest = list;
        while let Some((element, behind)) = forwarded_element(rest) {
            walk.pass(element);
            match behind {
                Some(behind) => rest = behind,
                None => break,
            }
        }
    }
    walk.stop
}

/// Reads one element, and what is behind the comma that ends it, if there is one.
///
/// RFC 7239 §4: `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`. Where it is
/// anything else, nothing is known of it or of the rest of its list.
fn forwarded_element(list: &[u8]) -> Option<(Origin, Option<&[u8]>)> {
    let mut element = Origin::default();
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return Some((element, None)),
            [b',', behind @ ..] => return Some((element, Some(behind))),
            [b';', behind @ ..] => {
                rest = behind;
                continue;
            }
            _ => {}
        }
        let Some((name, value, behind)) = pair(rest) else {
            return Some((Origin::default(), None));
        };
        if name.eq_ignore_ascii_case(b"for") {
            element.address = node(value);
        } else if name.eq_ignore_ascii_case(b"proto") {
            element.is_secure = is_https(value);
        }
        rest = behind.trim_ascii_start();
        if !matches!(rest, [] | [b',' | b';', ..]) {
            return Some((Origin::default(), None));
        }
    }
}

/// RFC 7239 §4: `forwarded-pair = token "=" value`, and a value is a token or a quoted string.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = text.iter().position(|byte| !is_name(*byte))?;
    let (name, rest) = text.split_at_checked(equals)?;
    let rest = rest.strip_prefix(b"=")?;
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        // Nothing that a node or a scheme consists of needs an escape; what has one is none.
        let end = quoted.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (value, behind) = quoted.split_at_checked(end)?;
        return Some((name, value, behind.strip_prefix(b"\"")?));
    }
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b',' | b';' | b' ' | b'\t' | b'"'))
        .unwrap_or(rest.len());
    let (value, behind) = rest.split_at_checked(end)?;
    Some((name, value, behind))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 7239 §6: `node = nodename [ ":" node-port ]`. An IPv6 address is in brackets there; in the
/// customary field it is often bare. "unknown" and `_hidden` are nodes without an address.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let in_brackets = |text: &str| bare(text.strip_prefix('[')?.strip_suffix(']')?);
    let with_port = |text: &str| text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = bare(text).or_else(|| in_brackets(text)).or_else(|| with_port(text))?;
    Some(address.to_canonical())
}

fn is_https(scheme: &[u8]) -> Option<bool> {
    match scheme {
        scheme if scheme.eq_ignore_ascii_case(b"https") => Some(true),
        scheme if scheme.eq_ignore_ascii_case(b"http") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

    fn found(trust: Trust, fields: &[(&str, &str)]) -> Origin {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.with_header(name, value);
        }
        origin(&request, &trust, Some("10.0.0.1".parse().unwrap()))
    }

    fn customary(fields: &[(&str, &str)]) -> (String, Option<bool>) {
        text(found(Trust::peers(PEERS).unwrap(), fields))
    }

    fn standard(list: &str) -> (String, Option<bool>) {
        let trust = Trust::peers(PEERS).unwrap().forwarded();
        text(found(trust, &[("Forwarded", list)]))
    }

    fn text(origin: Origin) -> (String, Option<bool>) {
        let address = origin.address.map_or("-".to_owned(), |address| address.to_string());
        (address, origin.is_secure)
    }

    fn for_(list: &str) -> String {
        customary(&[("X-Forwarded-For", list)]).0
    }

    #[test]
    fn the_last_stranger_is_the_client_whatever_he_has_written_before() {
        assert_eq!(for_("192.0.2.1"), "192.0.2.1");
        assert_eq!(for_("192.0.2.1, 10.9.9.9"), "192.0.2.1");
        assert_eq!(for_("10.6.6.6, 192.0.2.1"), "192.0.2.1");
        assert_eq!(for_("198.51.100.7, 192.0.2.1, 10.9.9.9, 10.8.8.8"), "192.0.2.1");
        assert_eq!(for_("10.6.6.6,garbage,192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn where_all_are_trusted_the_first_is_the_client() {
        assert_eq!(for_("10.6.6.6, 10.9.9.9"), "10.6.6.6");
    }

    #[test]
    fn without_a_list_it_is_the_proxy_itself() {
        assert_eq!(customary(&[]), ("10.0.0.1".to_owned(), None));
    }

    #[test]
    fn what_names_nobody_is_nobody_and_never_the_proxy() {
        for list in [
            "",
            "unknown",
            "_hidden",
            "192.0.2.1, unknown",
            "192.0.2.1, 10.9.9.9 x",
            "1.2.3",
            "::1]",
        ] {
            assert_eq!(for_(list), "-", "{list}");
        }
        assert_eq!(for_("unknown, 10.9.9.9"), "-");
    }

    #[test]
    fn addresses_come_with_ports_brackets_and_bare() {
        assert_eq!(for_("192.0.2.1:4711"), "192.0.2.1");
        assert_eq!(for_("2001:db8::1"), "2001:db8::1");
        assert_eq!(for_("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(for_("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(for_("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn several_fields_are_one_list() {
        let lists = [
            ("X-Forwarded-For", "192.0.2.9"),
            ("x-forwarded-for", "192.0.2.1, 10.1.1.1"),
        ];
        assert_eq!(customary(&lists).0, "192.0.2.1");
    }

    #[test]
    fn the_scheme_is_that_of_the_hop_the_client_came_by() {
        let with = |list, scheme| customary(&[("X-Forwarded-For", list), ("X-Forwarded-Proto", scheme)]).1;
        assert_eq!(with("192.0.2.1", "https"), Some(true));
        assert_eq!(with("192.0.2.1", "HTTP"), Some(false));
        assert_eq!(with("192.0.2.1, 10.1.1.1", "https"), Some(true), "written anew");
        assert_eq!(with("192.0.2.1, 10.1.1.1", "https, http"), Some(true), "appended");
        assert_eq!(
            with("192.0.2.1", "https, http"),
            Some(false),
            "the client's own word does not count"
        );
        assert_eq!(with("192.0.2.1", "gopher"), None);
    }

    #[test]
    fn the_examples_of_rfc_7239_section_4() {
        assert_eq!(standard("for=\"_gazonk\"").0, "-");
        assert_eq!(standard("For=\"[2001:db8:cafe::17]:4711\"").0, "2001:db8:cafe::17");
        let example = standard("for=192.0.2.60;proto=http;by=203.0.113.43");
        assert_eq!(example, ("192.0.2.60".to_owned(), Some(false)));
        assert_eq!(standard("for=192.0.2.43, for=198.51.100.17").0, "198.51.100.17");
        assert_eq!(standard("for=192.0.2.43, for=10.1.1.17").0, "192.0.2.43");
    }

    #[test]
    fn each_element_has_its_own_scheme() {
        let list = "for=192.0.2.43;proto=https, for=10.1.1.17;proto=http";
        assert_eq!(standard(list), ("192.0.2.43".to_owned(), Some(true)));
    }

    #[test]
    fn a_broken_list_hides_the_client_and_forges_none() {
        // What a client writes, and a proxy that appends to the same line.
        for forged in [
            "for=10.6.6.6;x=\"",
            "for=\"10.6.6.6",
            "for=10.6.6.6;\"",
            "for",
            "=,",
            "for=10.6.6.6;x=\"\\",
        ] {
            for appended in ["for=192.0.2.1", "for=\"[2001:db8::1]\""] {
                let client = standard(&format!("{forged}, {appended}")).0;
                assert!(
                    ["-", "192.0.2.1", "2001:db8::1"].contains(&client.as_str()),
                    "{forged}: {client}"
                );
            }
        }
    }

    #[test]
    fn a_line_of_its_own_is_not_touched_by_a_broken_one_before() {
        let trust = Trust::peers(PEERS).unwrap().forwarded();
        let fields = [("Forwarded", "for=\"broken"), ("Forwarded", "for=192.0.2.1")];
        assert_eq!(text(found(trust, &fields)).0, "192.0.2.1");
    }

    #[test]
    fn only_the_field_that_was_chosen_counts() {
        let both = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=198.51.100.1")];
        assert_eq!(customary(&both).0, "192.0.2.1");
        let trust = Trust::peers(PEERS).unwrap().forwarded();
        assert_eq!(text(found(trust, &both)).0, "198.51.100.1");
    }
}
