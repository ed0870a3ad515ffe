//! The application's database: accounts, notes, and sessions as hansel's `Store`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hansel::sessions::{Store, StoreKey, Stored};
use rusqlite::{Connection, OptionalExtension, params};

pub struct Database(Mutex<Connection>);

impl Database {
    pub fn open(path: &str) -> rusqlite::Result<Database> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hash TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, text TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS sessions (
                 key BLOB PRIMARY KEY, version INTEGER NOT NULL, expires INTEGER NOT NULL, text TEXT NOT NULL
             ) WITHOUT ROWID",
        )?;
        Ok(Database(Mutex::new(connection)))
    }

    /// A handler that has panicked leaves nothing half done: each statement is a transaction.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the id of a new account, or `None` if the name is taken.
    pub fn register(&self, name: &str, hash: &str) -> rusqlite::Result<Option<i64>> {
        let insert = "INSERT INTO accounts (name, hash) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id";
        self.lock().query_row(insert, [name, hash], |row| row.get(0)).optional()
    }

    /// Returns the id and the hash of the password.
    pub fn account(&self, name: &str) -> rusqlite::Result<Option<(i64, String)>> {
        let select = "SELECT id, hash FROM accounts WHERE name = ?";
        self.lock()
            .query_row(select, [name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    pub fn keep(&self, account: i64, text: &str) -> rusqlite::Result<usize> {
        self.lock().execute(
            "INSERT INTO notes (account, text) VALUES (?, ?)",
            params![account, text],
        )
    }

    pub fn notes(&self, account: i64) -> rusqlite::Result<Vec<String>> {
        let connection = self.lock();
        let mut select =
            connection.prepare_cached("SELECT text FROM notes WHERE account = ? ORDER BY id DESC LIMIT 100")?;
        let notes = select.query_map([account], |row| row.get(0))?;
        notes.collect()
    }
}

impl Store for Database {
    fn load(&self, key: &StoreKey) -> hansel::Result<Option<Stored>> {
        let select = "SELECT version, expires, text FROM sessions WHERE key = ?";
        let read = |row: &rusqlite::Row<'_>| Ok(Stored::new(row.get(0)?, row.get(1)?, row.get::<_, String>(2)?));
        Ok(self.lock().query_row(select, [key.bytes()], read).optional()?)
    }

    fn insert(&self, key: &StoreKey, session: &Stored) -> hansel::Result<()> {
        let connection = self.lock();
        connection.execute("DELETE FROM sessions WHERE expires <= unixepoch()", [])?;
        let insert = "INSERT INTO sessions (key, version, expires, text) VALUES (?, ?, ?, ?)";
        connection.execute(
            insert,
            params![key.bytes(), session.version(), session.expires(), session.text()],
        )?;
        Ok(())
    }

    fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> hansel::Result<bool> {
        let update = "UPDATE sessions SET version = ?, expires = ?, text = ? WHERE key = ? AND version = ?";
        let values = params![
            session.version(),
            session.expires(),
            session.text(),
            key.bytes(),
            version
        ];
        Ok(self.lock().execute(update, values)? == 1)
    }

    fn remove(&self, key: &StoreKey) -> hansel::Result<bool> {
        Ok(self
            .lock()
            .execute("DELETE FROM sessions WHERE key = ?", [key.bytes()])?
            == 1)
    }
}
