//! A store in memory.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Store, StoreKey, Stored};
use crate::Result;

/// Sessions in the memory of this process: they end with it, and no other process has them.
///
/// The number of sessions is bounded. A new one beyond it replaces the one that was not used for the longest time. So
/// begin a session only when there is something to remember: whoever can begin sessions can end those of others.
///
/// Each call takes amortised constant time.
///
/// Requires the feature `sessions`.
pub struct MemoryStore(Mutex<Sessions>);

struct Sessions {
    most: usize,
    by_key: HashMap<StoreKey, Entry>,
    /// All sessions in the order of their last changes, and notes of earlier changes, which mean nothing any more.
    order: VecDeque<(StoreKey, u64)>,
    changes: u64,
}

struct Entry {
    session: Stored,
    /// The number of its last change.
    change: u64,
}

impl MemoryStore {
    /// Creates a store for at most so many sessions, and at least one.
    pub fn new(most: usize) -> MemoryStore {
        MemoryStore(Mutex::new(Sessions {
            most: most.max(1),
            by_key: HashMap::new(),
            order: VecDeque::new(),
            changes: 0,
        }))
    }

    /// Returns the number of sessions. Some may have expired.
    pub fn len(&self) -> usize {
        self.sessions().by_key.len()
    }

    /// Returns true if there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Nothing panics while it is held but an allocation that fails, and then the process ends.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn put(&mut self, key: StoreKey, session: Stored, now: u64) {
        self.changes += 1;
        let change = self.changes;
        self.by_key.insert(key, Entry { session, change });
        self.order.push_back((key, change));
        self.drop_oldest(now);
        // After as many changes as there are notes to keep, so each change pays for one of them.
        if self.order.len() > 2 * self.by_key.len() + 64 {
            let by_key = &self.by_key;
            self.order.retain(|(key, change)| is_last_change(by_key, key, *change));
        }
    }

    /// Drops the oldest sessions: those that have expired, and those beyond the limit.
    fn drop_oldest(&mut self, now: u64) {
        while let Some((key, change)) = self.order.front() {
            if is_last_change(&self.by_key, key, *change) {
                let has_expired = self.by_key.get(key).is_some_and(|entry| entry.session.expires() <= now);
                if !has_expired && self.by_key.len() <= self.most {
                    return;
                }
                self.by_key.remove(key);
            }
            self.order.pop_front();
        }
    }
}

fn is_last_change(by_key: &HashMap<StoreKey, Entry>, key: &StoreKey, change: u64) -> bool {
    by_key.get(key).is_some_and(|entry| entry.change == change)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

impl Store for MemoryStore {
    fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        Ok(self.sessions().by_key.get(key).map(|entry| entry.session.clone()))
    }

    fn insert(&self, key: &StoreKey, session: &Stored) -> Result<()> {
        self.sessions().put(*key, session.clone(), now());
        Ok(())
    }

    fn replace(&self, key: &StoreKey, version: u64, session: &Stored) -> Result<bool> {
        let mut sessions = self.sessions();
        let stored = sessions.by_key.get(key).map(|entry| entry.session.version());
        let is_unchanged = stored == Some(version);
        if is_unchanged {
            sessions.put(*key, session.clone(), now());
        }
        Ok(is_unchanged)
    }

    fn remove(&self, key: &StoreKey) -> Result<bool> {
        // Its notes go when they are the oldest, or too many.
        Ok(self.sessions().by_key.remove(key).is_some())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> StoreKey {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        StoreKey::new(key)
    }

    fn session(version: u64) -> Stored {
        Stored::new(version, u64::MAX, "text")
    }

    #[test]
    fn a_session_is_replaced_only_by_whoever_has_seen_its_last_change() {
        let store = MemoryStore::new(10);
        assert!(!store.replace(&key(1), 1, &session(2)).unwrap(), "it never began");
        store.insert(&key(1), &session(1)).unwrap();
        assert!(store.replace(&key(1), 1, &session(2)).unwrap());
        assert!(!store.replace(&key(1), 1, &session(3)).unwrap());
        assert_eq!(store.load(&key(1)).unwrap(), Some(session(2)));
        assert!(store.remove(&key(1)).unwrap() && !store.remove(&key(1)).unwrap());
        assert!(!store.replace(&key(1), 2, &session(3)).unwrap(), "it has ended");
        assert!(store.is_empty());
    }

    #[test]
    fn the_one_that_was_not_used_for_the_longest_time_makes_room() {
        let store = MemoryStore::new(3);
        for number in 0..3 {
            store.insert(&key(number), &session(1)).unwrap();
        }
        store.replace(&key(0), 1, &session(2)).unwrap();
        store.insert(&key(3), &session(1)).unwrap();
        let there: Vec<_> = (0..4)
            .map(|number| store.load(&key(number)).unwrap().is_some())
            .collect();
        assert_eq!(there, [true, false, true, true]);
    }

    #[test]
    fn what_has_expired_makes_room_first() {
        let store = MemoryStore::new(10);
        for number in 0..5 {
            store
                .insert(&key(number), &Stored::new(1, u64::from(number), ""))
                .unwrap();
        }
        store.insert(&key(5), &session(1)).unwrap();
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn memory_and_time_are_in_proportion_to_the_sessions_however_often_they_change() {
        let store = MemoryStore::new(100);
        store.insert(&key(0), &session(1)).unwrap();
        store.insert(&key(1), &session(1)).unwrap();
        for version in 1..10_000 {
            store.replace(&key(1), version, &session(version + 1)).unwrap();
            assert!(store.sessions().order.len() <= 2 * 2 + 65);
        }
        for number in 0..10_000 {
            store.insert(&key(number), &session(1)).unwrap();
            store.remove(&key(number)).unwrap();
        }
        assert!(store.sessions().order.len() <= 2 * 100 + 65);
        for number in 0..10_000 {
            store.insert(&key(number), &session(1)).unwrap();
        }
        assert_eq!(store.len(), 100);
        assert!(store.sessions().order.len() <= 2 * 100 + 65);
    }
}
