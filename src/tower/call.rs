//! One call of an application, by a task that waits for it and a thread that makes it: who responds, and until when.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::alarm::{Alarm, Clock};
use super::pool::{Entry, Job, Needs, Shared, StreamingPlace};
use crate::deadline::after;
use crate::lock::lock;
use crate::panics::contain;
use crate::report;
use crate::request::{Allowed, HandlerWatch};

/// A call that has not begun, is in progress, or is over. `R` is its result.
pub(super) struct Call<R> {
    state: Mutex<State<R>>,
    clock: Arc<Clock>,
    pool: Arc<Shared>,
    /// The time that it may take, unless its route says so.
    time: Option<Duration>,
}

/// The work of a thread for a call, with the place that it needs. It [responds](Call::respond) to the call before it
/// continues, or makes the rest [wait](Call::wait_for_place).
pub(super) type Work<R> = Box<dyn FnOnce(&Arc<Call<R>>, Option<StreamingPlace>) + Send>;

struct State<R> {
    stage: Stage<R>,
    waker: Option<Waker>,
    /// The alarm of the current stage.
    alarm: Option<Alarm>,
    /// True if its thread is late and has not returned.
    is_lost: bool,
}

enum Stage<R> {
    Waiting(Work<R>, Needs),
    Running(Running),
    Answered(R),
    GivenUp(GivenUp),
    /// The result was taken, or the task has left.
    Over,
}

#[derive(Clone, Copy)]
struct Running {
    since: Instant,
    /// It waits for its client, which has its own deadlines.
    awaits_client: bool,
    /// The time that it may take.
    time: Option<Duration>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Too many are waiting already.
    Full,
    /// There is no thread, and none can be started.
    NoThread,
    /// It has waited too long for this.
    Waited(Needs),
    /// Its thread did not respond in time, and is lost.
    Overdue,
    /// Its thread has finished without a response: something panicked.
    Failed,
}

impl<R: Send + 'static> Call<R> {
    pub(super) fn new(
        work: Work<R>,
        needs: Needs,
        clock: Arc<Clock>,
        pool: Arc<Shared>,
        time: Option<Duration>,
    ) -> Arc<Call<R>> {
        Arc::new(Call {
            state: Mutex::new(State {
                stage: Stage::Waiting(work, needs),
                waker: None,
                alarm: None,
                is_lost: false,
            }),
            clock,
            pool,
            time,
        })
    }

    /// Has a thread make the call, for which it waits up to `queue_time`.
    ///
    /// # Errors
    /// Returns why it may not even wait.
    pub(super) fn enter(self: &Arc<Self>, needs: Needs, queue_time: Duration) -> Result<(), GivenUp> {
        match self.pool.enter(Arc::clone(self) as Arc<dyn Job>, needs) {
            Entry::Full => return Err(GivenUp::Full),
            Entry::NoThread => return Err(GivenUp::NoThread),
            Entry::Entered => {}
            Entry::Queued => {
                let mut state = lock(&self.state);
                if let Stage::Waiting(..) = &state.stage {
                    state.alarm = Some(self.alarm(after(Instant::now(), queue_time), Call::expire));
                }
            }
        }
        Ok(())
    }

    /// Makes `rest` wait without a thread for a place to send the response from, up to `queue_time`. If it is too late,
    /// because the client already has another response, `rest` is returned.
    pub(super) fn wait_for_place(self: &Arc<Self>, rest: Work<R>, queue_time: Duration) -> Result<(), Work<R>> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Running(_)) {
            return Err(rest);
        }
        state.stage = Stage::Waiting(rest, Needs::StreamingPlace);
        state.alarm = Some(self.alarm(after(Instant::now(), queue_time), Call::expire));
        Ok(())
    }

    /// Returns the result, once it is known.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<R, GivenUp>> {
        let mut state = lock(&self.state);
        let outcome = match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Answered(response) => Ok(response),
            Stage::GivenUp(reason) => Err(reason),
            other => {
                state.stage = other;
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
        };
        Poll::Ready(outcome)
    }

    /// Notes that nobody waits for it any more. If it has not begun, it never does.
    pub(super) fn leave(self: &Arc<Self>) {
        let left = {
            let mut state = lock(&self.state);
            match state.stage {
                Stage::Waiting(..) | Stage::Answered(_) => std::mem::replace(&mut state.stage, Stage::Over),
                // Its thread may still be lost, and that counts.
                _ => return,
            }
        };
        if let Stage::Waiting(work, _) = left {
            self.forget();
            drop_contained(work);
        }
    }

    /// Sets the response. If it is too late, because the client already has another one, it is returned.
    pub(super) fn respond(&self, response: R) -> Result<(), R> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Running(_)) {
            return Err(response);
        }
        state.stage = Stage::Answered(response);
        state.alarm = None;
        self.tell(state);
        Ok(())
    }

    /// Notes that its client is waited for from now on, or no longer. That time does not count against the handler.
    pub(super) fn await_client(&self, awaits_client: bool) {
        if let Stage::Running(running) = &mut lock(&self.state).stage {
            running.since = Instant::now();
            running.awaits_client = awaits_client;
        }
    }

    fn expire(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let Stage::Waiting(_, needs) = state.stage else { return };
        let waited = std::mem::replace(&mut state.stage, Stage::GivenUp(GivenUp::Waited(needs)));
        // Before the task is woken: whoever asks again then finds its place in the queue free.
        self.forget();
        self.tell(state);
        drop_contained(waited);
    }

    /// Checks whether its time is up.
    fn look(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let Stage::Running(running) = state.stage else { return };
        let Some(time) = running.time else { return };
        let now = Instant::now();
        let since = if running.awaits_client { now } else { running.since };
        match after(since, time) {
            by if by > now => state.alarm = Some(self.alarm(by, Call::look)),
            _ => {
                state.stage = Stage::GivenUp(GivenUp::Overdue);
                state.is_lost = true;
                let lost = self.pool.lose();
                report::warn!(
                    "a handler did not respond within {time:?}, its deadline: its client gets 503, and its thread is \
                     lost until the handler returns; {lost} threads are lost now"
                );
                self.tell(state);
            }
        }
    }

    fn begin(self: &Arc<Self>) -> Option<Work<R>> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Waiting(..)) {
            return None;
        }
        let since = Instant::now();
        let running = Running {
            since,
            awaits_client: false,
            time: self.time,
        };
        let by = self.time.map(|time| after(since, time));
        state.alarm = by.map(|by| self.alarm(by, Call::look));
        match std::mem::replace(&mut state.stage, Stage::Running(running)) {
            Stage::Waiting(work, _) => Some(work),
            _ => None,
        }
    }

    /// Notes that its thread has finished with it, or with a part of it.
    fn end(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if let Stage::Waiting(_, needs) = state.stage {
            // The lock is held: it cannot expire, or be left, before it is in the queue.
            let given_up = match self.pool.enter(Arc::clone(self) as Arc<dyn Job>, needs) {
                Entry::Entered | Entry::Queued => return,
                Entry::Full => GivenUp::Full,
                Entry::NoThread => GivenUp::NoThread,
            };
            let rest = std::mem::replace(&mut state.stage, Stage::GivenUp(given_up));
            state.alarm = None;
            self.tell(state);
            drop_contained(rest);
            return;
        }
        state.alarm = None;
        if std::mem::take(&mut state.is_lost) {
            self.pool.find();
        }
        if let Stage::Running(_) = state.stage {
            state.stage = Stage::GivenUp(GivenUp::Failed);
            self.tell(state);
        }
    }

    fn alarm(self: &Arc<Self>, by: Instant, ring: fn(&Arc<Self>)) -> Alarm {
        let call: Weak<Self> = Arc::downgrade(self);
        self.clock.set(by, move || {
            if let Some(call) = call.upgrade() {
                ring(&call);
            }
        })
    }

    fn forget(self: &Arc<Self>) {
        let job: Arc<dyn Job> = Arc::clone(self) as Arc<dyn Job>;
        self.pool.forget(&job);
    }

    /// Wakes the waiting task.
    fn tell(&self, mut state: MutexGuard<'_, State<R>>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<R: Send + 'static> HandlerWatch for Call<R> {
    fn allow(self: Arc<Self>, allowed: Allowed) {
        let mut state = lock(&self.state);
        let Stage::Running(running) = &mut state.stage else {
            return;
        };
        running.time = match allowed {
            Allowed::Server => self.time,
            Allowed::Time(time) => Some(time),
            Allowed::Always => None,
        };
        let by = running.time.map(|time| after(running.since, time));
        state.alarm = by.map(|by| self.alarm(by, Call::look));
    }
}

/// Drops work that is not done any more. It may contain a response, which is user code, and this may be any thread.
fn drop_contained(work: impl Send) {
    if let Err(panic) = contain(|| drop(work)) {
        report::error!("dropping what belonged to a request panicked: {panic}");
    }
}

impl<R: Send + 'static> Job for Call<R> {
    fn run(self: Arc<Self>, place: Option<StreamingPlace>) {
        if let Some(work) = self.begin() {
            let _end = End(&self);
            work(&self, place);
        }
    }
}

struct End<'c, R: Send + 'static>(&'c Arc<Call<R>>);

impl<R: Send + 'static> Drop for End<'_, R> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool::Pool;
    use super::*;

    fn poll(call: &Call<&'static str>) -> Poll<Result<&'static str, GivenUp>> {
        call.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_handler_that_returns_too_late_is_found_again_and_its_response_is_dropped() {
        for is_told_before in [true, false] {
            let pool = Pool::new(2, 0);
            let overdue = Poll::Ready(Err(GivenUp::Overdue));
            let work: Work<&str> = Box::new(move |call, _| {
                // The clock may have been faster.
                call.look();
                assert_eq!(call.pool.lose(), 2, "it is lost, and so is this one");
                call.pool.find();
                if is_told_before {
                    assert_eq!(poll(call), overdue);
                }
                assert_eq!(call.respond("too late"), Err("too late"));
            });
            let time = Some(Duration::ZERO);
            let clock = Arc::new(Clock::new());
            let call = Call::new(work, Needs::Thread, clock, Arc::clone(pool.shared()), time);
            Arc::clone(&call).run(None);
            let expected = if is_told_before { Poll::Pending } else { overdue };
            assert_eq!(poll(&call), expected);
            assert_eq!(pool.shared().lose(), 1, "nobody else is lost any more");
        }
    }
}
