//! Responds to the requests of a connection, on whichever thread has it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::Runner;
use crate::exchange::{Begin, EarlyEnd, Payload, Step, early_by};
use crate::operations::RequestSpan;
use crate::panics::{contain, contain_or};
use crate::report;
use crate::request::{Allowed, HandlerTime};
use crate::response::Origin;
use crate::server::connection::claim::Outcome;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::{READABLE, Transport};
use crate::server::connection::places::Place;
use crate::server::connection::work::Parked;
use crate::server::connection::{Connection, Work};
use crate::server::threads::early::EarlyOnWire;
use crate::server::threads::streaming::{self, Upload};
#[cfg(feature = "upgrade")]
use crate::server::threads::takeover;
use crate::{IntoResponse, Request, Response};

/// The number of bytes of responses that are gathered before they are sent. With one more response they fit into 64
/// KiB, and so does the buffer, which doubles as it grows.
const GATHERED: usize = 48 * 1024;

impl Runner {
    /// Responds to the request of a connection, and to those that have arrived after it.
    pub(crate) fn serve(&mut self, connection: &mut Connection, queued_since: Option<Instant>) {
        #[cfg(feature = "websocket")]
        if connection.socket.is_some() {
            return self.serve_socket(connection, queued_since);
        }
        if queued_since.is_some() {
            connection.transport.link.claim.begin_queued(Instant::now());
        }
        let attempt = contain(|| {
            let waited_too_long = queued_since.is_some_and(|since| since.elapsed() > self.shared.limits.queue_time);
            if waited_too_long {
                self.turn_away(connection);
            } else {
                self.serve_batch(connection);
            }
        });
        let has_panicked = attempt.is_err();
        if let Err(panic) = attempt {
            // The handler's own panics are caught where it is called; this was a drop or a stream.
            report::error!("a panic cut a response: {panic}");
            if let Some(work) = &mut connection.work {
                self.call.recover_earlier(&mut work.out);
                self.observe(work);
            }
            connection.fail_response();
        }
        self.call.forget_earlier();
        if has_panicked || connection.is_broken() {
            forget_request(connection);
        }
    }

    #[cold]
    fn turn_away(&mut self, connection: &mut Connection) {
        connection.refuse_unavailable("the request waited too long for a thread", &self.date);
    }

    fn serve_batch(&mut self, connection: &mut Connection) {
        for answered in 1.. {
            if !self.serve_one(connection) {
                connection.close_after_sending();
                return self.send_large_file(connection);
            }
            let Some(work) = &mut connection.work else { return };
            if work.payload.is_some() {
                return self.send_large_file(connection);
            }
            if answered >= self.shared.limits.pipelined || work.out.len() > GATHERED {
                // The loop continues with what has arrived after it, once others had their turn.
                return;
            }
            if work.exchange.is_idle() || work.parked.is_some() {
                return;
            }
            match work.exchange.advance(&self.date, &mut work.out) {
                Step::Call => self.begin_next(connection),
                // The loop finds a place for it, or has it wait for one.
                Step::Receive | Step::CallLive => return,
                Step::Refused(_) => return connection.close_after_sending(),
            }
        }
    }

    /// Sends the beginning of a large file as far as that is in memory and the client accepts it. It is not copied,
    /// which would take longer than all else; a loop could not do so, because the file may have left the memory
    /// meanwhile.
    #[inline]
    fn send_large_file(&self, connection: &mut Connection) {
        let is_large = connection.work.as_ref().is_some_and(|work| work.has_large_file());
        if is_large && !connection.transport.channel().is_secure() {
            self.send_without_copying(connection);
        }
    }

    #[inline(never)]
    fn send_without_copying(&self, connection: &mut Connection) {
        let claim = &connection.transport.link.claim;
        if claim.claim() != Outcome::Own {
            return;
        }
        let began = Instant::now();
        claim.read(began);
        connection.send_large_file();
        // The handler has returned, so this time is not its own.
        let waited = self.call.queued.get();
        self.call.queued.set(waited.saturating_add(began.elapsed()));
    }

    /// Notes that the next of several requests is about to be handled. It has its own time, which matters only if
    /// another thread has the loop and could look.
    pub(super) fn begin_next(&self, connection: &Connection) {
        if self.call.has_lost_loop() {
            connection.transport.link.claim.begin(Instant::now());
        }
    }

    /// Responds to one request. Returns true if the connection goes on.
    fn serve_one(&mut self, connection: &mut Connection) -> bool {
        let Connection {
            transport,
            work: Some(work),
            place,
            ..
        } = connection
        else {
            return false;
        };
        if let Some(parked) = work.parked.take() {
            return self.send_parked(*parked, connection);
        }
        let is_live = work.exchange.has_live_body();
        let is_prepared = self.shared.prepares_calls;
        let early = if is_prepared {
            self.prepare(work, transport)
        } else {
            None
        };
        let has_earlier = !work.out.is_empty() && !is_live;
        if has_earlier {
            transport.link.claim.fall_behind();
            self.call.keep_earlier(transport, &mut work.out);
        }
        let mut span = RequestSpan::none();
        let mut response = if is_live {
            self.call_live(work, transport, place.take(), &mut span)
        } else {
            self.call_application(work, &mut span)
        };
        if has_earlier {
            self.call.give_earlier_back(&mut work.out);
        }
        if is_prepared {
            if let Some(end) = self.follow(early, work) {
                drop(response);
                return self.end_early(end, span, connection);
            }
        }
        if transport.link.claim.outcome() != Outcome::Own {
            let request = &work.exchange.request;
            returned_too_late(request);
            span.answered(request, None);
            connection.break_off();
            return false;
        }
        if !self.shared.lifecycle.is_running() {
            work.exchange.close_after_response();
        }
        if response.body.is_pushed() {
            self.count_subscription(&mut response, connection);
        }
        #[cfg(feature = "websocket")]
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.count_socket(&mut response, connection);
        }
        let Some(work) = &mut connection.work else { return false };
        if self.shared.response_hook.is_some() {
            // It may give it another body.
            work.exchange.complete(&mut response);
        }
        // To HEAD nothing of a body is sent.
        let takes_thread = response.body.needs_thread() && work.exchange.request.method() != Method::HEAD;
        if is_live {
            // The reader of the body may have left some of what the last event reported, and no other event will come.
            connection.note(READABLE);
        }
        if takes_thread && !self.has_place_to_send(connection) {
            self.park(response, span, connection);
            return true;
        }
        let goes_on = self.send_response(&mut response, span, connection);
        response.discard();
        goes_on
    }

    /// Prepares what some applications need around a call: a copy of the request for a hook, the deadline of its route, and an
    /// early response.
    #[cold]
    fn prepare(&self, work: &mut Work, transport: &Transport) -> Option<Arc<EarlyOnWire>> {
        let early = self.shared.responds_early.then(|| self.expect_early(work, transport));
        if self.shared.response_hook.is_some() {
            transport.link.keep_copy(&work.exchange.request);
        }
        if self.shared.shortest_deadline.is_some() {
            watch_handler(work, transport, self.shared.limits.handler);
        }
        early
    }

    /// Does what is to be done after such a call. Returns how the response has ended that the handler has sent by itself.
    #[cold]
    fn follow(&self, early: Option<Arc<EarlyOnWire>>, work: &mut Work) -> Option<EarlyEnd> {
        work.exchange.request.handler_time = None;
        let early = early?;
        self.follow_early(&early, work)
    }

    /// Lets the handler of the request respond before it returns.
    fn expect_early(&self, work: &mut Work, transport: &Transport) -> Arc<EarlyOnWire> {
        let before = std::mem::take(&mut work.out);
        if !before.is_empty() {
            transport.link.claim.fall_behind();
        }
        let early = EarlyOnWire::new(work.exchange.early(true), transport, &self.shared, before);
        work.exchange.request.early = early_by(Arc::clone(&early) as Arc<dyn Begin>);
        early
    }

    /// Takes note of what the handler has sent by itself, if it has.
    fn follow_early(&self, early: &EarlyOnWire, work: &mut Work) -> Option<EarlyEnd> {
        work.exchange.request.early = None;
        let end = work.exchange.follow(&early.response, &self.date);
        if end.is_none() {
            let mut before = early.take_before();
            before.append(&mut work.out);
            work.out = before;
        }
        end
    }

    /// Goes on after a response that the handler has sent by itself. Returns true if the connection goes on.
    #[cold]
    fn end_early(&mut self, end: EarlyEnd, span: RequestSpan, connection: &mut Connection) -> bool {
        if let Some(work) = &mut connection.work {
            let status = work.exchange.answered.as_ref().map(|answered| answered.status);
            span.answered(&work.exchange.request, status);
            self.observe(work);
        }
        // The body may have been read by another thread meanwhile, and no other event comes for what it has left.
        connection.note(READABLE);
        match (end, &mut connection.work) {
            (EarlyEnd::Complete, Some(work)) => work.exchange.finish(),
            _ => {
                connection.break_off();
                false
            }
        }
    }

    /// Sends a response that has waited for a place. Returns true if the connection goes on.
    #[cold]
    fn send_parked(&mut self, parked: Parked, connection: &mut Connection) -> bool {
        let Parked {
            mut response,
            span,
            since,
        } = parked;
        self.observer.begin(since);
        self.send_response(&mut response, span, connection)
    }

    /// Takes a part of the share of those who subscribe, or refuses.
    #[cold]
    fn count_subscription(&self, response: &mut Response, connection: &Connection) {
        let is_head = connection
            .work
            .as_ref()
            .is_some_and(|work| work.exchange.request.method() == Method::HEAD);
        let Some(push) = response.push().filter(|_| !is_head) else {
            return;
        };
        match self.shared.share.take(self.shared.told_apart(connection.peer)) {
            Some(part) => push.count(Box::new(part), &self.shared.topics),
            None => *response = Response::refusal(StatusCode::SERVICE_UNAVAILABLE, &"too many subscribe"),
        }
    }

    /// Finds a place for a response that a thread has to send.
    #[cold]
    fn has_place_to_send(&self, connection: &mut Connection) -> bool {
        let peer = self.shared.told_apart(connection.peer);
        connection.place = self.shared.downloads.take(peer, &connection.transport.link);
        if let (None, Some(most)) = (&connection.place, self.shared.downloads.used_up()) {
            report::warn!(
                "all {most} places for streams are in use, half of `Server::threads`: the next stream waits for one, and \
                 gets 503 after `Limits::queue_time`; a `Topic` needs none (this is said once)"
            );
        }
        connection.place.is_some()
    }

    /// Makes a response wait without a thread until there is a place for it.
    #[cold]
    fn park(&self, response: Response, span: RequestSpan, connection: &mut Connection) {
        if let Some(work) = &mut connection.work {
            work.parked = Some(Box::new(Parked {
                response,
                span,
                since: self.observer.since(),
            }));
        }
    }

    /// Sends a response, or puts it where it can be sent. Returns true if the connection goes on.
    // Compiled into two places, one of them rare: another call would cost each request 2 %.
    #[inline(always)]
    fn send_response(&mut self, response: &mut Response, span: RequestSpan, connection: &mut Connection) -> bool {
        let Connection {
            transport,
            work: Some(work),
            place,
            ..
        } = connection
        else {
            return false;
        };
        work.begin_response();
        let outcome = span.run(|| self.respond(response, work, transport));
        if outcome.is_ok() {
            work.end_response();
        }
        if place.is_some() {
            // Everything is sent, or nothing more will be.
            *place = None;
        }
        let status = work.exchange.answered.as_ref().map(|answered| answered.status);
        span.answered(&work.exchange.request, status);
        self.observe(work);
        let outcome = outcome.map(|()| work.exchange.finish());
        outcome.unwrap_or_else(|error| {
            report::debug!("a response ended early: {error}");
            connection.fail_response();
            false
        })
    }

    /// Calls the application with a body that it reads as it arrives.
    fn call_live(
        &self,
        work: &mut Work,
        transport: &Transport,
        place: Option<Place>,
        span: &mut RequestSpan,
    ) -> Response {
        let Some(place) = place else {
            // The loop passes no such request on without a place.
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let upload = Upload::new(transport.clone(), &self.shared.limits, &place.holder);
        work.exchange.begin_reading(upload);
        let response = self.call_application(work, span);
        work.out = work.exchange.end_reading().map_or_else(Vec::new, Upload::into_unsent);
        response
    }

    #[inline]
    fn call_application(&self, work: &Work, span: &mut RequestSpan) -> Response {
        let request = &work.exchange.request;
        if self.shared.health.takes(Lane::Service, request) {
            // Pipelined after a request that needed this thread.
            return self.shared.respond_to_probe(request);
        }
        *span = RequestSpan::of(request);
        span.run(|| {
            contain_or(
                || match self.shared.pace.current() {
                    None => self.shared.application.call(request),
                    Some(pace) => pace.run(|| self.shared.application.call(request)),
                },
                |panic| self.panicked(request, panic),
            )
        })
    }

    #[cold]
    fn panicked(&self, request: &Request, panic: &str) -> Response {
        self.shared.tally.panicked();
        self.shared.application.note_endpoint(request);
        report::error!("handler panicked at {}: {panic}", request.described());
        StatusCode::INTERNAL_SERVER_ERROR
            .into_response()
            .with_origin(Origin::Panicked)
    }

    /// Records the response that was made, if somebody wants to know.
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
        let request = &work.exchange.request;
        let is_probe = self.shared.health.takes(Lane::Service, request);
        let is_whole = match (&mut work.payload, &answered) {
            // Its line is written when it ends.
            (Some(Payload::Pushed(subscribed)), Some(answered)) => {
                subscribed.logged = self.observer.later(&self.shared.observation, request, answered.status);
                false
            }
            #[cfg(feature = "websocket")]
            (Some(Payload::Socket(switched)), Some(answered)) => {
                switched.logged = self.observer.later(&self.shared.observation, request, answered.status);
                false
            }
            _ => true,
        };
        if let (Some(answered), false) = (answered, is_probe) {
            self.observer.end(
                &self.shared.observation,
                self.call.index.get(),
                request,
                answered,
                is_whole,
                &mut self.date,
            );
        }
    }

    /// Puts the response where it can be sent, or sends it if a thread has to. An error means that the response is
    /// incomplete.
    #[inline]
    fn respond(&self, response: &mut Response, work: &mut Work, transport: &Transport) -> io::Result<()> {
        match work.exchange.respond(response, &self.date, &mut work.out) {
            None => Ok(()),
            Some(payload) => self.send_payload(payload, work, transport),
        }
    }

    /// Puts what is not in the send buffer where it can be sent, or sends it if a thread has to.
    #[inline(never)]
    fn send_payload(&self, payload: Payload, work: &mut Work, transport: &Transport) -> io::Result<()> {
        // It may have to wait for the client or a disk.
        self.shared.rest();
        match payload {
            Payload::Source(source, chunked) => streaming::respond(source, chunked, work, transport, &self.shared),
            #[cfg(feature = "upgrade")]
            Payload::Takeover(takeover) => takeover::run(*takeover, work, transport, &self.shared),
            payload => {
                work.payload = Some(payload);
                // The first piece of a file is read here, where a handler may wait as well. It is sent with the head,
                // and most files have no other piece.
                work.first_piece().inspect_err(|error| {
                    report::error!("can't read a file that is being sent: {error}; its connection is cut");
                })
            }
        }
    }
}

/// Lets the route of the request set its deadline. The one before it on the connection may have had another.
fn watch_handler(work: &mut Work, transport: &Transport, of_server: Option<Duration>) {
    let link = Arc::clone(&transport.link);
    link.claim.allow(Allowed::Server);
    work.exchange.request.handler_time = Some(HandlerTime::watched_by(link, of_server));
}

/// Drops what was set on the request, each value whatever the others do. That is user code, which must not run while
/// the loop is held.
#[cold]
fn forget_request(connection: &mut Connection) {
    while let Err(panic) = contain(|| connection.forget_request()) {
        report::error!("a value set on a request panicked when it was dropped: {panic}");
    }
}

#[cold]
fn returned_too_late(request: &Request) {
    report::warn!(
        "the handler of {} {} (request {}) returned after its deadline; its response is dropped",
        request.method(),
        request.path(),
        request.id()
    );
}
