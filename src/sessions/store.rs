//! The interface of a store of sessions.

use std::fmt;
use std::sync::Arc;

use crate::Result;

/// A place on the server where sessions are kept: a table of a database, for example.
///
/// Its methods may block: they run on the thread of the request. An error becomes a 500 and is logged.
///
/// Each change is one call that another request can't get in between. So two requests of one session never lose each
/// other's changes, and a session that has ended is not brought back by a request that began before.
///
/// Requires the feature `sessions`.
///
/// | method | SQL |
/// |---|---|
/// | [`load`](Store::load) | `SELECT version, expires, text FROM sessions WHERE key = ?` |
/// | [`insert`](Store::insert) | `INSERT INTO sessions (key, version, expires, text) VALUES (?, ?, ?, ?)` |
/// | [`replace`](Store::replace) | `UPDATE sessions SET version = ?, expires = ?, text = ? WHERE key = ? AND version = ?`, and whether a row was changed |
/// | [`remove`](Store::remove) | `DELETE FROM sessions WHERE key = ?`, and whether there was a row |
/// | from time to time | `DELETE FROM sessions WHERE expires <= ?` |
///
/// ```
/// use hansel::sessions::{Store, StoreKey, Stored};
/// use std::{fs, io, path::PathBuf};
///
/// /// Keeps each session in a file, for one process.
/// struct Folder(PathBuf, std::sync::Mutex<()>);
///
/// impl Store for Folder {
///     fn load(&self, key: &StoreKey) -> hansel::Result<Option<Stored>> {
///         let text = match fs::read_to_string(self.0.join(key.to_string())) {
///             Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
///             text => text?,
///         };
///         let mut parts = text.splitn(3, '\n');
///         let mut next = || parts.next().ok_or("a file of a session is too short");
///         Ok(Some(Stored::new(next()?.parse()?, next()?.parse()?, next()?)))
///     }
///
///     fn insert(&self, key: &StoreKey, session: &Stored) -> hansel::Result<()> {
///         let text = format!("{}\n{}\n{}", session.version(), session.expires(), session.text());
///         Ok(fs::write(self.0.join(key.to_string()), text)?)
///     }
///
///     fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> hansel::Result<bool> {
///         let _guard = self.1.lock();
///         let is_unchanged = self.load(key)?.is_some_and(|stored| stored.version() == version);
///         if is_unchanged {
///             self.insert(key, session)?;
///         }
///         Ok(is_unchanged)
///     }
///
///     fn remove(&self, key: &StoreKey) -> hansel::Result<bool> {
///         let _guard = self.1.lock();
///         match fs::remove_file(self.0.join(key.to_string())) {
///             Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
///             removed => Ok(removed.map(|()| true)?),
///         }
///     }
/// }
/// # let folder = std::env::temp_dir().join(format!("hansel-sessions-{}", std::process::id()));
/// # fs::create_dir_all(&folder).unwrap();
/// # let store = Folder(folder.clone(), std::sync::Mutex::new(()));
/// # let sessions = hansel::Sessions::in_store(store);
/// # let count = |session: hansel::Session| {
/// #     let count = session.read::<u32>("count").unwrap_or(0) + 1;
/// #     session.set("count", &count);
/// #     if count == 3 { session.end() }
/// #     count.to_string()
/// # };
/// # let client = hansel::test::Client::new(sessions.on(hansel::Routes::new().get("/", count))).with_cookies();
/// # let counts: Vec<_> = (0..4).map(|_| client.get("/").text().to_owned()).collect();
/// # assert_eq!(counts, ["1", "2", "3", "1"]);
/// # fs::remove_dir_all(folder).unwrap();
/// ```
pub trait Store: Send + Sync {
    /// Returns the session, if there is one.
    ///
    /// # Errors
    /// If the store can't be read.
    fn load(&self, key: &StoreKey) -> Result<Option<Stored>>;

    /// Keeps a new session. There is none with this key, because each id is random.
    ///
    /// # Errors
    /// If the store can't be written.
    fn insert(&self, key: &StoreKey, session: &Stored) -> Result<()>;

    /// Replaces the session, if there is one and it still has this `version`. Returns whether it was replaced.
    ///
    /// # Errors
    /// If the store can't be written.
    fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> Result<bool>;

    /// Removes the session. Returns whether there was one.
    ///
    /// # Errors
    /// If the store can't be written.
    fn remove(&self, key: &StoreKey) -> Result<bool>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        (**self).load(key)
    }

    fn insert(&self, key: &StoreKey, session: &Stored) -> Result<()> {
        (**self).insert(key, session)
    }

    fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> Result<bool> {
        (**self).replace(key, version, session)
    }

    fn remove(&self, key: &StoreKey) -> Result<bool> {
        (**self).remove(key)
    }
}

/// The key under which a store keeps a session: a hash of the id that the client has, so whoever reads the store can't be
/// any of its users.
///
/// It is displayed as 64 hexadecimal digits.
///
/// Requires the feature `sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    pub(super) fn new(bytes: [u8; 32]) -> StoreKey {
        StoreKey(bytes)
    }

    /// Returns the bytes of the hash.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A session as a store keeps it.
///
/// Requires the feature `sessions`.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    version: u64,
    expires: u64,
    text: String,
}

impl Stored {
    /// Creates a session from its parts, as they were stored.
    pub fn new(version: u64, expires: u64, text: impl Into<String>) -> Stored {
        Stored {
            version,
            expires,
            text: text.into(),
        }
    }

    /// Returns the version. It differs after each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the second since 1970 from which the session is worth nothing. Then a store may remove it; until it does, the
    /// session is not used.
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// Returns the times and values, as text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Shows the length of the text only.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("version", &self.version)
            .field("expires", &self.expires)
            .field("text", &format_args!("{} bytes", self.text.len()))
            .finish()
    }
}
