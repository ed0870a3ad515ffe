//! The host that a request is for, if its target and its Host field name one.

use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Version, header::HOST};

/// Returns the host that replaces the Host fields, unless these count.
///
/// # Errors
/// Returns the rule that the Host fields break.
pub(super) fn of_request(head: &Parts) -> Result<Option<&str>, &'static str> {
    let authority = of_target(head)?;
    let has_field = head.headers.contains_key(HOST);
    Ok(match (authority, head.version) {
        // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
        // that lacks a Host header field", also if its target has one. The protocol does that, if no other field is
        // added.
        (_, Version::HTTP_11) if !has_field => None,
        (Some(authority), _) => Some(authority.as_str()),
        // HTTP/2 has no such rule (RFC 9113 §8.3.1). An empty field means the same in HTTP/1.1.
        (None, Version::HTTP_2 | Version::HTTP_3) if !has_field => Some(""),
        (None, _) => None,
    })
}

/// Returns the authority of the target, if it has one.
///
/// # Errors
/// Returns the rule that the Host fields break.
fn of_target(head: &Parts) -> Result<Option<&Authority>, &'static str> {
    let Some(authority) = head.uri.authority() else {
        return Ok(None);
    };
    let mut hosts = head.headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        return Ok(Some(authority));
    };
    // RFC 9112 §3.2: a request "that contains more than one Host header field line or a Host header field with an
    // invalid field value" gets 400, also if another authority counts.
    if hosts.next().is_some() {
        return Err("more than one Host field");
    }
    if !hansel_proto::is_host(host.as_bytes()) {
        return Err("the Host field is not a host with an optional port");
    }
    // RFC 9113 §8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that identifies
    // an entity that differs from the entity in the ":authority" pseudo-header field." HTTP/3: RFC 9114 §4.3.1.
    if head.version >= Version::HTTP_2 && !is_same(authority, host, head.uri.scheme()) {
        return Err("the Host field differs from :authority");
    }
    // RFC 9112 §3.2.2: a server "MUST ignore the received Host header field (if any) and instead replace it with the
    // host information of the request-target."
    Ok(Some(authority))
}

/// Returns true if both name the same host and port, after scheme-based normalization (RFC 3986 §6.2.3).
fn is_same(authority: &Authority, host: &HeaderValue, scheme: Option<&Scheme>) -> bool {
    let Ok(host) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    let default = match scheme {
        Some(scheme) if *scheme == Scheme::HTTP => Some(80),
        Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
        _ => None,
    };
    let port = |authority: &Authority| authority.port_u16().or(default);
    authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(version: Version, target: &str, hosts: &[&str]) -> Result<Option<String>, &'static str> {
        let mut request = http::Request::get(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        of_target(&head).map(|authority| authority.map(ToString::to_string))
    }

    #[test]
    fn over_http_2_an_authority_and_a_host_that_disagree_are_malformed() {
        for version in [Version::HTTP_2, Version::HTTP_3] {
            for (target, host, agree) in [
                ("http://good.example/", "good.example", true),
                ("http://good.example/", "GOOD.example", true),
                ("http://good.example/", "good.example:80", true),
                ("http://good.example/", "good.example:", true),
                ("https://good.example:443/", "good.example", true),
                ("https://[::1]:8443/", "[::1]:8443", true),
                ("http://good.example/", "evil.example", false),
                ("http://good.example/", "good.example:443", false),
                ("https://good.example/", "good.example:80", false),
                ("http://good.example:8080/", "good.example", false),
                ("http://good.example/", "good.example.evil.example", false),
                ("http://good.example/", "x@good.example", false),
                ("http://good.example/", "good.example/", false),
                ("http://good.example/", "", false),
                ("ftp://good.example/", "good.example:80", false),
            ] {
                let authority = target.split('/').nth(2).unwrap().to_owned();
                let settled = settled(version, target, &[host]);
                assert_eq!(settled.is_ok(), agree, "{target} {host:?}");
                assert!(settled.is_err() || settled == Ok(Some(authority)), "{target} {host:?}");
            }
            assert!(settled(version, "http://a.test/", &["a.test", "a.test"]).is_err());
            assert_eq!(settled(version, "http://a.test/", &[]), Ok(Some("a.test".to_owned())));
            assert_eq!(settled(version, "/", &["a.test"]), Ok(None));
            assert_eq!(settled(version, "/", &[]), Ok(None));
        }
    }

    #[test]
    fn http_1_1_needs_a_host_field_whatever_its_target_says_and_no_other_version_does() {
        let host = |version: Version, target: &str, host: Option<&str>| {
            let request = http::Request::get(target).version(version);
            let request = host.iter().fold(request, |request, host| request.header(HOST, *host));
            let (head, ()) = request.body(()).unwrap().into_parts();
            of_request(&head).map(|host| host.map(str::to_owned))
        };
        let of_target = Ok(Some("a.test".to_owned()));
        for target in ["http://a.test/", "/"] {
            assert_eq!(host(Version::HTTP_11, target, None), Ok(None), "no field is put there");
        }
        assert_eq!(host(Version::HTTP_11, "http://a.test/", Some("b.test")), of_target);
        assert_eq!(host(Version::HTTP_10, "http://a.test/", None), of_target);
        assert_eq!(host(Version::HTTP_10, "/", None), Ok(None));
        for version in [Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(host(version, "http://a.test/", None), of_target);
            assert_eq!(host(version, "/", None), Ok(Some(String::new())));
        }
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(host(version, "/", Some("a.test")), Ok(None), "the field counts");
        }
    }

    #[test]
    fn over_http_1_the_authority_of_an_absolute_target_beats_a_host() {
        let good = Ok(Some("good.example".to_owned()));
        for host in ["evil.example", "good.example:8080", "", "good.example"] {
            assert_eq!(settled(Version::HTTP_11, "http://good.example/", &[host]), good);
        }
        for wrong in [&["a", "a"][..], &["a b"], &["u@a"]] {
            assert!(settled(Version::HTTP_11, "http://good.example/", wrong).is_err());
        }
    }
}
