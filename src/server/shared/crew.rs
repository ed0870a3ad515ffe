//! The threads of a server: parked until they are sent to acquire a loop or given a connection, and ended when they
//! were not needed for long.
//!
//! Two rules hold, and `models` checks them:
//! - A parked thread is never taken without getting its order: [`Crew::give`] and [`Crew::send`] do both in one step.
//! - Every thread is counted exactly once: parked, or in one of the [duties](Duty). It moves under one lock.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::report;

use super::sync::{Condvar, Mutex, MutexGuard};

/// The time that a thread beyond the few that are always kept stays without work.
const SPARE_TIME: Duration = Duration::from_secs(10);

/// All threads that may run handlers on the connections `C`.
pub(crate) struct Crew<C> {
    state: Mutex<Roster<C>>,
    gone: Condvar,
    /// The number of threads that there may be.
    most: usize,
    /// The number of lost ones that may be replaced.
    most_replaced: usize,
    /// The number of threads that stay, even without work.
    kept: usize,
    /// The time for which the others stay.
    spare_time: Duration,
}

struct Roster<C> {
    /// The one that was parked last is sent first, because its stack is still in the cache.
    parked: Vec<Berth<C>>,
    alive: usize,
    /// The number of threads with each [`Duty`]. A thread may come back from a handler before the one that has taken
    /// its loop has noted so. For that moment a number is one too low, and may be negative.
    on_duty: [isize; DUTIES],
    /// Threads that are lost in handlers, and were replaced.
    replaced: usize,
    /// All threads that are lost in handlers.
    lost: usize,
    is_over: bool,
}

/// The duty of a thread that is not parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Duty {
    /// It has an order, and has not begun with it.
    Sent,
    /// It holds a loop, or runs a handler and has not lost its loop.
    Holding,
    /// It runs a handler, and has no loop.
    Handling,
}

const DUTIES: usize = 3;

/// The number of threads in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Census {
    pub(crate) alive: usize,
    pub(crate) parked: usize,
    pub(crate) sent: usize,
    pub(crate) holding: usize,
    pub(crate) handling: usize,
}

/// An order to a parked thread.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Order<C> {
    /// Acquire the loop with this index, if it is still released.
    TakeUp(usize),
    /// Respond on a connection, which has a permit and has waited since then.
    Serve(Instant, C),
    /// Read a file for a connection.
    Read(C),
    /// End.
    Leave,
}

impl<C> Crew<C> {
    pub(crate) fn new(most: usize, most_replaced: usize, kept: usize) -> Crew<C> {
        Crew {
            state: Mutex::new(Roster {
                parked: Vec::new(),
                alive: 0,
                on_duty: [0; DUTIES],
                replaced: 0,
                lost: 0,
                is_over: false,
            }),
            gone: Condvar::new(),
            most,
            most_replaced,
            kept,
            spare_time: SPARE_TIME,
        }
    }

    /// Sends a parked thread to loop `index`. If none is parked, has `hire` start one for it.
    ///
    /// # Errors
    /// Returns an error if there is no thread to send: all that may exist are busy, or the system starts no more.
    pub(crate) fn send(&self, index: usize, hire: impl FnOnce(Order<C>) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        if state.is_over {
            return Ok(());
        }
        if let Some(berth) = state.take_parked() {
            drop(state);
            berth.call(Order::TakeUp(index));
            return Ok(());
        }
        if state.alive >= self.most + state.replaced {
            return Err(io::Error::other("every thread is busy"));
        }
        state.hired();
        drop(state);
        hire(Order::TakeUp(index)).inspect_err(|_| self.left())
    }

    /// Gives `thing` to a parked thread, with the order that `order` makes of it. Returns it if no thread is parked;
    /// then `order` was not called.
    #[must_use = "it was not given to anybody"]
    pub(crate) fn give<T>(&self, thing: T, order: impl FnOnce(T) -> Order<C>) -> Option<T> {
        let Some(berth) = self.lock().take_parked() else {
            return Some(thing);
        };
        berth.call(order(thing));
        None
    }

    /// Returns true if a thread is parked. For keeping one in reserve, so an outdated result does no harm.
    pub(crate) fn has_parked(&self) -> bool {
        !self.lock().parked.is_empty()
    }

    /// Has `hire` start a thread that was not sent, if there may be one more. Returns true if it did.
    pub(crate) fn reinforce(&self, hire: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
        {
            let mut state = self.lock();
            if state.is_over || state.alive >= self.most + state.replaced {
                return Ok(false);
            }
            state.hired();
        }
        hire().inspect_err(|_| self.left())?;
        Ok(true)
    }

    /// Parks the calling thread, which has finished its `duty`, until there is something to do. From then on it is
    /// [sent](Duty::Sent).
    pub(crate) fn wait(&self, duty: Duty) -> Order<C> {
        let mut duty = duty;
        loop {
            let Some((place, may_leave)) = self.park(duty) else {
                return Order::Leave;
            };
            if may_leave && !place.is_called_by(after(Instant::now(), self.spare_time)) {
                self.let_go(&place);
            }
            if let Some(order) = place.order() {
                return order;
            }
            // It was called without an order. That is a bug, and was logged; no thread is lost over it.
            duty = Duty::Sent;
        }
    }

    /// Adds the calling thread to the parked ones. Returns where it is called, and whether it may leave if that takes
    /// long; nothing if the crew is dismissed.
    pub(crate) fn park(&self, duty: Duty) -> Option<(Arc<Parking<C>>, bool)> {
        let mut state = self.lock();
        if state.is_over {
            state.moves(duty, Duty::Sent);
            return None;
        }
        let place = Arc::new(Parking {
            word: Mutex::new(Summons::None),
            called: Condvar::new(),
        });
        state.on_duty[duty as usize] -= 1;
        state.parked.push(Berth(Some(Arc::clone(&place))));
        state.check();
        // Those that park first stay; further ones leave after a while.
        let may_leave = state.parked.len() > self.kept;
        Some((place, may_leave))
    }

    /// Orders the thread at `place` to leave, unless it was taken at this moment: then its order is on its way.
    pub(crate) fn let_go(&self, place: &Arc<Parking<C>>) {
        let berth = {
            let mut state = self.lock();
            let index = state.parked.iter().position(|berth| berth.is_at(place));
            index.map(|index| {
                state.on_duty[Duty::Sent as usize] += 1;
                state.parked.remove(index)
            })
        };
        if let Some(berth) = berth {
            berth.call(Order::Leave);
        }
    }

    /// Notes that a thread that was sent begins to respond on a connection without a loop.
    pub(crate) fn handles(&self) {
        self.lock().moves(Duty::Sent, Duty::Handling);
    }

    /// Notes that a thread whose duty was `was` has acquired a loop: from a thread that runs a handler, if that
    /// `has_lost` it.
    pub(crate) fn holds(&self, was: Duty, has_lost: bool) {
        let mut state = self.lock();
        state.moves(was, Duty::Holding);
        if has_lost {
            state.moves(Duty::Holding, Duty::Handling);
        }
    }

    /// Notes that a thread is lost to a handler that does not return. Returns true if another may replace it, which is
    /// possible only if it is `replaceable`.
    pub(crate) fn lose(&self, replaceable: bool) -> bool {
        let mut state = self.lock();
        let is_replaced = replaceable && state.replaced < self.most_replaced;
        state.lost += 1;
        state.replaced += usize::from(is_replaced);
        is_replaced
    }

    /// Notes that a lost thread has returned.
    pub(crate) fn find(&self, was_replaced: bool) {
        let mut state = self.lock();
        state.lost -= 1;
        state.replaced -= usize::from(was_replaced);
    }

    /// Returns how many threads are lost.
    pub(crate) fn lost(&self) -> usize {
        self.lock().lost
    }

    /// Notes that a thread that was [sent](Duty::Sent) is about to end, or could not be started.
    pub(crate) fn left(&self) {
        let mut state = self.lock();
        state.alive -= 1;
        state.on_duty[Duty::Sent as usize] -= 1;
        state.check();
        if state.alive == 0 {
            self.gone.notify_all();
        }
    }

    /// Ends all parked threads, and all others when they come to park.
    pub(crate) fn dismiss(&self) {
        self.lock().is_over = true;
        // No thread parks any more.
        while self.give((), |()| Order::Leave).is_none() {}
    }

    /// Waits until all threads have ended, or until `deadline`. Returns how many have not.
    pub(crate) fn wait_until_gone(&self, deadline: Instant) -> usize {
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.alive == 0 || left.is_zero() {
                return state.alive;
            }
            state = self
                .gone
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Returns where all threads are. Once nothing is in progress, none is sent or runs a handler, and each loop has
    /// one holder.
    pub(crate) fn census(&self) -> Census {
        let state = self.lock();
        let on_duty = |duty| usize::try_from(state.on_duty[duty as usize]).unwrap_or(0);
        Census {
            alive: state.alive,
            parked: state.parked.len(),
            sent: on_duty(Duty::Sent),
            holding: on_duty(Duty::Holding),
            handling: on_duty(Duty::Handling),
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.lock().alive
    }

    // Used in a dozen places, none of which is on the path of a usual request.
    #[inline(never)]
    fn lock(&self) -> MutexGuard<'_, Roster<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Roster<C> {
    /// Notes that a thread is about to be started.
    fn hired(&mut self) {
        self.alive += 1;
        self.on_duty[Duty::Sent as usize] += 1;
        self.check();
    }

    fn take_parked(&mut self) -> Option<Berth<C>> {
        let berth = self.parked.pop()?;
        self.on_duty[Duty::Sent as usize] += 1;
        Some(berth)
    }

    fn moves(&mut self, from: Duty, to: Duty) {
        self.on_duty[from as usize] -= 1;
        self.on_duty[to as usize] += 1;
        self.check();
    }

    /// Checks that no thread is missing or counted twice.
    fn check(&self) {
        let on_duty: isize = self.on_duty.iter().sum();
        debug_assert_eq!(
            self.parked.len() as isize + on_duty,
            self.alive as isize,
            "parked and on duty {:?}",
            self.on_duty
        );
    }
}

/// A parked thread, for whoever gives it its order. It must get one: [`call`](Berth::call).
struct Berth<C>(Option<Arc<Parking<C>>>);

impl<C> Berth<C> {
    /// Gives the thread its order.
    // Compared with waking a thread, a call costs nothing.
    #[inline(never)]
    fn call(mut self, order: Order<C>) {
        if let Some(place) = self.0.take() {
            place.say(Summons::Order(order));
        }
    }

    fn is_at(&self, place: &Arc<Parking<C>>) -> bool {
        self.0.as_ref().is_some_and(|here| Arc::ptr_eq(here, place))
    }
}

impl<C> Drop for Berth<C> {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            // It parks again; otherwise it would wait for ever.
            place.say(Summons::Nothing);
            report::error!("a parked thread was taken and got no order: a bug in hansel");
            debug_assert!(std::thread::panicking(), "a parked thread was taken and got no order");
        }
    }
}

/// Where a parked thread waits for its order.
pub(crate) struct Parking<C> {
    word: Mutex<Summons<C>>,
    called: Condvar,
}

/// A message to a parked thread.
enum Summons<C> {
    /// Nothing so far.
    None,
    Order(Order<C>),
    /// It was taken, and there is no order for it.
    Nothing,
}

impl<C> Parking<C> {
    fn say(&self, word: Summons<C>) {
        *self.lock() = word;
        self.called.notify_one();
    }

    /// Waits for the order. Returns `None` if it was called without one.
    pub(crate) fn order(&self) -> Option<Order<C>> {
        let mut word = self.lock();
        loop {
            match std::mem::replace(&mut *word, Summons::None) {
                Summons::Order(order) => return Some(order),
                Summons::Nothing => return None,
                Summons::None => word = self.called.wait(word).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits until there is an order, or until `deadline`. Returns true if there is one.
    fn is_called_by(&self, deadline: Instant) -> bool {
        let mut word = self.lock();
        while matches!(*word, Summons::None) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            word = self
                .called
                .wait_timeout(word, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Summons<C>> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(hansel_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    /// A crew whose threads report their orders.
    struct Fixture {
        crew: Arc<Crew<char>>,
        tell: mpsc::Sender<String>,
        told: mpsc::Receiver<String>,
    }

    impl Fixture {
        fn new(most: usize) -> Fixture {
            let (tell, told) = mpsc::channel();
            let crew = Arc::new(Crew::new(most, 0, 1));
            Fixture { crew, tell, told }
        }

        fn hire(&self, first: Option<Order<char>>) -> io::Result<()> {
            let (crew, tell) = (Arc::clone(&self.crew), self.tell.clone());
            thread::spawn(move || {
                let mut order = first.unwrap_or_else(|| crew.wait(Duty::Sent));
                loop {
                    let text = match order {
                        Order::TakeUp(index) => format!("loop {index}"),
                        Order::Serve(_, connection) => format!("connection {connection}"),
                        Order::Read(connection) => format!("file for {connection}"),
                        Order::Leave => break,
                    };
                    tell.send(text).unwrap();
                    order = crew.wait(Duty::Sent);
                }
                crew.left();
            });
            Ok(())
        }

        fn hear(&self) -> String {
            self.told.recv().unwrap()
        }

        fn end(self) {
            self.crew.dismiss();
            let gone = self.crew.wait_until_gone(Instant::now() + Duration::from_secs(60));
            assert_eq!((gone, self.crew.census()), (0, Census::default()));
        }
    }

    #[test]
    fn threads_are_hired_up_to_the_most_and_sent_again_once_parked() {
        let fixture = Fixture::new(1);
        let crew = &fixture.crew;
        crew.send(3, |order| fixture.hire(Some(order))).unwrap();
        assert_eq!(fixture.hear(), "loop 3");
        // Whether or not it is parked yet, a second one may not be hired.
        while crew.send(4, |_| unreachable!()).is_err() {
            thread::yield_now();
        }
        assert_eq!(fixture.hear(), "loop 4");
        crew.dismiss();
        crew.send(5, |_| unreachable!()).unwrap();
        fixture.end();
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_not_counted() {
        let crew: Crew<()> = Crew::new(1, 0, 1);
        assert!(crew.send(0, |_| Err(io::ErrorKind::OutOfMemory.into())).is_err());
        assert!(crew.reinforce(|| Err(io::ErrorKind::OutOfMemory.into())).is_err());
        assert_eq!(crew.census(), Census::default());
    }

    #[test]
    fn a_thing_is_given_to_a_parked_thread_or_stays_where_it_is() {
        let fixture = Fixture::new(1);
        let crew = &fixture.crew;
        let answer = |connection| Order::Serve(Instant::now(), connection);
        let nobody = crew.give('a', |_| unreachable!("nobody is parked"));
        assert_eq!(nobody, Some('a'));
        crew.reinforce(|| fixture.hire(None)).unwrap();
        while crew.give('b', answer).is_some() {
            thread::yield_now();
        }
        assert_eq!(fixture.hear(), "connection b");
        fixture.end();
    }

    #[test]
    fn a_thread_that_is_taken_without_an_order_shows_itself_and_parks_again() {
        let fixture = Fixture::new(1);
        let crew = &fixture.crew;
        crew.reinforce(|| fixture.hire(None)).unwrap();
        while !crew.has_parked() {
            thread::yield_now();
        }
        // The only remaining way to do so: a panic while the order is made.
        let making = || crew.give((), |()| panic!("no order"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(making)).is_err());
        while crew
            .give('c', |connection| Order::Serve(Instant::now(), connection))
            .is_some()
        {
            thread::yield_now();
        }
        assert_eq!(fixture.hear(), "connection c");
        fixture.end();
    }

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "told in the log only")]
    #[should_panic(expected = "got no order")]
    fn a_berth_that_is_dropped_uncalled_is_a_bug() {
        let crew: Crew<()> = Crew::new(1, 0, 1);
        crew.reinforce(|| Ok(())).unwrap();
        crew.park(Duty::Sent).unwrap();
        let berth = crew.lock().take_parked();
        drop(berth);
    }

    #[test]
    fn as_many_as_are_kept_may_not_leave_and_whoever_parks_on_top_of_them_may() {
        let crew: Crew<()> = Crew::new(3, 0, 2);
        let may_leave = [(); 3].map(|()| {
            crew.reinforce(|| Ok(())).unwrap();
            crew.park(Duty::Sent).unwrap().1
        });
        assert_eq!(may_leave, [false, false, true]);
        crew.dismiss();
    }

    #[test]
    fn one_more_may_be_hired_for_each_lost_thread_that_is_replaced() {
        let crew: Crew<()> = Crew::new(1, 1, 1);
        let reinforced = || crew.reinforce(|| Ok(())).unwrap();
        assert!(reinforced() && !reinforced());
        assert!(
            !crew.lose(false),
            "nobody works in place of one that is not replaceable"
        );
        assert!(!reinforced());
        assert!(crew.lose(true));
        assert!(!crew.lose(true), "only one may be replaced");
        assert_eq!(crew.lost(), 3);
        assert!(reinforced() && !reinforced());
        assert!(crew.send(0, |_| unreachable!()).is_err());
        crew.find(true);
        assert!(crew.lose(true), "the one that is found makes room");
    }

    #[test]
    fn every_thread_is_in_the_books_once() {
        let crew: Crew<()> = Crew::new(2, 0, 0);
        let census = |parked, sent, holding, handling| Census {
            alive: parked + sent + holding + handling,
            parked,
            sent,
            holding,
            handling,
        };
        for _ in 0..2 {
            crew.reinforce(|| Ok(())).unwrap();
        }
        assert_eq!(crew.census(), census(0, 2, 0, 0));
        crew.holds(Duty::Sent, false);
        // The other one takes its loop.
        crew.holds(Duty::Sent, true);
        assert_eq!(crew.census(), census(0, 0, 1, 1));
        let (place, may_leave) = crew.park(Duty::Handling).unwrap();
        assert!(may_leave);
        assert_eq!(crew.census(), census(1, 0, 1, 0));
        assert_eq!(crew.give((), |()| Order::TakeUp(0)), None);
        assert_eq!(crew.census(), census(0, 1, 1, 0));
        // Called at the moment at which it would have left.
        crew.let_go(&place);
        assert_eq!(place.order(), Some(Order::TakeUp(0)));
        crew.handles();
        let (place, _) = crew.park(Duty::Handling).unwrap();
        crew.let_go(&place);
        assert_eq!(place.order(), Some(Order::Leave));
        crew.left();
        assert_eq!(crew.census(), census(0, 0, 1, 0));
    }

    #[test]
    fn a_thread_is_sent_in_place_of_a_lost_one_and_of_no_other() {
        let crew: Crew<()> = Crew::new(1, 1, 1);
        let sent = || crew.send(0, |_| Ok(())).is_ok();
        assert!(sent() && !sent());
        assert!(crew.lose(true));
        assert!(sent() && !sent());
        assert_eq!(crew.alive(), 2);
    }

    #[test]
    fn only_those_that_are_not_kept_leave_and_only_when_they_were_not_needed_for_long() {
        for spare_time in [Duration::ZERO, Duration::from_secs(3600)] {
            let mut crew: Crew<()> = Crew::new(2, 0, 1);
            crew.spare_time = spare_time;
            let until_parked = |count| {
                while crew.census().parked < count {
                    thread::yield_now();
                }
            };
            thread::scope(|scope| {
                crew.reinforce(|| Ok(())).unwrap();
                let kept = scope.spawn(|| crew.wait(Duty::Sent));
                until_parked(1);
                crew.reinforce(|| Ok(())).unwrap();
                let spare = scope.spawn(|| crew.wait(Duty::Sent));
                if spare_time == Duration::ZERO {
                    assert_eq!(spare.join().unwrap(), Order::Leave);
                    assert_eq!(crew.give((), |()| Order::TakeUp(7)), None, "the other one has stayed");
                    assert_eq!(kept.join().unwrap(), Order::TakeUp(7));
                } else {
                    until_parked(2);
                    assert_eq!(crew.give((), |()| Order::TakeUp(7)), None);
                    assert_eq!(spare.join().unwrap(), Order::TakeUp(7), "it was parked last");
                    crew.dismiss();
                    assert_eq!(kept.join().unwrap(), Order::Leave);
                }
            });
        }
    }

    #[test]
    fn the_thread_that_is_let_go_leaves_and_no_other() {
        let crew: Crew<()> = Crew::new(2, 0, 0);
        let [first, second] = [(); 2].map(|()| {
            crew.reinforce(|| Ok(())).unwrap();
            crew.park(Duty::Sent).unwrap().0
        });
        assert!(!first.is_called_by(Instant::now()));
        crew.let_go(&second);
        assert!(!first.is_called_by(Instant::now()) && second.is_called_by(Instant::now()));
        assert_eq!(second.order(), Some(Order::Leave));
        assert_eq!(crew.census().parked, 1);
        crew.dismiss();
    }
}
