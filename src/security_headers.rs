//! Headers by which browsers protect the users of a page.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::IntoDispatch;
use crate::{Hooks, Request, Response, Seen};

/// Headers by which browsers protect the users of a page, with values that are safe to begin with.
///
/// ```
/// use hansel::{App, Routes, SecurityHeaders, test::Client};
///
/// let app = App::new(Routes::new().get("/", || "Hello")).respond(SecurityHeaders::new().responses());
/// let response = Client::new(app).get("/");
/// assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"));
/// ```
///
/// | header | value | what it prevents |
/// |---|---|---|
/// | `Content-Security-Policy` | `default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'` | scripts, styles and images from elsewhere, and scripts within the page, such as an attacker's |
/// | `X-Content-Type-Options` | `nosniff` | that an upload of text is taken for a script |
/// | `X-Frame-Options` | `DENY` | that another page shows this one and catches the clicks (older browsers) |
/// | `Referrer-Policy` | `no-referrer` | that paths and queries are told to other sites |
/// | `Cross-Origin-Opener-Policy` | `same-origin` | that a page which opened this one can steer it |
/// | `Cross-Origin-Resource-Policy` | `same-origin` | that other sites embed images and scripts from here |
/// | `Strict-Transport-Security` | `max-age=31536000` | clear text in the next year; sent only over [https](Request::scheme) |
///
/// A header that a handler has set stays as it is.
///
/// Requires the feature `security-headers`.
#[derive(Clone)]
#[must_use = "it sets nothing until it is used: `app.respond(headers.responses())`"]
pub struct SecurityHeaders {
    headers: Vec<(&'static str, String)>,
    transport_security: Option<String>,
}

const CONTENT_SECURITY_POLICY: &str = "Content-Security-Policy";
const FRAME_OPTIONS: &str = "X-Frame-Options";

impl SecurityHeaders {
    /// Creates the headers of the table.
    pub fn new() -> SecurityHeaders {
        let policy =
            "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
        let headers = [
            (CONTENT_SECURITY_POLICY, policy),
            ("X-Content-Type-Options", "nosniff"),
            (FRAME_OPTIONS, "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ];
        SecurityHeaders {
            headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
            transport_security: Some("max-age=31536000".to_owned()),
        }
    }

    /// Sets the policy for what a page may load, and removes `X-Frame-Options`, which `frame-ancestors` in the policy
    /// replaces.
    pub fn content_security_policy(self, policy: impl Into<String>) -> SecurityHeaders {
        self.with(CONTENT_SECURITY_POLICY, policy).without(FRAME_OPTIONS)
    }

    /// Sets for how long browsers refuse clear text from this host.
    pub fn transport_security(mut self, age: Duration) -> SecurityHeaders {
        self.transport_security = Some(format!("max-age={}", age.as_secs()));
        self
    }

    /// Sets for how long browsers refuse clear text from this host and from all hosts below it, such as `intranet.a.example`
    /// below `a.example`. They must all speak https: browsers do not go back before the time is over.
    pub fn transport_security_of_subdomains(mut self, age: Duration) -> SecurityHeaders {
        self.transport_security = Some(format!("max-age={}; includeSubDomains", age.as_secs()));
        self
    }

    /// Removes `Strict-Transport-Security`.
    pub fn without_transport_security(mut self) -> SecurityHeaders {
        self.transport_security = None;
        self
    }

    /// Sets a header of the table, or another one such as `Permissions-Policy`.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> SecurityHeaders {
        self = self.without(name);
        self.headers.push((name, value.into()));
        self
    }

    /// Removes a header of the table.
    pub fn without(mut self, name: &str) -> SecurityHeaders {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Returns a hook for [`App::respond`](crate::App::respond), where it reaches every response.
    pub fn responses(self) -> impl Fn(&Seen<'_>, &mut Response) + Send + Sync {
        move |seen, response| self.add(seen.request(), response)
    }

    /// Adds the headers to all responses of `inner`. Hooks that are added to the result run inside.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        let headers = Arc::new(self);
        Hooks::on(inner).respond(move |seen, response| headers.add(seen.request(), response))
    }

    fn add(&self, request: Option<&Request>, response: &mut Response) {
        let mut add = |name: &str, value: &str| {
            if response.headers().all(|(known, _)| !known.eq_ignore_ascii_case(name)) {
                response.set_header(name, value);
            }
        };
        for (name, value) in &self.headers {
            add(name, value);
        }
        // RFC 6797 §7.2: "An HSTS Host MUST NOT include the STS header field in HTTP responses conveyed over non-secure
        // transport."
        if let (Some(value), Some("https")) = (&self.transport_security, request.map(Request::scheme)) {
            add("Strict-Transport-Security", value);
        }
    }
}

impl Default for SecurityHeaders {
    fn default() -> SecurityHeaders {
        SecurityHeaders::new()
    }
}

impl fmt::Debug for SecurityHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("SecurityHeaders")
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Client;
    use crate::{App, Routes};

    #[test]
    fn all_of_the_table_is_on_every_response_and_what_a_handler_sets_stays() {
        let own = || Response::new("framed").with_header("x-frame-options", "SAMEORIGIN");
        let routes = Routes::new()
            .get("/", || "Hello")
            .get("/own", own)
            .get("/panic", || -> &str { panic!("on purpose") });
        let client = Client::new(App::new(routes).respond(SecurityHeaders::new().responses()));
        for path in ["/", "/nowhere", "/panic"] {
            let response = client.get(path);
            for (name, value) in SecurityHeaders::new().headers {
                assert_eq!(response.header(name), Some(&*value), "{path} {name}");
            }
            assert_eq!(response.header("Strict-Transport-Security"), None, "this is clear text");
        }
        let malformed = String::from_utf8(client.converse(b"GET / HTTP/1.1\r\n\r\n")).unwrap();
        assert!(
            malformed.contains("\r\nX-Content-Type-Options: nosniff\r\n"),
            "{malformed}"
        );
        let own = client.get("/own");
        let frames: Vec<_> = own
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case(FRAME_OPTIONS))
            .collect();
        assert_eq!(frames, [("x-frame-options", "SAMEORIGIN")]);
    }

    #[test]
    fn headers_can_be_changed_and_left_out() {
        let headers = SecurityHeaders::new()
            .content_security_policy("default-src 'none'")
            .without("referrer-policy")
            .with("Permissions-Policy", "camera=()");
        let client = Client::new(App::new(headers.on(|_: &Request| "")));
        let response = client.get("/");
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, Some("default-src 'none'")),
            (FRAME_OPTIONS, None),
            ("Referrer-Policy", None),
            ("Permissions-Policy", Some("camera=()")),
        ] {
            assert_eq!(response.header(name), value, "{name}");
        }
    }

    #[test]
    fn clear_text_is_forbidden_only_where_there_is_none() {
        let of = |headers: &SecurityHeaders, is_secure: bool| {
            let mut request = Request::get("/");
            request.is_secure = is_secure;
            let mut response = Response::new("");
            headers.add(Some(&request), &mut response);
            response.header("Strict-Transport-Security").map(str::to_owned)
        };
        let minute = Duration::from_secs(60);
        for (headers, expected) in [
            (SecurityHeaders::new(), Some("max-age=31536000")),
            (SecurityHeaders::new().transport_security(minute), Some("max-age=60")),
            (
                SecurityHeaders::new().transport_security_of_subdomains(minute),
                Some("max-age=60; includeSubDomains"),
            ),
            (SecurityHeaders::new().without_transport_security(), None),
        ] {
            assert_eq!(of(&headers, true).as_deref(), expected);
            assert_eq!(of(&headers, false), None);
        }
    }
}
