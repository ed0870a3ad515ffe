//! The settings of sessions, and the cookie that they make.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::host::is_plain_localhost;
use super::{Store, cache};
use crate::{Cookie, Cookies, Keys, Request, Response, SameSite};

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) place: Place,
    /// The name of the cookie, without a prefix.
    pub(super) name: String,
    pub(super) lifetime: Lifetime,
    pub(super) is_persistent: bool,
    pub(super) same_site: SameSite,
    pub(super) allows_plain_http: bool,
    pub(super) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// Where sessions are kept.
#[derive(Clone)]
pub(super) enum Place {
    Cookie(Keys),
    Store(Arc<dyn Store>),
}

/// The time that sessions last, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) idle: u64,
    pub(super) absolute: u64,
}

impl Settings {
    /// Returns the seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Returns what the client has sent as its session.
    pub(super) fn sent(&self, request: &Request) -> Option<String> {
        let cookies = Cookies::of(request);
        match (self.is_plain(request), &self.place) {
            (true, Place::Cookie(keys)) => keys.decrypt(&self.name, cookies.unprefixed(&self.name)?),
            (true, Place::Store(_)) => cookies.unprefixed(&self.name).map(str::to_owned),
            (false, Place::Cookie(keys)) => cookies.encrypted(&self.name, keys),
            (false, Place::Store(_)) => cookies.value(&self.name).map(str::to_owned),
        }
    }

    /// Sets the session's cookie, to end in so many seconds if it is persistent.
    pub(super) fn set_cookie(&self, request: &Request, response: &mut Response, value: String, seconds: u64) {
        let mut cookie = self.cookie(request, value);
        if let Place::Cookie(keys) = &self.place {
            cookie = cookie.encrypted(keys);
        }
        if self.is_persistent {
            cookie = cookie.max_age(Duration::from_secs(seconds));
        }
        if let Err(error) = response.try_set_cookie(cookie) {
            response.fail(format!(
                "a session can't be kept: {error}; keep less in it, or sessions in a store"
            ));
        }
        cache::mark(response, true);
    }

    pub(super) fn remove_cookie(&self, request: &Request, response: &mut Response) {
        response.set_cookie(self.cookie(request, String::new()).removed());
        cache::mark(response, true);
    }

    fn cookie(&self, request: &Request, value: String) -> Cookie {
        let cookie = match self.is_plain(request) {
            true => Cookie::unprefixed(&*self.name, value).without_secure(),
            false => Cookie::new(&self.name, value),
        };
        cookie.same_site(self.same_site)
    }

    fn is_plain(&self, request: &Request) -> bool {
        self.allows_plain_http && is_plain_localhost(request)
    }
}
