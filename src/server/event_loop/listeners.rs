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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn listeners(count: usize, of_health: usize) -> Listeners {
        let listener = || Acceptor::Tcp(mio::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap());
        Listeners::new((0..count).map(|_| listener()).collect(), of_health)
    }

    #[test]
    fn those_of_the_health_lane_come_first() {
        let mut listeners = listeners(3, 2);
        assert_eq!(listeners.of_health(), 2);
        assert_eq!(
            [0, 1, 2].map(|index| listeners.is_of_health(index)),
            [true, true, false]
        );
        listeners.close_all_but(2);
        assert!(!listeners.is_empty());
        assert_eq!([1, 2].map(|index| listeners.accept(index).is_some()), [true, false]);
        listeners.close_all_but(0);
        assert!(listeners.is_empty());
    }

    #[test]
    fn a_listener_is_looked_at_once_however_often_it_was_noted() {
        let now = Instant::now();
        let mut listeners = listeners(3, 0);
        assert!(!listeners.has_pending() && !listeners.is_ready());
        for listener in [2, 0, 2] {
            listeners.note(listener);
        }
        assert!(listeners.has_pending() && listeners.is_ready());
        assert_eq!(listeners.take_pending(now), [2, 0]);
        assert!(!listeners.has_pending() && !listeners.is_ready());
        listeners.note_all();
        assert_eq!(listeners.take_pending(now), [0, 1, 2]);
    }

    #[test]
    fn nothing_is_accepted_in_a_pause_and_everything_is_looked_at_after_it() {
        let now = Instant::now();
        let again = now + Duration::from_secs(1);
        let mut listeners = listeners(2, 0);
        assert!(!listeners.pause_until(now), "it begins to pause");
        assert!(listeners.pause_until(again), "it pauses already");
        assert_eq!(listeners.again(), Some(again));
        listeners.note(1);
        assert_eq!(listeners.take_pending(now), [0; 0]);
        assert!(listeners.has_pending() && !listeners.is_ready(), "later");
        assert_eq!(listeners.take_pending(again), [0, 1]);
        assert!(!listeners.has_pending());
        listeners.pause_until(again);
        listeners.resume();
        listeners.note(1);
        assert_eq!(listeners.take_pending(now), [1]);
    }
}
