//! Cross-origin resource sharing: which pages of other origins may use a part of an application.
//!
//! The protocol is that of the [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::{Dispatch, IntoDispatch, MethodSet, Reply, Walk};
use crate::{Hooks, IntoResponse, Method, Request, Response, Seen, StatusCode};

/// A policy for requests that pages of other origins make, for a part of an application or for all of it.
///
/// Without one, browsers show a page nothing of a response from another origin. A policy names the origins that may read
/// responses.
///
/// ```
/// use hansel::{App, Cors, Method, Request, Routes, test::Client};
///
/// let api = Routes::new().get("/people", || "Hansel, Gretel").put("/people/{id}", |_: u32| ());
/// let cors = Cors::new().origin("https://app.example");
/// let client = Client::new(App::new(Routes::new().mount("/api", cors.on(api))));
///
/// let request = Request::get("/api/people").with_header("Origin", "https://app.example");
/// let response = client.send(request);
/// assert_eq!(response.header("Access-Control-Allow-Origin"), Some("https://app.example"));
///
/// // What a browser asks before it sends a PUT:
/// let preflight = Request::new(Method::OPTIONS, "/api/people/7")
///     .with_header("Origin", "https://app.example")
///     .with_header("Access-Control-Request-Method", "PUT");
/// let response = client.send(preflight);
/// assert_eq!(response.status(), 204);
/// assert_eq!(response.header("Access-Control-Allow-Methods"), Some("OPTIONS, PUT"));
/// ```
///
/// # What it does
/// - The headers are on every response of the part, also on errors: otherwise a page can't read what went wrong.
/// - A preflight is answered before hooks inside the part run, because browsers send it without credentials. It names the
///   methods that are really there. So a client that pretends to be an allowed origin learns them even where a hook inside
///   would refuse it.
/// - An origin is allowed only if the policy names it. `null`, which sandboxed pages and local files send, never is.
/// - `Vary: Origin` keeps caches from giving one origin the response for another one.
///
/// It is no protection against requests: a page of any origin can send a form, and programs that are no browsers send
/// what they like. It decides only who may read responses, and who may send requests that no form could.
///
/// Requires the feature `cors`.
#[derive(Clone, Default)]
pub struct Cors {
    origins: Vec<String>,
    matches: Option<Arc<Matches>>,
    is_for_any: bool,
    with_credentials: bool,
    takes_any_header: bool,
    headers: Vec<String>,
    exposed: Vec<String>,
    max_age: Option<Duration>,
}

/// Decides about an origin.
type Matches = dyn Fn(&str) -> bool + Send + Sync;

impl Cors {
    /// Creates a policy that allows no origin yet, and `Content-Type` as the only header that is not harmless by itself.
    pub fn new() -> Cors {
        Cors {
            headers: vec!["Content-Type".to_owned()],
            ..Cors::default()
        }
    }

    /// Allows pages of this origin, such as `https://app.example` or `http://localhost:3000`.
    ///
    /// # Panics
    /// If it is not an origin: a scheme and a host, perhaps with a port, and nothing else.
    #[track_caller]
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Cors {
        match normal(origin) {
            Some(origin) => self.origins.push(origin),
            None => panic!("{origin:?} is not an origin: write a scheme and a host, such as \"https://app.example\""),
        }
        self
    }

    /// Allows pages of all origins for which `matches` returns true, besides those that are [named](Cors::origin). It gets
    /// the origin as the browser sends it, such as `https://7.preview.example`. Compare the whole of it: a test for the end
    /// alone, such as `preview.example`, also allows `https://evil-preview.example`.
    #[must_use]
    pub fn origin_where(mut self, matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Cors {
        self.matches = Some(Arc::new(matches));
        self
    }

    /// Allows pages of any origin, for what everybody may read. Not together with [`credentials`](Cors::credentials).
    #[must_use]
    pub fn any_origin(mut self) -> Cors {
        self.is_for_any = true;
        self
    }

    /// Allows requests with cookies and other credentials of the user's. Pages of the allowed origins can then do whatever
    /// the user may do here.
    #[must_use]
    pub fn credentials(mut self) -> Cors {
        self.with_credentials = true;
        self
    }

    /// Allows requests with this header, such as `Authorization` or `X-Request-Id`.
    ///
    /// # Panics
    /// If it is no name of a header.
    #[track_caller]
    #[must_use]
    pub fn header(mut self, name: &str) -> Cors {
        self.headers.push(named(name));
        self
    }

    /// Allows requests with any header.
    #[must_use]
    pub fn any_header(mut self) -> Cors {
        self.takes_any_header = true;
        self
    }

    /// Lets pages read this header of responses. A few, such as `Content-Type`, they can always read.
    ///
    /// # Panics
    /// If it is no name of a header.
    #[track_caller]
    #[must_use]
    pub fn expose(mut self, name: &str) -> Cors {
        self.exposed.push(named(name));
        self
    }

    /// Sets how long browsers may remember the response to a preflight. By default they do so for 5 seconds, and none for
    /// longer than a day.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Cors {
        self.max_age = Some(age);
        self
    }

    /// Applies the policy to `inner`. Hooks that are added to the result run inside it: `cors.on(routes).before(login)`.
    ///
    /// # Panics
    /// If the policy allows any origin and credentials. Browsers refuse that, and so any page could act for the user.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        assert!(
            !(self.is_for_any && self.with_credentials),
            "any_origin and credentials exclude each other: name the origins that may act for the user"
        );
        let policy = Arc::new(self);
        let of_preflight = Arc::clone(&policy);
        Hooks::on(inner)
            .respond(policy.responses())
            .around(move |walk, inner| of_preflight.dispatch(walk, inner))
    }

    /// Returns a hook that only adds the headers, for [`App::respond`](crate::App::respond). There it also reaches what the
    /// server refuses before dispatch, such as a body that is too large.
    ///
    /// ```
    /// use hansel::{App, Cors, Routes};
    ///
    /// let cors = Cors::new().origin("https://app.example");
    /// let app = App::new(cors.clone().on(Routes::new().get("/", || "Hello"))).respond(cors.responses());
    /// ```
    pub fn responses(&self) -> impl Fn(&Seen<'_>, &mut Response) + Send + Sync + use<> {
        let policy = self.clone();
        move |seen, response| policy.add_headers(seen.request(), response)
    }

    fn add_headers(&self, request: Option<&Request>, response: &mut Response) {
        if self.is_for_any {
            response.set_header("Access-Control-Allow-Origin", "*");
        } else {
            response.vary_by("Origin");
            let Some(origin) = request.and_then(|request| self.allowed(request)) else {
                return;
            };
            response.set_header("Access-Control-Allow-Origin", origin);
        }
        if self.with_credentials {
            response.set_header("Access-Control-Allow-Credentials", "true");
        }
        if !self.exposed.is_empty() {
            response.set_header("Access-Control-Expose-Headers", self.exposed.join(", "));
        }
    }

    /// Returns the origin of a request, if it is allowed.
    fn allowed<'r>(&self, request: &'r Request) -> Option<&'r str> {
        let origin = request.single_header("Origin").ok()??;
        let is_allowed = self.is_for_any
            || self.origins.iter().any(|known| known == origin)
            || self
                .matches
                .as_ref()
                .is_some_and(|matches| origin != "null" && matches(origin));
        is_allowed.then_some(origin)
    }

    fn dispatch(&self, walk: &mut Walk<'_>, inner: &dyn Dispatch) -> Reply {
        let request = walk.request();
        if !is_preflight(request) || self.allowed(request).is_none() {
            return inner.dispatch(walk);
        }
        match walk.methods_of(inner) {
            Some(methods) => walk.stop("Cors", "preflight", self.preflight(request, &methods)),
            None => inner.dispatch(walk),
        }
    }

    fn preflight(&self, request: &Request, methods: &MethodSet) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.set_header("Access-Control-Allow-Methods", methods.allow().to_string());
        match request.single_header("Access-Control-Request-Headers") {
            // `*` would not count in requests with credentials, and would leave Authorization out.
            Ok(Some(wished)) if self.takes_any_header && is_list_of_names(wished) => {
                response.set_header("Access-Control-Allow-Headers", wished);
            }
            Ok(Some(_)) if !self.headers.is_empty() => {
                response.set_header("Access-Control-Allow-Headers", self.headers.join(", "));
            }
            _ => {}
        }
        if let Some(age) = self.max_age {
            response.set_header("Access-Control-Max-Age", age.as_secs().to_string());
        }
        response
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("origins", &self.origins)
            .field("any_origin", &self.is_for_any)
            .field("credentials", &self.with_credentials)
            .finish_non_exhaustive()
    }
}

/// Returns true for the question of a browser whether it may send another request.
fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS && request.header("Access-Control-Request-Method").is_some()
}

/// Returns an origin as browsers write it: in small letters, and without the port that its scheme has anyway.
fn normal(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let is_scheme = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_authority = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    if !is_scheme || authority.is_empty() || !authority.bytes().all(is_authority) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return None;
    }
    Some(match (scheme, port) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// Returns `name`, if it is one of a header.
#[track_caller]
fn named(name: &str) -> String {
    assert!(is_name(name), "{name:?} is no name of a header");
    name.to_owned()
}

/// RFC 9110 §5.1: "field-name = token".
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

fn is_list_of_names(list: &str) -> bool {
    list.split(',').all(|name| is_name(name.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{self, Client};
    use crate::{App, Routes};

    const HOME: &str = "https://app.example";

    fn client(cors: Cors) -> Client {
        let login = |request: &Request| match request.header("Authorization") {
            Some(_) => None,
            None => Some(StatusCode::UNAUTHORIZED),
        };
        let api = Routes::new()
            .get("/people", || "Hansel")
            .put("/people", || ())
            .get("/panic", || -> &str { panic!("on purpose") });
        let routes = Routes::new()
            .mount("/api", cors.on(api).before(login))
            .get("/other", || "other");
        Client::new(App::new(routes))
    }

    fn from(origin: &str, path: &str) -> Request {
        Request::get(path).with_header("Origin", origin)
    }

    fn with_login(request: Request) -> Request {
        request.with_header("Authorization", "x")
    }

    fn preflight(origin: &str, path: &str) -> Request {
        Request::new(Method::OPTIONS, path)
            .with_header("Origin", origin)
            .with_header("Access-Control-Request-Method", "PUT")
    }

    fn allowed(response: &test::Response) -> Option<&str> {
        response.header("Access-Control-Allow-Origin")
    }

    #[test]
    fn an_origin_that_is_named_may_read_every_response_of_the_part_errors_included() {
        let client = client(Cors::new().origin(HOME));
        for (request, status) in [
            (with_login(from(HOME, "/api/people")), 200),
            (with_login(from(HOME, "/api/nobody")), 404),
            (with_login(from(HOME, "/api/panic")), 500),
            (from(HOME, "/api/people"), 401),
        ] {
            let response = client.send(request);
            assert_eq!((response.status().as_u16(), allowed(&response)), (status, Some(HOME)));
            assert_eq!(response.header("Vary"), Some("Origin"));
        }
        assert_eq!(allowed(&client.send(from(HOME, "/other"))), None);
    }

    #[test]
    fn no_other_origin_is_reflected() {
        let evil = "https://evil.example";
        let is_preview = |origin: &str| origin == "https://preview.example" || origin == "null";
        let client = client(Cors::new().origin(HOME).origin_where(is_preview));
        assert_eq!(
            allowed(&client.send(from("https://preview.example", "/api/people"))),
            Some("https://preview.example")
        );
        for origin in [
            evil,
            "null",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil",
            "",
        ] {
            let response = client.send(from(origin, "/api/people"));
            assert_eq!(allowed(&response), None, "{origin}");
            assert_eq!(
                response.header("Vary"),
                Some("Origin"),
                "a cache must not give it to others"
            );
            let response = client.send(preflight(origin, "/api/people"));
            assert_eq!(response.header("Access-Control-Allow-Methods"), None, "{origin}");
        }
        let twice = from(HOME, "/api/people").with_header("Origin", evil);
        assert_eq!(allowed(&client.send(twice)), None);
    }

    #[test]
    fn a_preflight_is_answered_from_the_routes_before_any_hook_may_refuse_it() {
        let client = client(
            Cors::new()
                .origin(HOME)
                .header("X-Crumb")
                .max_age(Duration::from_secs(600)),
        );
        let request = preflight(HOME, "/api/people").with_header("Access-Control-Request-Headers", "x-crumb");
        let response = client.send(request);
        assert_eq!(response.status(), 204);
        assert_eq!(allowed(&response), Some(HOME));
        assert_eq!(
            response.header("Access-Control-Allow-Methods"),
            Some("GET, HEAD, OPTIONS, PUT")
        );
        assert_eq!(
            response.header("Access-Control-Allow-Headers"),
            Some("Content-Type, X-Crumb")
        );
        assert_eq!(response.header("Access-Control-Max-Age"), Some("600"));
        // Nothing is there, so what is inside decides.
        assert_eq!(client.send(preflight(HOME, "/api/nobody")).status(), 401);
        // An OPTIONS of a program is no preflight.
        assert_eq!(client.call("OPTIONS", "/api/people").status(), 401);
    }

    #[test]
    fn any_header_is_allowed_by_its_name_if_asked_for() {
        let client = client(Cors::new().origin(HOME).any_header());
        for (wished, answered) in [
            ("x-a, authorization", Some("x-a, authorization")),
            ("x a", Some("Content-Type")),
        ] {
            let request = preflight(HOME, "/api/people").with_header("Access-Control-Request-Headers", wished);
            assert_eq!(client.send(request).header("Access-Control-Allow-Headers"), answered);
        }
    }

    #[test]
    fn any_origin_is_a_star_and_never_comes_with_credentials() {
        let client = client(Cors::new().any_origin());
        let response = client.send(with_login(from("https://evil.example", "/api/people")));
        assert_eq!(allowed(&response), Some("*"));
        assert_eq!(response.header("Vary"), None);
        assert_eq!(response.header("Access-Control-Allow-Credentials"), None);
        let both = || Cors::new().any_origin().credentials().on(|| "");
        assert!(crate::panics::contain(both).is_err());
    }

    #[test]
    fn credentials_and_exposed_headers_are_for_allowed_origins_only() {
        let client = client(Cors::new().origin(HOME).credentials().expose("X-Total").expose("ETag"));
        let headers = |origin| {
            let response = client.send(with_login(from(origin, "/api/people")));
            ["Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"]
                .map(|name| response.header(name).map(str::to_owned))
        };
        assert_eq!(
            headers(HOME),
            [Some("true".to_owned()), Some("X-Total, ETag".to_owned())]
        );
        assert_eq!(headers("https://evil.example"), [None, None]);
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for (written, expected) in [
            ("https://App.Example", Some("https://app.example")),
            ("https://app.example:443", Some("https://app.example")),
            ("http://app.example:443", Some("http://app.example:443")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("http://[::1]", Some("http://[::1]")),
            ("app://local", Some("app://local")),
            ("https://app.example/", None),
            ("https://app.example/path", None),
            ("app.example", None),
            ("https://", None),
            ("://a", None),
            ("https://:80", None),
            ("https://a:b", None),
            ("https://me@a", None),
            ("*", None),
            ("null", None),
        ] {
            assert_eq!(normal(written).as_deref(), expected, "{written}");
        }
    }
}
