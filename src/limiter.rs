//! A limit on the handlers that wait for the same lock.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::pace::queueing;
use crate::scheduling::Scheduling;

/// The number of handlers that may wait by default: there is always one that takes the lock as soon as it is free.
const WAITING: usize = 2;

/// Lets the next handlers begin only while few wait for a lock that all of them share.
///
/// Handlers that need the same lock run one after the other, however many threads they have. More threads only make each
/// wait longer, take the lock out of turn, and switch between each other. With a limiter, no other handler begins while some
/// handlers wait for the lock already; its request stays in the queue, where it costs nothing and keeps its turn.
///
/// So the number of handlers that run adapts to how much they need the lock: handlers that do something else meanwhile, or
/// block for another reason, are not counted, and as many run as there are [threads](crate::Server::threads).
///
/// ```no_run
/// use hansel::{App, Limiter, Routes, Server};
/// use std::sync::{Arc, Mutex};
///
/// fn main() -> hansel::Result {
///     let limiter = Arc::new(Limiter::new());
///     let (of_handler, count) = (Arc::clone(&limiter), Mutex::new(0));
///     let routes = Routes::new().get("/", move || {
///         let mut count = of_handler.wait(|| count.lock().unwrap());
///         *count += 1;
///         count.to_string()
///     });
///     Ok(Server::bind("127.0.0.1:8080")?.serve(App::new(routes).scheduling(limiter))?)
/// }
/// ```
pub struct Limiter {
    waiting: AtomicUsize,
    most: usize,
}

impl Limiter {
    /// Creates a limiter that lets two handlers wait: enough for the lock to be taken again as soon as it is free.
    pub fn new() -> Limiter {
        Limiter::up_to(WAITING)
    }

    /// Creates a limiter that lets up to `most` handlers wait, and at least one.
    pub fn up_to(most: usize) -> Limiter {
        Limiter {
            waiting: AtomicUsize::new(0),
            most: most.max(1),
        }
    }

    /// Runs `wait`, which waits for the lock, and returns its result. It does what [`queueing`] does, and counts.
    pub fn wait<R>(&self, wait: impl FnOnce() -> R) -> R {
        let _counted = Counted::one(&self.waiting);
        queueing(wait)
    }

    /// Returns how many handlers wait at this moment.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

impl Scheduling for Limiter {
    fn may_begin(&self) -> bool {
        self.waiting() < self.most
    }
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter::new()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("waiting", &self.waiting())
            .field("most", &self.most)
            .finish()
    }
}

/// One in a count, for as long as it lives: also if a wait panics.
struct Counted<'c>(&'c AtomicUsize);

impl Counted<'_> {
    fn one(count: &AtomicUsize) -> Counted<'_> {
        count.fetch_add(1, Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panics::contain;

    #[test]
    fn handlers_may_begin_as_long_as_few_wait_and_a_panic_ends_a_wait() {
        let limiter = Limiter::up_to(3);
        fn nested(limiter: &Limiter, depth: usize) -> bool {
            if depth == 0 {
                return limiter.may_begin();
            }
            limiter.wait(|| nested(limiter, depth - 1))
        }
        assert!(nested(&limiter, 2));
        assert!(!nested(&limiter, 3));
        assert!(contain(|| limiter.wait(|| panic!("poisoned"))).is_err());
        assert_eq!(limiter.waiting(), 0);
        assert!(limiter.may_begin());
        assert!(Limiter::up_to(0).may_begin(), "otherwise nothing would ever begin");
    }
}
