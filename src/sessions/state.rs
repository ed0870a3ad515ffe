//! The state of a session during one request.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::id::Id;
use super::record::Record;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A session while a request uses it.
#[derive(Default)]
pub(super) struct State {
    /// The session that the client has sent, if it is valid.
    pub(super) found: Option<Found>,
    /// The id of a session that begins or is renewed with this response.
    pub(super) fresh: Option<Id>,
    /// The session that ends with this response.
    pub(super) ended: Option<Found>,
    pub(super) is_ended: bool,
    pub(super) record: Record,
    /// The values that were set or removed.
    pub(super) changes: Changes,
    pub(super) failure: Option<Failure>,
}

/// A session that was there before the request.
pub(super) struct Found {
    pub(super) id: Id,
    pub(super) version: u64,
}

/// The changes that a request has made: a value was set, or removed.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<String, Option<Value>>);

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the same changes to the values that another request has left.
    pub(super) fn apply(&self, values: &mut Map<String, Value>) {
        for (key, value) in &self.0 {
            match value {
                Some(value) => values.insert(key.clone(), value.clone()),
                None => values.remove(key),
            };
        }
    }
}

impl State {
    pub(super) fn of(found: Found, record: Record) -> State {
        State {
            found: Some(found),
            record,
            ..State::default()
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.record.values.get(key)
    }

    pub(super) fn set(&mut self, key: &str, value: Value, now: u64) {
        if self.record.values.get(key) == Some(&value) {
            return;
        }
        self.begin(now);
        self.changes.0.insert(key.to_owned(), Some(value.clone()));
        self.record.values.insert(key.to_owned(), value);
    }

    pub(super) fn remove(&mut self, key: &str) -> bool {
        let is_removed = self.record.values.remove(key).is_some();
        if is_removed {
            self.changes.0.insert(key.to_owned(), None);
        }
        is_removed
    }

    pub(super) fn renew(&mut self, now: u64) {
        if self.found.is_some() && self.fresh.is_none() {
            self.draw_id();
            self.record.restart(now);
        }
    }

    pub(super) fn end(&mut self) {
        self.ended = self.found.take().or(self.ended.take());
        self.fresh = None;
        self.is_ended = true;
        self.record = Record::default();
        self.changes = Changes::default();
    }

    /// Returns the id that the client has after this response.
    pub(super) fn id(&self) -> Option<&Id> {
        self.fresh.as_ref().or(self.found.as_ref().map(|found| &found.id))
    }

    /// Makes the response an error: of several, the first.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    fn begin(&mut self, now: u64) {
        if self.id().is_none() {
            self.record = Record::new(now);
            self.draw_id();
        }
    }

    fn draw_id(&mut self) {
        match Id::random() {
            Ok(id) => self.fresh = Some(id),
            Err(error) => self.fail(error.into()),
        }
    }
}
