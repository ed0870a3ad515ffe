//! A bound on the handlers that run at once, and the queue of requests when no more may.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::Request;
use crate::deadline::after;
use crate::scheduling::{Scheduling, is_independent, may_begin};

use super::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// The time after which an application that lets no handler begin is asked again, while requests wait.
const ASK_AGAIN: Duration = Duration::from_millis(4);

/// Hands out the permits to run a handler, in order.
///
/// A loop keeps one permit in reserve, so that the usual request never comes here.
pub(crate) struct Admission<T> {
    state: Mutex<Queue<T>>,
    /// The number of those that wait, to be read without the lock.
    waiting: AtomicUsize,
    most_waiting: usize,
    /// Asked before each permit is given.
    scheduling: Option<Arc<dyn Scheduling>>,
    /// The longest that something waits because the application says no.
    longest: Duration,
}

struct Queue<T> {
    permits: usize,
    waiting: VecDeque<(Instant, T)>,
}

/// The result of asking for a permit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admitted<T> {
    /// It has a permit.
    Entered(T),
    /// It waits.
    Queued,
    /// The queue is full.
    Full(T),
}

impl<T> Admission<T> {
    pub(crate) fn new(permits: usize, most_waiting: usize) -> Admission<T> {
        Admission {
            state: Mutex::new(Queue {
                permits,
                waiting: VecDeque::new(),
            }),
            waiting: AtomicUsize::new(0),
            most_waiting,
            scheduling: None,
            longest: Duration::MAX,
        }
    }

    /// Has an application asked before each permit is given. Whatever has waited for longer than `longest` gets one all the
    /// same, to be told that it has waited too long.
    pub(crate) fn asking(self, scheduling: Option<Arc<dyn Scheduling>>, longest: Duration) -> Admission<T> {
        Admission {
            scheduling,
            longest,
            ..self
        }
    }

    /// Returns true if the application lets one more handler begin.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.scheduling.as_deref().is_none_or(may_begin)
    }

    /// Returns true if the application lets the handler of `request` begin although it lets no other one begin.
    #[cold]
    pub(crate) fn is_open_for(&self, request: Option<&Request>) -> bool {
        let asked = self.scheduling.as_deref().zip(request);
        asked.is_some_and(|(scheduling, request)| is_independent(scheduling, request))
    }

    /// Takes a permit for `thing`, or queues it: in any case if the application was asked and does not let it begin. Where
    /// it must not be refused, it is queued even if the queue is full.
    pub(crate) fn acquire(&self, thing: T, now: Instant, is_open: bool, may_refuse: bool) -> Admitted<T> {
        let mut state = self.lock();
        if is_open && state.permits > 0 {
            state.permits -= 1;
            return Admitted::Entered(thing);
        }
        if may_refuse && state.waiting.len() >= self.most_waiting {
            return Admitted::Full(thing);
        }
        state.waiting.push_back((now, thing));
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        Admitted::Queued
    }

    /// Returns a permit, or passes it on: to what has waited longest, which is returned with the time since when.
    pub(crate) fn release(&self) -> Option<(Instant, T)> {
        let is_open = !self.has_waiting() || self.is_open();
        let mut state = self.lock();
        let next = self.next_of(&mut state, is_open);
        match next {
            Some(_) => self.waiting.store(state.waiting.len(), Ordering::SeqCst),
            None => state.permits += 1,
        }
        next
    }

    /// Takes everything that waits, because nothing begins any more.
    pub(crate) fn give_up(&self) -> VecDeque<(Instant, T)> {
        let mut state = self.lock();
        self.waiting.store(0, Ordering::SeqCst);
        std::mem::take(&mut state.waiting)
    }

    /// Returns how many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Returns when to ask the application again whether a handler may begin, for what waits although there are permits.
    #[inline]
    pub(crate) fn ask_again(&self, now: Instant) -> Option<Instant> {
        (self.scheduling.is_some() && self.has_waiting()).then(|| after(now, ASK_AGAIN))
    }

    /// Takes what has waited longest, for a caller that already has a permit.
    pub(crate) fn next_waiting(&self) -> Option<(Instant, T)> {
        if !self.has_waiting() {
            return None;
        }
        let is_open = self.is_open();
        let mut state = self.lock();
        let next = self.next_of(&mut state, is_open);
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        next
    }

    /// Takes what has waited longest, with a permit. Both are here at once only if the application has said no.
    #[inline]
    pub(crate) fn next_with_permit(&self) -> Option<(Instant, T)> {
        if self.scheduling.is_none() || !self.has_waiting() {
            return None;
        }
        let is_open = self.is_open();
        let mut state = self.lock();
        if state.permits == 0 {
            return None;
        }
        let next = self.next_of(&mut state, is_open)?;
        state.permits -= 1;
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        Some(next)
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_of(&self, state: &mut Queue<T>, is_open: bool) -> Option<(Instant, T)> {
        let is_late = |(since, _): &(Instant, T)| since.elapsed() > self.longest;
        if is_open || state.waiting.front().is_some_and(is_late) {
            return state.waiting.pop_front();
        }
        None
    }
}

#[cfg(all(test, not(hansel_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// As a loop does: asks, and then takes a permit or queues.
    fn acquire(admission: &Admission<char>, thing: char, now: Instant) -> Admitted<char> {
        admission.acquire(thing, now, admission.is_open(), true)
    }

    #[test]
    fn a_permit_goes_to_whoever_has_waited_longest() {
        let now = Instant::now();
        let admission = Admission::new(1, 2);
        assert_eq!(acquire(&admission, 'a', now), Admitted::Entered('a'));
        assert_eq!(acquire(&admission, 'b', now), Admitted::Queued);
        assert_eq!(acquire(&admission, 'c', now), Admitted::Queued);
        assert_eq!(acquire(&admission, 'd', now), Admitted::Full('d'));
        assert_eq!(admission.release(), Some((now, 'b')));
        assert_eq!(acquire(&admission, 'e', now), Admitted::Queued);
        assert_eq!(admission.next_waiting(), Some((now, 'c')));
        assert_eq!(admission.release(), Some((now, 'e')));
        assert_eq!(admission.release(), None);
        assert_eq!(acquire(&admission, 'f', now), Admitted::Entered('f'));
        assert_eq!(admission.next_waiting(), None);
        assert_eq!(acquire(&admission, 'g', now), Admitted::Queued);
        assert_eq!(admission.give_up(), [(now, 'g')]);
        assert!(!admission.has_waiting());
        assert_eq!(admission.release(), None);
    }

    #[test]
    fn while_the_application_says_no_everything_waits_and_no_permit_is_lost() {
        struct Door(AtomicBool);
        impl Scheduling for Door {
            fn may_begin(&self) -> bool {
                self.0.load(Ordering::Relaxed)
            }
        }
        let now = Instant::now();
        let door = Arc::new(Door(AtomicBool::new(true)));
        let admission = Admission::new(1, 2).asking(Some(Arc::clone(&door) as Arc<dyn Scheduling>), Duration::MAX);
        assert_eq!(acquire(&admission, 'a', now), Admitted::Entered('a'));
        assert_eq!(admission.ask_again(now), None, "nothing waits");
        door.0.store(false, Ordering::Relaxed);
        assert_eq!(acquire(&admission, 'b', now), Admitted::Queued);
        assert_eq!(admission.release(), None);
        assert_eq!(acquire(&admission, 'c', now), Admitted::Queued, "there is a permit");
        assert_eq!(acquire(&admission, 'd', now), Admitted::Full('d'));
        assert_eq!(admission.next_waiting(), None);
        assert_eq!(admission.next_with_permit(), None);
        assert!(admission.ask_again(now).is_some());
        door.0.store(true, Ordering::Relaxed);
        assert_eq!(admission.next_with_permit(), Some((now, 'b')));
        assert_eq!(admission.next_with_permit(), None, "the permit is taken");
        assert_eq!(admission.release(), Some((now, 'c')));
        assert_eq!(admission.release(), None);
        assert_eq!(acquire(&admission, 'e', now), Admitted::Entered('e'));
    }

    #[test]
    fn for_each_permit_that_is_asked_for_the_application_is_asked_once() {
        struct Asked(AtomicUsize);
        impl Scheduling for Asked {
            fn may_begin(&self) -> bool {
                self.0.fetch_add(1, Ordering::Relaxed) % 2 == 1
            }
        }
        let asked = Arc::new(Asked(Default::default()));
        let admission = Admission::new(1, 2).asking(Some(Arc::clone(&asked) as Arc<dyn Scheduling>), Duration::MAX);
        let count = || asked.0.load(Ordering::Relaxed);
        let now = Instant::now();
        assert_eq!(acquire(&admission, 'a', now), Admitted::Queued);
        assert_eq!(count(), 1);
        assert_eq!(admission.next_with_permit(), Some((now, 'a')));
        assert_eq!(count(), 2);
        assert_eq!(admission.release(), None, "nothing waits, so nobody is asked");
        assert_eq!(admission.next_with_permit(), None);
        assert_eq!(count(), 2);
    }

    #[test]
    fn whatever_waits_too_long_goes_on_although_the_application_says_no() {
        struct Closed;
        impl Scheduling for Closed {
            fn may_begin(&self) -> bool {
                false
            }
        }
        let longest = Duration::from_secs(1);
        let admission = Admission::new(1, 2).asking(Some(Arc::new(Closed)), longest);
        let late = Instant::now().checked_sub(2 * longest).unwrap();
        assert_eq!(acquire(&admission, 'a', late), Admitted::Queued);
        assert_eq!(acquire(&admission, 'b', Instant::now()), Admitted::Queued);
        assert_eq!(admission.next_with_permit(), Some((late, 'a')));
        assert_eq!(admission.release(), None, "the other has not waited that long");
    }
}
