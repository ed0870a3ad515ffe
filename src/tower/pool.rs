//! Threads for work that may block: a limited number, and a limited queue.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::lock::lock;
use crate::panics::contain;
use crate::report;
use crate::scheduling::{self, Scheduling};

/// The time that a thread stays without work.
const SPARE_TIME: Duration = Duration::from_secs(10);

/// Something that a thread does. It may panic, and it may turn out to be unnecessary.
pub(super) trait Job: Send + Sync {
    /// Runs it, with the place that it needs, if it needs one.
    fn run(self: Arc<Self>, place: Option<StreamingPlace>);
}

/// The needs of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Thread,
    /// A thread, and a place among those that stream.
    StreamingPlace,
}

/// A part of a response that has begun.
type Piece = Box<dyn FnOnce() + Send>;

/// Threads that start when there is work. They end when there has been none for a while, or when this is dropped.
pub(super) struct Pool(Arc<Shared>);

/// The state that the threads share.
pub(super) struct Shared {
    state: Mutex<State>,
    called: Condvar,
    threads: usize,
    queue: usize,
    scheduling: Option<Arc<dyn Scheduling>>,
    /// True if no thread can be started.
    #[cfg(test)]
    pub(super) is_out_of_threads: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Piece>,
    jobs: VecDeque<Arc<dyn Job>>,
    /// Jobs that also need a place to stream from.
    streaming_jobs: VecDeque<Arc<dyn Job>>,
    alive: usize,
    /// The number of these that have something to do.
    busy: usize,
    /// The number of the busy ones that are lost.
    lost: usize,
    streams: usize,
    is_closed: bool,
}

/// The result of submitting a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// There is a thread for it.
    Entered,
    /// It waits for one.
    Queued,
    /// The queue is full.
    Full,
    /// There is no thread, and none can be started.
    NoThread,
}

impl Pool {
    /// Creates a pool of up to `threads`, and up to `queue` jobs that wait for one; as many others may wait for a place
    /// to stream from. Its threads call an application, which may have a part in scheduling.
    pub(super) fn of(threads: usize, queue: usize, scheduling: Option<Arc<dyn Scheduling>>) -> Pool {
        Pool(Arc::new(Shared {
            scheduling,
            state: Mutex::default(),
            called: Condvar::new(),
            threads: threads.max(1),
            queue,
            #[cfg(test)]
            is_out_of_threads: Default::default(),
        }))
    }

    #[cfg(test)]
    pub(super) fn new(threads: usize, queue: usize) -> Pool {
        Pool::of(threads, queue, None)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Runs a piece of work on a thread before any job. It belongs to a response that has begun, of which there are as
    /// many as the outer server has connections. Where there is no thread, and none can be started, it is dropped.
    pub(super) fn go_on(&self, piece: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.0.state);
        state.pieces.push_back(Box::new(piece));
        let _ = self.0.call(state);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.0.state).is_closed = true;
        self.0.called.notify_all();
    }
}

impl Shared {
    /// Runs `job` on a thread, or makes it wait for what it needs.
    pub(super) fn enter(self: &Arc<Shared>, job: Arc<dyn Job>, needs: Needs) -> Entry {
        let mut state = lock(&self.state);
        let idle = state.alive - state.busy;
        let has_thread = self.ready(&state) < idle || state.alive < self.capacity(&state);
        let free = self.free_places(&state);
        let (line, at_once, has_all) = match needs {
            Needs::Thread => (&mut state.jobs, idle, has_thread),
            Needs::StreamingPlace => {
                let has_place = state.streaming_jobs.len() < free;
                (&mut state.streaming_jobs, idle.min(free), has_thread && has_place)
            }
        };
        // Jobs that are about to be taken do not count as waiting.
        if !has_all && line.len() >= self.queue.saturating_add(at_once) {
            return Entry::Full;
        }
        line.push_back(Arc::clone(&job));
        match self.call(state) {
            // Nobody would take it out of the line. If somebody has already, there is a thread again.
            Err(0) if self.forget(&job) => Entry::NoThread,
            // It waits for those that are busy.
            Err(1..) => Entry::Queued,
            Ok(()) | Err(0) if has_all => Entry::Entered,
            Ok(()) | Err(0) => Entry::Queued,
        }
    }

    /// Removes a job that need not be run any more. Returns true if it was waiting.
    pub(super) fn forget(&self, job: &Arc<dyn Job>) -> bool {
        let forgotten = {
            let State {
                jobs, streaming_jobs, ..
            } = &mut *lock(&self.state);
            [jobs, streaming_jobs].into_iter().find_map(|line| {
                let is_it = |other: &Arc<dyn Job>| std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(job));
                line.iter().position(is_it).and_then(|place| line.remove(place))
            })
        };
        forgotten.is_some()
    }

    /// Notes that a thread has not come back from its job in time. Another may replace it. Returns how many are lost.
    pub(super) fn lose(self: &Arc<Shared>) -> usize {
        let mut state = lock(&self.state);
        state.lost += 1;
        let lost = state.lost;
        let _ = self.call(state);
        lost
    }

    /// Notes that a lost thread has returned.
    pub(super) fn find(&self) {
        lock(&self.state).lost -= 1;
    }

    /// Returns a place for a response that keeps its thread, if nobody waits for one. There are at most half as many as
    /// threads; the others stay for jobs that do not stream.
    pub(super) fn streaming_place(self: &Arc<Shared>) -> Option<StreamingPlace> {
        let mut state = lock(&self.state);
        if self.free_places(&state) <= state.streaming_jobs.len() {
            return None;
        }
        state.streams += 1;
        Some(StreamingPlace(Arc::clone(self)))
    }

    /// Returns how many jobs wait for a place to stream from.
    #[cfg(test)]
    pub(super) fn waiting_for_places(&self) -> usize {
        lock(&self.state).streaming_jobs.len()
    }

    fn free_places(&self, state: &State) -> usize {
        (self.threads / 2).max(1).saturating_sub(state.streams)
    }

    /// Returns how many jobs wait only for a thread.
    fn ready(&self, state: &State) -> usize {
        state.jobs.len() + state.streaming_jobs.len().min(self.free_places(state))
    }

    /// Returns how many threads there may be: lost ones are replaced, up to half of all.
    fn capacity(&self, state: &State) -> usize {
        self.threads + state.lost.min(self.threads / 2)
    }

    /// Gets a thread for what waits, a new one if needed. If that can't be started, returns how many there are.
    fn call(self: &Arc<Shared>, mut state: MutexGuard<'_, State>) -> Result<(), usize> {
        let waiting = state.pieces.len() + self.ready(&state);
        let needs_thread = waiting > state.alive - state.busy && state.alive < self.capacity(&state);
        state.alive += usize::from(needs_thread);
        drop(state);
        self.called.notify_one();
        if !needs_thread {
            return Ok(());
        }
        let Err(error) = self.start() else { return Ok(()) };
        let mut state = lock(&self.state);
        state.alive -= 1;
        let alive = state.alive;
        let dropped = if alive == 0 {
            std::mem::take(&mut state.pieces)
        } else {
            VecDeque::new()
        };
        drop(state);
        // A request that waits gets an error when it has waited too long.
        report::error!(
            "can't start a thread for a handler: {error}; requests wait for the {alive} threads that are running"
        );
        drop(dropped);
        Err(alive)
    }

    fn start(self: &Arc<Shared>) -> io::Result<()> {
        #[cfg(test)]
        if self.is_out_of_threads.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("hansel-tower".into());
        let live = move || scheduling::run_thread(shared.scheduling.as_ref(), || shared.live());
        thread.spawn(live).map(drop)
    }

    fn live(self: &Arc<Shared>) {
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = self.next(&mut state) {
                state.busy += 1;
                drop(state);
                // The handler's own panics are contained where it is called; this was a drop.
                if let Err(panic) = contain(work) {
                    report::error!("a value that belonged to a request panicked when it was dropped: {panic}");
                }
                scheduling::rest(self.scheduling.as_ref());
                state = lock(&self.state);
                state.busy -= 1;
                if state.alive > self.capacity(&state) {
                    break;
                }
                continue;
            }
            if state.is_closed {
                break;
            }
            let (woken, waited) = self
                .called
                .wait_timeout(state, SPARE_TIME)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.pieces.is_empty() && self.ready(&state) == 0 {
                break;
            }
        }
        state.alive -= 1;
    }

    /// Returns what a thread does next. Those that stream are at most half of all, so they keep no job waiting for
    /// long.
    fn next(self: &Arc<Shared>, state: &mut State) -> Option<Piece> {
        if let Some(piece) = state.pieces.pop_front() {
            return Some(piece);
        }
        if self.free_places(state) > 0 {
            if let Some(job) = state.streaming_jobs.pop_front() {
                state.streams += 1;
                let place = StreamingPlace(Arc::clone(self));
                return Some(Box::new(move || job.run(Some(place))));
            }
        }
        let job = state.jobs.pop_front()?;
        Some(Box::new(move || job.run(None)))
    }
}

/// See [`Shared::streaming_place`].
pub(super) struct StreamingPlace(Arc<Shared>);

impl Drop for StreamingPlace {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.streams -= 1;
        if !state.streaming_jobs.is_empty() {
            let _ = self.0.call(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::{Barrier, mpsc};

    struct Work(Mutex<Option<Piece>>);

    impl Job for Work {
        fn run(self: Arc<Self>, _: Option<StreamingPlace>) {
            let work = self.0.lock().unwrap().take();
            work.unwrap()();
        }
    }

    impl Pool {
        fn enter(&self, job: Arc<dyn Job>) -> Entry {
            self.0.enter(job, Needs::Thread)
        }

        fn enter_streaming(&self, job: Arc<dyn Job>) -> Entry {
            self.0.enter(job, Needs::StreamingPlace)
        }
    }

    fn job(work: impl FnOnce() + Send + 'static) -> Arc<dyn Job> {
        Arc::new(Work(Mutex::new(Some(Box::new(work)))))
    }

    /// A job that runs until something is sent to it, and reports when it has begun.
    struct Held {
        begun: mpsc::Receiver<()>,
        release: mpsc::Sender<()>,
    }

    fn held() -> (Arc<dyn Job>, Held) {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let job = job(move || {
            begins.send(()).unwrap();
            let _ = released.recv();
        });
        (job, Held { begun, release })
    }

    /// Waits until the pool has that many threads.
    fn until_alive(pool: &Shared, alive: usize) {
        while lock(&pool.state).alive != alive {
            thread::yield_now();
        }
    }

    #[test]
    fn a_job_that_an_idle_thread_is_about_to_take_has_no_place_in_the_queue() {
        let pool = Pool::new(1, 1);
        // It is idle, and does not wake.
        lock(&pool.shared().state).alive = 1;
        let entries = [(); 3].map(|()| pool.enter(job(|| {})));
        assert_eq!(entries, [Entry::Entered, Entry::Queued, Entry::Full]);
    }

    #[test]
    fn a_pool_has_one_thread_at_least() {
        let pool = Pool::new(0, 0);
        let (job, hold) = held();
        assert_eq!(pool.enter(job), Entry::Entered);
        hold.begun.recv().unwrap();
    }

    #[test]
    fn work_that_waits_for_other_work_gets_threads_as_far_as_they_go() {
        let pool = Pool::new(3, 0);
        let meeting = Arc::new(Barrier::new(4));
        for _ in 0..3 {
            let meeting = Arc::clone(&meeting);
            let entry = pool.enter(job(move || {
                meeting.wait();
            }));
            assert_eq!(entry, Entry::Entered);
        }
        assert_eq!(
            pool.enter(job(|| {})),
            Entry::Full,
            "the queue is not for those that have a thread"
        );
        meeting.wait();
    }

    #[test]
    fn more_work_than_threads_is_done_in_turn_and_no_more_waits_than_may() {
        let pool = Pool::new(1, 2);
        let (first, hold) = held();
        assert_eq!(pool.enter(first), Entry::Entered);
        hold.begun.recv().unwrap();
        let (done, seen) = mpsc::channel();
        let sends = |n: i32| {
            let done = done.clone();
            job(move || done.send(n).unwrap())
        };
        assert_eq!(pool.enter(sends(1)), Entry::Queued);
        let forgotten = sends(2);
        assert_eq!(pool.enter(Arc::clone(&forgotten)), Entry::Queued);
        assert_eq!(pool.enter(sends(3)), Entry::Full);
        pool.shared().forget(&forgotten);
        assert_eq!(pool.enter(sends(4)), Entry::Queued);
        let first_of_all = done.clone();
        pool.go_on(move || first_of_all.send(0).unwrap());
        hold.release.send(()).unwrap();
        assert_eq!(seen.iter().take(3).collect::<Vec<_>>(), [0, 1, 4]);
        assert_eq!(lock(&pool.shared().state).alive, 1);
    }

    #[test]
    fn lost_threads_are_replaced_up_to_half_of_all() {
        let pool = Pool::new(2, 0);
        let jobs: Vec<_> = (0..2).map(|_| held()).collect();
        let holds: Vec<_> = jobs
            .into_iter()
            .map(|(job, hold)| {
                assert_eq!(pool.enter(job), Entry::Entered);
                hold.begun.recv().unwrap();
                hold
            })
            .collect();
        assert_eq!(pool.enter(job(|| {})), Entry::Full);
        assert_eq!(pool.shared().lose(), 1);
        let (third, hold) = held();
        assert_eq!(pool.enter(third), Entry::Entered);
        hold.begun.recv().unwrap();
        assert_eq!(pool.shared().lose(), 2);
        assert_eq!(pool.enter(job(|| {})), Entry::Full, "half of two is one");
        pool.shared().find();
        pool.shared().find();
        for hold in holds {
            hold.release.send(()).unwrap();
        }
        until_alive(pool.shared(), 2);
    }

    #[test]
    fn a_lost_thread_is_replaced_for_what_waits_already() {
        let pool = Pool::new(2, 1);
        let jobs = [held(), held()].map(|(job, hold)| {
            pool.enter(job);
            hold.begun.recv().unwrap();
            hold
        });
        let (waiting, hold) = held();
        assert_eq!(pool.enter(waiting), Entry::Queued);
        pool.shared().lose();
        hold.begun.recv().unwrap();
        drop(jobs);
    }

    #[test]
    fn a_panic_leaves_the_thread_and_its_place() {
        let pool = Pool::new(1, 1);
        pool.enter(job(|| panic!("on purpose")));
        let (second, hold) = held();
        assert_ne!(pool.enter(second), Entry::Full);
        hold.begun.recv().unwrap();
        let state = lock(&pool.shared().state);
        assert_eq!((state.alive, state.busy), (1, 1));
    }

    #[test]
    fn streams_have_half_the_threads() {
        let pool = Pool::new(4, 0);
        let places: Vec<_> = (0..3).map_while(|_| pool.shared().streaming_place()).collect();
        assert_eq!(places.len(), 2);
        drop(places);
        assert!(pool.shared().streaming_place().is_some());
        assert!(Pool::new(1, 0).shared().streaming_place().is_some());
    }

    #[test]
    fn jobs_wait_for_places_to_stream_from_in_turn_and_keep_no_other_from_a_thread() {
        let pool = Pool::new(4, 1);
        let taken = [(); 2].map(|()| pool.shared().streaming_place().unwrap());
        let (first, hold) = held();
        assert_eq!(pool.enter_streaming(Arc::clone(&first)), Entry::Queued);
        assert_eq!(pool.enter_streaming(job(|| {})), Entry::Full);
        let (other, of_other) = held();
        assert_eq!(pool.enter(other), Entry::Entered, "it needs no place");
        of_other.begun.recv().unwrap();
        assert_eq!(
            lock(&pool.shared().state).alive,
            1,
            "nobody is called for those that can't begin"
        );
        pool.shared().forget(&first);
        assert_eq!(
            pool.enter_streaming(Arc::clone(&first)),
            Entry::Queued,
            "its own is free"
        );
        let [kept, given_back] = taken;
        drop(given_back);
        hold.begun.recv().unwrap();
        assert!(pool.shared().streaming_place().is_none(), "the first has it");
        let (second, of_second) = held();
        assert_eq!(pool.enter_streaming(second), Entry::Queued);
        hold.release.send(()).unwrap();
        of_second.begun.recv().unwrap();
        drop(kept);
        let (third, of_third) = held();
        assert_eq!(pool.enter_streaming(third), Entry::Entered);
        of_third.begun.recv().unwrap();
    }

    #[test]
    fn who_waits_for_a_place_to_stream_from_has_it_before_those_who_come_later() {
        let pool = Pool::new(1, 1);
        let (first, hold) = held();
        assert_eq!(pool.enter(first), Entry::Entered);
        hold.begun.recv().unwrap();
        let (streaming, of_streaming) = held();
        assert_eq!(pool.enter_streaming(streaming), Entry::Queued, "there is no thread");
        assert!(pool.shared().streaming_place().is_none(), "it is as good as taken");
        hold.release.send(()).unwrap();
        of_streaming.begun.recv().unwrap();
    }

    #[test]
    fn where_no_thread_can_be_started_work_waits_for_those_that_run_and_is_given_up_if_there_are_none() {
        let pool = Pool::new(2, 1);
        let out_of_threads = |is: bool| pool.shared().is_out_of_threads.store(is, SeqCst);
        out_of_threads(true);
        assert_eq!(pool.enter(job(|| {})), Entry::NoThread);
        let (dropped, seen) = mpsc::channel::<()>();
        pool.go_on(move || drop(dropped));
        assert!(seen.recv().is_err(), "it is dropped");
        out_of_threads(false);
        let (first, hold) = held();
        assert_eq!(pool.enter(first), Entry::Entered);
        hold.begun.recv().unwrap();
        out_of_threads(true);
        let (second, of_second) = held();
        assert_eq!(pool.enter(second), Entry::Queued);
        hold.release.send(()).unwrap();
        of_second.begun.recv().unwrap();
    }

    #[test]
    fn threads_end_with_their_pool_once_they_are_done() {
        let pool = Pool::new(2, 0);
        let (busy, hold) = held();
        pool.enter(busy);
        hold.begun.recv().unwrap();
        let (idle, other) = held();
        pool.enter(idle);
        other.release.send(()).unwrap();
        let shared = Arc::clone(pool.shared());
        drop(pool);
        until_alive(&shared, 1);
        hold.release.send(()).unwrap();
        until_alive(&shared, 0);
    }
}
