//! The limits that a walk is inside of and that are checked when it arrives.

use std::sync::Arc;

use crate::dispatch::limits::{Concurrency, Running};

/// Bounds on how many requests are handled at once, the outermost first, and what is wrong with the deadline of the client.
///
/// The walk has them, so that they are free again if a handler panics: the walk is dropped.
#[derive(Default)]
pub(super) struct InForce {
    /// The reason why the deadline that the client has set is none.
    pub(super) malformed: Option<String>,
    levels: Vec<Arc<Concurrency>>,
    /// The places that the call has, while it is made.
    running: Vec<Running>,
}

impl InForce {
    pub(super) fn levels(&self) -> usize {
        self.levels.len()
    }

    pub(super) fn add(&mut self, level: &Arc<Concurrency>) {
        self.levels.push(Arc::clone(level));
    }

    pub(super) fn truncate(&mut self, levels: usize) {
        self.levels.truncate(levels);
    }

    /// Counts the request on each level. If one has no room for it, it is counted on none, and that bound is returned.
    pub(super) fn enter(&mut self) -> Option<usize> {
        // An earlier call on the same walk may have ended in a panic that a hook has caught.
        self.running.clear();
        for level in &self.levels {
            match level.enter() {
                Some(running) => self.running.push(running),
                None => {
                    self.running.clear();
                    return Some(level.most());
                }
            }
        }
        None
    }

    /// Returns the places that the call has had. Dropping them makes room for others.
    pub(super) fn leave(&mut self) -> Vec<Running> {
        std::mem::take(&mut self.running)
    }
}
