//! Threads for work that may block, and a future of what it comes to.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// How long a thread stays without work.
const SPARE_TIME: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Threads that start when there is work and end when there has been none for a while.
pub(super) struct Pool {
    shared: Arc<Shared>,
    most: usize,
}

struct Shared {
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    alive: usize,
}

impl Pool {
    pub(super) fn new(most: usize) -> Pool {
        let shared = Shared {
            state: Mutex::default(),
            called: Condvar::new(),
        };
        Pool {
            shared: Arc::new(shared),
            most,
        }
    }

    /// Runs `work` on a thread. The future is of its result; `work` must not panic.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
        let outcome = Outcome(Arc::new(Mutex::new((None, None))));
        let place = Arc::clone(&outcome.0);
        self.start(move || {
            let result = work();
            let waker = {
                let mut place = lock(&place);
                place.0 = Some(result);
                place.1.take()
            };
            waker.iter().for_each(Waker::wake_by_ref);
        });
        outcome
    }

    /// Runs `work` on a thread, or has it wait for one.
    pub(super) fn start(&self, work: impl FnOnce() + Send + 'static) {
        let needs_thread = {
            let mut state = lock(&self.shared.state);
            state.jobs.push_back(Box::new(work));
            let needs_thread = state.idle < state.jobs.len() && state.alive < self.most;
            state.alive += usize::from(needs_thread);
            needs_thread
        };
        self.shared.called.notify_one();
        if needs_thread {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name("hansel-tower".into())
                .spawn(move || shared.live());
            if let Err(error) = started {
                lock(&self.shared.state).alive -= 1;
                log::error!("can't start a thread for a handler: {error}");
            }
        }
    }
}

impl Shared {
    fn live(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = lock(&self.state);
                continue;
            }
            state.idle += 1;
            let (woken, waited) = self
                .called
                .wait_timeout(state, SPARE_TIME)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                state.alive -= 1;
                return;
            }
        }
    }
}

/// The future of a result that a thread is working on.
pub(super) struct Outcome<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Future for Outcome<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut place = lock(&self.0);
        match place.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                place.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::wait::block_on;
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn work_that_waits_for_other_work_gets_threads_as_far_as_they_go() {
        let pool = Pool::new(3);
        let meeting = Arc::new(Barrier::new(3));
        let results: Vec<_> = (0..3)
            .map(|n| {
                let meeting = Arc::clone(&meeting);
                pool.run(move || {
                    meeting.wait();
                    n
                })
            })
            .collect();
        assert_eq!(results.into_iter().map(block_on).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn more_work_than_threads_is_done_in_turn() {
        let pool = Pool::new(1);
        let results: Vec<_> = (0..100).map(|n| pool.run(move || n)).collect();
        assert_eq!(results.into_iter().map(block_on).sum::<i32>(), 4950);
    }
}
