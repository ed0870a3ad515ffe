//! The time of a call: when it began, and how long it may take.
//!
//! The thread that runs the handler writes it, and its loop reads it, so all of it is atomic.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::request::Allowed;
use crate::server::limits::Limits;

/// The values of `allowed` that are no number of nanoseconds.
const AS_SERVER_SAYS: u64 = 0;
const FOR_EVER: u64 = u64::MAX;

/// When a call began, and how long it may take.
pub(super) struct CallTime {
    /// In nanoseconds after `zero`.
    began: AtomicU64,
    zero: Instant,
    /// In nanoseconds, or [`AS_SERVER_SAYS`] or [`FOR_EVER`].
    allowed: AtomicU64,
}

impl CallTime {
    pub(super) fn new() -> CallTime {
        CallTime {
            began: AtomicU64::new(0),
            zero: Instant::now(),
            allowed: AtomicU64::new(AS_SERVER_SAYS),
        }
    }

    /// Notes that the call begins at `now`, or begins anew.
    // Only for calls that have lost their loop, or wait.
    #[inline(never)]
    pub(super) fn begin(&self, now: Instant) {
        let nanoseconds = now.saturating_duration_since(self.zero).as_nanos();
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        // The loop's note of when the call began may arrive after the thread's own.
        self.began.fetch_max(nanoseconds, Relaxed);
    }

    /// Returns when the call began.
    pub(super) fn began(&self) -> Instant {
        after(self.zero, Duration::from_nanos(self.began.load(SeqCst)))
    }

    /// Sets how long the call may take.
    pub(super) fn allow(&self, allowed: Allowed) {
        let nanoseconds = match allowed {
            Allowed::Server => AS_SERVER_SAYS,
            Allowed::Always => FOR_EVER,
            // What does not fit is for ever: more than five centuries.
            Allowed::Time(time) => u64::try_from(time.as_nanos()).unwrap_or(FOR_EVER).max(1),
        };
        self.allowed.store(nanoseconds, SeqCst);
    }

    /// Returns how long the call may take, or `None` if that is not limited.
    pub(super) fn allowed(&self, limits: &Limits) -> Option<Duration> {
        match self.allowed.load(SeqCst) {
            AS_SERVER_SAYS => limits.handler,
            FOR_EVER => None,
            nanoseconds => Some(Duration::from_nanos(nanoseconds)),
        }
    }

    /// Returns true if the route of the call has a limit of its own.
    pub(super) fn is_of_route(&self) -> bool {
        self.allowed.load(SeqCst) != AS_SERVER_SAYS
    }

    /// Forgets what the route allowed.
    pub(super) fn reset(&self) {
        if self.is_of_route() {
            self.allow(Allowed::Server);
        }
    }

    #[cfg(test)]
    pub(super) fn zero(&self) -> Instant {
        self.zero
    }
}
