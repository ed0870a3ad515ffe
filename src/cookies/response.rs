//! Setting cookies on a response.

use super::{Cookie, InvalidCookie};
use crate::Response;

/// Cookies, with the feature `cookies`.
impl Response {
    /// Sets a cookie. Another one of that name that was set on this response is replaced.
    ///
    /// An invalid cookie is never sent. The response becomes a 500, and the log names the cookie, the rule and the line of
    /// this call. Use [`try_set_cookie`](Response::try_set_cookie) if the value comes from outside.
    ///
    /// Requires the feature `cookies`.
    ///
    /// ```
    /// use hansel::{Cookie, Response};
    ///
    /// let mut response = Response::default();
    /// response.set_cookie(Cookie::new("theme", "light"));
    /// response.set_cookie(Cookie::new("theme", "dark"));
    /// assert_eq!(response.headers().count(), 1);
    /// assert!(response.header("Set-Cookie").unwrap().starts_with("__Host-theme=dark;"));
    /// ```
    #[track_caller]
    pub fn set_cookie(&mut self, cookie: Cookie) {
        if let Err(error) = self.try_set_cookie(cookie) {
            self.fail(error);
        }
    }

    /// Sets a cookie as [`set_cookie`](Response::set_cookie) does, and returns the response.
    ///
    /// Requires the feature `cookies`.
    #[track_caller]
    pub fn with_cookie(mut self, cookie: Cookie) -> Response {
        self.set_cookie(cookie);
        self
    }

    /// Sets a cookie as [`set_cookie`](Response::set_cookie) does, if it is valid.
    ///
    /// Requires the feature `cookies`.
    ///
    /// # Errors
    /// If the cookie is invalid; the error names it and the rule that it breaks. The response is unchanged.
    ///
    /// ```
    /// use hansel::{Cookie, Response};
    ///
    /// let mut response = Response::default();
    /// let error = response.try_set_cookie(Cookie::new("theme", "dark; Domain=evil.example")).unwrap_err();
    /// assert!(error.to_string().contains("RFC 6265bis"), "{error}");
    /// ```
    pub fn try_set_cookie(&mut self, cookie: Cookie) -> Result<(), InvalidCookie> {
        let written = cookie.written(super::seconds())?;
        // RFC 6265bis §4.1.1: "Servers SHOULD NOT include more than one Set-Cookie header field in the same response with
        // the same cookie-name."
        if self.headers().any(|header| sets(header, cookie.name())) {
            self.forget(cookie.name());
        }
        self.append_header("Set-Cookie", written);
        Ok(())
    }

    /// Removes a cookie that [`Cookie::new`] made with this name from the browser. For others, set a
    /// [removed](Cookie::removed) one.
    ///
    /// Requires the feature `cookies`.
    #[track_caller]
    pub fn remove_cookie(&mut self, name: &str) {
        self.set_cookie(Cookie::new(name, "").removed());
    }

    /// Keeps all Set-Cookie headers but those of this name.
    fn forget(&mut self, name: &str) {
        let cookies = self
            .headers()
            .filter(|(header, _)| header.eq_ignore_ascii_case("set-cookie"));
        let kept = cookies.filter(|header| !sets(*header, name));
        let kept: Vec<Vec<u8>> = kept.map(|(_, value)| value.to_vec()).collect();
        self.remove_header("Set-Cookie");
        for value in kept {
            self.append_header("Set-Cookie", value);
        }
    }
}

/// Returns true if this header sets the cookie of that name.
fn sets((header, value): (&str, &[u8]), name: &str) -> bool {
    let rest = value.strip_prefix(name.as_bytes());
    header.eq_ignore_ascii_case("set-cookie") && rest.is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Client;

    fn set(response: &Response) -> Vec<&str> {
        let values = response.headers().map(|(_, value)| std::str::from_utf8(value).unwrap());
        values.map(|value| value.split(';').next().unwrap()).collect()
    }

    #[test]
    fn the_last_cookie_of_a_name_is_sent_and_no_other_is_lost() {
        let mut response = Response::default()
            .with_cookie(Cookie::new("a", "1"))
            .with_cookie(Cookie::new("ab", "2"))
            .with_cookie(Cookie::unprefixed("a", "3"))
            .with_cookie(Cookie::new("a", "4"));
        assert_eq!(set(&response), ["__Host-ab=2", "a=3", "__Host-a=4"]);
        response.remove_cookie("a");
        assert_eq!(set(&response), ["__Host-ab=2", "a=3", "__Host-a="]);
    }

    #[test]
    fn an_invalid_cookie_is_a_500_and_never_sent() {
        let client = Client::new(|| {
            let evil = Cookie::new("a", "b\r\nInjected: 1");
            Response::new("body")
                .with_cookie(evil)
                .with_status(crate::StatusCode::OK)
        });
        let response = client.get("/");
        assert_eq!(response.status(), 500);
        assert_eq!(response.header("Injected").or(response.header("Set-Cookie")), None);
    }
}
