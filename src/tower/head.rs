//! The head of a request as HTTP/1.1 has it. What does not pass here can't come over a connection of hansel's own either.

use http::header::{CONNECTION, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderName, Version};

use super::arriving::Framing;
use super::authority;
use crate::request::head_text;

/// Returns the head as text.
///
/// # Errors
/// Returns the rule that it breaks. What else it breaks is found when the text is parsed.
pub(super) fn text(head: &Parts, framing: Framing) -> Result<Vec<u8>, &'static str> {
    if head.version < Version::HTTP_2 {
        return Ok(text_of_http1(head, framing));
    }
    let host = ("host", authority::of_request(head)?);
    let cookies = cookies(head);
    let cookies = cookies.as_ref().map(|cookies| ("cookie", &**cookies));
    // HTTP/2 has no such fields (RFC 9113 §8.2.2).
    let of_connection = [CONNECTION, TRANSFER_ENCODING, UPGRADE];
    let is_passed =
        |name: &HeaderName| !of_connection.contains(name) && *name != HOST && (cookies.is_none() || *name != COOKIE);
    let fields = head.headers.iter().filter(|(name, _)| is_passed(name));
    let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
    // It is in origin form: its scheme and authority were pseudo-header fields (RFC 9113 §8.3.1).
    let target = match head.uri.path_and_query() {
        Some(target) => target.as_str(),
        // RFC 9112 §3.2.3: only CONNECT has an authority and nothing else.
        None => head.uri.authority().map_or("/", |authority| authority.as_str()),
    };
    let framed = framing.field();
    let framed = framed.as_ref().map(|(name, value)| (*name, value.as_bytes()));
    Ok(head_text(
        &head.method,
        target,
        Version::HTTP_11,
        [host].into_iter().chain(fields).chain(cookies).chain(framed),
    ))
}

/// Returns everything as it is, also the absolute form of a target, which beats the Host field (RFC 9112 §3.2.2).
fn text_of_http1(head: &Parts, framing: Framing) -> Vec<u8> {
    let fields = head.headers.iter();
    let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let framed = framing.field();
    let framed = framed.as_ref().map(|(name, value)| (*name, value.as_bytes()));
    head_text(&head.method, &head.uri.to_string(), head.version, fields.chain(framed))
}

/// Returns the value of all Cookie fields, if there are several.
///
/// RFC 9113 §8.2.3: "If there are multiple Cookie header fields after decompression, these MUST be concatenated into a
/// single octet string using the two-octet delimiter of 0x3b, 0x20 (the ASCII string "; ") before being passed into a
/// non-HTTP/2 context". HTTP/3: RFC 9114 §4.2.1.
fn cookies(head: &Parts) -> Option<Vec<u8>> {
    let mut crumbs = head.headers.get_all(COOKIE).iter();
    let mut all = crumbs.next()?.as_bytes().to_vec();
    let alone = all.len();
    for crumb in crumbs {
        all.extend_from_slice(b"; ");
        all.extend_from_slice(crumb.as_bytes());
    }
    (all.len() > alone).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: http::request::Builder) -> String {
        let (head, ()) = request.body(()).unwrap().into_parts();
        String::from_utf8(text(&head, Framing::None).unwrap()).unwrap()
    }

    #[test]
    fn crumbs_of_a_cookie_are_one_field_again() {
        let request = |version, cookies: &[&str]| {
            let request = http::Request::get("http://a.test/b").version(version);
            let request = cookies
                .iter()
                .fold(request, |request, cookie| request.header(COOKIE, *cookie));
            written(request.header(HOST, "a.test"))
        };
        for version in [Version::HTTP_2, Version::HTTP_3] {
            for (cookies, expected) in [
                (&["a=1", "b=2; c=3", "d=4"][..], "cookie: a=1; b=2; c=3; d=4\r\n"),
                (&["a=1"], "cookie: a=1\r\n"),
                (&[], ""),
            ] {
                let expected = format!("GET /b HTTP/1.1\r\nhost: a.test\r\n{expected}\r\n");
                assert_eq!(request(version, cookies), expected);
            }
        }
        // In HTTP/1.1, what a client has sent is passed on.
        assert_eq!(
            request(Version::HTTP_11, &["a=1", "b=2"]),
            "GET http://a.test/b HTTP/1.1\r\ncookie: a=1\r\ncookie: b=2\r\nhost: a.test\r\n\r\n"
        );
    }

    #[test]
    fn each_form_of_a_target_is_passed_on() {
        for (version, method, target, expected) in [
            (Version::HTTP_11, "OPTIONS", "*", "OPTIONS * HTTP/1.1"),
            (Version::HTTP_10, "GET", "/a?b", "GET /a?b HTTP/1.0"),
            (Version::HTTP_11, "CONNECT", "a.test:80", "CONNECT a.test:80 HTTP/1.1"),
            (Version::HTTP_2, "CONNECT", "a.test:80", "CONNECT a.test:80 HTTP/1.1"),
            (
                Version::HTTP_11,
                "GET",
                "http://a.test?b",
                "GET http://a.test/?b HTTP/1.1",
            ),
            (Version::HTTP_2, "GET", "https://a.test/a?b", "GET /a?b HTTP/1.1"),
        ] {
            let request = http::Request::builder().method(method).uri(target).version(version);
            assert_eq!(written(request).lines().next(), Some(expected));
        }
    }
}
