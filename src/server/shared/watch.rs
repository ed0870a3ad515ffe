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

#[cfg(all(test, not(hansel_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn it_checks_closely_from_when_it_is_told_to_until_it_is_told_not_to() {
        let watch = Watch::new();
        assert!(!watch.is_close());
        watch.look_closely();
        assert!(watch.is_close());
        watch.set_close(false);
        assert!(!watch.is_close());
        watch.set_close(true);
        assert!(watch.is_close());
    }

    #[test]
    fn it_does_not_sleep_if_it_must_not_and_nobody_wakes_it_then() {
        let watch = Watch::new();
        watch.begin();
        assert!(!watch.sleep_unless(|| true));
        assert!(!watch.asleep.load(Ordering::SeqCst));
    }

    #[test]
    fn it_sleeps_until_a_handler_runs_or_the_server_ends() {
        for wake in [Watch::look, Watch::end] {
            let watch = Watch::new();
            let (falls, asleep) = channel();
            thread::scope(|scope| {
                let sleeper = scope.spawn(|| {
                    watch.begin();
                    watch.sleep_unless(|| {
                        falls.send(()).unwrap();
                        false
                    })
                });
                asleep.recv().unwrap();
                watch.look_closely();
                assert!(!sleeper.is_finished(), "that is for one that is awake");
                wake(&watch);
                assert!(sleeper.join().unwrap());
            });
        }
    }

    #[test]
    fn one_that_waits_for_its_next_tick_is_woken_to_check_closely() {
        let watch = Watch::new();
        let (begins, begun) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                watch.begin();
                begins.send(()).unwrap();
                thread::park();
            });
            begun.recv().unwrap();
            watch.look_closely();
        });
    }
}
