//! Where a request came from before the proxies: the lists to which they add.
//!
//! Each proxy appends the address from which it has the request. So the peer vouches for the last element. If that
//! names another trusted proxy, that one vouches for the element before, and so on. The first address that is not a
//! trusted proxy's is the client. Anybody may have written what is to its left.

use std::net::IpAddr;

use super::Request;
use super::lists::{elements, lines};
use super::rfc7239::{Element, Elements, host as host_of, is_https, node};
use super::trust::{Fields, Trust};

/// The client for which a peer has connected, as the peer announces when it connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// The peer announces nothing.
    #[default]
    No,
    /// The peer has connected for a client at this address, or for an unknown one.
    For(Option<IpAddr>),
}

/// Returns the client of `request`, which a trusted peer passed on and received from `source`.
pub(super) fn client(request: &Request, trust: &Trust, source: Option<IpAddr>) -> Option<IpAddr> {
    let (name, stop) = match trust.fields {
        Fields::Customary => (FOR, customary(request, trust).stop),
        Fields::Standard => (FORWARDED, standard(request, trust).stop.map(|element| element.client)),
    };
    match stop {
        Some(client) => client,
        // A proxy's own request names no client; a list without elements hides the client.
        None if lines(request, name).next().is_none() => source,
        None => None,
    }
}

/// Returns whether the client's connection is encrypted, if the trusted proxy says so.
pub(super) fn is_secure(request: &Request, trust: &Trust) -> Option<bool> {
    match trust.fields {
        Fields::Customary => is_https(beside_client(request, trust, PROTO)?),
        Fields::Standard => standard(request, trust).stop?.is_secure,
    }
}

/// Returns the host that the client asked for, if the trusted proxy says so.
pub(super) fn host<'r>(request: &'r Request, trust: &Trust) -> Option<&'r str> {
    match trust.fields {
        Fields::Customary => host_of(beside_client(request, trust, HOST)?),
        Fields::Standard => standard(request, trust).stop?.host,
    }
}

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const FORWARDED: &str = "forwarded";

/// Reads a list from its first element on, and keeps the element at which a walk from the last one would stop.
struct Walk<'t, T> {
    trust: &'t Trust,
    stop: Option<T>,
    /// The index of that element.
    index: usize,
    seen: usize,
}

impl<'t, T> Walk<'t, T> {
    fn new(trust: &'t Trust) -> Walk<'t, T> {
        Walk {
            trust,
            stop: None,
            index: 0,
            seen: 0,
        }
    }

    fn pass(&mut self, address: Option<IpAddr>, element: T) {
        // The element after a stranger, or after an unknown client, was written by proxies further to the right.
        let is_trusted = address.is_some_and(|address| self.trust.admits(address));
        if self.stop.is_none() || !is_trusted {
            self.stop = Some(element);
            self.index = self.seen;
        }
        self.seen += 1;
    }
}

/// Walks the list of `X-Forwarded-For`: addresses separated by commas.
fn customary<'t>(request: &Request, trust: &'t Trust) -> Walk<'t, Option<IpAddr>> {
    let mut walk = Walk::new(trust);
    for address in elements(request, FOR).map(node) {
        walk.pass(address, address);
    }
    walk
}

/// Walks the list of `Forwarded`.
fn standard<'r, 't>(request: &'r Request, trust: &'t Trust) -> Walk<'t, Element<'r>> {
    let mut walk = Walk::new(trust);
    for element in lines(request, FORWARDED).flat_map(Elements::of) {
        walk.pass(element.client, element);
    }
    walk
}

/// Returns the element of another list that was written by the proxy to which the client connected.
///
/// A proxy sets a scheme or host, or appends it as it appends the address. So the element is as far from the end as the
/// client's address is in its list, or it is the first, if there are fewer. Without a list of addresses it is the last
/// one, which the peer wrote.
fn beside_client<'r>(request: &'r Request, trust: &Trust, name: &'static str) -> Option<&'r [u8]> {
    let count = elements(request, name).count();
    if count <= 1 {
        return elements(request, name).next();
    }
    let walk = customary(request, trust);
    let from_end = walk.seen.saturating_sub(walk.index).max(1);
    elements(request, name).nth(count.saturating_sub(from_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

    /// Returns the client, or `-`, and the scheme, if there is one.
    fn found(trust: &Trust, fields: &[(&str, &str)]) -> (String, Option<bool>) {
        let request = with(fields);
        let client = client(&request, trust, Some("10.0.0.1".parse().unwrap()));
        let client = client.map_or("-".to_owned(), |client| client.to_string());
        (client, is_secure(&request, trust))
    }

    fn with(fields: &[(&str, &str)]) -> Request {
        let request = Request::get("/");
        fields
            .iter()
            .fold(request, |request, (name, value)| request.with_header(name, value))
    }

    fn customary(fields: &[(&str, &str)]) -> (String, Option<bool>) {
        found(&Trust::peers(PEERS).unwrap(), fields)
    }

    fn standard(list: &str) -> (String, Option<bool>) {
        let trust = Trust::peers(PEERS).unwrap().forwarded();
        found(&trust, &[("Forwarded", list)])
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
    fn empty_elements_name_nobody_and_hide_nobody() {
        for list in [
            "192.0.2.1,",
            ", 192.0.2.1",
            "192.0.2.1, , 10.9.9.9,\t,",
            ",,192.0.2.1,,",
        ] {
            assert_eq!(for_(list), "192.0.2.1", "{list}");
        }
        assert_eq!(for_(" , ,"), "-", "a list without elements hides the client");
        assert_eq!(
            standard(", for=192.0.2.1;proto=https, , for=10.9.9.9,"),
            ("192.0.2.1".to_owned(), Some(true))
        );
        assert_eq!(standard(",").0, "-");
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
    fn each_field_counts_by_itself() {
        let client = |fields: &[(&str, &str)]| customary(fields);
        // One is missing, malformed or empty, and the other counts.
        for proto in [("X-Forwarded-Proto", "https"), ("x-forwarded-proto", "http, https")] {
            assert_eq!(client(&[proto]), ("10.0.0.1".to_owned(), Some(true)));
            for hidden in ["unknown", "garbage", "", ",", "192.0.2.1, unknown"] {
                let list = ("X-Forwarded-For", hidden);
                assert_eq!(client(&[list, proto]), ("-".to_owned(), Some(true)), "{hidden}");
            }
        }
        for nonsense in ["gopher", "", ",", "https gopher", "https;"] {
            let fields = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", nonsense)];
            assert_eq!(client(&fields), ("192.0.2.1".to_owned(), None), "{nonsense}");
        }
        assert_eq!(standard("proto=https"), ("-".to_owned(), Some(true)));
        assert_eq!(standard("for=192.0.2.1;proto=x"), ("192.0.2.1".to_owned(), None));
    }

    #[test]
    fn the_host_is_that_of_the_hop_the_client_came_by_and_a_valid_one() {
        let trust = Trust::peers(PEERS).unwrap();
        let host = |fields: &[(&str, &str)]| host(&with(fields), &trust).map(str::to_owned);
        let of = |list, hosts| host(&[("X-Forwarded-For", list), ("X-Forwarded-Host", hosts)]);
        assert_eq!(
            host(&[("X-Forwarded-Host", "a.test:8080")]).as_deref(),
            Some("a.test:8080")
        );
        assert_eq!(
            host(&[("X-Forwarded-Host", "forged.test, a.test,")]).as_deref(),
            Some("a.test")
        );
        assert_eq!(
            of("192.0.2.1, 10.1.1.1", "a.test").as_deref(),
            Some("a.test"),
            "written anew"
        );
        assert_eq!(
            of("192.0.2.1, 10.1.1.1", "forged.test, a.test, b.test").as_deref(),
            Some("a.test"),
            "appended"
        );
        assert_eq!(of("unknown", "forged.test, a.test").as_deref(), Some("a.test"));
        for nonsense in ["", "a b", "u@a", "a/b", "a.test, a:b", "\u{e4}"] {
            assert_eq!(of("192.0.2.1", nonsense), None, "{nonsense}");
        }
        assert_eq!(host(&[("Forwarded", "host=a.test"), ("Host", "b.test")]), None);
        let trust = Trust::peers(PEERS).unwrap().forwarded();
        let host = |list| {
            super::host(&with(&[("Forwarded", list), ("X-Forwarded-Host", "x.test")]), &trust).map(str::to_owned)
        };
        assert_eq!(
            host("host=forged.test, for=192.0.2.1;host=\"a.test:1\", for=10.1.1.1;host=b.test").as_deref(),
            Some("a.test:1")
        );
        assert_eq!(host("for=192.0.2.1"), None);
    }

    #[test]
    fn what_is_looked_at_grows_as_the_lists_do() {
        use super::super::steps::counted;
        let steps = |name: &str, elements: usize, element: &str| {
            let list = vec![element; elements].join(",");
            let lists = [
                (name, list.as_str()),
                ("X-Forwarded-Proto", "https,http"),
                (name, "10.1.1.1"),
            ];
            let request = with(&lists);
            let trust = Trust::peers(PEERS).unwrap();
            counted(|| {
                for trust in [trust.clone(), trust.forwarded()] {
                    client(&request, &trust, None);
                    is_secure(&request, &trust);
                    host(&request, &trust);
                }
            })
        };
        for name in ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host"] {
            for element in [
                "",
                "10.9.9.9",
                "for=10.9.9.9;proto=https",
                "for=\"[fd00::1]\";x=\"\\,;\"",
                "for=\"",
                ";",
                "=",
            ] {
                let (half, whole) = (steps(name, 400, element), steps(name, 800, element));
                // With a little more for what does not double.
                assert!(whole <= 2 * half + 1000, "{name} {element:?}: {half}, {whole}");
            }
        }
    }

    #[test]
    fn each_element_has_its_own_scheme() {
        let list = "for=192.0.2.43;proto=https, for=10.1.1.17;proto=http";
        assert_eq!(standard(list), ("192.0.2.43".to_owned(), Some(true)));
    }

    #[test]
    fn a_broken_list_hides_the_client_and_forges_none() {
        // A client writes this, and a proxy appends to the same line.
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
        assert_eq!(found(&trust, &fields).0, "192.0.2.1");
    }

    #[test]
    fn only_the_field_that_was_chosen_counts() {
        let both = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=198.51.100.1")];
        assert_eq!(customary(&both).0, "192.0.2.1");
        let trust = Trust::peers(PEERS).unwrap().forwarded();
        assert_eq!(found(&trust, &both).0, "198.51.100.1");
    }
}
