//! The hand-overs between threads under every interleaving that loom distinguishes. One file for each thing that is handed
//! over.
//!
//! Run by `RUSTFLAGS="--cfg hansel_loom" cargo test --release --features websocket --lib models`. A thread that waits for
//! something that never happens is reported as a deadlock: that is how a lost wake-up shows.

mod admission;
mod corks;
mod crew;
mod ended;
mod hand_over;
#[cfg(feature = "websocket")]
mod sockets;
mod topics;
mod watch;

use loom::sync::{Condvar, Mutex};

/// Enough to let any two steps of one thread fall between any two of another, for threads as short as these. Without a
/// bound the larger models take hours.
const PREEMPTIONS: usize = 4;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Stands for the poll and its waker: a wake-up remains until a sleep consumes it.
struct Poll {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Poll {
    fn new() -> Poll {
        Poll {
            is_woken: Mutex::new(false),
            woken: Condvar::new(),
        }
    }

    fn wake(&self) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
    }

    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = self.woken.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}
