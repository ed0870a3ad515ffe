//! The page that sends a request, as far as the browser tells.

use crate::Request;

/// An origin: a scheme, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    /// In lower case, and without the port that the scheme has anyway.
    host: String,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From a page of this origin, or one that is trusted: the browser says so, and no script can make it say so.
    Here,
    /// From a page of another origin.
    Elsewhere,
    /// The client does not say: it is no browser, an old one, or the user has begun it.
    Unknown,
}

impl Origin {
    pub(super) fn parse(text: &str) -> Option<Origin> {
        let (scheme, host) = text.split_once("://")?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if scheme.is_empty() || host.is_empty() || !host.bytes().all(is_host) {
            return None;
        }
        Some(Origin::new(scheme, host))
    }

    fn new(scheme: &str, host: &str) -> Origin {
        let scheme = scheme.to_ascii_lowercase();
        let usual_port = match &*scheme {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        let host = host.strip_suffix(usual_port).unwrap_or(host).to_ascii_lowercase();
        Origin { scheme, host }
    }

    /// Returns true if it is the one that the request was sent to.
    ///
    /// The scheme counts only if the request is known to have come encrypted: a proxy in front may have decrypted it.
    fn is_target_of(&self, request: &Request) -> bool {
        let Some(host) = request.host() else { return false };
        let has_scheme = self.scheme == "https" || (self.scheme == "http" && request.scheme() == "http");
        has_scheme && *self == Origin::new(&self.scheme, host)
    }
}

impl Source {
    /// Returns what the browser says, by [Fetch metadata](https://www.w3.org/TR/fetch-metadata/) or, if it is older, by its
    /// Origin. Scripts can set neither header.
    pub(super) fn of(request: &Request, trusted: &[Origin]) -> Source {
        // No browser sends two, and of two nobody knows which was meant.
        let sent = request.single_header("Origin").unwrap_or(Some("null"));
        let origin = sent.and_then(Origin::parse);
        if origin.as_ref().is_some_and(|origin| trusted.contains(origin)) {
            return Source::Here;
        }
        match request.single_header("Sec-Fetch-Site") {
            Ok(Some("same-origin")) => return Source::Here,
            // By the user's own hand: an address, a bookmark.
            Ok(Some("none")) => return Source::Unknown,
            Ok(Some(_)) | Err(_) => return Source::Elsewhere,
            Ok(None) => {}
        }
        match (sent, origin) {
            (None, _) => Source::Unknown,
            (Some(_), Some(origin)) if origin.is_target_of(request) => Source::Here,
            // `null` as well: that of a sandboxed page, whoever made it.
            (Some(_), _) => Source::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(headers: &[(&str, &str)]) -> Source {
        let request = Request::post("/").with_header("Host", "a.example");
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.with_header(name, value));
        Source::of(&request, &[Origin::parse("https://trusted.example:443").unwrap()])
    }

    #[test]
    fn the_browsers_word_counts() {
        for (headers, expected) in [
            (&[][..], Source::Unknown),
            (&[("Sec-Fetch-Site", "same-origin")], Source::Here),
            (&[("Sec-Fetch-Site", "none")], Source::Unknown),
            (&[("Sec-Fetch-Site", "same-site")], Source::Elsewhere),
            (&[("Sec-Fetch-Site", "cross-site")], Source::Elsewhere),
            (&[("Sec-Fetch-Site", "something new")], Source::Elsewhere),
            (
                &[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "same-origin")],
                Source::Elsewhere,
            ),
            (
                &[("Origin", "https://trusted.example"), ("Origin", "https://b.example")],
                Source::Elsewhere,
            ),
            (&[("Origin", "https://a.example")], Source::Here),
            (&[("Origin", "http://A.example:80")], Source::Here),
            (&[("Origin", "https://a.example:443")], Source::Here),
            (&[("Origin", "https://a.example:8443")], Source::Elsewhere),
            (&[("Origin", "https://b.a.example")], Source::Elsewhere),
            (&[("Origin", "https://a.example.evil.test")], Source::Elsewhere),
            (&[("Origin", "null")], Source::Elsewhere),
            (&[("Origin", "")], Source::Elsewhere),
            (&[("Origin", "ftp://a.example")], Source::Elsewhere),
            (&[("Origin", "https://trusted.example")], Source::Here),
            (&[("Origin", "http://trusted.example")], Source::Elsewhere),
            (
                &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://trusted.example")],
                Source::Here,
            ),
            (
                &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://a.example")],
                Source::Elsewhere,
            ),
        ] {
            assert_eq!(source(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for wrong in [
            "",
            "a.example",
            "https://",
            "://a",
            "https://a/b",
            "https://a b",
            "https://a?x",
            "null",
        ] {
            assert_eq!(Origin::parse(wrong), None, "{wrong}");
        }
    }
}
