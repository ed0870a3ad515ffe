//! The listeners of a loop, and which of them may have connections waiting.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::server::net::socket::{Acceptor, Stream};

pub(super) struct Listeners {
    /// Those of the health lane come first.
    all: Vec<Acceptor>,
    of_health: usize,
    /// Those that may have more connections waiting.
    pending: Vec<usize>,
    /// When to try again, since the system could not give one more connection.
    again: Option<Instant>,
}

impl Listeners {
    /// The first `of_health` of all are the health lane's.
    pub(super) fn new(all: Vec<Acceptor>, of_health: usize) -> Listeners {
        Listeners {
            all,
            of_health,
            pending: Vec::new(),
            again: None,
        }
    }

    /// Whether there is something to accept, or will be.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.again.is_some()
    }

    /// Whether some may have connections waiting now.
    pub(super) fn is_ready(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Some connections may wait at this one.
    pub(super) fn note(&mut self, listener: usize) {
        if !self.pending.contains(&listener) {
            self.pending.push(listener);
        }
    }

    /// Connections may wait at each of them.
    pub(super) fn note_all(&mut self) {
        self.pending = (0..self.all.len()).collect();
    }

    /// Those at which connections may wait.
    pub(super) fn take_pending(&mut self, now: Instant) -> Vec<usize> {
        match self.again {
            Some(again) if again <= now => {
                self.again = None;
                self.note_all();
            }
            // Whoever has come meanwhile is found then.
            Some(_) => self.pending.clear(),
            None => {}
        }
        std::mem::take(&mut self.pending)
    }

    /// Accepts one connection; None if there is no such listener any more.
    pub(super) fn accept(&self, listener: usize) -> Option<io::Result<(Stream, Option<SocketAddr>)>> {
        self.all.get(listener).map(Acceptor::accept)
    }

    /// Whether it is one of the health lane.
    pub(super) fn is_of_health(&self, listener: usize) -> bool {
        listener < self.of_health
    }

    /// How many are the health lane's.
    pub(super) fn of_health(&self) -> usize {
        self.of_health
    }

    /// Accepts nothing before `again`. Says whether that was so already.
    pub(super) fn pause_until(&mut self, again: Instant) -> bool {
        self.again.replace(again).is_some()
    }

    /// When a pause ends, if there is one.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self) {
        self.again = None;
    }

    /// Closes all but the first `kept`.
    pub(super) fn close_all_but(&mut self, kept: usize) {
        self.all.truncate(kept);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
