//! The event loop: all that one of them does between two handlers.
//!
//! It is single-threaded code over `&mut self`. Which thread that is, and how the loop gets from one to
//! the next, is the business of [`baton`](crate::server::threads::baton) and [`runner`](crate::server::threads::runner).

mod answers;
mod deadlines;
mod ending;
#[cfg(all(test, unix))]
mod fixture;
mod idlest;
mod intake;
mod memory;
mod overdue;
pub(crate) mod pacing;
mod read_ahead;
mod reading;
mod registration;
mod sections;
mod sleep;
mod timers;
mod turned_away;
mod waiting;
mod works;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mio::{Events, Interest, Poll, Token};

use crate::date::Date;
use crate::request::Relayed;

use crate::server::connection::lane::Lane;
use crate::server::connection::link::{FINISHED, Link, READABLE, WRITABLE};
use crate::server::connection::{Connection, Progress, Waits, Work};
use crate::server::net::peers::Visitor;
use crate::server::net::socket::Listener;
use crate::server::shared::Shared;
use crate::server::shared::admission::Entry;
use crate::server::shared::lifecycle::Phase;
use answers::Unsent;
use idlest::Idlest;
use pacing::Suspicion;
use read_ahead::ReadAhead;
use reading::Reads;
use sections::Sections;
use timers::Timers;
use waiting::WaitingRoom;
use works::Works;

/// Events taken from the system at once.
const EVENTS: usize = 1024;

/// The loop has no holder.
pub(crate) const NOBODY: usize = 0;

const WAKER: Token = Token(usize::MAX);
/// Listeners have the tokens below this one, downwards.
const LISTENERS: usize = usize::MAX - 1;

pub(crate) struct EventLoop {
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
    /// The connections of the health lane.
    probes: Vec<usize>,
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
    reads: Reads,
    timers: Timers,
    idlest: Idlest,
    works: Works,
    sections: Sections,
    waiting: WaitingRoom,
    /// A permit to run a handler, kept for the next request.
    pub(crate) reserve: bool,
    /// Connections that have got their permits already.
    next: VecDeque<(Instant, Box<Connection>)>,
    /// The connection that this loop's thread has gone out with, and since when.
    out: Option<(usize, Instant)>,
    /// The thread that has it, or has put it down and is expected back.
    pub(crate) holder: usize,
    pub(crate) now: Instant,
    pub(crate) date: Date,
    pub(crate) suspicion: Suspicion,
    phase: Phase,
    has_ended: bool,
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
pub(crate) enum Turn {
    /// This connection has a request for the application, and a permit to run it. If it has waited for
    /// the permit, since when.
    Call(Box<Connection>, Option<Instant>),
    /// A thread that may wait for a disk is to read a file for this connection.
    Read(Box<Connection>),
    /// The loop is over.
    Over,
}

impl EventLoop {
    pub(crate) fn new(
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
            probes: Vec::new(),
            accepting: Vec::new(),
            accept_again: None,
            slots: Vec::new(),
            vacant: Vec::new(),
            lost_slots: 0,
            ready: VecDeque::new(),
            ready_now: 0,
            read_ahead: ReadAhead::default(),
            unsent: Unsent::default(),
            reads: Reads::default(),
            timers: Timers::default(),
            idlest: Idlest::default(),
            works: Works::new(Instant::now()),
            sections: Sections::default(),
            waiting: WaitingRoom::default(),
            reserve,
            next: VecDeque::new(),
            out: None,
            holder: NOBODY,
            now: Instant::now(),
            date: Date::now(),
            suspicion: Suspicion::default(),
            phase: Phase::Running,
            has_ended: false,
        };
        Ok((event_loop, waker))
    }

    /// Works until a handler must run.
    pub(crate) fn turn(&mut self, shared: &Shared) -> Turn {
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
            } else if let Some(connection) = self.next_read() {
                return Turn::Read(connection);
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
    pub(crate) fn return_permit(&mut self, shared: &Shared) {
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
                connection.refuse_unavailable("too many requests are waiting", &self.date);
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
            self.accept_later(LISTENERS - token.0);
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
        if let Some(work) = &mut connection.work
            && work.exchange.answered.is_some()
        {
            self.note_refusal(work, (connection.peer, connection.relayed), shared);
        }
        match progress {
            Progress::Call | Progress::CallWithPlace => {
                let lane = connection.lane;
                let request = connection.work.as_ref().map(|work| &work.exchange.request);
                if request.is_some_and(|request| shared.health.takes(lane, request)) {
                    self.answer_probe(connection, shared);
                } else {
                    return match progress {
                        Progress::CallWithPlace => self.seat(connection, shared),
                        _ => Some(connection),
                    };
                }
            }
            Progress::Read => self.await_disk(connection, shared),
            Progress::Again => self.put_ready(connection),
            Progress::Starved => return self.starve(connection, shared),
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
    #[cold]
    fn note_refusal(&self, work: &mut Work, from: (Option<SocketAddr>, Relayed), shared: &Shared) {
        if let Some(answered) = work.exchange.answered.take() {
            shared.tally.refused(answered.status);
            let request = answered.has_request.then_some(&work.exchange.request);
            let from = (from.0, from.1, request);
            let (now, date) = (self.now, &self.date);
            shared.observation.refused(self.index, from, answered, now, date);
            work.exchange.give_back();
        }
    }

    /// Answers a request that needs no handler.
    fn answer_probe(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if let Some(work) = &mut connection.work {
            let mut response = shared.answer_probe(&work.exchange.request);
            // What may be of the reserve goes back to it.
            let is_reserve = connection.lane == Lane::Health && shared.capacity.reserve.is_short();
            if !shared.lifecycle.is_running() || is_reserve {
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
        if connection.waits_for == Waits::Disk {
            self.withdraw(connection.key, shared);
        }
        connection.end_in_order();
        if let Some(work) = connection.work.take() {
            self.works.keep(work);
        }
        match connection.lane {
            Lane::Health => self.probes.retain(|&key| key != connection.key),
            Lane::Service => shared.loops[self.index].connection_closed(),
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
        self.call_waiting(shared);
        self.tidy(shared);
        self.follow(shared);
        if !self.has_ended {
            self.sleep(shared);
            // Before the events: some of them are for connections that are back.
            self.collect(shared);
        }
        self.ready_now = self.ready.len();
    }
}
