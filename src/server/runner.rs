//! A thread of the crew: it holds a loop, runs handlers, and may lose the loop over one of them.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::StatusCode;

use crate::date::Date;
use crate::exchange::{Payload, Step};
use crate::operations::RequestSpan;
use crate::pace;
use crate::{IntoResponse, Request, Response};

use super::call::Call;
use super::claim::Outcome;
use super::connection::{Connection, Work};
use super::crew::Order;
use super::event_loop::Turn;
use super::health::Lane;
use super::link::{READABLE, Transport};
use super::observer::{self, Observer};
use super::shared::{Arrival, Shared, spawn};
use super::streaming::{self, LiveReader};
use super::tally::Passed;
use super::watch::thread_number;

/// How many bytes of answers are gathered before they are sent.
const GATHERED: usize = 64 * 1024;

/// How many answers wait for their loop before the threads that leave them let it go first.
const LEFT_TOGETHER: usize = 16;

/// Sends somebody to take up loop `index`. Says whether there was anybody.
pub(super) fn send_to(shared: &Arc<Shared>, index: usize, reason: Passed) -> bool {
    shared.tally.passed(reason);
    send(shared, index)
        .inspect_err(|error| log::warn!("nobody can take over from a handler that blocks: {error}"))
        .is_ok()
}

fn send(shared: &Arc<Shared>, index: usize) -> io::Result<()> {
    shared.crew.send(index, |order| hire(shared, Some(order)))
}

/// Starts a thread of the crew, which parks at once if there is no order for it.
fn hire(shared: &Arc<Shared>, first: Option<Order>) -> io::Result<()> {
    let hired = Arc::clone(shared);
    let live = move || {
        let first = first.unwrap_or_else(|| hired.crew.wait());
        Runner::new(hired).live(first);
    };
    spawn(format!("hansel-{}", shared.crew.alive()), Box::new(live))
}

/// Starts a thread that waits in reserve, if nobody does.
fn keep_a_reserve(shared: &Arc<Shared>) {
    if shared.crew.has_parked() {
        return;
    }
    if let Err(error) = shared.crew.reinforce(|| hire(shared, None)) {
        log::warn!("can't start a thread in reserve: {error}");
    }
}

struct Runner {
    shared: Arc<Shared>,
    call: Rc<Call>,
    date: Date,
    number: u32,
    observer: Observer,
}

impl Runner {
    fn new(shared: Arc<Shared>) -> Runner {
        let call = Rc::new(Call::new(Arc::clone(&shared)));
        pace::listen(Box::new(Rc::clone(&call)));
        Runner {
            shared,
            call,
            date: Date::now(),
            number: thread_number(),
            observer: Observer::new(),
        }
    }

    fn live(mut self, first: Order) {
        let mut order = first;
        while let Order::TakeUp(index) = order {
            self.hold(index);
            order = self.shared.crew.wait();
        }
        self.shared.crew.left();
    }

    /// Takes loop `index` up, and works until it loses the loop or the loop ends.
    fn hold(&mut self, index: usize) {
        let shared = Arc::clone(&self.shared);
        let cell = &shared.loops[index];
        let Some(mut held) = cell.baton.take_up() else { return };
        cell.thread.store(self.number, Ordering::Relaxed);
        held.now = Instant::now();
        held.is_back(None, &shared);
        held.send_unsent(&shared);
        keep_a_reserve(&shared);
        let is_observed = shared.observation.is_wanted();
        loop {
            let (mut connection, queued_since) = match held.turn(&shared) {
                Turn::Call(connection, queued_since) => (connection, queued_since),
                Turn::Over => return,
            };
            let is_timed = held.suspicion.wants_next();
            if is_timed {
                held.now = Instant::now();
            }
            self.date.catch_up(&held.date);
            let began = held.now;
            self.call.leave_loop(index);
            held.goes_out(&connection);
            cell.baton.put_down(held);
            shared.watch.look();

            self.observer.begin(queued_since.unwrap_or(began));
            self.answer(&mut connection, queued_since);

            let was_quick = self.call.is_expected_back.replace(false);
            let Some(again) = cell.baton.take_up() else {
                self.go_on_alone(connection);
                return;
            };
            held = again;
            cell.thread.store(self.number, Ordering::Relaxed);
            // Else it is as late as the last call that was timed, or the last wait for events, which is near enough
            // for deadlines of seconds.
            if is_timed || is_observed || !was_quick {
                held.now = Instant::now();
            }
            if let (true, true, Some(pace)) = (is_timed, was_quick, self.call.endpoint.get()) {
                let took = held.now - began;
                held.suspicion.observe(pace, took);
            }
            held.is_back(Some(&connection), &shared);
            let link = &connection.transport.link;
            let is_home = connection.home == index;
            // Nobody but the holder of its own loop overrules a handler.
            let outcome = if is_home {
                link.claim.outcome()
            } else {
                link.claim.claim()
            };
            match outcome {
                Outcome::Own if is_home => held.take_back(connection, &shared),
                Outcome::Own => shared.leave(connection.home, Arrival::Returned(connection)),
                Outcome::Overruled { .. } if is_home => held.recover(connection.key),
                Outcome::Overruled { .. } => shared.leave(connection.home, Arrival::Recovered(connection.key)),
            }
            if !self.was_replaced(outcome) {
                held.return_permit(&shared);
            }
        }
    }

    /// Without a loop: gives the connection back, and goes on with what waits for a permit.
    #[inline(never)]
    fn go_on_alone(&mut self, connection: Box<Connection>) {
        let mut outcome = self.send_back(connection);
        while !self.was_replaced(outcome)
            && let Some((since, mut waiting)) = self.shared.admission.leave()
        {
            self.date.refresh(Instant::now());
            self.observer.begin(since);
            self.call.endpoint.set(None);
            self.answer(&mut waiting, Some(since));
            outcome = self.send_back(waiting);
        }
    }

    /// Gives a connection back, unless its loop has answered in place of the handler.
    fn send_back(&self, mut connection: Box<Connection>) -> Outcome {
        let outcome = connection.transport.link.claim.claim();
        let home = connection.home;
        if outcome != Outcome::Own {
            self.shared.leave(home, Arrival::Recovered(connection.key));
        } else if self.shared.loops[home].is_at_work() {
            // The loop sends the answer right behind others: a client on the same machine, such as a balancer, is
            // woken once for all of them.
            self.shared.leave(home, Arrival::Returned(connection));
            self.step_back(home);
        } else {
            // The answer goes out from here, one hop earlier; what the client does not take goes later.
            connection.send_now();
            self.shared.leave(home, Arrival::Returned(connection));
        }
        outcome
    }

    /// Lets a loop go first that has many answers to send, if it waits for this processor.
    ///
    /// Handlers that began together end together, and the loop would have to wait until each of them has left
    /// its answer: what those answered ask next would begin together as well, and so on.
    fn step_back(&self, index: usize) {
        if self.shared.loops[index].inbox.count() >= LEFT_TOGETHER {
            std::thread::yield_now();
        }
    }

    /// Whether this thread's permit has gone to another while it was lost. If it was, it is no more.
    fn was_replaced(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Own => false,
            Outcome::Overruled { is_replaced } => {
                self.shared.crew.find(is_replaced);
                is_replaced
            }
        }
    }

    /// Answers the request that a connection has, and those that have arrived behind it.
    fn answer(&mut self, connection: &mut Connection, queued_since: Option<Instant>) {
        if queued_since.is_some() {
            connection.transport.link.claim.begin_queued(Instant::now());
        }
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let waited_too_long = queued_since.is_some_and(|since| since.elapsed() > self.shared.limits.queue_time);
            if waited_too_long {
                self.turn_away(connection);
            } else {
                self.answer_batch(connection);
            }
        }));
        self.call.earlier.take();
        if let Err(panic) = attempt {
            // The handler's own panics are caught where it is called; this was a drop or a stream.
            log::error!("an answer was broken off by a panic: {}", panic_text(&*panic));
            if let Some(work) = &mut connection.work {
                self.observe(work);
            }
            connection.break_off();
        }
        if connection.is_broken() {
            // Dropping what was set on the request is user code, which must not run with the loop held.
            let attempt = catch_unwind(AssertUnwindSafe(|| connection.forget_request()));
            if let Err(panic) = attempt {
                log::error!("dropping a request's values panicked: {}", panic_text(&*panic));
            }
        }
    }

    #[cold]
    fn turn_away(&mut self, connection: &mut Connection) {
        if let Some(work) = &mut connection.work {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            work.exchange.refuse_with(
                status,
                "the request waited too long for a thread",
                &self.date,
                &mut work.out,
            );
        }
        connection.close_after_sending();
    }

    fn answer_batch(&mut self, connection: &mut Connection) {
        for answered in 1.. {
            if !self.answer_one(connection) {
                return connection.close_after_sending();
            }
            let Some(work) = &mut connection.work else { return };
            if answered >= self.shared.limits.pipelined
                || !matches!(work.payload, Payload::None)
                || work.out.len() > GATHERED
            {
                // The loop goes on with what has arrived behind it, once others had their turn.
                return;
            }
            if work.exchange.is_idle() {
                return;
            }
            match work.exchange.advance(&self.date, &mut work.out) {
                Step::Call | Step::CallLive => self.begin_next(connection),
                Step::Receive => return,
                Step::Refused(_) => return connection.close_after_sending(),
            }
        }
    }

    /// The next of several requests is about to be handled. It has time of its own, which need be known
    /// only if another thread has the loop and could look.
    fn begin_next(&self, connection: &Connection) {
        if self.call.has_lost_loop() {
            connection.transport.link.claim.begin(Instant::now());
        }
    }

    /// Answers one request. Says whether the connection goes on.
    fn answer_one(&mut self, connection: &mut Connection) -> bool {
        let Connection {
            transport,
            work: Some(work),
            ..
        } = connection
        else {
            return false;
        };
        let is_live = work.exchange.has_live_body();
        let has_earlier = !work.out.is_empty() && !is_live;
        if has_earlier {
            transport.link.claim.fall_behind();
            self.call.keep_earlier(transport, &mut work.out);
        }
        let mut span = RequestSpan::none();
        let mut response = if is_live {
            self.call_live(work, transport, &mut span)
        } else {
            self.call_application(work, &mut span)
        };
        if has_earlier {
            self.call.give_earlier_back(&mut work.out);
        }
        if transport.link.claim.outcome() != Outcome::Own {
            let request = &work.exchange.request;
            returned_too_late(request);
            span.answered(request, None);
            connection.break_off();
            return false;
        }
        if !self.shared.is_running() {
            work.exchange.close_after_response();
        }
        if self.shared.observation.sends_ids {
            observer::send_id(&work.exchange.request, &mut response);
        }
        let outcome = span.run(|| self.respond(&mut response, work, transport));
        let status = work.exchange.answered.as_ref().map(|answered| answered.status);
        span.answered(&work.exchange.request, status);
        self.observe(work);
        let outcome = outcome.map(|()| work.exchange.finish());
        if is_live {
            // The body's reader may have left some of what the last event told of: no other event will.
            connection.note(READABLE);
        }
        outcome.unwrap_or_else(|error| {
            log::debug!("an answer ended early: {error}");
            connection.break_off();
            false
        })
    }

    /// Calls the application with a body that it reads as it arrives.
    fn call_live(&self, work: &mut Work, transport: &Transport, span: &mut RequestSpan) -> Response {
        let Some(_place) = self.shared.streaming_place() else {
            return busy_streaming();
        };
        let earlier = std::mem::take(&mut work.out);
        LiveReader::lend(&mut work.exchange, earlier, transport.clone(), &self.shared.limits);
        let response = self.call_application(work, span);
        work.out = LiveReader::take_back(&mut work.exchange);
        response
    }

    #[inline]
    fn call_application(&self, work: &Work, span: &mut RequestSpan) -> Response {
        let request = &work.exchange.request;
        if self.shared.health.takes(Lane::Service, request) {
            // Pipelined behind a request that needed this thread.
            return self.shared.health.answer(request, &self.shared);
        }
        *span = RequestSpan::of(request);
        span.run(|| {
            let call = AssertUnwindSafe(|| self.shared.application.call(request));
            match catch_unwind(call) {
                Ok(response) => response,
                Err(panic) => self.panicked(request, &*panic),
            }
        })
    }

    #[cold]
    fn panicked(&self, request: &Request, panic: &(dyn Any + Send)) -> Response {
        self.shared.tally.panicked();
        log::error!(
            "handler panicked at {} {} (request {}): {}",
            request.method(),
            request.path(),
            request.id(),
            panic_text(panic)
        );
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    /// Takes note of the answer that has been made, if somebody wants to know.
    #[inline]
    fn observe(&mut self, work: &mut Work) {
        if self.shared.observation.is_wanted() {
            self.report(work);
        } else {
            work.exchange.answered = None;
        }
    }

    #[inline(never)]
    fn report(&mut self, work: &mut Work) {
        let answered = work.exchange.answered.take();
        let is_probe = self.shared.health.takes(Lane::Service, &work.exchange.request);
        if let (Some(answered), false) = (answered, is_probe) {
            self.observer.end(
                &self.shared.observation,
                self.call.index.get(),
                &work.exchange.request,
                answered,
                &mut self.date,
            );
        }
    }

    /// Puts the answer where it can be sent, or sends it if that takes a thread. An error means that the
    /// answer is not whole.
    #[inline]
    fn respond(&self, response: &mut Response, work: &mut Work, transport: &Transport) -> io::Result<()> {
        let needs_thread = response.body.needs_thread();
        let place = if needs_thread {
            self.shared.streaming_place()
        } else {
            None
        };
        if needs_thread && place.is_none() {
            *response = busy_streaming();
        }
        match work.exchange.respond(response, &self.date, &mut work.out) {
            Payload::None => Ok(()),
            payload => self.send_payload(payload, work, transport),
        }
    }

    /// Puts what is not in the send buffer where it can be sent, or sends it if that takes a thread.
    #[inline(never)]
    fn send_payload(&self, payload: Payload, work: &mut Work, transport: &Transport) -> io::Result<()> {
        let Payload::Source(source, chunked) = payload else {
            work.payload = payload;
            return Ok(());
        };
        streaming::answer(source, chunked, work, transport, &self.shared)
    }
}

#[cold]
fn returned_too_late(request: &Request) {
    log::warn!(
        "the handler of {} {} (request {}) has returned too late",
        request.method(),
        request.path(),
        request.id()
    );
}

#[cold]
fn busy_streaming() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "too many streams are open\n")
        .into_response()
        .with_header("Retry-After", "1")
}

#[cold]
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(owned)
        .unwrap_or("a panic without a text")
}

/// Starts a server's threads.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    for index in 0..shared.loops.len() {
        send(shared, index)?;
    }
    Ok(())
}
