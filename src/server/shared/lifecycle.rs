//! The phases of a server, from running to the end of its last loop, and what happened to the connections in flight.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::lock::lock;

/// The phase of a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// It serves as before, but reports that it is not ready, so that balancers send their requests elsewhere.
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

    /// Returns the phase of the server. A phase whose time is up passes into the next one here.
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

    /// Returns true if connections go on after a response.
    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) <= Phase::Leaving as u8
    }

    /// Returns true if the server was told to stop.
    pub(crate) fn is_leaving(&self) -> bool {
        self.phase.load(Ordering::SeqCst) != Phase::Running as u8
    }

    /// Returns when the next phase begins, if that is known.
    #[cold]
    pub(crate) fn next_phase(&self, phase: Phase) -> Option<Instant> {
        let drain = (*lock(&self.drain))?;
        match phase {
            Phase::Running | Phase::Leaving => Some(drain.begins),
            Phase::Draining => Some(drain.ends),
            Phase::Stopping => None,
        }
    }

    /// Begins to drain, after `delay`. Another call ends the delay and can shorten the grace.
    pub(crate) fn drain(&self, delay: Duration, grace: Duration) {
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

    /// Notes that a loop no longer accepts. Returns true if it was the last one.
    pub(super) fn loop_has_stopped_accepting(&self) -> bool {
        self.loops_accepting.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Returns true if a loop may still accept connections and give them to another.
    pub(crate) fn is_accepting(&self) -> bool {
        self.loops_accepting.load(Ordering::SeqCst) > 0
    }

    /// Notes that a loop has ended. Returns how many are left. [`notify_end`](Lifecycle::notify_end) notifies whoever
    /// waits for them.
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

    /// Waits until all loops have ended, or until `deadline` if there is one. Returns true if they have.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> bool {
        let mut running = lock(&self.loops_running);
        while *running > 0 {
            let Some(deadline) = deadline else {
                running = self.loop_ended.wait(running).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.loop_ended.wait_timeout(running, left);
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(crate) fn count_finished(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many connections that were busy at the end were finished, and how many were cut.
    pub(crate) fn finished_and_cut(&self) -> (usize, usize) {
        (self.finished.load(Ordering::Relaxed), self.cut.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_leaves_then_drains_then_stops_and_never_goes_back() {
        let lifecycle = Lifecycle::new(1);
        let hour = Duration::from_secs(3600);
        let in_hours = |hours: u32| after(Instant::now(), hour * hours);
        assert_eq!(lifecycle.phase(in_hours(9)), Phase::Running);
        assert!(lifecycle.is_running() && !lifecycle.is_leaving());
        lifecycle.drain(hour, hour);
        assert!(lifecycle.is_running() && lifecycle.is_leaving());
        assert_eq!(lifecycle.phase(in_hours(0)), Phase::Leaving);
        assert!(lifecycle.is_running());
        assert_eq!(lifecycle.phase(after(in_hours(1), hour / 2)), Phase::Draining);
        assert!(!lifecycle.is_running() && lifecycle.is_leaving());
        assert_eq!(lifecycle.phase(in_hours(3)), Phase::Stopping);
        assert!(!lifecycle.is_running() && lifecycle.is_leaving());
    }

    #[test]
    fn the_last_loop_is_known_as_the_last() {
        let lifecycle = Lifecycle::new(2);
        assert!(lifecycle.is_accepting() && !lifecycle.loop_has_stopped_accepting());
        assert!(lifecycle.is_accepting() && lifecycle.loop_has_stopped_accepting());
        assert!(!lifecycle.is_accepting());
        assert_eq!((lifecycle.loop_has_ended(), lifecycle.have_all_ended()), (1, false));
        assert_eq!((lifecycle.loop_has_ended(), lifecycle.have_all_ended()), (0, true));
    }

    #[test]
    fn the_next_phase_begins_when_the_delay_ends_and_then_when_the_grace_does() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let lifecycle = Lifecycle::new(1);
        assert_eq!(lifecycle.next_phase(Phase::Running), None);
        let before = Instant::now();
        lifecycle.drain(minute, hour);
        let begins = lifecycle.next_phase(Phase::Running).unwrap();
        assert!(begins >= before + minute && begins <= Instant::now() + minute);
        assert_eq!(lifecycle.next_phase(Phase::Leaving), Some(begins));
        assert_eq!(lifecycle.next_phase(Phase::Draining), Some(begins + hour));
        assert_eq!(lifecycle.next_phase(Phase::Stopping), None);
        let just_before = |moment: Instant| moment.checked_sub(Duration::from_nanos(1)).unwrap();
        for (now, phase) in [
            (just_before(begins), Phase::Leaving),
            (begins, Phase::Draining),
            (just_before(begins + hour), Phase::Draining),
            (begins + hour, Phase::Stopping),
        ] {
            assert_eq!(lifecycle.phase(now), phase);
        }
    }

    #[test]
    fn a_second_call_to_drain_ends_the_delay_and_never_prolongs_the_grace() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let lifecycle = Lifecycle::new(1);
        lifecycle.drain(hour, hour);
        lifecycle.drain(hour, minute);
        let now = Instant::now();
        assert_eq!(lifecycle.phase(now), Phase::Draining);
        let ends = lifecycle.next_phase(Phase::Draining).unwrap();
        assert!(ends <= now + minute);
        lifecycle.drain(hour, hour);
        assert_eq!(lifecycle.next_phase(Phase::Draining), Some(ends));
        lifecycle.drain(Duration::ZERO, Duration::ZERO);
        assert_eq!(lifecycle.phase(Instant::now()), Phase::Stopping);
    }

    #[test]
    fn who_waits_for_the_end_waits_for_the_last_loop_or_for_as_long_as_is_given() {
        for deadline in [None, Some(after(Instant::now(), Duration::from_secs(3600)))] {
            // The waiter may come too late to be woken, so many are tried.
            for _ in 0..50 {
                let lifecycle = Lifecycle::new(2);
                assert!(!lifecycle.wait_until(Some(Instant::now())), "no loop has ended");
                let (begins, begun) = std::sync::mpsc::channel();
                std::thread::scope(|scope| {
                    let waiter = scope.spawn(|| {
                        begins.send(()).unwrap();
                        lifecycle.wait_until(deadline)
                    });
                    begun.recv().unwrap();
                    lifecycle.loop_has_ended();
                    lifecycle.notify_end();
                    assert!(!lifecycle.have_all_ended() && !waiter.is_finished());
                    lifecycle.loop_has_ended();
                    lifecycle.notify_end();
                    assert!(waiter.join().unwrap());
                });
                assert!(lifecycle.wait_until(Some(Instant::now())));
            }
        }
    }

    #[test]
    fn who_was_finished_and_who_was_cut_are_counted_apart() {
        let lifecycle = Lifecycle::new(1);
        lifecycle.count_finished();
        lifecycle.count_finished();
        lifecycle.count_cut();
        assert_eq!(lifecycle.finished_and_cut(), (2, 1));
    }
}
