//! Messages for the next page.

use serde_json::Value;

use super::state::State;

/// The value that has the messages. No program uses this name by accident.
const KEY: &str = "__flashes";

/// The most messages that wait for a page.
const MOST: usize = 16;

/// A message for the next page: see [`Session::flash`](super::Session::flash).
///
/// Requires the feature `sessions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    kind: String,
    text: String,
}

impl Flash {
    /// Returns the kind, such as `info`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the text. It is not escaped.
    pub fn text(&self) -> &str {
        &self.text
    }
}

pub(super) fn add(state: &mut State, kind: &str, text: &str, now: u64) {
    let mut waiting = waiting(state);
    waiting.push(Value::from(vec![kind, text]));
    let extra = waiting.len().saturating_sub(MOST);
    waiting.drain(..extra);
    state.set(KEY, Value::from(waiting), now);
}

pub(super) fn take(state: &mut State) -> Vec<Flash> {
    let flashes = waiting(state).into_iter().filter_map(|flash| {
        let text = |part: usize| flash.get(part)?.as_str().map(str::to_owned);
        Some(Flash {
            kind: text(0)?,
            text: text(1)?,
        })
    });
    let flashes = flashes.collect();
    state.remove(KEY);
    flashes
}

fn waiting(state: &State) -> Vec<Value> {
    state.value(KEY).and_then(Value::as_array).cloned().unwrap_or_default()
}
