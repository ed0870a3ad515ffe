//! The tokens of forms.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;

use crate::sessions::host::is_plain_localhost;
use crate::sessions::id::{Id, NoRandomness};
use crate::sessions::{Session, cache};
use crate::{Cookie, Cookies, Request, Response, Result};

/// The field of a form that has a token.
pub(super) const FIELD: &str = "csrf_token";

/// The cookie of clients that have no session, without its prefix.
const COOKIE: &str = "csrf";

/// The text before the salt of which a token is a MAC.
const PURPOSE: &[u8] = b"hansel CSRF token, version 1";

/// The letters of the salt, which make each token different: 256 random bits.
const SALT: usize = 43;

/// The token that a form needs, as an argument of a handler: for pages around which there is [`Csrf`](super::Csrf).
///
/// Requires the feature `sessions`.
///
/// ```
/// use hansel::{CsrfToken, Html};
///
/// fn page(token: CsrfToken) -> Html<String> {
///     Html(format!("<form method=post>{}<button>Log in</button></form>", token.field()))
/// }
/// # let client = hansel::test::Client::new(hansel::Csrf::new().on(hansel::Routes::new().get("/", page)));
/// # assert!(client.get("/").text().contains("csrf_token"));
/// ```
///
/// A token belongs to the session as it is when the token is [written](CsrfToken::text). So let a session begin, renew it
/// or end it before you write one: a token that is worth nothing any more when it is sent makes the response a 500.
#[derive(Clone)]
pub struct CsrfToken {
    tokens: Arc<Tokens>,
    session: Option<Session>,
    /// The value that the client has sent instead of a session.
    sent: Option<Id>,
}

/// The tokens of one request.
#[derive(Default)]
pub(super) struct Tokens {
    allows_plain_http: bool,
    written: Mutex<Written>,
}

/// The token that was written for the response.
#[derive(Default)]
struct Written {
    /// The sessions that tokens were written for, or none. There is more than one only by mistake.
    sessions: Vec<Option<Id>>,
    /// The secret that the client gets, where it has neither a session nor sent one.
    fresh: Option<Id>,
    failure: Option<NoRandomness>,
}

/// The tokens of a request, where only this file finds them.
struct Here(Arc<Tokens>);

impl CsrfToken {
    /// Returns the token for the client of this request, for hooks and for extractors of your own.
    ///
    /// # Errors
    /// If there is no [`Csrf`](super::Csrf) around it, or the store of the sessions fails.
    pub fn of(request: &Request) -> Result<CsrfToken> {
        let here = request.value::<Here>();
        let here = here.ok_or("a handler takes a CSRF token, and there is no `Csrf` around it")?;
        Ok(CsrfToken {
            tokens: Arc::clone(&here.0),
            session: Session::if_any(request)?,
            sent: here.0.sent(request),
        })
    }

    /// Returns a hidden field for a form, as HTML.
    pub fn field(&self) -> String {
        format!("<input type=\"hidden\" name=\"{FIELD}\" value=\"{}\">", self.text())
    }

    /// Returns the token alone, for a script that sends it as `X-CSRF-Token`. Each call returns another one, and all of them
    /// are valid.
    pub fn text(&self) -> String {
        let session = self.session.as_ref().and_then(Session::id);
        let mut written = self.tokens.written();
        let token = written
            .secret(session, self.sent)
            .and_then(|secret| write(&secret.key()));
        token.unwrap_or_else(|failure| {
            written.failure = Some(failure);
            String::new()
        })
    }
}

/// Shows nothing of the token.
impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken")
    }
}

impl Tokens {
    pub(super) fn new(allows_plain_http: bool) -> Tokens {
        Tokens {
            allows_plain_http,
            ..Tokens::default()
        }
    }

    /// Lets the handlers of this request find them.
    pub(super) fn put_on(self: &Arc<Tokens>, request: &Request) {
        request.set(Here(Arc::clone(self)));
    }

    /// Returns true if the token is one of those that the client of this request may have: one of its session, or if it has
    /// none, of its cookie.
    pub(super) fn admit(request: &Request, token: &str) -> Result<bool> {
        let session = Session::if_any(request)?.and_then(|session| session.id());
        let of_cookie = || request.value::<Here>().and_then(|here| here.0.sent(request));
        let secret = session.or_else(of_cookie);
        Ok(secret.is_some_and(|secret| is_right(&secret.key(), token)))
    }

    /// Returns what the client has sent instead of a session.
    fn sent(&self, request: &Request) -> Option<Id> {
        let cookies = Cookies::of(request);
        let sent = match self.is_plain(request) {
            true => cookies.unprefixed(COOKIE),
            false => cookies.value(COOKIE),
        };
        sent.and_then(Id::parse)
    }

    /// Sets the cookie for the tokens that were written.
    pub(super) fn finish(&self, request: &Request, response: &mut Response) {
        let written = std::mem::take(&mut *self.written());
        if written.sessions.is_empty() {
            return;
        }
        cache::mark(response, written.fresh.is_some());
        if let Some(failure) = written.failure {
            response.fail(failure);
        }
        if let Some(fresh) = written.fresh {
            response.set_cookie(match self.is_plain(request) {
                true => Cookie::unprefixed(COOKIE, fresh.text()).without_secure(),
                false => Cookie::new(COOKIE, fresh.text()),
            });
        }
        let session = Session::if_any(request).ok().flatten().and_then(|session| session.id());
        if written.sessions.iter().any(|other| *other != session) {
            response.fail(
                "a CSRF token was written for a session before that began, was renewed or ended: write it afterwards",
            );
        }
    }

    fn is_plain(&self, request: &Request) -> bool {
        self.allows_plain_http && is_plain_localhost(request)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // Nothing that panics runs while it is held.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    /// Returns the secret for a token of this session, or if there is none, of what was `sent` instead of one.
    fn secret(&mut self, session: Option<Id>, sent: Option<Id>) -> std::result::Result<Id, NoRandomness> {
        if !self.sessions.contains(&session) {
            self.sessions.push(session);
        }
        if let Some(known) = session.or(sent).or(self.fresh) {
            return Ok(known);
        }
        Ok(*self.fresh.insert(Id::random()?))
    }
}

/// Writes a token: a random salt, and the MAC of it. Both differ each time, so a page that is compressed with something
/// that an attacker has chosen shows nothing of the next token.
fn write(key: &hmac::Key) -> std::result::Result<String, NoRandomness> {
    let salt = Id::random()?.text();
    let mac = hmac::sign(key, &[PURPOSE, salt.as_bytes()].concat());
    Ok(format!("{salt}{}", BASE64.encode(mac)))
}

/// Returns true if this key has made the token.
fn is_right(key: &hmac::Key, token: &str) -> bool {
    let Some((salt, mac)) = token.split_at_checked(SALT) else {
        return false;
    };
    let mac = BASE64.decode(mac).unwrap_or_default();
    // In constant time, so the time tells nothing of the right MAC.
    hmac::verify(key, &[PURPOSE, salt.as_bytes()].concat(), &mac).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_token_differs_and_each_is_right_for_its_key_only() {
        let (key, other) = (Id::random().unwrap().key(), Id::random().unwrap().key());
        let tokens: Vec<String> = (0..100).map(|_| write(&key).unwrap()).collect();
        let different: std::collections::HashSet<&String> = tokens.iter().collect();
        assert_eq!(different.len(), 100);
        for token in &tokens {
            assert!(is_right(&key, token) && !is_right(&other, token));
        }
        // What two tokens have in common is what chance gives them: no part of a token is constant.
        for at in 0..tokens[0].len() - 1 {
            let letters: std::collections::HashSet<_> = tokens.iter().map(|token| token.as_bytes()[at]).collect();
            assert!(letters.len() > 10, "{at}: {letters:?}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_letter_anywhere_is_found(at in 0_usize..86, letter in 32_u8..127) {
            let key = Id::random().unwrap().key();
            let token = write(&key).unwrap();
            let mut changed = token.clone().into_bytes();
            changed[at] = letter;
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(is_right(&key, &changed), changed == token);
        }

        #[test]
        fn no_text_panics(token in ".{0,90}") {
            prop_assert!(!is_right(&Id::random().unwrap().key(), &token));
        }
    }
}
