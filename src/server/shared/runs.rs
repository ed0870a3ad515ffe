//! The handlers that the threads of a server run, to be told when the server ends before they do.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::lock::lock;
use crate::pace::Pace;

/// The handlers of all threads.
pub(crate) struct Runs {
    all: Mutex<Vec<Arc<Run>>>,
    zero: Instant,
}

/// The handler of one thread. The thread notes it without a lock, and others read what may have changed meanwhile.
pub(crate) struct Run {
    /// The system's number of the thread; 0 if unknown.
    thread: u32,
    is_busy: AtomicBool,
    /// The endpoint, as [`Pace::index`] plus one.
    endpoint: AtomicU32,
    /// The moment at which the handler began, in nanoseconds after `zero`; 0 if it is unknown, because calls of an
    /// endpoint that was always fast are not timed.
    began: AtomicU64,
    zero: Instant,
}

impl Runs {
    pub(crate) fn new() -> Runs {
        Runs {
            all: Mutex::new(Vec::new()),
            zero: Instant::now(),
        }
    }

    /// Adds a thread with this number, until its run is dropped.
    pub(crate) fn add(&self, thread: u32) -> Arc<Run> {
        let run = Arc::new(Run {
            thread,
            is_busy: AtomicBool::new(false),
            endpoint: AtomicU32::new(0),
            began: AtomicU64::new(0),
            zero: self.zero,
        });
        let mut all = lock(&self.all);
        // Those that nobody else has belonged to threads that have ended.
        all.retain(|run| Arc::strong_count(run) > 1);
        all.push(Arc::clone(&run));
        run
    }

    /// Notes that the thread with this number has blocked since `since` at the latest.
    pub(crate) fn found_blocked(&self, thread: u32, since: Instant) {
        let all = lock(&self.all);
        let run = all.iter().find(|run| run.thread == thread && thread != 0);
        if let Some(run) = run.filter(|run| run.began.load(Relaxed) == 0) {
            run.begin(since);
        }
    }

    /// Returns the endpoint that each busy thread runs, and since when, as far as that is known.
    pub(crate) fn busy(&self) -> Vec<(Option<Pace>, Option<Instant>)> {
        let all = lock(&self.all);
        let busy = all
            .iter()
            .filter(|run| Arc::strong_count(run) > 1 && run.is_busy.load(Relaxed));
        busy.map(|run| (run.endpoint(), run.began())).collect()
    }
}

impl Run {
    /// Notes that the thread has an order, or waits for the next one.
    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Relaxed);
    }

    /// Notes that an endpoint is about to run, or that none is known.
    #[inline]
    pub(crate) fn set_endpoint(&self, pace: Option<Pace>) {
        let endpoint = pace.map_or(0, |pace| u32::from(pace.index()) + 1);
        self.endpoint.store(endpoint, Relaxed);
        self.began.store(0, Relaxed);
    }

    /// Notes when it has begun.
    pub(crate) fn begin(&self, now: Instant) {
        let nanoseconds = now.saturating_duration_since(self.zero).as_nanos();
        self.began
            .store(u64::try_from(nanoseconds).unwrap_or(u64::MAX).max(1), Relaxed);
    }

    fn endpoint(&self) -> Option<Pace> {
        let index = self.endpoint.load(Relaxed).checked_sub(1)?;
        Some(Pace::of_index(index as u16))
    }

    fn began(&self) -> Option<Instant> {
        match self.began.load(Relaxed) {
            0 => None,
            nanoseconds => Some(after(self.zero, Duration::from_nanos(nanoseconds))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_blocks_from_the_first_moment_is_found_and_one_without_a_number_never_is() {
        let runs = Runs::new();
        let (first, unknown) = (runs.add(1), runs.add(0));
        for run in [&first, &unknown] {
            run.set_busy(true);
            runs.found_blocked(run.thread, runs.zero);
        }
        let since: Vec<_> = runs.busy().into_iter().map(|(_, since)| since).collect();
        let next = runs.zero + Duration::from_nanos(1);
        assert_eq!(since, [Some(next), None], "zero stands for nothing");
    }

    #[test]
    fn threads_that_are_busy_are_told_with_what_is_known_of_them() {
        let runs = Runs::new();
        let (idle, first, second) = (runs.add(1), runs.add(2), runs.add(0));
        let (pace, since) = (Pace::new(), runs.zero + Duration::from_secs(1));
        idle.set_busy(true);
        idle.set_busy(false);
        for run in [&first, &second] {
            run.set_busy(true);
            run.set_endpoint(Some(pace));
        }
        second.begin(since);
        assert_eq!(runs.busy(), [(Some(pace), None), (Some(pace), Some(since))]);
        let later = since + Duration::from_secs(1);
        for thread in [0, 2] {
            runs.found_blocked(thread, since);
            runs.found_blocked(thread, later);
        }
        assert_eq!(
            runs.busy(),
            [(Some(pace), Some(since)); 2],
            "the first to say so is exact"
        );
        first.set_endpoint(None);
        drop(second);
        assert_eq!(runs.busy(), [(None, None)], "a thread that has ended runs nothing");
        runs.add(3);
        assert_eq!(lock(&runs.all).len(), 3, "and is forgotten");
    }
}
