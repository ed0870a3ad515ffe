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

/// What a token is a MAC of, before its salt.
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
/// A token belongs to the session as it is when the token is [written](CsrfToken::text). So let a session begin, or
/// renew it, before you write one; the response is a 500 if it begins only afterwards.
#[derive(Clone)]
pub struct CsrfToken {
    tokens: Arc<Tokens>,
    session: Option<Session>,
}

/// The tokens of one request.
pub(super) struct Tokens {
    /// What its client has sent instead of a session.
    sent: Option<Id>,
    is_plain: bool,
    made: Mutex<Made>,
}

/// What was made for the response.
#[derive(Default)]
struct Made {
    /// A token was written.
    is_used: bool,
    /// A token was written that belongs to no session.
    is_without_session: bool,
    /// The secret that the client gets, where it has sent none.
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
        })
    }

    /// Returns a hidden field for a form, as HTML.
    pub fn field(&self) -> String {
        format!("<input type=\"hidden\" name=\"{FIELD}\" value=\"{}\">", self.text())
    }

    /// Returns the token alone, for a script that sends it as `X-CSRF-Token`. Each call returns another one, and all of them
    /// are valid.
    pub fn text(&self) -> String {
        let of_session = self.session.as_ref().and_then(Session::key);
        match self.tokens.write(of_session) {
            Ok(token) => token,
            Err(failure) => {
                self.tokens.made().failure = Some(failure);
                String::new()
            }
        }
    }
}

/// Shows nothing of the token.
impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken")
    }
}

impl Tokens {
    pub(super) fn of(request: &Request, allows_plain_http: bool) -> Tokens {
        let is_plain = allows_plain_http && is_plain_localhost(request);
        let cookies = Cookies::of(request);
        let sent = match is_plain {
            true => cookies.unprefixed(COOKIE),
            false => cookies.value(COOKIE),
        };
        Tokens {
            sent: sent.and_then(Id::parse),
            is_plain,
            made: Mutex::default(),
        }
    }

    /// Lets the handlers of this request find them.
    pub(super) fn put_on(self: &Arc<Tokens>, request: &Request) {
        request.set(Here(Arc::clone(self)));
    }

    /// Returns true if the token is one of those that the client of this request may have: one of its session, or if it has
    /// none, of its cookie.
    pub(super) fn admit(request: &Request, token: &str) -> Result<bool> {
        let session = Session::if_any(request)?;
        let of_session = session.as_ref().and_then(Session::key);
        let here = request.value::<Here>();
        let of_cookie = || here.as_ref().and_then(|here| here.0.sent.as_ref().map(Id::key));
        Ok(of_session.or_else(of_cookie).is_some_and(|key| is_right(&key, token)))
    }

    fn write(&self, of_session: Option<hmac::Key>) -> std::result::Result<String, NoRandomness> {
        let mut made = self.made();
        made.is_used = true;
        let key = match of_session {
            Some(key) => key,
            None => {
                made.is_without_session = true;
                let id = match self.sent.or(made.fresh) {
                    Some(id) => id,
                    None => *made.fresh.insert(Id::random()?),
                };
                id.key()
            }
        };
        write(&key)
    }

    /// Sets the cookie for the tokens that were written.
    pub(super) fn finish(&self, request: &Request, response: &mut Response) {
        let made = std::mem::take(&mut *self.made());
        if !made.is_used {
            return;
        }
        cache::mark(response, made.fresh.is_some());
        if let Some(failure) = made.failure {
            response.fail(failure);
        }
        if let Some(fresh) = made.fresh {
            response.set_cookie(match self.is_plain {
                true => Cookie::unprefixed(COOKIE, fresh.text()).without_secure(),
                false => Cookie::new(COOKIE, fresh.text()),
            });
        }
        let has_begun = || Session::if_any(request).is_ok_and(|session| session.is_some_and(|s| s.key().is_some()));
        if made.is_without_session && has_begun() {
            response.fail("a session began after a CSRF token was written: set its first value before that");
        }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        // Nothing that panics runs while it is held.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
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
