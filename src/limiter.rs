//! A limit on the handlers that wait for the same lock.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::pace::queueing;
use crate::scheduling::Scheduling;

/// The fewest waiting handlers that are allowed: enough for the lock to be taken again as soon as it is free.
const FEWEST: usize = 4;

/// A wait that takes longer makes the limit smaller.
const LONG: Duration = Duration::from_millis(4);

/// A wait that takes less time makes it larger.
const SHORT: Duration = Duration::from_millis(1);

/// Limits how many handlers wait for a lock that they share, by how long they wait for it.
///
/// Handlers that need the same lock run one after the other, however many threads they have. More threads only make each
/// wait longer, and all switch between each other. A limiter lets the next handlers begin as long as few wait; the other
/// requests stay in the queue, where they cost nothing. The limit adapts: waits of more than 4 ms make it smaller, down to
/// 4, and waits of less than 1 ms larger, up to the largest one.
///
/// Handlers that don't wait for the lock are not limited, even if they block.
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
    limit: AtomicUsize,
    most: usize,
}

impl Limiter {
    /// Creates a limiter that lets up to 64 handlers wait.
    pub fn new() -> Limiter {
        Limiter::up_to(64)
    }

    /// Creates a limiter that lets up to `most` handlers wait, and at least 4.
    pub fn up_to(most: usize) -> Limiter {
        let most = most.max(FEWEST);
        Limiter {
            waiting: AtomicUsize::new(0),
            limit: AtomicUsize::new(most),
            most,
        }
    }

    /// Runs `wait`, which waits for the lock, and returns its result. The time that it takes sets the limit.
    ///
    /// It does what [`queueing`] does, and counts.
    pub fn wait<R>(&self, wait: impl FnOnce() -> R) -> R {
        let _counted = Counted::one(&self.waiting);
        let began = Instant::now();
        let result = queueing(wait);
        self.adapt(began.elapsed());
        result
    }

    /// Returns how many handlers wait at this moment.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Returns how many handlers may wait before others have to stay in the queue.
    pub fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Adapts the limit to a wait.
    fn adapt(&self, waited: Duration) {
        let limit = self.limit();
        let next = if waited > LONG {
            (limit * 3 / 4).max(FEWEST)
        } else if waited < SHORT {
            (limit + 1).min(self.most)
        } else {
            limit
        };
        if next != limit {
            // Two threads may count as one: each wait is only a sample.
            self.limit.store(next, Relaxed);
        }
    }
}

impl Scheduling for Limiter {
    fn may_begin(&self) -> bool {
        self.waiting() < self.limit()
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
            .field("limit", &self.limit())
            .finish_non_exhaustive()
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
    fn long_waits_make_the_limit_smaller_and_short_ones_larger_within_bounds() {
        let limiter = Limiter::up_to(16);
        for expected in [12, 9, 6, 4, 4] {
            limiter.adapt(LONG * 2);
            assert_eq!(limiter.limit(), expected);
        }
        limiter.adapt(SHORT * 2);
        assert_eq!(limiter.limit(), 4, "neither long nor short");
        (0..100).for_each(|_| limiter.adapt(Duration::ZERO));
        assert_eq!(limiter.limit(), 16);
        assert_eq!(Limiter::up_to(0).limit(), 4);
    }

    #[test]
    fn handlers_may_begin_as_long_as_few_wait_and_a_panic_ends_a_wait() {
        let limiter = Limiter::up_to(0);
        fn nested(limiter: &Limiter, depth: usize) -> bool {
            if depth == 0 {
                return limiter.may_begin();
            }
            limiter.wait(|| nested(limiter, depth - 1))
        }
        assert!(nested(&limiter, FEWEST - 1));
        assert!(!nested(&limiter, FEWEST));
        assert!(contain(|| limiter.wait(|| panic!("poisoned"))).is_err());
        assert_eq!(limiter.waiting(), 0);
        assert!(limiter.may_begin());
    }
}
