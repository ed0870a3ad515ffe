//! The cookies that a client sent.

use std::convert::Infallible;
use std::fmt;

use super::Keys;
use super::cookie::HOST;
use crate::{FromRequest, Request};

/// The cookies that a client sent, as an argument of a handler.
///
/// [`value`](Cookies::value), [`signed`](Cookies::signed) and [`encrypted`](Cookies::encrypted) take the name that
/// [`Cookie::new`](super::Cookie::new) was given, and read only a cookie whose name has the prefix `__Host-`: one without
/// the prefix may come from another subdomain, or from somebody on the network.
///
/// Requires the feature `cookies`.
///
/// ```
/// use hansel::{Cookies, Request, Routes};
///
/// fn greeting(cookies: Cookies) -> &'static str {
///     match cookies.value("theme") {
///         Some("dark") => "Good night",
///         _ => "Good morning",
///     }
/// }
///
/// let client = hansel::test::Client::new(Routes::new().get("/", greeting));
/// assert_eq!(client.send(Request::get("/").with_header("Cookie", "__Host-theme=dark")).text(), "Good night");
/// assert_eq!(client.send(Request::get("/").with_header("Cookie", "theme=dark")).text(), "Good morning");
/// ```
///
/// Reading is lenient (RFC 6265bis §5.8.3 is what browsers send): white space around a pair is ignored, and so is a pair
/// without a name or with bytes that are not UTF-8. Quotes are a part of the value, and nothing is decoded. Of several
/// cookies with one name, the first counts. Each look-up takes time linear in what was sent, which the limits of a head
/// bound.
#[derive(Clone)]
pub struct Cookies {
    /// The fields, joined as a browser joins pairs.
    text: Vec<u8>,
}

impl Cookies {
    /// Returns the cookies of this request.
    pub fn of(request: &Request) -> Cookies {
        let mut text = Vec::new();
        // HTTP/2 splits the field: RFC 9113 §8.2.3.
        for (name, value) in request.headers() {
            if name.eq_ignore_ascii_case("cookie") {
                text.extend_from_slice(value);
                text.push(b';');
            }
        }
        Cookies { text }
    }

    /// Returns the value of the cookie `__Host-` and `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        let is_it = |sent: &str| sent.strip_prefix(HOST) == Some(name);
        self.iter().find(|(sent, _)| is_it(sent)).map(|(_, value)| value)
    }

    /// Returns the value of the cookie `__Host-` and `name`, if one of the keys has signed it and it has not expired.
    pub fn signed(&self, name: &str, keys: &Keys) -> Option<&str> {
        keys.verify(&format!("{HOST}{name}"), self.value(name)?)
    }

    /// Returns the decrypted value of the cookie `__Host-` and `name`, if one of the keys has encrypted it and it has not
    /// expired.
    pub fn encrypted(&self, name: &str, keys: &Keys) -> Option<String> {
        keys.decrypt(&format!("{HOST}{name}"), self.value(name)?)
    }

    /// Returns the value of the cookie with exactly this name.
    pub fn unprefixed(&self, name: &str) -> Option<&str> {
        self.iter().find(|(sent, _)| *sent == name).map(|(_, value)| value)
    }

    /// Returns the names and values of all cookies as they were sent, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.text.split(|byte| *byte == b';');
        pairs.filter_map(|pair| {
            let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            let name = name.trim_matches([' ', '\t']);
            (!name.is_empty()).then_some((name, value.trim_matches([' ', '\t'])))
        })
    }
}

impl FromRequest for Cookies {
    type Rejection = Infallible;

    fn from_request(request: &Request) -> Result<Cookies, Infallible> {
        Ok(Cookies::of(request))
    }
}

/// Shows the names, but not the values.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cookies(fields: &[&[u8]]) -> Cookies {
        let request = fields
            .iter()
            .fold(Request::get("/"), |request, field| request.with_header("Cookie", field));
        Cookies::of(&request)
    }

    #[test]
    fn what_browsers_send_is_read() {
        for (sent, expected) in [
            (&b"a=1; b=2"[..], &[("a", "1"), ("b", "2")][..]),
            (b"a=1;b=2;", &[("a", "1"), ("b", "2")]),
            (b" a = 1 ;\t b\t=\t2", &[("a", "1"), ("b", "2")]),
            (b"a==1=; b=", &[("a", "=1="), ("b", "")]),
            (b"a=\"1\"; b=%20", &[("a", "\"1\""), ("b", "%20")]),
            (b"a=1; a=2", &[("a", "1"), ("a", "2")]),
            (b"nameless; =1; ; b=2", &[("b", "2")]),
            (b"a=\xff; b=2", &[("b", "2")]),
            (b"a=x y,z; b=\xc3\xa9", &[("a", "x y,z"), ("b", "é")]),
            (b"", &[]),
        ] {
            assert_eq!(
                cookies(&[sent]).iter().collect::<Vec<_>>(),
                expected,
                "{}",
                sent.escape_ascii()
            );
        }
        let split = cookies(&[b"a=1", b"b=2; c=3"]);
        assert_eq!(split.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("c", "3")]);
    }

    #[test]
    fn a_cookie_that_another_host_can_set_is_not_taken_for_ours() {
        let sent =
            cookies(&[b"theme=evil; __Secure-theme=evil; __host-theme=evil; __Host-theme=dark; __Host-theme=late"]);
        assert_eq!(sent.value("theme"), Some("dark"));
        assert_eq!(sent.unprefixed("theme"), Some("evil"));
        assert_eq!(cookies(&[b"theme=evil"]).value("theme"), None);
        assert_eq!(format!("{:?}", cookies(&[b"theme=secret"])), "{\"theme\"}");
    }

    proptest! {
        #[test]
        fn whatever_is_sent_no_pair_has_a_separator(sent in "[a-c=; \t\"]{0,40}") {
            for (name, value) in cookies(&[sent.as_bytes()]).iter() {
                prop_assert!(!name.contains(['=', ';']) && !value.contains(';') && !name.is_empty());
            }
        }
    }
}
