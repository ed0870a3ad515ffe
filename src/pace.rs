//! The time that handlers take, and the one call by which a handler can announce it.
//!
//! Dispatch runs every endpoint through [`Pace::run`]. The server listens with a [`Hook`] on its threads and decides
//! who holds the event loop meanwhile. So dispatch and server do not know each other, and an application under another
//! server pays for one thread-local lookup.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicI8, AtomicUsize, Ordering::Relaxed};

/// How many endpoints are distinguished. Beyond that, two endpoints may share a pace. This can cost one of them an
/// unnecessary hand-over, and nothing else.
const TOLD_APART: usize = 16 * 1024;

/// For each endpoint, how many more fast calls it needs than one of which nothing is known.
///
/// A plain table. It is read on every call and written only when an opinion changes, so no cache line moves between
/// cores while nothing changes, and nothing needs to be freed. It begins with zeros, so it takes no space in the
/// program's file.
static WANTED: [AtomicI8; TOLD_APART] = [const { AtomicI8::new(UNKNOWN) }; TOLD_APART];

/// The value of an endpoint that is known to be fast.
const QUICK: i8 = -32;
/// The value of an endpoint of which nothing is known.
const UNKNOWN: i8 = 0;
/// The value of an endpoint that was found to be slow. Half-way back it counts as unknown.
const SLOW: i8 = 32;

/// The opinion on an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opinion {
    Quick,
    /// It has not been called often enough.
    Unknown,
    Slow,
}

/// The endpoint of a call, as far as its pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace(u16);

/// Notifies a server of calls on one of its threads.
pub(crate) trait Hook {
    /// A handler is about to run.
    fn starting(&self, pace: Pace);
    /// It has returned without a panic.
    fn finished(&self, pace: Pace);
    /// The handler on this thread is about to wait for something.
    fn about_to_block(&self);
}

thread_local! {
    static HOOK: OnceCell<Box<dyn Hook>> = const { OnceCell::new() };
}

/// Makes `hook` receive every call on this thread, for as long as the thread lives.
pub(crate) fn listen(hook: Box<dyn Hook>) {
    HOOK.with(|cell| {
        // A thread belongs to one server for life, so there is no second hook.
        let _ = cell.set(hook);
    });
}

/// What a hook is notified of.
enum Told {
    Starting(Pace),
    Finished(Pace),
    AboutToBlock,
}

/// Notifies the hook of this thread. Returns true if there is one.
#[inline(never)]
fn hear(told: Told) -> bool {
    let tell = |hook: &dyn Hook| match told {
        Told::Starting(pace) => hook.starting(pace),
        Told::Finished(pace) => hook.finished(pace),
        Told::AboutToBlock => hook.about_to_block(),
    };
    // A thread that is about to end no longer has one.
    HOOK.try_with(|cell| cell.get().map(|hook| tell(&**hook)).is_some())
        .unwrap_or(false)
}

impl Pace {
    /// Creates a new endpoint of which nothing is known.
    pub(crate) fn new() -> Pace {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Pace((NEXT.fetch_add(1, Relaxed) % TOLD_APART) as u16)
    }

    /// Returns the pace of the endpoint with this name, for those that have no place to keep one. Names are
    /// distinguished by their address, which is unique for the name of a function.
    pub(crate) fn of_name(name: &str) -> Pace {
        // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
        let spread = (name.as_ptr() as usize as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Pace((spread >> 48) as u16 % TOLD_APART as u16)
    }

    /// Calls an endpoint.
    #[inline]
    pub(crate) fn run<R>(self, endpoint: impl FnOnce() -> R) -> R {
        // The result goes directly to the caller's place, not through a closure.
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

    /// Notes that this endpoint blocks, or computes for a long time.
    pub(crate) fn found_slow(self) {
        self.wanted().store(SLOW, Relaxed);
    }

    /// Notes a fast call of this endpoint, which was not known to be fast.
    pub(crate) fn found_quick(self) {
        // Two threads may count one call between them; the opinion need not be exact.
        let wanted = self.wanted().load(Relaxed);
        self.wanted().store(wanted.saturating_sub(1).max(QUICK), Relaxed);
    }

    /// Returns a number from which [`Pace::of_index`] makes the same pace.
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

/// Runs `work`, which waits or computes for long, and lets other requests pass meanwhile.
///
/// A handler may block without this call: the server notices, and lets other requests pass. Noticing takes a millisecond or
/// two the first time, which this call saves. Outside a hansel server it only runs `work`.
///
/// ```
/// let lines = hansel::blocking(|| std::fs::read_to_string("Cargo.toml")).map(|text| text.lines().count());
/// # assert!(lines.unwrap() > 0);
/// ```
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    about_to_block();
    work()
}

/// Does what [`blocking`] does, for code in this crate that waits on behalf of a handler.
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
