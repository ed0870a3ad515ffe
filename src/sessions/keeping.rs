//! Loading a session before a request uses it, and keeping it afterwards.

use super::id::Id;
use super::record::Record;
use super::settings::{Lifetime, Place, Settings};
use super::state::{Changes, Found, State};
use super::{Store, StoreKey, Stored};
use crate::{Request, Result};

/// The number of times a change is tried that others get in the way of.
const ATTEMPTS: usize = 16;

/// The news for the client.
pub(super) enum Outcome {
    Nothing,
    /// Its session, and after how many seconds that ends at the latest.
    Set {
        value: String,
        seconds: u64,
    },
    Remove,
}

/// Loads the session that the client has sent. An id that is not in the store is no session, and is never made one: it
/// may have been planted.
pub(super) fn load(settings: &Settings, request: &Request) -> Result<State> {
    let Some(sent) = settings.sent(request) else {
        return Ok(State::default());
    };
    let found = match &settings.place {
        Place::Cookie(_) => sent.split_once(' ').and_then(|(id, text)| {
            let found = Found {
                id: Id::parse(id)?,
                version: 0,
            };
            Some((found, Record::parse(text)?))
        }),
        Place::Store(store) => match Id::parse(&sent) {
            Some(id) => {
                load_stored(&**store, &id.store_key())?.map(|(version, record)| (Found { id, version }, record))
            }
            None => None,
        },
    };
    let living = found.filter(|(_, record)| settings.now() < record.end(settings.lifetime));
    Ok(living.map_or_else(State::default, |(found, record)| State::of(found, record)))
}

fn load_stored(store: &dyn Store, key: &StoreKey) -> Result<Option<(u64, Record)>> {
    let stored = store.load(key)?;
    Ok(stored.and_then(|stored| Some((stored.version(), Record::parse(stored.text())?))))
}

/// Keeps what the request has changed.
pub(super) fn keep(settings: &Settings, mut state: State) -> Result<Outcome> {
    if let Some(failure) = state.failure.take() {
        return Err(failure.into());
    }
    let (now, lifetime) = (settings.now(), settings.lifetime);
    let outcome = match &settings.place {
        Place::Cookie(_) => keep_in_cookie(state, lifetime, now),
        Place::Store(store) => keep_in_store(&**store, state, lifetime, now)?,
    };
    Ok(outcome)
}

fn keep_in_cookie(mut state: State, lifetime: Lifetime, now: u64) -> Outcome {
    let is_touch_due = state.record.is_touch_due(now, lifetime);
    let Some(id) = state.id().map(Id::text) else {
        return if state.is_ended {
            Outcome::Remove
        } else {
            Outcome::Nothing
        };
    };
    if state.fresh.is_none() && state.changes.is_empty() && !is_touch_due {
        return Outcome::Nothing;
    }
    state.record.touch(now);
    Outcome::Set {
        value: format!("{id} {}", state.record.text()),
        seconds: state.record.end_at_most(lifetime).saturating_sub(now),
    }
}

fn keep_in_store(store: &dyn Store, mut state: State, lifetime: Lifetime, now: u64) -> Result<Outcome> {
    if let Some(ended) = &state.ended {
        store.remove(&ended.id.store_key())?;
    }
    let Some(id) = state.fresh else {
        match state.found {
            Some(found) => change(store, &found, state.record, &state.changes, lifetime, now)?,
            None if state.is_ended => return Ok(Outcome::Remove),
            None => {}
        }
        return Ok(Outcome::Nothing);
    };
    if let Some(old) = &state.found {
        let key = old.id.store_key();
        // What other requests have changed meanwhile stays. If one has ended it, what it contained has ended too.
        let latest = load_stored(store, &key)?;
        let is_ended = !store.remove(&key)?;
        state.record.values = latest
            .filter(|_| !is_ended)
            .map(|(_, latest)| latest.values)
            .unwrap_or_default();
        state.changes.apply(&mut state.record.values);
        if is_ended && state.changes.is_empty() {
            return Ok(Outcome::Nothing);
        }
    }
    let session = Stored::new(1, state.record.end(lifetime), state.record.text());
    store.insert(&id.store_key(), &session)?;
    Ok(Outcome::Set {
        value: id.text(),
        seconds: state.record.end_at_most(lifetime).saturating_sub(now),
    })
}

/// Changes a session that is in the store. If another request has changed it meanwhile, that is kept; if one has ended
/// it, it stays ended.
fn change(
    store: &dyn Store,
    found: &Found,
    mut record: Record,
    changes: &Changes,
    lifetime: Lifetime,
    now: u64,
) -> Result<()> {
    let key = found.id.store_key();
    let mut version = found.version;
    for _ in 0..ATTEMPTS {
        if changes.is_empty() && !record.is_touch_due(now, lifetime) {
            return Ok(());
        }
        record.touch(now);
        let session = Stored::new(version.wrapping_add(1), record.end(lifetime), record.text());
        if store.replace(&key, version, &session)? {
            return Ok(());
        }
        match load_stored(store, &key)? {
            Some((latest, stored)) => (version, record) = (latest, stored),
            None => return Ok(()),
        }
        changes.apply(&mut record.values);
    }
    Err("other requests have changed the session again and again".into())
}
