//! The threads of a server: parked until sent to take up a loop or given a connection, and gone when not needed for long.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;

/// How long a thread beyond the few that are always kept stays without work.
const SPARE_TIME: Duration = Duration::from_secs(10);

/// All threads that may run handlers.
pub(super) struct Crew {
    state: Mutex<State>,
    gone: Condvar,
    /// How many there may be.
    most: usize,
    /// How many lost ones may be replaced.
    most_replaced: usize,
    /// How many stay, even without work.
    kept: usize,
}

struct State {
    /// The one that was parked last is sent first: its stack is still warm.
    parked: Vec<Arc<Berth>>,
    alive: usize,
    /// Threads whose handlers have been given up, and which others work for.
    replaced: usize,
    /// All threads whose handlers have been given up.
    lost: usize,
    is_over: bool,
}

/// Where a parked thread waits for its orders.
pub(super) struct Berth {
    order: Mutex<Option<Order>>,
    called: Condvar,
}

/// What a parked thread is to do.
pub(super) enum Order {
    /// Take up the loop of this index, if it still lies.
    TakeUp(usize),
    /// Answer a connection, which has a permit and has waited since then.
    Answer(Instant, Box<Connection>),
    /// End.
    Leave,
}

impl Crew {
    pub(super) fn new(most: usize, most_replaced: usize, kept: usize) -> Crew {
        Crew {
            state: Mutex::new(State {
                parked: Vec::new(),
                alive: 0,
                replaced: 0,
                lost: 0,
                is_over: false,
            }),
            gone: Condvar::new(),
            most,
            most_replaced,
            kept,
        }
    }

    /// Sends a parked thread to loop `index`; with none parked, has `hire` start one for it.
    ///
    /// # Errors
    /// If there is nobody to send: as many threads as may be are busy, or the system gives no more.
    pub(super) fn send(&self, index: usize, hire: impl FnOnce(Order) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        if state.is_over {
            return Ok(());
        }
        if let Some(berth) = state.parked.pop() {
            drop(state);
            berth.call(Order::TakeUp(index));
            return Ok(());
        }
        if state.alive >= self.most + state.replaced {
            return Err(io::Error::other("every thread is busy"));
        }
        state.alive += 1;
        drop(state);
        hire(Order::TakeUp(index)).inspect_err(|_| self.left())
    }

    /// A parked thread, if there is one: it must be [called](Berth::call).
    #[must_use = "it would wait for ever"]
    pub(super) fn parked(&self) -> Option<Arc<Berth>> {
        self.lock().parked.pop()
    }

    /// Whether somebody is parked. For keeping one in reserve, so a stale answer does no harm.
    pub(super) fn has_parked(&self) -> bool {
        !self.lock().parked.is_empty()
    }

    /// Starts a thread that parks at once, if there may be one more.
    pub(super) fn reinforce(&self, hire: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        {
            let mut state = self.lock();
            if state.is_over || state.alive >= self.most + state.replaced {
                return Ok(());
            }
            state.alive += 1;
        }
        hire().inspect_err(|_| self.left())
    }

    /// Parks the calling thread until there is something to do.
    pub(super) fn wait(&self) -> Order {
        let berth = Arc::new(Berth {
            order: Mutex::new(None),
            called: Condvar::new(),
        });
        let may_leave = {
            let mut state = self.lock();
            if state.is_over {
                return Order::Leave;
            }
            state.parked.push(Arc::clone(&berth));
            // Those who park first stay; whoever comes on top of them goes after a while.
            state.parked.len() > self.kept
        };
        let order = berth.wait(may_leave.then(|| Instant::now() + SPARE_TIME));
        order.unwrap_or_else(|| {
            let mut state = self.lock();
            let place = state.parked.iter().position(|parked| Arc::ptr_eq(parked, &berth));
            match place {
                Some(place) => {
                    state.parked.remove(place);
                    Order::Leave
                }
                // Called in the same moment, so the order is on its way.
                None => {
                    drop(state);
                    berth.wait(None).unwrap_or(Order::Leave)
                }
            }
        })
    }

    /// A thread is lost to a handler that does not return. Says whether another may work in its place.
    pub(super) fn lose(&self) -> bool {
        let mut state = self.lock();
        let is_replaced = state.replaced < self.most_replaced;
        state.lost += 1;
        state.replaced += usize::from(is_replaced);
        is_replaced
    }

    /// A lost thread is there again.
    pub(super) fn find(&self, was_replaced: bool) {
        let mut state = self.lock();
        state.lost -= 1;
        state.replaced -= usize::from(was_replaced);
    }

    /// How many threads are lost.
    pub(super) fn lost(&self) -> usize {
        self.lock().lost
    }

    /// The calling thread is about to end.
    pub(super) fn left(&self) {
        let mut state = self.lock();
        state.alive -= 1;
        if state.alive == 0 {
            self.gone.notify_all();
        }
    }

    /// Ends all who are parked, and all others when they come to park.
    pub(super) fn dismiss(&self) {
        let parked = {
            let mut state = self.lock();
            state.is_over = true;
            std::mem::take(&mut state.parked)
        };
        for berth in parked {
            berth.call(Order::Leave);
        }
    }

    /// Waits until all threads have ended, or until `deadline`. Says how many have not.
    pub(super) fn wait_until_gone(&self, deadline: Instant) -> usize {
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

    /// How many threads there are, and how many of them are parked.
    pub(super) fn census(&self) -> (usize, usize) {
        let state = self.lock();
        (state.alive, state.parked.len())
    }

    pub(super) fn alive(&self) -> usize {
        self.lock().alive
    }

    // In a dozen places, none of which is on the way of a usual request.
    #[inline(never)]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Berth {
    /// Gives the thread its order.
    // Beside waking a thread, being called is nothing.
    #[inline(never)]
    pub(super) fn call(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        self.called.notify_one();
    }

    fn wait(&self, until: Option<Instant>) -> Option<Order> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        while order.is_none() {
            order = match until {
                None => self.called.wait(order).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.called
                        .wait_timeout(order, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        order.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn threads_are_hired_up_to_the_most_and_sent_again_once_parked() {
        let crew = Arc::new(Crew::new(1, 0, 1));
        let (done, orders) = mpsc::channel();
        let hire = |order| {
            let (crew, done) = (Arc::clone(&crew), done.clone());
            let Order::TakeUp(index) = order else {
                panic!("it is to take up a loop");
            };
            thread::spawn(move || {
                done.send(index).unwrap();
                while let Order::TakeUp(index) = crew.wait() {
                    done.send(index).unwrap();
                }
                crew.left();
            });
            Ok(())
        };
        crew.send(3, hire).unwrap();
        assert_eq!(orders.recv(), Ok(3));
        // Whether or not it is parked yet, a second one may not be hired.
        while crew.send(4, |_| unreachable!()).is_err() {
            thread::yield_now();
        }
        assert_eq!(orders.recv(), Ok(4));
        crew.dismiss();
        assert_eq!(crew.wait_until_gone(Instant::now() + Duration::from_secs(60)), 0);
        crew.send(5, |_| unreachable!()).unwrap();
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_not_counted() {
        let crew = Crew::new(1, 0, 1);
        assert!(crew.send(0, |_| Err(io::ErrorKind::OutOfMemory.into())).is_err());
        assert_eq!(crew.alive(), 0);
    }
}
