//! Redirects, and where they may lead.

use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::Response;

/// The visible octets that a URI has percent-encoded only (RFC 3986 §2). Browsers read a backslash as a slash, so a
/// path that begins with `/\` would lead to another host. Controls are not encoded: they make the header invalid.
const NOT_IN_URIS: &AsciiSet = &{
    let mut set = CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\');
    set = set.add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
    let mut control = 0;
    while control < 0x20 {
        set = set.remove(control);
        control += 1;
    }
    set.remove(0x7F)
};

/// # Redirects
/// | redirect | status | for |
/// |---|---|---|
/// | [`see_other`](Response::see_other) | 303 | after a form: the client goes on with GET, and a reload sends nothing again |
/// | [`redirect`](Response::redirect) | 307 | elsewhere for this once, with the same method and body |
/// | [`moved_permanently`](Response::moved_permanently) | 308 | elsewhere for good, with the same method and body |
///
/// 301 and 302 are older: clients may turn POST into GET (RFC 9110 §15.4.2, §15.4.3). If you need one, set it:
/// `Response::redirect("/login").with_status(StatusCode::FOUND)`.
///
/// A location is a URI or a path, which clients resolve against that of the request (RFC 9110 §10.2.2). What must be
/// percent-encoded in it, such as spaces, letters beyond ASCII and backslashes, is; percent signs stay as they are.
///
/// A location that a client has sent, such as `?next=` of a login, may lead to another host. Let it pass through
/// [`local_path`]; [`App::url_for`](crate::App::url_for) builds paths that are safe.
impl Response {
    /// Creates a redirect that keeps method and body, for this once: 307 (RFC 9110 §15.4.8).
    /// [`see_other`](Response::see_other) is for after a form.
    ///
    /// ```
    /// let response = hansel::Response::redirect("/login");
    /// assert_eq!((response.status().as_u16(), response.header("Location")), (307, Some("/login")));
    /// ```
    #[track_caller]
    pub fn redirect(location: impl AsRef<[u8]>) -> Response {
        let location = percent_encode(location.as_ref(), NOT_IN_URIS).to_string();
        Response::default()
            .with_status(StatusCode::TEMPORARY_REDIRECT)
            .with_header("Location", location)
    }

    /// Creates a redirect that a browser follows with GET, as after a form: 303 (RFC 9110 §15.4.4). So a reload does not
    /// send the form again.
    ///
    /// ```
    /// let response = hansel::Response::see_other("/orders/7");
    /// assert_eq!((response.status().as_u16(), response.header("Location")), (303, Some("/orders/7")));
    /// ```
    #[track_caller]
    pub fn see_other(location: impl AsRef<[u8]>) -> Response {
        Response::redirect(location).with_status(StatusCode::SEE_OTHER)
    }

    /// Creates a redirect that keeps method and body, and that clients remember: 308 (RFC 9110 §15.4.9). It can hardly be
    /// taken back.
    ///
    /// ```
    /// let response = hansel::Response::moved_permanently("/people");
    /// assert_eq!((response.status().as_u16(), response.header("Location")), (308, Some("/people")));
    /// ```
    #[track_caller]
    pub fn moved_permanently(location: impl AsRef<[u8]>) -> Response {
        Response::redirect(location).with_status(StatusCode::PERMANENT_REDIRECT)
    }
}

/// Returns `location` if it is a path that every browser requests from the host that it is on, with or without a query: for
/// locations that came from the client.
///
/// ```
/// use hansel::{Request, Response, local_path};
///
/// fn login(request: &Request) -> Response {
///     let next = request.query_value("next").unwrap_or_default();
///     Response::see_other(local_path(&next).unwrap_or("/"))
/// }
///
/// assert_eq!(login(&Request::post("/login?next=/cart")).header("Location"), Some("/cart"));
/// assert_eq!(login(&Request::post("/login?next=//evil.test")).header("Location"), Some("/"));
/// assert_eq!(login(&Request::post("/login?next=https://evil.test")).header("Location"), Some("/"));
/// ```
pub fn local_path(location: &str) -> Option<&str> {
    // RFC 3986 §4.2: a reference that begins with two slashes names another host. The WHATWG URL standard reads a
    // backslash as a slash, and takes tabs and line ends out before it looks.
    let mut octets = location.bytes();
    let begins_here = octets.next() == Some(b'/') && !matches!(octets.next(), Some(b'/' | b'\\'));
    (begins_here && !location.contains(char::is_control)).then_some(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_in_a_uri_is_encoded_and_nothing_else() {
        let location = |to: &str| Response::redirect(to).header("Location").unwrap().to_owned();
        for kept in [
            "/a",
            "https://b.test:80/x?y=z&q=%20#top",
            "../up",
            "?page=2",
            "/[x]/!$&'()*+,;=:@-._~",
            "",
        ] {
            assert_eq!(location(kept), kept);
        }
        assert_eq!(location("/søk?q=a b"), "/s%C3%B8k?q=a%20b");
        assert_eq!(location("/\\evil.test"), "/%5Cevil.test");
        assert_eq!(location("/\"<>^`{|}"), "/%22%3C%3E%5E%60%7B%7C%7D");
        let latin1 = Response::redirect(b"/\xE9").header("Location").map(str::to_owned);
        assert_eq!(latin1.as_deref(), Some("/%E9"));
    }

    #[test]
    fn a_control_in_a_location_makes_the_response_a_500() {
        for to in ["/a\r\nSet-Cookie: b=c", "/\0", "/\x7F"] {
            let mut response = Response::see_other(to);
            assert!(response.is_faulty(), "{to:?}");
            response.report_fault(None);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{to:?}");
            assert_eq!(response.header("Location"), None);
        }
    }

    #[test]
    fn a_local_path_stays_on_the_host() {
        for path in [
            "/",
            "/a/b?c=//d",
            "/a//b",
            "/../a",
            "/a:b@c",
            "/ä b",
            "/%09/b",
            "/?",
            "/#x",
        ] {
            assert_eq!(local_path(path), Some(path));
        }
        for other in [
            "",
            "a",
            "//b",
            "///b",
            "/\\b",
            "\\\\b",
            "\\/b",
            "https://b",
            "javascript:alert(1)",
            "/\t/b",
            "/\n/b",
            "\t//b",
            " //b",
            "/\r\\b",
            "?a",
            "#a",
            "../a",
        ] {
            assert_eq!(local_path(other), None, "{other:?}");
        }
    }
}
