//! Answering the requests of a connection, on whichever thread has it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use http::StatusCode;

use super::super::claim::Outcome;
use super::super::connection::{Connection, Work};
use super::super::health::Lane;
use super::super::link::{READABLE, Transport};
use super::super::observer;
use super::super::streaming::{self, LiveReader};
use super::Runner;
use crate::exchange::{Payload, Step};
use crate::operations::RequestSpan;
use crate::{IntoResponse, Request, Response};

/// How many bytes of answers are gathered before they are sent.
const GATHERED: usize = 64 * 1024;

impl Runner {
    /// Answers the request that a connection has, and those that have arrived behind it.
    pub(super) fn answer(&mut self, connection: &mut Connection, queued_since: Option<Instant>) {
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
