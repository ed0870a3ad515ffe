//! A thread of the crew: it holds a loop, runs handlers, and may lose the loop to another thread meanwhile.

#[cfg(feature = "websocket")]
mod messages;
mod reading;
mod serve;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::date::Date;
use crate::pace::{self, Opinion};
use crate::report;
use crate::scheduling;
use crate::threads;

use super::call::Call;
use super::engine::Engine;
use super::thread_time::{computed_since, thread_time};
use super::watching::thread_number;
use crate::server::connection::Connection;
use crate::server::connection::claim::Outcome;
use crate::server::event_loop::pacing::Took;
use crate::server::event_loop::{EventLoop, NOBODY, Turn};
use crate::server::shared::Shared;
use crate::server::shared::crew::{Duty, Order};
use crate::server::shared::loop_link::Arrival;
use crate::server::shared::observer::Observer;

/// Starts the threads of a server: one for each loop.
pub(crate) fn start(engine: &Arc<Engine>) -> io::Result<()> {
    // Weak, because the engine owns what owns this.
    let hired = Arc::downgrade(engine);
    engine.shared.hire_by(Box::new(move |order| match hired.upgrade() {
        Some(engine) => hire(&engine, || Some(order)),
        None => Ok(()),
    }));
    (0..engine.cells.len()).try_for_each(|index| engine.shared.send(index))
}

/// Starts a thread of the crew, which parks at once if there is no order for it.
fn hire(
    engine: &Arc<Engine>,
    first: impl FnOnce() -> Option<Order<Box<Connection>>> + Send + 'static,
) -> io::Result<()> {
    let hired = Arc::clone(engine);
    let live = move || {
        let shared = Arc::clone(&hired.shared);
        scheduling::run_thread(shared.scheduling.as_ref(), || {
            // A panic in here is one of this crate, and must end the process whatever runs around it.
            threads::guard(|| {
                let first = first().unwrap_or_else(|| hired.shared.crew.wait(Duty::Sent));
                Runner::new(hired).live(first);
            });
        });
        shared.crew.left();
    };
    threads::start(format!("hansel-{}", engine.shared.crew.alive()), Box::new(live))?;
    Ok(())
}

/// Starts a thread that waits in reserve, if none does.
fn keep_a_reserve(engine: &Arc<Engine>) {
    let crew = &engine.shared.crew;
    if crew.has_parked() {
        return;
    }
    if let Err(error) = crew.reinforce(|| hire(engine, || None)) {
        report::warn!("can't start a thread in reserve: {error}; if a handler blocks, its event loop may have to wait");
    }
}

/// Returns a number that no other thread has, and that is not [`NOBODY`]. It is compared at each request, for which a
/// `ThreadId` is too long.
fn next_id() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

struct Runner {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    call: Rc<Call>,
    date: Date,
    number: u32,
    id: usize,
    observer: Observer,
}

impl Runner {
    fn new(engine: Arc<Engine>) -> Runner {
        let number = thread_number();
        let run = engine.shared.runs.add(number);
        let call = Rc::new(Call::new(Arc::clone(&engine), run));
        pace::listen(Box::new(Rc::clone(&call)));
        Runner {
            shared: Arc::clone(&engine.shared),
            engine,
            call,
            date: Date::now(),
            number,
            id: next_id(),
            observer: Observer::new(),
        }
    }

    fn live(mut self, first: Order<Box<Connection>>) {
        let mut order = first;
        loop {
            self.call.run.set_busy(true);
            let duty = match order {
                Order::TakeUp(index) => self.hold(index),
                Order::Serve(since, connection) => {
                    self.shared.crew.handles();
                    self.stand_in(since, connection);
                    Duty::Handling
                }
                Order::Read(connection) => {
                    self.shared.crew.handles();
                    self.call.run.set_endpoint(None);
                    self.read_file(connection);
                    Duty::Handling
                }
                Order::Leave => break,
            };
            self.shared.rest();
            self.call.run.set_busy(false);
            order = self.shared.crew.wait(duty);
        }
        self.call.run.set_busy(false);
    }

    /// Acquires loop `index`, and works until it loses the loop or the loop ends. Returns its duty then.
    fn hold(&mut self, index: usize) -> Duty {
        let (engine, shared) = (Arc::clone(&self.engine), Arc::clone(&self.shared));
        let cell = &engine.cells[index];
        let Some(mut held) = cell.baton.take_up() else {
            return Duty::Sent;
        };
        self.takes_over(&mut held, Duty::Sent);
        cell.thread.store(self.number, Ordering::Relaxed);
        held.now = Instant::now();
        held.is_back(None, &shared);
        held.send_unsent(&shared);
        keep_a_reserve(&engine);
        let is_observed = shared.observation.is_wanted();
        loop {
            let (mut connection, queued_since) = match held.turn(&shared) {
                Turn::Call(connection, queued_since) => (connection, queued_since),
                Turn::Read(connection) => {
                    self.have_read(connection, &mut held);
                    continue;
                }
                Turn::Send(connection) => {
                    let Some(again) = self.send_large_file_released(connection, held, cell) else {
                        return Duty::Handling;
                    };
                    held = again;
                    continue;
                }
                Turn::Over => {
                    held.holder = NOBODY;
                    return Duty::Holding;
                }
            };
            // A request from the queue is late already, and there was no thread for it.
            if queued_since.is_none() && connection.is_likely_slow() {
                let given = shared.crew.give(connection, |connection| {
                    held.gives(&connection, &shared);
                    Order::Serve(held.now, connection)
                });
                match given {
                    Some(kept) => connection = kept,
                    None => continue,
                }
            }
            let is_timed = held.suspicion.wants_next();
            if is_timed {
                held.now = Instant::now();
            }
            let computed_before = if is_timed && held.suspicion.has_suspect() && shared.scheduling.is_some() {
                thread_time()
            } else {
                None
            };
            self.date.catch_up(&held.date);
            let began = held.now;
            self.call.leave_loop(index);
            held.goes_out(&connection);
            cell.baton.put_down(held);
            shared.watch.look();

            self.observer.begin(queued_since.unwrap_or(began));
            self.serve(&mut connection, queued_since);

            let was_quick = self.call.is_expected_back.replace(false);
            connection.note_pace(!was_quick);
            let Some(again) = cell.baton.take_up() else {
                if let Some((since, waiting)) = self.give_back(connection) {
                    self.stand_in(since, waiting);
                }
                return Duty::Handling;
            };
            held = again;
            if held.holder != self.id {
                self.takes_over(&mut held, Duty::Handling);
            }
            cell.thread.store(self.number, Ordering::Relaxed);
            // Otherwise the time of the last call that was timed, or of the last wait for events, is exact enough for
            // deadlines of seconds.
            if is_timed || is_observed || !was_quick {
                held.now = Instant::now();
            }
            if let (true, true, Some(pace)) = (is_timed, was_quick, self.call.endpoint.get()) {
                let took = Took {
                    // The time for which it has waited for others is not its own.
                    time: (held.now - began).saturating_sub(self.call.queued.get()),
                    computed: computed_before.and_then(computed_since),
                };
                held.observe_call(pace, took);
            }
            self.bring_back(connection, &mut held, index);
        }
    }

    /// Notes that this thread, whose duty was `was`, now has the loop, from another thread or from none.
    #[inline(never)]
    fn takes_over(&self, held: &mut EventLoop, was: Duty) {
        let before = std::mem::replace(&mut held.holder, self.id);
        self.shared.crew.holds(was, before != NOBODY);
    }

    /// Gives a connection back to the loop that this thread holds, or to its own.
    #[inline(always)]
    fn bring_back(&self, connection: Box<Connection>, held: &mut EventLoop, index: usize) {
        let shared = &self.shared;
        held.is_back(Some(&connection), shared);
        let link = &connection.transport.link;
        let is_home = connection.home == index;
        // Only the holder of its own loop overrules a handler.
        let outcome = if is_home {
            link.claim.outcome()
        } else {
            link.claim.claim()
        };
        match outcome {
            Outcome::Own if is_home => held.take_back(connection, shared),
            Outcome::Own => shared.deliver(connection.home, Arrival::Returned(connection)),
            Outcome::Overruled { .. } if is_home => held.recover(connection.key),
            Outcome::Overruled { .. } => shared.deliver(connection.home, Arrival::Recovered(connection.key)),
        }
        if !self.was_replaced(outcome) {
            held.permits.give_back(&shared.admission);
        }
    }

    /// Without a loop: responds to a connection, and then to those that wait for a permit.
    #[inline(never)]
    fn stand_in(&mut self, since: Instant, connection: Box<Connection>) {
        let mut next = Some((since, connection));
        while let Some((since, mut connection)) = next {
            self.date.refresh(Instant::now());
            self.observer.begin(since);
            self.call.endpoint.set(None);
            self.call.run.set_endpoint(None);
            self.call.queued.set(Duration::ZERO);
            self.serve(&mut connection, Some(since));
            // Whoever has the loop may wait for what it keeps.
            self.shared.rest();
            // There was no loop for others to take over, so the opinion on the endpoint decides.
            let pace = self.call.endpoint.get();
            connection.note_pace(pace.is_some_and(|pace| pace.opinion() == Opinion::Slow));
            next = self.give_back(connection);
        }
    }

    /// Without a loop: gives a connection back, unless its own loop has responded in place of the handler. Returns what
    /// waits for its permit.
    fn give_back(&self, mut connection: Box<Connection>) -> Option<(Instant, Box<Connection>)> {
        let outcome = connection.transport.link.claim.claim();
        let home = connection.home;
        if outcome == Outcome::Own {
            // A busy loop sends the response together with others: a client on the same machine, such as a balancer, is
            // woken once for all of them. Otherwise it is sent from here, one hop earlier; what the client does not
            // accept is sent later.
            if !self.engine.is_at_work(home) {
                connection.send_now();
            }
            self.shared.deliver(home, Arrival::Returned(connection));
        } else {
            self.shared.deliver(home, Arrival::Recovered(connection.key));
        }
        if self.was_replaced(outcome) {
            None
        } else {
            self.shared.admission.release()
        }
    }

    /// Returns true if this thread's permit has gone to another while it was lost. Then it no longer counts as lost.
    fn was_replaced(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Own => false,
            Outcome::Overruled { is_replaced } => {
                self.shared.crew.find(is_replaced);
                is_replaced
            }
        }
    }
}
