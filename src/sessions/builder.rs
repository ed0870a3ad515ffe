//! Sessions for a part of an application: what a program configures, and the hook.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Store;
use super::session::Session;
use super::settings::{Lifetime, Place, Settings};
use crate::dispatch::IntoDispatch;
use crate::{Cookie, Hooks, Keys, Request, Response, SameSite};

/// Sessions for a part of an application: what a service remembers of a browser from one request to the next.
///
/// [`on`](Sessions::on) puts them around routes. Handlers there take a [`Session`].
///
/// Requires the feature `sessions`.
///
/// | default | why |
/// |---|---|
/// | a session ends after 30 minutes without use, and after 12 hours in any case | what NIST SP 800-63B-3 asks for at AAL2 |
/// | the cookie is `__Host-session`, with `Secure`, `HttpOnly` and `SameSite=Lax`, and ends when the browser closes | see [`Cookie`] |
///
/// | place | the client has | when a session ends |
/// |---|---|---|
/// | [`in_store`](Sessions::in_store) | a random id | it has ended for everybody who has a copy of the cookie |
/// | [`in_cookie`](Sessions::in_cookie) | all values, encrypted | only the browser's own cookie is removed |
#[derive(Clone)]
#[must_use = "sessions do nothing until they are put `on` routes"]
pub struct Sessions(Settings);

impl Sessions {
    /// Keeps each session in the browser, encrypted in a cookie: no store, and any number of servers with the same keys.
    ///
    /// - A session that [ends](Session::end) is removed from the browser. A copy of the cookie that somebody has taken stays
    ///   valid until it expires: there is nothing on the server that could end it.
    /// - Values have to fit in a cookie, encrypted: about 2.8 KB of JSON. A session that is larger makes the response a 500,
    ///   and the log tells how large it is.
    /// - Of two requests at the same time that change the session, the changes of one are lost.
    pub fn in_cookie(keys: &Keys) -> Sessions {
        Sessions::at(Place::Cookie(keys.clone()))
    }

    /// Keeps sessions in a store. The browser has a random id of 256 bits, and the store has a hash of it.
    ///
    /// Of two requests at the same time that change different values, both changes are kept; of the same value, the later
    /// one.
    pub fn in_store(store: impl Store + 'static) -> Sessions {
        Sessions::at(Place::Store(Arc::new(store)))
    }

    fn at(place: Place) -> Sessions {
        Sessions(Settings {
            place,
            name: "session".to_owned(),
            lifetime: Lifetime {
                idle: 30 * 60,
                absolute: 12 * 3600,
            },
            is_persistent: false,
            same_site: SameSite::Lax,
            allows_plain_http: false,
            clock: Arc::new(SystemTime::now),
        })
    }

    /// Ends a session that no handler has used for this time, in whole seconds. Use is noted once a minute at most, so that
    /// not each request writes: a session may end so much sooner.
    pub fn idle(mut self, time: Duration) -> Sessions {
        self.0.lifetime.idle = time.as_secs();
        self
    }

    /// Ends a session this time after it has begun or was [renewed](Session::renew), however much it is used.
    pub fn absolute(mut self, time: Duration) -> Sessions {
        self.0.lifetime.absolute = time.as_secs();
        self
    }

    /// Sets the name of the cookie, before which `__Host-` is put: `session` unless it is set.
    ///
    /// # Panics
    /// If it is no name of a cookie.
    #[track_caller]
    pub fn name(mut self, name: &str) -> Sessions {
        if let Err(error) = Response::default().try_set_cookie(Cookie::new(name, "")) {
            panic!("sessions can't have this name: {error}");
        }
        name.clone_into(&mut self.0.name);
        self
    }

    /// Keeps the cookie when the browser closes, until the session's absolute end.
    pub fn persistent(mut self) -> Sessions {
        self.0.is_persistent = true;
        self
    }

    /// Sets with which requests from other sites the cookie is sent: [`SameSite::Lax`] unless it is set.
    pub fn same_site(mut self, same_site: SameSite) -> Sessions {
        self.0.same_site = same_site;
        self
    }

    /// Leaves out `Secure` and `__Host-` where a request comes over plain HTTP and is for `localhost`, `127.0.0.1` or `[::1]`.
    ///
    /// It is for development, with clients that do not count `localhost` as secure: Safari, and many that are no browser.
    /// Chrome and curl do not need it. **Not for production**: behind a proxy that does not pass on the host, all
    /// requests are for `localhost`. `cfg!(debug_assertions)` switches it on in development only.
    pub fn allow_plain_http_on_localhost(mut self, allow: bool) -> Sessions {
        self.0.allows_plain_http = allow;
        self
    }

    /// Takes the time from this clock instead of the system's: for tests of what happens when a session expires.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Sessions {
        self.0.clock = Arc::new(clock);
        self
    }

    /// Puts these sessions around a dispatcher, resource or function. More hooks can be added to the result; they are inside.
    ///
    /// A request that does not use its session costs no look-up. When a handler has used it, the response is marked
    /// `Vary: Cookie` and, unless the handler has said something else of caches, `Cache-Control: private, no-cache`.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        let settings = Arc::new(self.0.clone());
        // As state, so that a handler that takes a session is found at start if there are none around it.
        Hooks::on(inner).state(self).wrap(move |request: &Request| {
            let session = Session::unloaded(Arc::clone(&settings));
            session.put_on(request);
            move |request: &Request, response: &mut Response| session.finish(request, response)
        })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.0.place {
            Place::Cookie(_) => "cookie",
            Place::Store(_) => "store",
        };
        f.debug_struct("Sessions")
            .field("place", &place)
            .field("name", &self.0.name)
            .field("idle_seconds", &self.0.lifetime.idle)
            .field("absolute_seconds", &self.0.lifetime.absolute)
            .field("is_persistent", &self.0.is_persistent)
            .field("same_site", &self.0.same_site)
            .field("allows_plain_http", &self.0.allows_plain_http)
            .finish_non_exhaustive()
    }
}
