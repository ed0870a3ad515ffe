//! Deadlines, kept by a separate thread, because the runtime around a service need not have a clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lock::lock;
use crate::panics::contain;
use crate::{report, threads};

/// The time that the thread stays when there is nothing to wait for.
const SPARE_TIME: Duration = Duration::from_secs(10);

type Ring = Box<dyn FnOnce() + Send>;

/// Sets [alarms](Alarm). Its thread ends when this is dropped and the last alarm is over.
pub(super) struct Clock(Arc<Shared>);

/// Something that happens at a set time, unless this is dropped before.
pub(super) struct Alarm {
    shared: Arc<Shared>,
    key: (Instant, u64),
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    alarms: BTreeMap<(Instant, u64), Ring>,
    serial: u64,
    has_thread: bool,
    is_closed: bool,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock(Arc::default())
    }

    /// Calls `ring` at a time, on the clock's thread. It must not block.
    pub(super) fn set(&self, at: Instant, ring: impl FnOnce() + Send + 'static) -> Alarm {
        let mut state = lock(&self.0.state);
        state.serial += 1;
        let key = (at, state.serial);
        let is_next = state.alarms.first_key_value().is_none_or(|(first, _)| key < *first);
        state.alarms.insert(key, Box::new(ring));
        let needs_thread = !std::mem::replace(&mut state.has_thread, true);
        drop(state);
        if needs_thread {
            let shared = Arc::clone(&self.0);
            let run = Box::new(move || shared.run());
            if let Err(error) = threads::start("hansel-tower-clock".into(), run) {
                lock(&self.0.state).has_thread = false;
                report::error!(
                    "can't start the thread that enforces deadlines: {error}; there are no deadlines until it starts"
                );
            }
        } else if is_next {
            self.0.changed.notify_one();
        }
        Alarm {
            shared: Arc::clone(&self.0),
            key,
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        lock(&self.0.state).is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        let ring = state.alarms.remove(&self.key);
        let is_over = state.is_closed && state.alarms.is_empty();
        drop(state);
        if is_over {
            self.shared.changed.notify_one();
        }
        drop(ring);
    }
}

impl Shared {
    fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            let Some((&(at, serial), _)) = state.alarms.first_key_value() else {
                if state.is_closed {
                    state.has_thread = false;
                    return;
                }
                let (woken, waited) = self
                    .changed
                    .wait_timeout(state, SPARE_TIME)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if waited.timed_out() && state.alarms.is_empty() {
                    state.has_thread = false;
                    return;
                }
                continue;
            };
            if at > now {
                let left = at.saturating_duration_since(now);
                let (woken, _) = self
                    .changed
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                continue;
            }
            let ring = state.alarms.remove(&(at, serial));
            drop(state);
            // It may wake a task, which is not hansel's code.
            if let Some(Err(panic)) = ring.map(contain) {
                report::error!("waking a task panicked: {panic}");
            }
            state = lock(&self.state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn alarms_ring_in_the_order_of_their_times() {
        let clock = Clock::new();
        let (rings, rung) = mpsc::channel();
        let now = Instant::now();
        let alarms: Vec<_> = [30, 10, 20]
            .map(|after| {
                let rings = rings.clone();
                clock.set(now + Duration::from_millis(after), move || rings.send(after).unwrap())
            })
            .into();
        assert_eq!(rung.iter().take(3).collect::<Vec<_>>(), [10, 20, 30]);
        drop(alarms);
    }

    #[test]
    fn an_alarm_that_is_dropped_does_not_ring() {
        let clock = Clock::new();
        let (rings, rung) = mpsc::channel();
        let soon = Instant::now() + Duration::from_millis(20);
        let late = rings.clone();
        let dropped = clock.set(soon, move || late.send("dropped").unwrap());
        drop(dropped);
        let kept = clock.set(soon, move || rings.send("kept").unwrap());
        assert_eq!(rung.iter().collect::<Vec<_>>(), ["kept"], "and its sender is gone");
        drop(kept);
    }

    #[test]
    fn the_thread_ends_with_its_clock() {
        let clock = Clock::new();
        let shared = Arc::downgrade(&clock.0);
        let alarm = clock.set(Instant::now() + Duration::from_secs(3600), || {});
        drop(clock);
        drop(alarm);
        while shared.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
