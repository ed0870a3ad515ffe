//! The wait of a connection: for what, until when, and how much was transferred meanwhile.

use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::server::limits::Limits;

/// A wait or a transfer that is in progress.
pub(crate) struct Wait {
    pub(crate) reason: Waits,
    pub(crate) deadline: Instant,
    since: Instant,
    /// The number of bytes transferred since.
    passed: u64,
}

/// The purpose of a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    Idle,
    Head,
    Body,
    Client,
    /// Something that is sent to a topic.
    Push,
    /// A place for its handler, or memory for its body.
    Place,
    /// Its turn to have a piece of a file read.
    Disk,
    End,
}

impl Wait {
    /// Creates a wait of up to `most`.
    pub(super) fn new(reason: Waits, now: Instant, most: Duration) -> Wait {
        Wait {
            reason,
            deadline: after(now, most),
            since: now,
            passed: 0,
        }
    }

    // Called in five places; saving an instruction or two of a usual request is not worth repeating the code.
    #[inline(never)]
    pub(super) fn begin(&mut self, reason: Waits, now: Instant, most: Duration) {
        *self = Wait::new(reason, now, most);
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.passed += bytes as u64;
    }

    /// Waits for the client to continue a transfer, which has earned time by what was transferred.
    pub(super) fn go_on(&mut self, reason: Waits, now: Instant, limits: &Limits) {
        if self.reason != reason {
            self.begin(reason, now, Duration::ZERO);
        }
        self.deadline = limits.transfer_deadline(self.since, self.passed);
    }

    /// Limits it to this long, counted from its beginning.
    pub(super) fn shorten(&mut self, most: Duration) {
        self.deadline = self.deadline.min(after(self.since, most));
    }

    /// Returns how slowly a client sends a body, in bytes per second, if it is slow. A body that itself waits for a
    /// place is not slow, but makes room if no other does.
    pub(super) fn pace_if_slow(&self, now: Instant, limits: &Limits) -> Option<u64> {
        let waited = now.saturating_duration_since(self.since);
        match self.reason {
            Waits::Body => limits.pace_if_slow(waited, self.passed),
            Waits::Place => limits.pace_if_slow(waited, 0).map(|_| u64::MAX),
            _ => None,
        }
    }
}
