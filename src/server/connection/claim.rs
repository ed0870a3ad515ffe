//! The claim to respond to a request: its handler's, or the loop's because the handler took too long.
//!
//! Both may try at the same moment, so one atomic word decides; the loser writes nothing. The usual request never gets
//! here: while its thread holds the loop, nobody else could overrule it.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::call_time::CallTime;
use crate::deadline::{after, earlier};
use crate::request::Allowed;
use crate::server::limits::Limits;

/// The handler runs, and nothing of its response is sent.
const OPEN: u8 = 0;
/// The same, but responses to earlier requests are not all sent either, and nothing may be sent before them.
const BEHIND: u8 = 1;
/// The response belongs to the thread, or the request is in the queue.
const CLAIMED: u8 = 2;
/// The head of the response is sent.
const STREAMING: u8 = 3;
/// The loop has responded.
const OVERRULED: u8 = 4;
/// The same, and another handler runs with the permit of this one.
const REPLACED: u8 = 5;
/// The response is being sent, and its thread reads a file.
const READING: u8 = 6;

/// The time after which a call that is not overdue yet is looked at again, at the earliest.
const SOONEST: Duration = Duration::from_millis(1);

/// Decides who responds to the current request.
pub(crate) struct Claim {
    state: AtomicU8,
    time: CallTime,
}

/// The steps that the loop may take about an overdue call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overdue {
    /// Respond in place of the handler.
    Respond,
    /// Cut the connection; its thread writes nothing more.
    Abandon,
    /// Cut the connection; its thread is in the middle of the response, and will notice.
    Cut,
    /// Nothing: the response is being sent.
    Late,
}

/// The state that a thread finds when its handler returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The thread sends the response.
    Own,
    /// The loop has responded. `is_replaced`: another handler has the permit now.
    Overruled { is_replaced: bool },
}

impl Claim {
    pub(crate) fn new() -> Claim {
        Claim {
            state: AtomicU8::new(OPEN),
            time: CallTime::new(),
        }
    }

    /// Sets how long the handler that runs may take.
    pub(crate) fn allow(&self, allowed: Allowed) {
        self.time.allow(allowed);
    }

    /// Returns how long the handler that runs may take.
    pub(crate) fn allowed(&self, limits: &Limits) -> Option<Duration> {
        self.time.allowed(limits)
    }

    /// Notes that a handler begins to run at `now`; or that it has waited for its client until `now`, which does not
    /// count.
    pub(crate) fn begin(&self, now: Instant) {
        if self.state.load(Relaxed) != STREAMING {
            self.time.begin(now);
        }
    }

    /// Notes that a request that has waited in the queue, or for its thread, is about to be handled.
    pub(crate) fn begin_queued(&self, now: Instant) {
        self.time.begin(now);
        self.state.store(OPEN, SeqCst);
    }

    /// Notes that the request is put into the queue, or given to another thread: it cannot be overdue yet.
    pub(crate) fn queue(&self) {
        self.state.store(CLAIMED, SeqCst);
    }

    /// Notes that responses must be sent before the one to this request.
    pub(crate) fn fall_behind(&self) {
        if self.state.load(Relaxed) == OPEN {
            // If the loop was faster, the thread will find out when it claims the response.
            let _ = self.state.compare_exchange(OPEN, BEHIND, SeqCst, SeqCst);
        }
    }

    /// Notes that a thread is about to read a file for the response at `now`. Reading has the time of a handler.
    pub(crate) fn read(&self, now: Instant) {
        self.time.begin(now);
        self.state.store(READING, SeqCst);
    }

    /// Returns true if a thread reads a file.
    pub(crate) fn is_reading(&self) -> bool {
        self.state.load(SeqCst) == READING
    }

    /// Lets the thread write something that comes before the response. `write` returns true if that, or an earlier
    /// response, is not all sent.
    pub(crate) fn write_before<R>(&self, write: impl FnOnce() -> (bool, R)) -> Option<R> {
        let before = self.state.load(SeqCst);
        if !self.take_from(before) {
            return None;
        }
        let (is_behind, result) = write();
        let after = match before {
            OPEN | BEHIND if is_behind => BEHIND,
            OPEN | BEHIND => OPEN,
            other => other,
        };
        self.state.store(after, SeqCst);
        Some(result)
    }

    /// Claims the response for the thread.
    pub(crate) fn claim(&self) -> Outcome {
        loop {
            let state = self.state.load(SeqCst);
            match self.outcome_of(state) {
                Outcome::Own if !self.take_from(state) => {}
                outcome => return outcome,
            }
        }
    }

    /// Claims the response for a stream that begins at `now`. Returns true if that succeeded.
    pub(crate) fn stream(&self, now: Instant) -> bool {
        let may = self.claim() == Outcome::Own;
        if may {
            self.time.begin(now);
            self.state.store(STREAMING, SeqCst);
        }
        may
    }

    /// Returns whose response it is, for callers that the loop cannot overrule at this moment.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome_of(self.state.load(SeqCst))
    }

    fn outcome_of(&self, state: u8) -> Outcome {
        match state {
            OVERRULED | REPLACED => Outcome::Overruled {
                is_replaced: state == REPLACED,
            },
            _ => Outcome::Own,
        }
    }

    /// Notes that the connection is back at its loop.
    pub(crate) fn reset(&self) {
        if self.state.load(Relaxed) != OPEN {
            self.state.store(OPEN, SeqCst);
        }
        self.time.reset();
    }

    /// Returns when the loop should look at the call again, if ever. As long as the route of the request is unknown, that
    /// is when it could be overdue on the route with the `shortest` deadline.
    pub(crate) fn deadline(&self, now: Instant, limits: &Limits, shortest: Option<Duration>) -> Option<Instant> {
        let began = self.time.began();
        // It is not overdue, so never at once: the caller would look in an endless loop.
        let later = |limit: Duration| after(now, limit.max(SOONEST));
        match self.state.load(SeqCst) {
            OPEN | BEHIND => {
                let deadline = match (self.allowed(limits), limits.stream) {
                    (Some(handler), _) => Some(after(began, handler)),
                    (None, stream) => stream.map(later),
                };
                let is_known = shortest.is_none() || self.time.is_of_route();
                if is_known {
                    deadline
                } else {
                    earlier(deadline, shortest.map(later))
                }
            }
            READING => limits.handler.map(|handler| after(began, handler)),
            CLAIMED => {
                let times = [limits.handler, limits.stream, shortest];
                times.into_iter().flatten().min().map(later)
            }
            STREAMING => limits.stream.map(|stream| after(began, stream)),
            _ => None,
        }
    }

    /// Takes the response from the handler if it has not begun it. `is_replaced`: its permit goes to another handler.
    pub(crate) fn overrule(&self, is_replaced: bool) -> Overdue {
        let after = if is_replaced { REPLACED } else { OVERRULED };
        let takes = [
            (OPEN, Overdue::Respond),
            (BEHIND, Overdue::Abandon),
            (READING, Overdue::Abandon),
        ];
        for (before, outcome) in takes {
            if self.state.compare_exchange(before, after, SeqCst, SeqCst).is_ok() {
                return outcome;
            }
        }
        if self.state.load(SeqCst) == STREAMING {
            Overdue::Cut
        } else {
            Overdue::Late
        }
    }

    fn take_from(&self, state: u8) -> bool {
        match state {
            CLAIMED | STREAMING => true,
            OPEN | BEHIND | READING => self.state.compare_exchange(state, CLAIMED, SeqCst, SeqCst).is_ok(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn deadline(claim: &Claim, now: Instant, limits: &Limits) -> Option<Instant> {
        claim.deadline(now, limits, None)
    }

    #[test]
    fn one_of_the_two_answers_and_the_other_knows() {
        for _ in 0..1000 {
            let claim = Claim::new();
            thread::scope(|scope| {
                let thread = scope.spawn(|| claim.claim());
                let on_loop = claim.overrule(true);
                let thread = thread.join().unwrap();
                let is_overruled = thread != Outcome::Own;
                assert_eq!(on_loop == Overdue::Respond, is_overruled, "{on_loop:?} {thread:?}");
            });
        }
    }

    #[test]
    fn nothing_is_put_before_earlier_answers() {
        let claim = Claim::new();
        claim.fall_behind();
        assert_eq!(claim.overrule(false), Overdue::Abandon);
        assert_eq!(claim.claim(), Outcome::Overruled { is_replaced: false });
        assert_eq!(claim.write_before(|| (false, ())), None);

        for is_behind in [false, true] {
            let claim = Claim::new();
            if is_behind {
                claim.fall_behind();
            }
            assert_eq!(claim.write_before(|| (true, "a part")), Some("a part"));
            assert_eq!(claim.overrule(false), Overdue::Abandon);
        }

        let claim = Claim::new();
        claim.fall_behind();
        assert_eq!(claim.write_before(|| (false, "all of it")), Some("all of it"));
        assert_eq!(claim.overrule(true), Overdue::Respond);
        assert_eq!(claim.claim(), Outcome::Overruled { is_replaced: true });
    }

    #[test]
    fn a_stream_is_cut_and_what_waits_in_the_queue_is_not_late() {
        let claim = Claim::new();
        assert!(claim.stream(Instant::now()));
        assert_eq!(claim.overrule(true), Overdue::Cut);
        assert_eq!(claim.claim(), Outcome::Own);
        claim.reset();
        claim.queue();
        assert_eq!(claim.overrule(true), Overdue::Late);
        claim.begin_queued(Instant::now());
        assert_eq!(claim.overrule(true), Overdue::Respond);
        assert!(!claim.stream(Instant::now()));
    }

    #[test]
    fn deadlines_count_from_where_they_should() {
        let (handler, stream) = (Duration::from_secs(60), Duration::from_secs(600));
        let limits = |handler, stream| Limits {
            handler,
            stream,
            ..Limits::default()
        };
        let claim = Claim::new();
        let start = claim.time.zero() + Duration::from_secs(1);
        let now = start + Duration::from_secs(5);
        claim.begin(start);
        assert_eq!(
            deadline(&claim, now, &limits(Some(handler), None)),
            Some(start + handler)
        );
        assert_eq!(deadline(&claim, now, &limits(None, Some(stream))), Some(now + stream));
        assert_eq!(deadline(&claim, now, &limits(None, None)), None);
        claim.stream(now);
        assert_eq!(deadline(&claim, now, &limits(Some(handler), None)), None);
        assert_eq!(deadline(&claim, now, &limits(None, Some(stream))), Some(now + stream));
        claim.begin(now + handler);
        let same = deadline(&claim, now, &limits(None, Some(stream)));
        assert_eq!(same, Some(now + stream), "a stream's time is a total");
        claim.queue();
        let next = deadline(&claim, now, &limits(Some(handler), Some(stream)));
        assert_eq!(next, Some(now + handler), "what waits is looked at again");
    }

    #[test]
    fn a_read_has_the_time_of_a_handler_and_its_answer_is_never_given_twice() {
        let limits = Limits {
            handler: Some(Duration::from_secs(60)),
            stream: Some(Duration::from_secs(1)),
            ..Limits::default()
        };
        let claim = Claim::new();
        let start = claim.time.zero() + Duration::from_secs(1);
        claim.read(start);
        assert!(claim.is_reading());
        let deadline = deadline(&claim, start, &limits);
        assert_eq!(deadline, Some(start + Duration::from_secs(60)), "that of a handler");
        assert_eq!(claim.overrule(false), Overdue::Abandon, "the answer has begun");
        assert_eq!(claim.claim(), Outcome::Overruled { is_replaced: false });

        claim.read(start);
        assert_eq!(claim.claim(), Outcome::Own);
        assert!(!claim.is_reading());
        assert_eq!(claim.overrule(false), Overdue::Late);
    }

    #[test]
    fn a_route_may_allow_more_or_less_and_until_it_is_known_the_shortest_deadline_decides_when_to_look() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let limits = |handler| Limits {
            handler,
            ..Limits::default()
        };
        let claim = Claim::new();
        let start = claim.time.zero() + second;
        claim.begin(start);
        let deadline = |handler| claim.deadline(start, &limits(handler), Some(second));
        assert_eq!(deadline(Some(minute)), Some(start + second));
        assert_eq!(deadline(None), Some(start + second));
        claim.allow(Allowed::Time(10 * minute));
        assert_eq!(deadline(Some(minute)), Some(start + 10 * minute));
        assert_eq!(deadline(None), Some(start + 10 * minute));
        claim.allow(Allowed::Time(Duration::ZERO));
        assert!(deadline(None) <= Some(start + second), "it is up at once");
        for for_ever in [Allowed::Always, Allowed::Time(Duration::MAX)] {
            claim.allow(for_ever);
            assert_eq!(deadline(Some(minute)), None);
        }
        claim.queue();
        assert_eq!(deadline(Some(minute)), Some(start + second), "what waits has no route");
        claim.reset();
        assert_eq!(claim.allowed(&limits(Some(minute))), Some(minute));
    }
}
