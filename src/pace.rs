//! The time that handlers take, and the one call by which a handler can announce it.
//!
//! Dispatch runs every endpoint through [`Pace::run`]. The server listens with a [`Hook`] on its threads and decides
//! who holds the event loop meanwhile. So dispatch and server do not know each other, and an application under another
//! server pays for one thread-local lookup.

use std::cell::OnceCell;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicI8, AtomicUsize, Ordering::Relaxed};

/// The number of endpoints that are distinguished. Beyond that, two endpoints may share a pace. This can cost one of them an
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
    /// The handler on this thread is about to wait for something that others need as well, or has waited for it.
    fn queueing(&self, is_waiting: bool);
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

/// An event that a hook is notified of.
enum Told {
    Starting(Pace),
    Finished(Pace),
    AboutToBlock,
    Queueing(bool),
}

/// Notifies the hook of this thread. Returns true if there is one.
#[inline(never)]
fn hear(told: Told) -> bool {
    let tell = |hook: &dyn Hook| match told {
        Told::Starting(pace) => hook.starting(pace),
        Told::Finished(pace) => hook.finished(pace),
        Told::AboutToBlock => hook.about_to_block(),
        Told::Queueing(is_waiting) => hook.queueing(is_waiting),
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

    /// Returns the pace of everything with this key, by its content.
    pub(crate) fn of_key(key: &(impl Hash + ?Sized)) -> Pace {
        let mut hasher = KeyHasher::default();
        key.hash(&mut hasher);
        // The upper bits of the last product depend on all bits of the key.
        Pace((hasher.finish() >> 48) as u16 % TOLD_APART as u16)
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

/// Runs `work`, timed by itself: together with everything that has the same key, and apart from everything else.
///
/// The server learns which endpoints are slow, and lets other requests pass those. A route is an endpoint, and so is a
/// function that is served as a whole. Where one function or [`Application`](crate::Application) responds to different
/// requests, this call tells them apart, so that one slow path does not make all of them slow. Up to some thousand keys are
/// told apart; beyond that two may share a pace, which costs a hand-over between threads now and then and nothing else.
///
/// Keys are compared by content. Call it around all that takes time, and not twice: of calls in each other, the innermost
/// counts. Outside a hansel server it only runs `work`.
///
/// ```
/// use hansel::{Application, IntoResponse, Request, Response, paced};
///
/// struct Legacy;
///
/// impl Application for Legacy {
///     fn call(&self, request: &Request) -> Response {
///         // Reports are slow, and pages are not.
///         paced(request.segment(0), || match request.segment(0) {
///             Some("reports") => "a long report".into_response(),
///             _ => "a page".into_response(),
///         })
///     }
/// }
/// # assert_eq!(Legacy.call(&Request::get("/reports")).body().bytes(), Some(&b"a long report"[..]));
/// ```
pub fn paced<R>(key: impl Hash, work: impl FnOnce() -> R) -> R {
    Pace::of_key(&key).run(work)
}

/// Runs `wait`, which waits for something that other handlers need as well: a lock, an interpreter, a connection to a
/// database that all share. Returns the result of `wait`.
///
/// While a handler blocks, the server starts others on other threads. If these need the same lock, they can only wait for
/// it as well, so this call tells the server not to: the wait does not make the endpoint slow, and other requests are not
/// started because of it. If the wait takes longer than about 30 ms, they are, because there may be some that don't need
/// the lock.
///
/// [`Limiter::wait`](crate::Limiter::wait) does the same, and also limits how many handlers wait. Outside a hansel server
/// this call only runs `wait`.
///
/// ```
/// use std::sync::Mutex;
///
/// let counter = Mutex::new(0);
/// let mut counter = hansel::queueing(|| counter.lock().unwrap());
/// *counter += 1;
/// ```
pub fn queueing<R>(wait: impl FnOnce() -> R) -> R {
    /// Also says that the wait is over if it panics.
    struct Waiting;
    impl Drop for Waiting {
        fn drop(&mut self) {
            hear(Told::Queueing(false));
        }
    }
    hear(Told::Queueing(true));
    let _waiting = Waiting;
    wait()
}

/// The hash of keys, eight bytes at a time. Whoever chooses keys with equal hashes only makes them share a pace.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
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
    fn keys_are_told_apart_by_content() {
        let same = [String::from("reports"), String::from("reports")];
        assert_eq!(Pace::of_key(&same[0]), Pace::of_key(&same[1]));
        assert_eq!(Pace::of_key("reports"), Pace::of_key(&same[0]));
        let paces: std::collections::HashSet<u16> = (0..100).map(|n| Pace::of_key(&("route", n)).index()).collect();
        assert!(paces.len() > 95, "of 100 keys only {} are told apart", paces.len());
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
            fn queueing(&self, is_waiting: bool) {
                self.0.borrow_mut().push(if is_waiting { "queue" } else { "queued" });
            }
        }
        std::thread::spawn(|| {
            let heard = Rc::new(RefCell::new(Vec::new()));
            listen(Box::new(Ear(Rc::clone(&heard))));
            assert_eq!(Pace::new().run(|| blocking(|| 7)), 7);
            assert_eq!(*heard.borrow(), ["starting", "block", "finished"]);
            heard.borrow_mut().clear();
            let panicked = crate::panics::contain(|| paced("a", || queueing(|| panic!("poisoned"))));
            assert!(panicked.is_err());
            assert_eq!(
                *heard.borrow(),
                ["starting", "queue", "queued"],
                "a panic ends the wait"
            );
        })
        .join()
        .unwrap();
        assert_eq!(Pace::new().run(|| blocking(|| 8)), 8);
    }
}
