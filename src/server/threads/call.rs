//! The call that a thread is in, and what its handler announces or shows of its pace.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::pace::{Hook, Opinion, Pace};

use super::engine::Engine;
use super::thread_time::{computed_since, thread_time};
use crate::server::connection::link::Transport;
use crate::server::event_loop::pacing::Took;
use crate::server::shared::runs::Run;
use crate::server::shared::tally::PassReason;

/// The call that this thread is in, as the hook sees it.
pub(crate) struct Call {
    engine: Arc<Engine>,
    pub(crate) index: Cell<usize>,
    /// True if this thread has released the loop and no other was sent for it.
    pub(crate) is_expected_back: Cell<bool>,
    /// The count of the loop's moves while it is released for this thread.
    moves: Cell<u64>,
    pub(crate) endpoint: Cell<Option<Pace>>,
    /// The same, for others to read.
    pub(crate) run: Arc<Run>,
    /// Since when an endpoint that is not known to be fast has been running.
    since: Cell<Option<Instant>>,
    /// This thread's processor time then, where handlers share something.
    computed_before: Cell<Option<Duration>>,
    /// Since when the handler has been waiting for something that others need as well, and how long it has waited before.
    queueing_since: Cell<Option<Instant>>,
    pub(crate) queued: Cell<Duration>,
    earlier: RefCell<Option<Earlier>>,
}

/// Responses to earlier requests of the current connection that are not yet sent.
struct Earlier {
    transport: Transport,
    out: Vec<u8>,
}

impl Call {
    pub(crate) fn new(engine: Arc<Engine>, run: Arc<Run>) -> Call {
        Call {
            engine,
            run,
            index: Cell::new(0),
            is_expected_back: Cell::new(false),
            moves: Cell::new(0),
            endpoint: Cell::new(None),
            since: Cell::new(None),
            computed_before: Cell::new(None),
            queueing_since: Cell::new(None),
            queued: Cell::new(Duration::ZERO),
            earlier: RefCell::new(None),
        }
    }

    /// Notes that its thread is about to release loop `index` for it.
    pub(crate) fn leave_loop(&self, index: usize) {
        self.index.set(index);
        self.endpoint.set(None);
        self.run.set_endpoint(None);
        self.queued.set(Duration::ZERO);
        self.is_expected_back.set(true);
        let cell = &self.engine.cells[index];
        cell.endpoint.store(0, Ordering::Relaxed);
        cell.is_queueing.store(false, Ordering::Relaxed);
        self.moves.set(cell.baton.moves() + 1);
    }

    /// Returns true if another thread may have the loop by now.
    pub(crate) fn has_lost_loop(&self) -> bool {
        let moves = || self.engine.cells[self.index.get()].baton.moves();
        !self.is_expected_back.get() || moves() != self.moves.get()
    }

    /// Keeps responses of the same connection while the next request is handled. If its handler blocks, they do not
    /// have to wait for it.
    pub(crate) fn keep_earlier(&self, transport: &Transport, out: &mut Vec<u8>) {
        let mut earlier = self.earlier.borrow_mut();
        let earlier = earlier.get_or_insert_with(|| Earlier {
            transport: transport.clone(),
            out: Vec::new(),
        });
        std::mem::swap(&mut earlier.out, out);
    }

    /// Puts what was [kept](Call::keep_earlier) and is still not sent back into `out`.
    pub(crate) fn give_earlier_back(&self, out: &mut Vec<u8>) {
        if let Some(earlier) = &mut *self.earlier.borrow_mut() {
            std::mem::swap(&mut earlier.out, out);
        }
    }

    /// Does what [`give_earlier_back`](Call::give_earlier_back) does, if a panic has prevented the call.
    pub(crate) fn recover_earlier(&self, out: &mut Vec<u8>) {
        if out.is_empty() {
            self.give_earlier_back(out);
        }
    }

    /// Notes that the connection has no more requests for now.
    pub(crate) fn forget_earlier(&self) {
        let mut earlier = self.earlier.borrow_mut();
        if earlier.is_some() {
            *earlier = None;
        }
    }

    fn note_beginning(&self) {
        let now = Instant::now();
        self.since.set(Some(now));
        if self.engine.shared.scheduling.is_some() {
            self.computed_before.set(thread_time());
        }
        self.run.begin(now);
    }

    /// Has another thread take the loop over, at once.
    fn pass(&self, reason: PassReason) {
        if self.is_expected_back.replace(false) {
            self.send_earlier();
            self.engine.shared.send_to(self.index.get(), reason);
        }
    }

    /// Sends what is [kept](Call::keep_earlier), as far as the client accepts it now.
    fn send_earlier(&self) {
        let mut earlier = self.earlier.borrow_mut();
        if let Some(Earlier { transport, out }) = earlier.as_mut().filter(|earlier| !earlier.out.is_empty()) {
            let link = Arc::clone(&transport.link);
            link.claim.write_before(|| {
                // What cannot be sent now is sent with the next response.
                out.drain(..transport.try_write(out).done());
                (!out.is_empty(), ())
            });
        }
    }
}

impl Hook for Rc<Call> {
    fn starting(&self, pace: Pace) {
        self.endpoint.set(Some(pace));
        self.run.set_endpoint(Some(pace));
        self.engine.shared.pace.note(pace);
        match pace.opinion() {
            // Left over from a call that panicked.
            Opinion::Quick => self.since.set(None),
            Opinion::Unknown => {
                self.note_beginning();
                // The handler may block, and nobody else can send them then.
                self.send_earlier();
                self.engine.shared.watch.look_closely();
            }
            Opinion::Slow => {
                self.note_beginning();
                self.pass(PassReason::Slow);
                return;
            }
        }
        if self.is_expected_back.get() {
            let cell = &self.engine.cells[self.index.get()];
            cell.endpoint.store(u32::from(pace.index()) + 1, Ordering::Relaxed);
        }
    }

    fn finished(&self, pace: Pace) {
        if let Some(since) = self.since.take() {
            let took = Took {
                // The time for which it has waited for others is not its own.
                time: since.elapsed().saturating_sub(self.queued.get()),
                computed: self.computed_before.get().and_then(computed_since),
            };
            if !took.is_long() {
                pace.found_quick();
            } else if pace.opinion() == Opinion::Slow {
                pace.found_slow();
            }
        } else if self.endpoint.get() != Some(pace) {
            // Something inside was timed by itself, as in an application that is mounted: around that nothing takes long.
            pace.found_quick();
        }
    }

    fn about_to_block(&self) {
        if let (true, Some(pace)) = (self.is_expected_back.get(), self.endpoint.get()) {
            // It will do so the next time as well.
            pace.found_slow();
        }
        self.pass(PassReason::Said);
    }

    fn queueing(&self, is_waiting: bool) {
        if is_waiting {
            self.queueing_since.set(Some(Instant::now()));
        } else if let Some(since) = self.queueing_since.take() {
            self.queued.set(self.queued.get().saturating_add(since.elapsed()));
        }
        // Whoever has the loop now is not the one that waits.
        if !self.has_lost_loop() {
            let cell = &self.engine.cells[self.index.get()];
            cell.is_queueing.store(is_waiting, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::EventLoop;
    use crate::server::limits::Limits;
    use crate::server::probes;
    use crate::server::shared::fixture;
    use crate::server::shared::staffing::Staffing;
    use crate::server::threads::engine::LoopCell;
    use crate::{App, Limiter};

    /// Returns what hears of the calls of an application on the thread of a loop.
    fn call_of(application: App) -> Rc<Call> {
        let staffing = Staffing { loops: 1, threads: 1 };
        let shared = fixture::serving(application, staffing, Limits::default(), Some(probes::lane()));
        let (event_loop, _waker) = EventLoop::new(0, Vec::new(), 0, false).unwrap();
        let run = shared.runs.add(0);
        let cells = vec![LoopCell::new(event_loop)];
        Rc::new(Call::new(Arc::new(Engine { shared, cells }), run))
    }

    fn plain() -> Rc<Call> {
        call_of(App::new(|| "unused"))
    }

    /// Runs `handler` as one call of this endpoint.
    fn run(call: &Rc<Call>, pace: Pace, handler: impl FnOnce(&Rc<Call>)) {
        call.leave_loop(0);
        call.starting(pace);
        handler(call);
        call.finished(pace);
    }

    /// Returns true if calls of `handler` make a slow endpoint anything else. A busy machine makes some of them long.
    fn recovers(call: &Rc<Call>, handler: impl Fn(&Rc<Call>)) -> bool {
        let pace = Pace::new();
        pace.found_slow();
        (0..5000).any(|_| {
            run(call, pace, &handler);
            pace.opinion() != Opinion::Slow
        })
    }

    fn sleep_for_two_milliseconds(_: &Rc<Call>) {
        std::thread::sleep(Duration::from_millis(2));
    }

    #[test]
    fn quick_calls_make_an_endpoint_quick_again_and_waits_for_others_do_not_count() {
        assert!(recovers(&plain(), |_| {}));
        assert!(recovers(&plain(), |call| {
            call.queueing(true);
            sleep_for_two_milliseconds(call);
            call.queueing(false);
        }));
    }

    #[test]
    fn a_long_call_keeps_a_slow_endpoint_slow_and_makes_no_other_one_slow() {
        let (call, slow, unknown) = (plain(), Pace::new(), Pace::new());
        slow.found_slow();
        (0..31).for_each(|_| slow.found_quick());
        run(&call, slow, sleep_for_two_milliseconds);
        slow.found_quick();
        assert_eq!(slow.opinion(), Opinion::Slow, "it needs as many quick ones as before");
        run(&call, unknown, sleep_for_two_milliseconds);
        assert_eq!(unknown.opinion(), Opinion::Unknown);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn where_handlers_share_something_it_measures_how_long_they_compute() {
        let sharing = call_of(App::new(|| "unused").scheduling(Limiter::new()));
        for (call, measures) in [(sharing, true), (plain(), false)] {
            run(&call, Pace::new(), |call| {
                assert_eq!(call.computed_before.get().is_some(), measures);
            });
        }
    }

    #[test]
    fn around_endpoints_that_are_timed_by_themselves_everything_is_quick_however_slow_they_are() {
        let call = plain();
        let (around, inside) = (Pace::new(), Pace::new());
        inside.found_slow();
        for _ in 0..100 {
            call.leave_loop(0);
            call.starting(around);
            call.starting(inside);
            inside.found_slow();
            call.finished(inside);
            call.finished(around);
        }
        assert_eq!((around.opinion(), inside.opinion()), (Opinion::Quick, Opinion::Slow));
    }
}
