//! What is known of how long a handler takes, and the one call by which a handler can say it itself.
//!
//! Dispatch runs every endpoint through [`Pace::run`]; the server listens by a [`Hook`] on its threads
//! and decides who holds the event loop meanwhile. So dispatch and server stay strangers, and an
//! application that runs under no server of ours pays a thread-local look-up.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicI8, AtomicUsize, Ordering::Relaxed};

/// How many endpoints are told apart. Beyond that many, two endpoints may share what is known of them;
/// that can cost one of them a hand-over it did not need, never more.
const TOLD_APART: usize = 16 * 1024;

/// For each endpoint, how many quick calls are still wanted of it, more than of one that nothing is known of.
///
/// A plain table, read on every call and written only when an opinion changes: no cache line travels
/// between cores while things stay as they are, and nothing needs to be freed. It begins with zeros, so
/// it takes no room in the program's file.
static WANTED: [AtomicI8; TOLD_APART] = [const { AtomicI8::new(UNKNOWN) }; TOLD_APART];

/// Wanted of one that is held to be quick.
const QUICK: i8 = -32;
/// Wanted of one that nothing is known of.
const UNKNOWN: i8 = 0;
/// Wanted of one that was found to be slow; half-way it is as good as unknown.
const SLOW: i8 = 32;

/// What is thought of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opinion {
    Quick,
    /// It has not been called often enough.
    Unknown,
    Slow,
}

/// Which endpoint a call belongs to, as far as its pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace(u16);

/// A server's interest in the calls that are made on one of its threads.
pub(crate) trait Hook {
    /// A handler is about to run.
    fn starting(&self, pace: Pace);
    /// It has returned (not: panicked).
    fn finished(&self, pace: Pace);
    /// The handler that is running on this thread is about to wait for something.
    fn about_to_block(&self);
}

thread_local! {
    static HOOK: OnceCell<Box<dyn Hook>> = const { OnceCell::new() };
}

/// Makes `hook` hear of every call on this thread, for as long as the thread lives.
pub(crate) fn listen(hook: Box<dyn Hook>) {
    HOOK.with(|cell| {
        // A thread has one server for life, so a second hook cannot come.
        let _ = cell.set(hook);
    });
}

/// What a hook hears.
enum Told {
    Starting(Pace),
    Finished(Pace),
    AboutToBlock,
}

/// Tells this thread's hook, if it has one; says whether it has.
#[inline(never)]
fn hear(told: Told) -> bool {
    let tell = |hook: &dyn Hook| match told {
        Told::Starting(pace) => hook.starting(pace),
        Told::Finished(pace) => hook.finished(pace),
        Told::AboutToBlock => hook.about_to_block(),
    };
    // A thread that is about to end has none any more.
    HOOK.try_with(|cell| cell.get().map(|hook| tell(&**hook)).is_some())
        .unwrap_or(false)
}

impl Pace {
    /// A new endpoint, of which nothing is known.
    pub(crate) fn new() -> Pace {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Pace((NEXT.fetch_add(1, Relaxed) % TOLD_APART) as u16)
    }

    /// That of the endpoint with this name, for those that have no place of their own to keep one. The
    /// name is told apart by where it is stored, which for the name of a function is one place.
    pub(crate) fn of_name(name: &str) -> Pace {
        // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
        let spread = (name.as_ptr() as usize as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Pace((spread >> 48) as u16 % TOLD_APART as u16)
    }

    /// Calls an endpoint.
    #[inline]
    pub(crate) fn run<R>(self, endpoint: impl FnOnce() -> R) -> R {
        // What it returns goes to the caller's place at once, not by way of a closure.
        let is_heard = hear(Told::Starting(self));
        let result = endpoint();
        if is_heard {
            hear(Told::Finished(self));
        }
        result
    }

    pub(crate) fn opinion(self) -> Opinion {
        match self.wanted().load(Relaxed) {
            wanted if wanted <= QUICK => Opinion::Quick,
            wanted if wanted <= UNKNOWN => Opinion::Unknown,
            _ => Opinion::Slow,
        }
    }

    /// This endpoint blocks, or computes for long.
    pub(crate) fn found_slow(self) {
        self.wanted().store(SLOW, Relaxed);
    }

    /// A call of this endpoint, not held to be quick, was quick.
    pub(crate) fn found_quick(self) {
        // Two threads may count one call between them; the opinion is only as exact as it need be.
        let wanted = self.wanted().load(Relaxed);
        self.wanted().store(wanted.saturating_sub(1).max(QUICK), Relaxed);
    }

    /// A number that [`Pace::of_index`] takes back.
    pub(crate) fn index(self) -> u16 {
        self.0
    }

    pub(crate) fn of_index(index: u16) -> Pace {
        Pace(index % TOLD_APART as u16)
    }

    fn wanted(self) -> &'static AtomicI8 {
        &WANTED[usize::from(self.0)]
    }
}

/// Runs `work`, which is known to wait or to compute for long, without holding up anybody else.
///
/// A handler may block without this: the server notices and lets other requests pass. Saying so spares
/// those others the millisecond that noticing takes, the first time. Outside a hansel server it just
/// runs `work`.
///
/// ```
/// let lines = hansel::blocking(|| std::fs::read_to_string("Cargo.toml")).map(|text| text.lines().count());
/// # assert!(lines.unwrap() > 0);
/// ```
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    about_to_block();
    work()
}

/// As [`blocking`], for code in this crate that waits on a handler's behalf.
pub(crate) fn about_to_block() {
    hear(Told::AboutToBlock);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn enough_quick_calls_make_an_endpoint_quick_and_slow_ones_unmake_it() {
        let pace = Pace::new();
        let after_quick_calls = |count: i8| {
            (0..count).for_each(|_| pace.found_quick());
            pace.opinion()
        };
        assert_eq!(after_quick_calls(UNKNOWN - QUICK - 1), Opinion::Unknown);
        assert_eq!(after_quick_calls(1), Opinion::Quick);
        assert_eq!(after_quick_calls(1), Opinion::Quick);
        pace.found_slow();
        assert_eq!(after_quick_calls(SLOW - UNKNOWN - 1), Opinion::Slow);
        assert_eq!(after_quick_calls(1), Opinion::Unknown);
        assert_eq!(after_quick_calls(UNKNOWN - QUICK), Opinion::Quick);
    }

    #[test]
    fn a_hook_hears_of_calls_on_its_own_thread_only() {
        struct Ear(Rc<RefCell<Vec<&'static str>>>);
        impl Hook for Ear {
            fn starting(&self, _: Pace) {
                self.0.borrow_mut().push("starting");
            }
            fn finished(&self, _: Pace) {
                self.0.borrow_mut().push("finished");
            }
            fn about_to_block(&self) {
                self.0.borrow_mut().push("block");
            }
        }
        std::thread::spawn(|| {
            let heard = Rc::new(RefCell::new(Vec::new()));
            listen(Box::new(Ear(Rc::clone(&heard))));
            assert_eq!(Pace::new().run(|| blocking(|| 7)), 7);
            assert_eq!(*heard.borrow(), ["starting", "block", "finished"]);
        })
        .join()
        .unwrap();
        assert_eq!(Pace::new().run(|| blocking(|| 8)), 8);
    }
}
