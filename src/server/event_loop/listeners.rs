//! The listeners of a loop, and which of them may have waiting connections.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::server::net::socket::{Acceptor, Stream};

pub(super) struct Listeners {
    /// Listeners of the health lane come first.
    all: Vec<Acceptor>,
    of_health: usize,
    /// Listeners that may have more waiting connections.
    pending: Vec<usize>,
    /// When to try again after the system could not accept one more connection.
    again: Option<Instant>,
}

impl Listeners {
    /// The first `of_health` of `all` belong to the health lane.
    pub(super) fn new(all: Vec<Acceptor>, of_health: usize) -> Listeners {
        Listeners {
            all,
            of_health,
            pending: Vec::new(),
            again: None,
        }
    }

    /// Returns true if there may be something to accept, now or after a pause.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.again.is_some()
    }

    /// Returns true if some listeners may have waiting connections now.
    pub(super) fn is_ready(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Notes that connections may be waiting at this listener.
    pub(super) fn note(&mut self, listener: usize) {
        if !self.pending.contains(&listener) {
            self.pending.push(listener);
        }
    }

    /// Notes that connections may be waiting at every listener.
    pub(super) fn note_all(&mut self) {
        self.pending = (0..self.all.len()).collect();
    }

    /// Returns the listeners at which connections may be waiting.
    pub(super) fn take_pending(&mut self, now: Instant) -> Vec<usize> {
        match self.again {
            Some(again) if again <= now => {
                self.again = None;
                self.note_all();
            }
            // Connections that arrived meanwhile are found then.
            Some(_) => self.pending.clear(),
            None => {}
        }
        std::mem::take(&mut self.pending)
    }

    /// Accepts one connection; `None` if the listener no longer exists.
    pub(super) fn accept(&self, listener: usize) -> Option<io::Result<(Stream, Option<SocketAddr>)>> {
        self.all.get(listener).map(Acceptor::accept)
    }

    /// Returns true if it belongs to the health lane.
    pub(super) fn is_of_health(&self, listener: usize) -> bool {
        listener < self.of_health
    }

    /// Returns how many belong to the health lane.
    pub(super) fn of_health(&self) -> usize {
        self.of_health
    }

    /// Accepts nothing before `again`. Returns true if accepting was already paused.
    pub(super) fn pause_until(&mut self, again: Instant) -> bool {
        self.again.replace(again).is_some()
    }

    /// Returns when a pause ends, if there is one.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self) {
        self.again = None;
    }

    /// Closes all except the first `kept`.
    pub(super) fn close_all_but(&mut self, kept: usize) {
        self.all.truncate(kept);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
