//! Sessions in Redis, so that every replica knows everybody.

use hansel::sessions::{Store, StoreKey, Stored};
use redis::{Commands, Script};

use crate::engine::Engine;

/// A hash for each session, which ends by itself.
impl Store for Engine {
    fn load(&self, key: &StoreKey) -> hansel::Result<Option<Stored>> {
        let fields = ["version", "expires", "text"];
        let found: (Option<u64>, Option<u64>, Option<String>) = self.run(|redis| redis.hmget(name(key), &fields))?;
        let (Some(version), Some(expires), Some(text)) = found else {
            return Ok(None);
        };
        Ok(Some(Stored::new(version, expires, text)))
    }

    fn insert(&self, key: &StoreKey, session: &Stored) -> hansel::Result<()> {
        self.write(key, "", session).map(drop)
    }

    fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> hansel::Result<bool> {
        self.write(key, &version.to_string(), session)
    }

    fn remove(&self, key: &StoreKey) -> hansel::Result<bool> {
        Ok(self.run(|redis| redis.del(name(key)))?)
    }
}

impl Engine {
    /// Writes a session if it has this version, in one step.
    fn write(&self, key: &StoreKey, version: &str, session: &Stored) -> hansel::Result<bool> {
        let script = Script::new(
            "if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
             redis.call('HSET', KEYS[1], 'version', ARGV[2], 'expires', ARGV[3], 'text', ARGV[4])
             redis.call('EXPIREAT', KEYS[1], ARGV[3])
             return 1",
        );
        let mut call = script.key(name(key));
        call.arg(version)
            .arg(session.version())
            .arg(session.expires())
            .arg(session.text());
        Ok(self.run(|redis| call.invoke(redis))?)
    }
}

fn name(key: &StoreKey) -> String {
    format!("session:{key}")
}
