//! The session of a request, as a handler sees it.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cache;
use super::id::Id;
use super::keeping::{Outcome, keep, load};
use super::settings::Settings;
use super::state::State;
use super::{Flash, flash};
use crate::{IntoResponse, Request, Response};

/// The session of a request, as an argument of a handler: values that a service remembers of a browser, by name.
///
/// [`Sessions`](super::Sessions) puts sessions around routes. A session begins when the first value is set. It is kept, and
/// the cookie is set, once the handler has returned, whatever its response is; if the handler panics, its changes are
/// forgotten. Clones are the same session, but what is changed later than that, say while the response streams, is
/// forgotten as well.
///
/// Requires the feature `sessions`.
///
/// ```
/// use hansel::sessions::MemoryStore;
/// use hansel::{Response, Routes, Session, Sessions, test::Client};
///
/// fn login(session: Session) -> Response {
///     // .. having checked the password:
///     session.renew();
///     session.set("user", "gretel");
///     Response::see_other("/")
/// }
///
/// fn home(session: Session) -> String {
///     match session.read::<String>("user") {
///         Some(user) => format!("Hello {user}"),
///         None => "Who are you?".into(),
///     }
/// }
///
/// fn logout(session: Session) -> Response {
///     session.end();
///     Response::see_other("/")
/// }
///
/// let routes = Routes::new().get("/", home).post("/login", login).post("/logout", logout);
/// let client = Client::new(Sessions::in_store(MemoryStore::new(1000)).on(routes)).with_cookies();
/// assert_eq!(client.get("/").text(), "Who are you?");
/// client.post("/login", "");
/// assert_eq!(client.get("/").text(), "Hello gretel");
/// client.post("/logout", "");
/// assert_eq!(client.get("/").text(), "Who are you?");
/// ```
#[derive(Clone)]
pub struct Session(Arc<Shared>);

/// The session of a request, where only this file finds it: no handler gets one that is not loaded.
struct Here(Session);

struct Shared {
    settings: Arc<Settings>,
    /// `None` until the session is used.
    state: Mutex<Option<State>>,
}

impl Session {
    pub(super) fn unloaded(settings: Arc<Settings>) -> Session {
        Session(Arc::new(Shared {
            settings,
            state: Mutex::new(None),
        }))
    }

    /// Lets the handlers of this request find the session.
    pub(super) fn put_on(&self, request: &Request) {
        request.set(Here(self.clone()));
    }

    /// Returns the session of this request, for hooks and for extractors of your own. It is empty if none has begun, and if
    /// the client's has expired.
    ///
    /// # Errors
    /// If there are no [`Sessions`](super::Sessions) around it, or the store fails. Passed on with `?`, the response is a
    /// 500, and the log names the error.
    pub fn of(request: &Request) -> crate::Result<Session> {
        let here = request.value::<Here>();
        let here = here.ok_or("a handler takes a session, and there are no `Sessions` around it")?;
        here.0.load(request)?;
        Ok(here.0.clone())
    }

    /// Returns the session of this request, if there are sessions around the handler.
    pub(super) fn if_any(request: &Request) -> crate::Result<Option<Session>> {
        match request.value::<Here>() {
            Some(_) => Session::of(request).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the value of this name. `None` if there is none, and if it is no `T`: what an older version of the program
    /// has stored is as good as missing.
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.with(|state, _| state.value(key).cloned())?;
        serde_json::from_value(value).ok()
    }

    /// Returns true if there is a value of this name.
    pub fn contains(&self, key: &str) -> bool {
        self.with(|state, _| state.value(key).is_some())
    }

    /// Sets a value. The session begins if it has not yet.
    ///
    /// A value that can't be JSON, such as a map whose keys are no texts, makes the response a 500, and the log names the
    /// line of this call.
    #[track_caller]
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) {
        let at = Location::caller();
        // Before the session is locked: this is the program's code.
        let value = serde_json::to_value(value)
            .map_err(|error| format!("the value {key:?} of a session can't be JSON: {error} (set at {at})"));
        self.with(|state, now| match value {
            Ok(value) => state.set(key, value, now),
            Err(error) => state.fail(error.into()),
        });
    }

    /// Removes a value. Returns whether there was one.
    pub fn remove(&self, key: &str) -> bool {
        self.with(|state, _| state.remove(key))
    }

    /// Gives the session a new id, and ends the old one. Its values stay, and its time begins again.
    ///
    /// Call it when a user logs in or gets more rights: whoever has planted or seen the old id has nothing then. A session
    /// that begins with this response has a new id anyway. Requests that began before still have the old id, and what they
    /// change later than this is forgotten.
    pub fn renew(&self) {
        self.with(State::renew);
    }

    /// Ends the session, as when a user logs out. What is set after that is in a new one.
    ///
    /// A session in a store is removed there. Of one [in a cookie](super::Sessions::in_cookie), copies stay valid.
    pub fn end(&self) {
        self.with(|state, _| state.end());
    }

    /// Keeps a message for the next page that shows [messages](Session::flashes), which usually is the one that the browser
    /// is redirected to. `kind` is for its looks: `info`, `error`.
    ///
    /// A session keeps 16 messages; a new one beyond that replaces the oldest.
    ///
    /// ```
    /// # use hansel::{Response, Routes, Session, Sessions, sessions::MemoryStore, test::Client};
    /// fn save(session: Session) -> Response {
    ///     session.flash("info", "Saved.");
    ///     Response::see_other("/")
    /// }
    ///
    /// fn page(session: Session) -> String {
    ///     let messages = session.flashes();
    ///     messages.iter().map(|message| format!("{}: {}\n", message.kind(), message.text())).collect()
    /// }
    /// # let routes = Routes::new().get("/", page).post("/", save);
    /// # let client = Client::new(Sessions::in_store(MemoryStore::new(9)).on(routes)).with_cookies();
    /// # client.post("/", "");
    /// # assert_eq!(client.get("/").text(), "info: Saved.\n");
    /// # assert_eq!(client.get("/").text(), "");
    /// ```
    pub fn flash(&self, kind: &str, text: &str) {
        self.with(|state, now| flash::add(state, kind, text, now));
    }

    /// Takes the messages out of the session, the oldest first.
    pub fn flashes(&self) -> Vec<Flash> {
        self.with(|state, _| flash::take(state))
    }

    /// Returns the id that the client has after this response, if the session has begun.
    pub(super) fn id(&self) -> Option<Id> {
        self.with(|state, _| state.id().copied())
    }

    fn load(&self, request: &Request) -> crate::Result<()> {
        if self.state().is_none() {
            let loaded = load(&self.0.settings, request)?;
            self.state().get_or_insert(loaded);
        }
        Ok(())
    }

    /// Calls `use_it` with the state and the time.
    fn with<T>(&self, use_it: impl FnOnce(&mut State, u64) -> T) -> T {
        let now = self.0.settings.now();
        // Nobody has a session that is not loaded. One whose request is over is empty.
        use_it(self.state().get_or_insert_default(), now)
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        // No code of the program runs while it is held.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a handler has changed, and tells the client.
    pub(super) fn finish(&self, request: &Request, response: &mut Response) {
        let Some(state) = self.state().take() else { return };
        let settings = &self.0.settings;
        cache::mark(response, false);
        match keep(settings, state) {
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Set { value, seconds }) => settings.set_cookie(request, response, value, seconds),
            Ok(Outcome::Remove) => settings.remove_cookie(request, response),
            Err(error) => *response = error.into_response(),
        }
    }
}

/// Shows nothing of the session.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}
