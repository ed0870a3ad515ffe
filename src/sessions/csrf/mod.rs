//! Protection against forged requests.

mod check;
mod origin;
mod token;

use std::sync::Arc;

use crate::dispatch::IntoDispatch;
use crate::{Hooks, Request, Response};

pub use token::CsrfToken;

use check::check;
use origin::Origin;
use token::Tokens;

/// Protection against cross-site request forgery (CSRF): a page of another site that sends a form, or calls `fetch`, with
/// the cookies of your user.
///
/// [`on`](Csrf::on) puts it around routes. Requests that change something (all methods but GET, HEAD, OPTIONS and TRACE)
/// then reach a handler only in one of these cases; to others the response is 403, with the reason:
///
/// | request | passes if |
/// |---|---|
/// | from a page of another origin, by `Sec-Fetch-Site` or `Origin` | the origin is [trusted](Csrf::trust_origin) and the next rows let it pass |
/// | with a token, in the form field `csrf_token` or the header `X-CSRF-Token` | the token is right |
/// | by a script (`fetch`), or an upload (`multipart/form-data`) | the browser says that it comes from this origin |
/// | any other, such as a form without a token, or a program's | never |
///
/// So a form needs a token, which [`CsrfToken`] puts into it. A `fetch` of your own page needs nothing.
///
/// ```
/// use hansel::sessions::MemoryStore;
/// use hansel::{Csrf, CsrfToken, Html, Request, Routes, Sessions, test::Client};
///
/// fn form(token: CsrfToken) -> Html<String> {
///     Html(format!("<form method=post>{}<button>Buy</button></form>", token.field()))
/// }
///
/// let routes = Routes::new().get("/buy", form).post("/buy", || "bought");
/// let sessions = Sessions::in_store(MemoryStore::new(1000));
/// let client = Client::new(sessions.on(Csrf::new().on(routes))).with_cookies();
///
/// let page = client.get("/buy");
/// let token = page.text().split('"').nth(5).unwrap();
/// let send = |body: String| {
///     let request = Request::post("/buy").with_header("Content-Type", "application/x-www-form-urlencoded");
///     client.send(request.with_body(body))
/// };
/// assert_eq!(send(format!("csrf_token={token}")).text(), "bought");
/// assert_eq!(send(String::new()).status(), 403);
/// ```
///
/// A token belongs to the [session](super::Session), and is worth nothing in another one or after
/// [`renew`](super::Session::renew). Where no session has begun, as on the page of a login, it belongs to a cookie of its
/// own, `__Host-csrf`. Each token differs from all others, so that compression shows nothing of it (BREACH). There is no
/// key to keep: a token is a MAC whose key is the secret in the client's cookie.
///
/// Put it inside of [`Sessions`](super::Sessions), so that it knows them.
///
/// Requires the feature `sessions`.
#[derive(Clone, Debug, Default)]
#[must_use = "it protects nothing until it is put `on` routes"]
pub struct Csrf {
    trusted: Vec<Origin>,
    allows_plain_http: bool,
}

impl Csrf {
    /// Creates a protection that trusts no other origin.
    pub fn new() -> Csrf {
        Csrf::default()
    }

    /// Treats requests from pages of this origin, such as `https://app.example.com`, like those from this one.
    ///
    /// # Panics
    /// If it is not an origin: a scheme and a host, perhaps with a port, and nothing else.
    #[track_caller]
    pub fn trust_origin(mut self, origin: &str) -> Csrf {
        match Origin::parse(origin) {
            Some(origin) => self.trusted.push(origin),
            None => {
                panic!("{origin:?} is not an origin: write a scheme and a host, such as \"https://app.example.com\"")
            }
        }
        self
    }

    /// Does for the cookie `__Host-csrf` what
    /// [`Sessions::allow_plain_http_on_localhost`](super::Sessions::allow_plain_http_on_localhost) does for sessions: in
    /// development only.
    pub fn allow_plain_http_on_localhost(mut self, allow: bool) -> Csrf {
        self.allows_plain_http = allow;
        self
    }

    /// Puts this protection around a dispatcher, resource or function. More hooks can be added to the result; they are
    /// inside.
    ///
    /// It reads the body of a form that is sent to it, within the limits of the server.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        let allows_plain_http = self.allows_plain_http;
        let trusted = self.trusted.clone();
        // As state, so that a handler that takes a token is found at start if nothing checks it.
        let hooks = Hooks::on(inner).state(self).wrap(move |request: &Request| {
            let tokens = Arc::new(Tokens::new(allows_plain_http));
            tokens.put_on(request);
            move |request: &Request, response: &mut Response| tokens.finish(request, response)
        });
        hooks.before(move |request: &Request| check(&trusted, request))
    }
}
