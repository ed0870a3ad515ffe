//! The host that a request of HTTP/2 or HTTP/3 is for: it may be in `:authority` and in a Host field.

use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, header::HOST};

/// Returns the host of an HTTP/2 or HTTP/3 request, which need not have a Host field.
///
/// # Errors
/// Returns the rule that the Host fields break.
pub(super) fn of_request(head: &Parts) -> Result<&[u8], &'static str> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    // RFC 9112 §3.2: a request "that contains more than one Host header field line or a Host header field with an
    // invalid field value" gets 400, also if another authority counts.
    if hosts.next().is_some() {
        return Err("more than one Host field");
    }
    if host.is_some_and(|host| !hansel_proto::is_host(host.as_bytes())) {
        return Err("the Host field is not a host with an optional port");
    }
    match (head.uri.authority(), host) {
        // RFC 9113 §8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that
        // identifies an entity that differs from the entity in the ":authority" pseudo-header field." HTTP/3: RFC 9114
        // §4.3.1.
        (Some(authority), Some(host)) if !is_same(authority, host, head.uri.scheme()) => {
            Err("the Host field differs from :authority")
        }
        (Some(authority), _) => Ok(authority.as_str().as_bytes()),
        (None, Some(host)) => Ok(host.as_bytes()),
        // An empty field is how HTTP/1.1 says that there is no host.
        (None, None) => Ok(b""),
    }
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
    use http::Version;

    fn of(target: &str, hosts: &[&str]) -> Result<String, &'static str> {
        let mut request = http::Request::get(target).version(Version::HTTP_2);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        of_request(&head).map(|host| String::from_utf8(host.to_vec()).unwrap())
    }

    #[test]
    fn an_authority_and_a_host_that_disagree_are_malformed() {
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
            let of = of(target, &[host]);
            assert_eq!(of.is_ok(), agree, "{target} {host:?}");
            assert!(of.is_err() || of == Ok(authority), "{target} {host:?}");
        }
        assert!(of("http://a.test/", &["a.test", "a.test"]).is_err());
    }

    #[test]
    fn a_host_may_be_in_either_place_or_in_none() {
        assert_eq!(of("http://a.test/", &[]), Ok("a.test".to_owned()));
        assert_eq!(of("/", &["a.test"]), Ok("a.test".to_owned()));
        assert_eq!(of("/", &[]), Ok(String::new()));
        assert!(of("/", &["a b"]).is_err());
        assert!(of("/", &["a.test", "a.test"]).is_err());
    }
}
