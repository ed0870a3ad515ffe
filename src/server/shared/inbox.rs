//! The things that other threads leave for the holder of a loop.

use std::collections::VecDeque;
use std::sync::PoisonError;

use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

/// A queue of things for the holder of a loop.
pub(crate) struct Inbox<T> {
    waiting: Mutex<VecDeque<T>>,
    /// False only if nothing was waiting when somebody looked last: a hint, which saves the usual look the lock.
    may_have: AtomicBool,
    /// True if the holder sleeps, or is about to, and must be woken.
    asleep: AtomicBool,
    /// True if nobody will hold the loop any more.
    has_ended: AtomicBool,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Inbox<T> {
        Inbox {
            waiting: Mutex::new(VecDeque::new()),
            may_have: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        }
    }

    /// Leaves something. Returns true if the caller must wake the holder.
    #[must_use = "the holder may be asleep"]
    pub(crate) fn push(&self, thing: T) -> bool {
        let mut waiting = self.lock();
        waiting.push_back(thing);
        self.may_have.store(true, Ordering::Release);
        drop(waiting);
        self.rouse()
    }

    /// Notes that nobody will look here any more. Then the caller takes what [is left](Inbox::left).
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }

    /// Takes what was left although nobody looks here any more. Whoever leaves something calls it afterwards, so nothing stays.
    pub(crate) fn left(&self) -> Option<T> {
        if self.has_ended.load(Ordering::SeqCst) {
            return self.pop();
        }
        None
    }

    /// Returns true if the caller must wake the holder; at most one caller per sleep must.
    #[must_use = "the holder may be asleep"]
    pub(crate) fn rouse(&self) -> bool {
        self.asleep.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let mut waiting = self.lock();
        let thing = waiting.pop_front();
        if waiting.is_empty() {
            self.may_have.store(false, Ordering::Release);
        }
        thing
    }

    /// Returns false if nothing waits. What was left just now may be missed, until [`fall_asleep`](Inbox::fall_asleep).
    #[inline]
    pub(crate) fn may_have(&self) -> bool {
        self.may_have.load(Ordering::Acquire)
    }

    /// Returns true if the holder sleeps, or is about to.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Marks the holder as asleep. Returns true if it may sleep: not if something waits.
    pub(crate) fn fall_asleep(&self) -> bool {
        // Swapped like everywhere else, although the old value is not used: so all changes of the mark have one order,
        // and each thread sees what those before have done.
        self.asleep.swap(true, Ordering::SeqCst);
        // Checked after the mark: whoever leaves something later sees the mark.
        let may = self.lock().is_empty();
        if !may {
            self.wake_up();
        }
        may
    }

    pub(crate) fn wake_up(&self) {
        self.asleep.swap(false, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(hansel_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_does_not_sleep_on_what_waits() {
        let inbox = Inbox::new();
        assert!(!inbox.push(1), "nobody sleeps yet");
        assert!(!inbox.fall_asleep());
        assert_eq!(inbox.pop(), Some(1));
        assert!(inbox.fall_asleep());
        assert!(inbox.push(2));
        assert!(!inbox.push(3), "woken once");
    }
}
