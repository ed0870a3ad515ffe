//! The event loop: all that one of them does between two handlers.
//!
//! It is single-threaded code over `&mut self`. Which thread that is, and how the loop gets from one to
//! the next, is the business of [`baton`](super::baton) and [`runner`](super::runner).

mod answers;
mod ending;
mod intake;
mod overdue;
mod read_ahead;
mod registration;
mod sections;
mod works;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use mio::{Events, Interest, Poll, Token};

use crate::date::Date;

use super::admission::Entry;
use super::connection::{Connection, Progress};
use super::health::Lane;
use super::link::{FINISHED, GONE, Link, READABLE, WRITABLE};
use super::pacing::Suspicion;
use super::peers::Visitor;
use super::shared::{Phase, Shared};
use super::socket::{Listener, is};
use super::timers::Timers;
use answers::Unsent;
use read_ahead::ReadAhead;
use sections::Sections;
use works::Works;

/// Events taken from the system at once.
const EVENTS: usize = 1024;

const WAKER: Token = Token(usize::MAX);
/// Listeners have the tokens below this one, downwards.
const LISTENERS: usize = usize::MAX - 1;

pub(super) struct EventLoop {
    index: usize,
    poll: Poll,
    events: Events,
    /// The events of this round, and how many have been seen to. They belong to the loop, so that whoever
    /// holds it next goes on with them.
    batch: Vec<(Token, u8)>,
    events_seen: usize,
    /// Those of the health lane come first.
    listeners: Vec<Listener>,
    health_listeners: usize,
    health_connections: usize,
    /// Listeners that may have more connections waiting.
    accepting: Vec<usize>,
    accept_again: Option<Instant>,
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    /// Slots that are taken by nothing but a thread that is lost.
    lost_slots: usize,
    /// Connections to go on with although no event will come for them, and how many of them belong to
    /// the present round.
    ready: VecDeque<usize>,
    ready_now: usize,
    read_ahead: ReadAhead,
    unsent: Unsent,
    timers: Timers,
    works: Works,
    sections: Sections,
    /// A permit to run a handler, kept for the next request.
    pub(super) reserve: bool,
    /// Connections that have got their permits already.
    next: VecDeque<(Instant, Box<Connection>)>,
    /// The connection that this loop's thread has gone out with, and since when.
    out: Option<(usize, Instant)>,
    pub(super) now: Instant,
    pub(super) date: Date,
    pub(super) suspicion: Suspicion,
    phase: Phase,
    has_ended: bool,
}

/// The earlier of two moments that may or may not come.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A connection's place. It keeps the link while the connection is out with a handler.
#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    connection: Option<Box<Connection>>,
    visitor: Visitor,
    /// Events of it come to this loop.
    #[cfg(unix)]
    is_registered: bool,
    /// Its thread was given up, and has not come back.
    is_lost: bool,
    /// The deadline that is in the timers.
    scheduled: Option<Instant>,
}

/// Why a turn has ended.
pub(super) enum Turn {
    /// This connection has a request for the application, and a permit to run it. If it has waited for
    /// the permit, since when.
    Call(Box<Connection>, Option<Instant>),
    /// The loop is over.
    Over,
}

impl EventLoop {
    pub(super) fn new(
        index: usize,
        mut listeners: Vec<Listener>,
        health_listeners: usize,
        reserve: bool,
    ) -> io::Result<(EventLoop, mio::Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        for (i, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(listener, Token(LISTENERS - i), Interest::READABLE)?;
        }
        let event_loop = EventLoop {
            index,
            poll,
            events: Events::with_capacity(EVENTS),
            batch: Vec::with_capacity(EVENTS),
            events_seen: 0,
            health_listeners,
            listeners,
            health_connections: 0,
            accepting: Vec::new(),
            accept_again: None,
            slots: Vec::new(),
            vacant: Vec::new(),
            lost_slots: 0,
            ready: VecDeque::new(),
            ready_now: 0,
            read_ahead: ReadAhead::default(),
            unsent: Unsent::default(),
            timers: Timers::default(),
            works: Works::new(Instant::now()),
            sections: Sections::default(),
            reserve,
            next: VecDeque::new(),
            out: None,
            now: Instant::now(),
            date: Date::now(),
            suspicion: Suspicion::default(),
            phase: Phase::Running,
            has_ended: false,
        };
        Ok((event_loop, waker))
    }

    /// Works until a handler must run.
    pub(super) fn turn(&mut self, shared: &Shared) -> Turn {
        loop {
            if self.has_ended {
                return Turn::Over;
            }
            if let Some((since, connection)) = self.next_in_queue(shared) {
                return Turn::Call(connection, Some(since));
            }
            let called = if !self.read_ahead.is_empty() {
                self.go_on_with_read(shared)
            } else if self.has_events() {
                self.on_events(shared)
            } else if !self.unsent.is_empty() {
                self.send_unsent(shared);
                None
            } else if self.ready_now > 0 {
                self.ready_now -= 1;
                self.ready.pop_front().and_then(|key| self.go_on(key, shared))
            } else {
                self.end_round(shared);
                None
            };
            if let Some(connection) = called.and_then(|connection| self.admit(connection, shared)) {
                return Turn::Call(connection, None);
            }
        }
    }

    /// Takes back the permit of a handler that has returned.
    pub(super) fn return_permit(&mut self, shared: &Shared) {
        if self.reserve {
            // The thread that stood in has got one for the loop meanwhile.
            self.next.extend(shared.admission.leave());
        } else {
            self.reserve = true;
        }
    }

    /// A connection that waits for a permit, if there is one and a permit for it.
    fn next_in_queue(&mut self, shared: &Shared) -> Option<(Instant, Box<Connection>)> {
        if let Some(next) = self.next.pop_front() {
            return Some(next);
        }
        if !self.reserve {
            return None;
        }
        let next = shared.admission.next()?;
        self.reserve = false;
        Some(next)
    }

    /// Gets a permit for a connection that has a request. Without one it waits in the queue, or is
    /// refused.
    fn admit(&mut self, connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        if std::mem::take(&mut self.reserve) {
            return Some(connection);
        }
        let (key, link) = (connection.key, Arc::clone(&connection.transport.link));
        link.claim.queue();
        match shared.admission.enter(connection, self.now) {
            Entry::Entered(connection) => {
                link.claim.settle();
                Some(connection)
            }
            Entry::Queued => {
                self.look_again(key, shared);
                // Another loop may sleep on a permit.
                shared.wake_others(self.index);
                None
            }
            Entry::Full(mut connection) => {
                if let Some(work) = &mut connection.work {
                    let status = StatusCode::SERVICE_UNAVAILABLE;
                    work.exchange
                        .refuse_with(status, "too many requests are waiting", &self.date, &mut work.out);
                }
                connection.close_after_sending();
                self.settle(connection, shared)
            }
        }
    }

    /// Whether there are events that have not been seen to.
    fn has_events(&self) -> bool {
        self.events_seen < self.batch.len()
    }

    fn on_event(&mut self, token: Token, readiness: u8, shared: &Shared) -> Option<Box<Connection>> {
        if token == WAKER {
            return None;
        }
        if token.0 > LISTENERS - self.listeners.len() && token.0 <= LISTENERS {
            self.accepting.push(LISTENERS - token.0);
            return None;
        }
        let slot = self.slots.get_mut(token.0)?;
        match &mut slot.connection {
            Some(connection) => {
                connection.note(readiness);
                if !connection.is_ready() {
                    return None;
                }
                if connection.has_unsent {
                    // RFC 9112 §9.3.2: answers come in order.
                    self.send_unsent(shared);
                } else if connection.may_be_read_ahead() && self.read_ahead.read(connection) {
                    return None;
                }
                self.go_on(token.0, shared)
            }
            None => {
                if let Some(link) = &slot.link {
                    link.note(readiness);
                }
                None
            }
        }
    }

    /// Goes on with the connection at `key`. Returns it if it has a request.
    fn go_on(&mut self, key: usize, shared: &Shared) -> Option<Box<Connection>> {
        let connection = self.slots.get_mut(key)?.connection.take()?;
        self.settle(connection, shared)
    }

    fn settle(&mut self, mut connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        if connection.work.is_none() {
            self.equip(&mut connection, shared);
        }
        let progress = connection.progress(self.now, &shared.limits, &self.date);
        self.note_refusal(&mut connection, shared);
        match progress {
            Progress::Call => {
                let lane = connection.lane;
                let request = connection.work.as_ref().map(|work| &work.exchange.request);
                if request.is_some_and(|request| shared.health.takes(lane, request)) {
                    self.answer_probe(connection, shared);
                } else {
                    return Some(connection);
                }
            }
            Progress::Wait => self.put(connection),
            Progress::Rest => {
                if self.phase != Phase::Running {
                    self.rest_while_draining(connection, shared);
                } else {
                    self.rest(connection);
                }
            }
            Progress::Close => self.close(connection, shared),
        }
        None
    }

    /// Gives a connection what it needs to go on.
    #[inline(never)]
    fn equip(&mut self, connection: &mut Connection, shared: &Shared) {
        let mut work = self.works.take().unwrap_or_else(|| shared.new_work());
        let request = &mut work.exchange.request;
        request.peer = connection.peer;
        request.relayed = connection.relayed;
        request.is_secure = connection.transport.channel().is_secure();
        self.sections.recall(connection.key, &mut work);
        connection.equip(work);
    }

    /// Takes note of an answer that the server has given by itself, if there is one.
    fn note_refusal(&self, connection: &mut Connection, shared: &Shared) {
        let Some(work) = &mut connection.work else { return };
        if let Some(answered) = work.exchange.answered.take() {
            shared.tally.refused(answered.status);
            let request = answered.has_request.then_some(&work.exchange.request);
            let (now, date) = (self.now, &self.date);
            shared
                .observation
                .refused(self.index, (connection.peer, request), answered, now, date);
        }
    }

    /// Answers a request that needs no handler.
    fn answer_probe(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if let Some(work) = &mut connection.work {
            let mut response = shared.health.answer(&work.exchange.request, shared);
            if !shared.is_running() {
                work.exchange.close_after_response();
            }
            work.payload = work.exchange.respond(&mut response, &self.date, &mut work.out);
            // Probes are neither logged nor counted.
            work.exchange.answered = None;
            if !work.exchange.finish() {
                connection.close_after_sending();
            }
        }
        self.take_back(connection, shared);
    }

    /// Puts a connection on which nothing is under way into its place.
    fn rest(&mut self, mut connection: Box<Connection>) {
        if let Some(mut work) = connection.work.take() {
            self.sections.remember(connection.key, &mut work);
            self.works.keep(work);
        }
        self.put(connection);
    }

    /// Puts a connection that waits into its place.
    fn put(&mut self, mut connection: Box<Connection>) {
        let key = connection.key;
        let deadline = connection.deadline;
        if !self.register(key) {
            // It finds that it is cut off.
            connection.note(READABLE | WRITABLE | FINISHED);
            self.ready.push_back(key);
        }
        if let Some(slot) = self.slots.get_mut(key) {
            slot.connection = Some(connection);
            if slot.scheduled.is_none_or(|scheduled| deadline < scheduled) {
                slot.scheduled = Some(deadline);
                self.timers.add(deadline, key);
            }
        }
    }

    #[expect(clippy::boxed_local, reason = "it comes in its box, and ends here")]
    fn close(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        connection.end_in_order();
        if let Some(work) = connection.work.take() {
            self.works.keep(work);
        }
        match connection.lane {
            Lane::Health => self.health_connections -= 1,
            Lane::Service => shared.connection_closed(self.index),
        }
        if let Some(slot) = self.slots.get_mut(connection.key) {
            if slot.is_lost {
                // Its socket stays open, and so its place is taken, as long as the thread has it.
                connection.transport.link.cut();
                self.lost_slots += 1;
            } else {
                *slot = Slot::default();
                self.vacant.push(connection.key);
            }
        }
    }

    /// Between two rounds: everything that is not an event of a connection.
    // Once for many requests.
    #[inline(never)]
    fn end_round(&mut self, shared: &Shared) {
        self.collect(shared);
        self.accept(shared);
        self.expire(shared);
        self.tidy(shared);
        self.follow(shared);
        if !self.has_ended {
            self.sleep(shared);
            // Before the events: some of them are for connections that are back.
            self.collect(shared);
        }
        self.ready_now = self.ready.len();
    }

    /// Waits for events.
    fn sleep(&mut self, shared: &Shared) {
        let cell = &shared.loops[self.index];
        let must_not = !self.ready.is_empty() || !self.accepting.is_empty() || !self.next.is_empty();
        // The queue is looked at after the mark that this loop sleeps: whoever queues later sees it.
        let timeout = if must_not || !cell.inbox.fall_asleep() || (self.reserve && shared.admission.has_waiting()) {
            Some(Duration::ZERO)
        } else {
            let next_phase = shared.is_leaving().then(|| shared.next_phase(self.phase)).flatten();
            let next = [self.timers.next(), self.accept_again, self.works.next()]
                .into_iter()
                .fold(next_phase, earlier);
            next.map(|when| when.saturating_duration_since(Instant::now()))
        };
        if let Err(error) = self.poll.poll(&mut self.events, timeout)
            && !is(&error, io::ErrorKind::Interrupted)
        {
            log::error!("waiting for events failed: {error}");
        }
        cell.inbox.wake_up();
        self.now = Instant::now();
        self.date.refresh(self.now);
        self.batch.clear();
        self.events_seen = 0;
        for event in &self.events {
            let mut readiness = 0;
            if event.is_readable() || event.is_error() {
                readiness |= READABLE;
            }
            if event.is_writable() || event.is_error() {
                readiness |= WRITABLE;
            }
            if event.is_write_closed() || event.is_error() {
                readiness |= GONE;
            }
            if event.is_read_closed() || event.is_error() {
                readiness |= FINISHED | READABLE;
            }
            self.batch.push((event.token(), readiness));
        }
    }

    /// Sees to the connections whose time is up.
    fn expire(&mut self, shared: &Shared) {
        while let Some((when, key)) = self.timers.due(self.now) {
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if slot.scheduled != Some(when) {
                continue;
            }
            slot.scheduled = None;
            let Some(mut connection) = slot.connection.take() else {
                self.look_at_call(key, shared);
                continue;
            };
            if connection.deadline <= self.now && connection.has_begun() {
                self.equip(&mut connection, shared);
            }
            if connection.deadline > self.now {
                self.put(connection);
            } else if connection.overdue(&self.date) {
                // It has just been answered 408, so it can't have a request.
                let _ = self.settle(connection, shared);
            } else {
                self.close(connection, shared);
            }
        }
    }
}
