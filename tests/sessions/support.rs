//! An application with sessions, and a store that counts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use hansel::sessions::{Store, StoreKey, Stored};
use hansel::test::{Client, Response};
use hansel::{Keys, Request, Routes, Session, Sessions};

/// A store that counts its calls, and fails if it is told to.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) sessions: Mutex<HashMap<StoreKey, Stored>>,
    pub(crate) loads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) fails: AtomicBool,
}

impl Counting {
    pub(crate) fn new() -> Arc<Counting> {
        Arc::default()
    }

    pub(crate) fn calls(&self) -> (usize, usize) {
        (self.loads.load(SeqCst), self.writes.load(SeqCst))
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    fn count(&self, counter: &AtomicUsize) -> hansel::Result<()> {
        counter.fetch_add(1, SeqCst);
        match self.fails.load(SeqCst) {
            true => Err("the store is out of order".into()),
            false => Ok(()),
        }
    }
}

impl Store for Counting {
    fn load(&self, key: &StoreKey) -> hansel::Result<Option<Stored>> {
        self.count(&self.loads)?;
        Ok(self.sessions.lock().unwrap().get(key).cloned())
    }

    fn insert(&self, key: &StoreKey, session: &Stored) -> hansel::Result<()> {
        self.count(&self.writes)?;
        let before = self.sessions.lock().unwrap().insert(*key, session.clone());
        assert_eq!(before, None, "an id is never used twice");
        Ok(())
    }

    fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> hansel::Result<bool> {
        self.count(&self.writes)?;
        let mut sessions = self.sessions.lock().unwrap();
        match sessions.get_mut(key) {
            Some(stored) if stored.version() == version => {
                *stored = session.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn remove(&self, key: &StoreKey) -> hansel::Result<bool> {
        self.count(&self.writes)?;
        Ok(self.sessions.lock().unwrap().remove(key).is_some())
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock(Arc::default())
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, SeqCst);
    }

    pub(crate) fn of(&self, sessions: Sessions) -> Sessions {
        let (begun, passed) = (SystemTime::now(), Arc::clone(&self.0));
        sessions.clock(move || begun + Duration::from_secs(passed.load(SeqCst)))
    }
}

pub(crate) fn in_store(store: &Arc<Counting>) -> Sessions {
    Sessions::in_store(Arc::clone(store))
}

pub(crate) fn in_cookie() -> Sessions {
    Sessions::in_cookie(&Keys::new(&[7; 32]))
}

/// Routes that set, read and end what they are asked to.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/read/{key}", |session: Session, key: String| {
            session.read::<String>(&key).unwrap_or_default()
        })
        .post("/set/{key}/{value}", |session: Session, key: String, value: String| {
            session.set(&key, &value);
        })
        .post("/login/{user}", |session: Session, user: String| {
            session.renew();
            session.set("user", &user);
        })
        .post("/logout", |session: Session| session.end())
        .get("/plain", || "nothing of a session")
}

pub(crate) fn client(sessions: Sessions) -> Client {
    Client::new(sessions.on(routes())).with_cookies()
}

/// The value of the session's cookie.
pub(crate) fn cookie(client: &Client) -> String {
    client.cookie("__Host-session").unwrap_or_default()
}

/// Sends a request with this session's cookie, whatever the client has.
pub(crate) fn send_with(client: &Client, cookie: &str, request: Request) -> Response {
    client.send(request.with_header("Cookie", format!("__Host-session={cookie}")))
}

/// A client that handlers can use while they run.
#[derive(Clone, Default)]
pub(crate) struct Later(Arc<OnceLock<Client>>);

impl Later {
    pub(crate) fn is(&self, client: Client) -> &Client {
        self.0.get_or_init(|| client)
    }

    pub(crate) fn client(&self) -> &Client {
        self.0.get().unwrap()
    }
}
