//! Waking the [watch](crate::server::threads::watching), a thread that looks after loops which lie while a handler blocks.

use std::sync::OnceLock;

use super::sync::{AtomicBool, Ordering, thread};

/// Whether the watch sleeps, and how to wake it.
pub(crate) struct Watch {
    asleep: AtomicBool,
    /// It looks closely.
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

    /// A handler is about to run: somebody should look. To be called after the loop was put down.
    pub(crate) fn look(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// A handler is about to run that nothing is known of.
    pub(crate) fn look_closely(&self) {
        if !self.is_close.load(Ordering::SeqCst) && !self.is_close.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The calling thread is the one that watches.
    pub(crate) fn begin(&self) {
        // There is one for each server.
        let _ = self.thread.set(thread::current());
    }

    /// Sleeps until somebody asks to look, unless `must_not`, which is asked once whoever comes later
    /// will wake the watch. Says whether it slept.
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

    /// Has it notice that the server ends.
    pub(crate) fn end(&self) {
        self.asleep.swap(false, Ordering::SeqCst);
        self.wake();
    }

    /// Whether it looks closely.
    pub(crate) fn is_close(&self) -> bool {
        self.is_close.load(Ordering::SeqCst)
    }

    pub(crate) fn set_close(&self, is_close: bool) {
        self.is_close.store(is_close, Ordering::SeqCst);
    }
}
