//! Where the server is in its life, from running to the end of its last loop, and what became of those in flight.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::lock::lock;

/// Where the server is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Serving on as before, except that readiness is denied, so that balancers look elsewhere.
    Leaving,
    /// No new connections; what is in flight is finished.
    Draining,
    /// Everything ends now.
    Stopping,
}

pub(crate) struct Lifecycle {
    phase: AtomicU8,
    drain: Mutex<Option<Drain>>,
    /// Loops that may still accept connections, and give them to others.
    loops_accepting: AtomicUsize,
    loops_running: Mutex<usize>,
    loop_ended: Condvar,
    finished: AtomicUsize,
    cut: AtomicUsize,
}

/// The times of a drain.
#[derive(Clone, Copy)]
struct Drain {
    begins: Instant,
    ends: Instant,
}

impl Lifecycle {
    pub(super) fn new(loops: usize) -> Lifecycle {
        Lifecycle {
            phase: AtomicU8::new(Phase::Running as u8),
            drain: Mutex::new(None),
            loops_accepting: AtomicUsize::new(loops),
            loops_running: Mutex::new(loops),
            loop_ended: Condvar::new(),
            finished: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
        }
    }

    /// Where the server is; what has taken its time passes into the next phase here.
    pub(crate) fn phase(&self, now: Instant) -> Phase {
        if self.phase.load(Ordering::SeqCst) == Phase::Running as u8 {
            return Phase::Running;
        }
        let phase = match *lock(&self.drain) {
            Some(drain) if now < drain.begins => Phase::Leaving,
            Some(drain) if now < drain.ends => Phase::Draining,
            _ => Phase::Stopping,
        };
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        phase
    }

    /// Whether connections go on after an answer.
    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) <= Phase::Leaving as u8
    }

    /// Whether the server has been told to stop.
    pub(crate) fn is_leaving(&self) -> bool {
        self.phase.load(Ordering::SeqCst) != Phase::Running as u8
    }

    /// When the next phase begins, if that is known.
    pub(crate) fn next_phase(&self, phase: Phase) -> Option<Instant> {
        let drain = (*lock(&self.drain))?;
        match phase {
            Phase::Running | Phase::Leaving => Some(drain.begins),
            Phase::Draining => Some(drain.ends),
            Phase::Stopping => None,
        }
    }

    /// Begins to drain, after `delay`. Called again, it ends the delay and can shorten the grace.
    pub(super) fn drain(&self, delay: Duration, grace: Duration) {
        {
            let mut drain = lock(&self.drain);
            let now = Instant::now();
            *drain = Some(match *drain {
                None => {
                    let begins = after(now, delay);
                    let ends = after(begins, grace);
                    Drain { begins, ends }
                }
                Some(set) => Drain {
                    begins: set.begins.min(now),
                    ends: set.ends.min(after(now, grace)),
                },
            });
        }
        self.phase.fetch_max(Phase::Leaving as u8, Ordering::SeqCst);
    }

    /// A loop accepts no more. Says whether it was the last one.
    pub(super) fn loop_has_stopped_accepting(&self) -> bool {
        self.loops_accepting.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Whether a loop may still accept connections and give them to another.
    pub(crate) fn is_accepting(&self) -> bool {
        self.loops_accepting.load(Ordering::SeqCst) > 0
    }

    /// A loop has come to its end. Says how many are left. Whoever waits for them is told by
    /// [`notify_end`](Lifecycle::notify_end).
    pub(super) fn loop_has_ended(&self) -> usize {
        let mut running = lock(&self.loops_running);
        *running -= 1;
        *running
    }

    pub(super) fn notify_end(&self) {
        self.loop_ended.notify_all();
    }

    pub(crate) fn have_all_ended(&self) -> bool {
        *lock(&self.loops_running) == 0
    }

    /// Waits until all loops have ended.
    pub(crate) fn wait(&self) {
        let mut running = lock(&self.loops_running);
        while *running > 0 {
            running = self.loop_ended.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn count_finished(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections that were busy at the end were finished, and how many cut off.
    pub(crate) fn finished_and_cut(&self) -> (usize, usize) {
        (self.finished.load(Ordering::Relaxed), self.cut.load(Ordering::Relaxed))
    }
}
