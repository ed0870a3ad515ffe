//! Waking the [watch](crate::server::threads::watching), a thread that checks loops that stay released while a handler
//! blocks.

use std::sync::OnceLock;

use super::sync::{AtomicBool, Ordering, thread};

/// The state of the watch, and the way to wake it.
pub(crate) struct Watch {
    asleep: AtomicBool,
    /// True if it checks closely.
    is_close: AtomicBool,
    thread: OnceLock<thread::Thread>,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch {
            asleep: AtomicBool::new(false),
            is_close: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }

    /// Notes that a handler is about to run, so that the watch checks. Call it after the loop was released.
    pub(crate) fn look(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Notes that a handler is about to run of which nothing is known.
    pub(crate) fn look_closely(&self) {
        if !self.is_close.load(Ordering::SeqCst) && !self.is_close.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Makes the calling thread the one that watches.
    pub(crate) fn begin(&self) {
        // There is one for each server.
        let _ = self.thread.set(thread::current());
    }

    /// Sleeps until it is woken, unless `must_not` returns true. That is called once later callers would wake the
    /// watch. Returns true if it slept.
    pub(crate) fn sleep_unless(&self, must_not: impl FnOnce() -> bool) -> bool {
        self.asleep.swap(true, Ordering::SeqCst);
        if must_not() {
            self.asleep.swap(false, Ordering::SeqCst);
            return false;
        }
        while self.asleep.load(Ordering::SeqCst) {
            thread::park();
        }
        true
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Makes it notice that the server ends.
    pub(crate) fn end(&self) {
        self.asleep.swap(false, Ordering::SeqCst);
        self.wake();
    }

    /// Returns true if it checks closely.
    pub(crate) fn is_close(&self) -> bool {
        self.is_close.load(Ordering::SeqCst)
    }

    pub(crate) fn set_close(&self, is_close: bool) {
        self.is_close.store(is_close, Ordering::SeqCst);
    }
}
