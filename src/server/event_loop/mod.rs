//! The event loop: everything that a loop does between two handlers.
//!
//! It is single-threaded code over `&mut self`. Which thread runs it, and how the loop passes from one thread to the
//! next, is up to [`baton`](crate::server::threads::baton) and [`runner`](crate::server::threads::runner).

// The parts of a loop: each owns its state, and knows no other part.
mod disk_queue;
mod idlest;
mod listeners;
pub(crate) mod pacing;
mod permits;
mod poller;
mod read_ahead;
mod ready;
mod sections;
mod slots;
#[cfg(feature = "websocket")]
mod socket_places;
mod timers;
mod unsent;
mod waiting_room;
mod works;

// The actions of a loop: methods of `EventLoop`.
mod accepting;
mod collecting;
#[cfg(feature = "websocket")]
mod conversing;
mod deadlines;
mod ending;
#[cfg(all(test, unix))]
pub(crate) mod fixture;
mod making_room;
mod memory;
mod overdue;
mod pushing;
mod reading_files;
mod seating;
mod turning_away;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::date::Date;
use crate::deadline::earlier;
use crate::pace::Pace;
use crate::request::Relayed;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::{FINISHED, READABLE, WRITABLE};
use crate::server::connection::{Connection, Progress, Waits, Work};
use crate::server::net::socket::Acceptor;
use crate::server::shared::Shared;
use crate::server::shared::admission::Admitted;
use crate::server::shared::lifecycle::Phase;
use crate::topic::Audience;
use disk_queue::DiskQueue;
use idlest::Idlest;
use listeners::Listeners;
use pacing::{Suspicion, Took};
use permits::Permits;
use poller::{Poller, Source};
use read_ahead::ReadAhead;
use ready::Ready;
use sections::Sections;
use slots::{Left, Slots};
#[cfg(feature = "websocket")]
use socket_places::SocketPlaces;
use unsent::Unsent;
use waiting_room::WaitingRoom;
use works::Works;

/// The loop has no holder.
pub(crate) const NOBODY: usize = 0;

/// The longest sleep of a loop that waits for a deadline.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct EventLoop {
    index: usize,
    poller: Poller,
    listeners: Listeners,
    slots: Slots,
    ready: Ready,
    read_ahead: ReadAhead,
    unsent: Unsent,
    disk_queue: DiskQueue,
    waiting: WaitingRoom,
    idlest: Idlest,
    /// The connections that subscribe to topics, once there is one.
    subscribers: Option<Box<dyn Audience>>,
    #[cfg(feature = "websocket")]
    socket_places: SocketPlaces,
    works: Works,
    sections: Sections,
    pub(crate) permits: Permits,
    /// The connection that this loop's thread has checked out, and since when.
    out: Option<(usize, Instant)>,
    /// The thread that holds the loop, or has released it and is expected back.
    pub(crate) holder: usize,
    pub(crate) now: Instant,
    pub(crate) date: Date,
    pub(crate) suspicion: Suspicion,
    phase: Phase,
    has_ended: bool,
}

/// Why a turn has ended.
pub(crate) enum Turn {
    /// This connection has a request for the application, and a permit to run it. The time is when it began to wait for
    /// the permit, if it did.
    Call(Box<Connection>, Option<Instant>),
    /// A thread that may wait for a disk must read a file for this connection.
    Read(Box<Connection>),
    /// This thread must release the loop, and send what is in memory of a large file on this connection.
    Send(Box<Connection>),
    /// The loop has ended.
    Over,
}

impl EventLoop {
    pub(crate) fn new(
        index: usize,
        mut listeners: Vec<Acceptor>,
        health_listeners: usize,
        reserve: bool,
    ) -> io::Result<(EventLoop, mio::Waker)> {
        let (poller, waker) = Poller::new(&mut listeners)?;
        let event_loop = EventLoop {
            index,
            poller,
            listeners: Listeners::new(listeners, health_listeners),
            slots: Slots::default(),
            ready: Ready::default(),
            read_ahead: ReadAhead::default(),
            unsent: Unsent::default(),
            disk_queue: DiskQueue::default(),
            waiting: WaitingRoom::default(),
            idlest: Idlest::default(),
            subscribers: None,
            #[cfg(feature = "websocket")]
            socket_places: SocketPlaces::default(),
            works: Works::new(Instant::now()),
            sections: Sections::default(),
            permits: Permits::new(reserve),
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
            if let Some((since, connection)) = self.permits.next(&shared.admission) {
                return Turn::Call(connection, Some(since));
            }
            let called = if !self.read_ahead.is_empty() {
                self.go_on_with_read(shared)
            } else if self.poller.has_next() {
                self.on_events(shared)
            } else if !self.unsent.is_empty() {
                self.send_unsent(shared);
                None
            } else if let Some(key) = self.ready.next() {
                self.go_on(key, shared)
            } else if let Some(connection) = self.disk_queue.next() {
                return Turn::Read(connection);
            } else if let Some(connection) = self.disk_queue.next_to_send() {
                return Turn::Send(connection);
            } else {
                self.end_round(shared);
                None
            };
            if let Some(connection) = called.and_then(|connection| self.admit(connection, shared)) {
                return Turn::Call(connection, None);
            }
        }
    }

    /// Takes note of how long a call took on the loop's thread.
    pub(crate) fn observe_call(&mut self, pace: Pace, took: Took) {
        self.suspicion.observe(pace, took);
        self.unsent.note_call(took.time);
    }

    /// Gets a permit for a connection that has a request. Without one it waits in the queue, or is refused.
    fn admit(&mut self, connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        let request = || connection.work.as_ref().map(|work| &work.exchange.request);
        let is_open = shared.admission.is_open() || shared.admission.is_open_for(request());
        if is_open && self.permits.take() {
            return Some(connection);
        }
        let (key, link) = (connection.key, Arc::clone(&connection.transport.link));
        link.claim.queue();
        // A socket without a permit is not read, so there are no more of them in the queue than connections.
        let may_refuse = !connection.is_conversing();
        match shared.admission.acquire(connection, self.now, is_open, may_refuse) {
            Admitted::Entered(connection) => {
                link.claim.reset();
                Some(connection)
            }
            Admitted::Queued => {
                self.look_again(key, shared);
                // Another loop may be asleep with a permit in reserve.
                shared.wake_others(self.index);
                None
            }
            Admitted::Full(mut connection) => {
                connection.refuse_unavailable("too many requests are waiting", &self.date);
                self.advance(connection, shared)
            }
        }
    }

    /// Handles the next events, until enough was read, or a connection that could not be read here has a request.
    fn on_events(&mut self, shared: &Shared) -> Option<Box<Connection>> {
        self.read_ahead.restart();
        while !self.read_ahead.is_full() {
            let Some((source, readiness)) = self.poller.next() else {
                break;
            };
            let called = match source {
                Source::Connection(key) => self.on_event(key, readiness, shared),
                Source::Listener(listener) => {
                    self.listeners.note(listener);
                    None
                }
                Source::Waker => None,
            };
            if called.is_some() {
                return called;
            }
        }
        None
    }

    fn on_event(&mut self, key: usize, readiness: u8, shared: &Shared) -> Option<Box<Connection>> {
        let Some(connection) = self.slots.at_mut(key) else {
            // It is checked out.
            self.slots.link(key)?.note(readiness);
            return None;
        };
        connection.note(readiness);
        if !connection.is_ready() {
            return None;
        }
        if connection.has_unsent {
            // RFC 9112 §9.3.2: responses are sent in order.
            self.send_unsent(shared);
        } else if connection.may_be_read_ahead() && self.read_ahead.read(connection) {
            return None;
        }
        self.go_on(key, shared)
    }

    /// Continues the next connection that was read. Returns it if it has a request.
    fn go_on_with_read(&mut self, shared: &Shared) -> Option<Box<Connection>> {
        let key = self.read_ahead.key()?;
        let mut connection = self.slots.take(key);
        if let Some(connection) = &mut connection {
            self.equip(connection, shared);
        }
        let piece = self.read_ahead.next()?;
        let mut connection = connection?;
        if let Some(work) = &mut connection.work {
            work.exchange.receive_in(&mut piece.buffer, piece.len);
        }
        self.advance(connection, shared)
    }

    /// Continues the connection at `key`. Returns it if it has a request.
    fn go_on(&mut self, key: usize, shared: &Shared) -> Option<Box<Connection>> {
        let connection = self.slots.take(key)?;
        self.advance(connection, shared)
    }

    fn advance(&mut self, mut connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        #[cfg(feature = "websocket")]
        if connection.socket.is_some() {
            return self.converse(connection, shared);
        }
        if connection.work.is_none() {
            if connection.pushed.is_some() {
                self.go_on_pushing(connection, shared);
                return None;
            }
            self.equip(&mut connection, shared);
        }
        let progress = connection.progress(self.now, &shared.limits, &self.date);
        let work = connection.work.as_mut();
        if let Some(work) = work.filter(|work| work.exchange.answered.is_some()) {
            self.note_refusal(work, (connection.peer, connection.relayed), shared);
        }
        match progress {
            Progress::Call | Progress::CallWithPlace => {
                let lane = connection.lane;
                let request = connection.work.as_ref().map(|work| &work.exchange.request);
                if request.is_some_and(|request| shared.health.takes(lane, request)) {
                    self.respond_to_probe(connection, shared);
                } else {
                    return match progress {
                        Progress::CallWithPlace => self.seat(connection, shared),
                        _ => Some(connection),
                    };
                }
            }
            Progress::Read => self.await_disk(connection, shared),
            Progress::Send => self.have_sent(connection, shared),
            Progress::Again => self.put_ready(connection),
            #[cfg(feature = "websocket")]
            Progress::Subscribe if connection.is_socket() => self.open_socket(connection, shared),
            Progress::Subscribe => self.subscribe(connection, shared),
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

    /// Gives a connection what it needs to continue.
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

    /// Records a response that the server made by itself, if there is one.
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

    /// Responds to a request that needs no handler.
    fn respond_to_probe(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if let Some(work) = &mut connection.work {
            let mut response = shared.respond_to_probe(&work.exchange.request);
            // A descriptor that may belong to the reserve returns to it.
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

    /// Puts a connection with nothing in progress into its slot.
    fn rest(&mut self, mut connection: Box<Connection>) {
        if let Some(mut work) = connection.work.take() {
            self.sections.remember(connection.key, &mut work);
            self.works.keep(work);
        }
        self.put(connection);
    }

    /// Puts a connection that waits into its slot.
    fn put(&mut self, mut connection: Box<Connection>) {
        if !self.slots.register(connection.key, &self.poller) {
            // It will find that it is cut.
            connection.note(READABLE | WRITABLE | FINISHED);
            self.ready.push(connection.key);
        }
        self.slots.put(connection);
    }

    fn close(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if connection.wait.reason == Waits::Disk {
            self.withdraw(connection.key, shared);
        }
        connection.end_in_order();
        if connection.subscribes() {
            self.forget_subscription(&mut connection, shared);
        }
        #[cfg(feature = "websocket")]
        if connection.socket.is_some() {
            self.forget_socket(&mut connection, shared);
        }
        if let Some(work) = connection.work.take() {
            self.works.keep(work);
        }
        if connection.lane == Lane::Service {
            shared.loops[self.index].connection_closed();
        }
        if self.slots.end(&connection) == Left::Lost {
            // The thread still has its socket.
            connection.transport.link.cut();
        }
    }

    /// Does everything between two rounds that is not an event of a connection.
    // Once for many requests.
    #[inline(never)]
    fn end_round(&mut self, shared: &Shared) {
        self.collect(shared);
        self.accept(shared);
        self.expire(shared);
        self.call_waiting(shared);
        if self.has_to_push() {
            self.push_slice(shared);
        }
        self.tidy(shared);
        self.follow(shared);
        if !self.has_ended {
            self.sleep(shared);
            // Before the events, because some of them are for connections that have come back.
            self.collect(shared);
        }
        self.ready.begin_round();
    }

    /// Waits for events.
    fn sleep(&mut self, shared: &Shared) {
        let link = &shared.loops[self.index];
        let must_not = !self.ready.is_empty()
            || self.listeners.is_ready()
            || self.permits.has_granted()
            || self.disk_queue.has_next()
            || self.has_to_push();
        // The queue is checked after this loop is marked as asleep, so whoever queues later sees the mark.
        let timeout = if must_not || !link.inbox.fall_asleep() || self.permits.may_grant(&shared.admission) {
            Some(Duration::ZERO)
        } else {
            self.time_to_sleep(shared)
        };
        shared.rest();
        self.poller.wait(timeout);
        link.inbox.wake_up();
        self.now = Instant::now();
        self.date.refresh(self.now);
        self.poller.begin_round();
    }

    /// Returns how long it is until there is something to do.
    #[inline]
    fn time_to_sleep(&self, shared: &Shared) -> Option<Duration> {
        let lifecycle = &shared.lifecycle;
        let next_phase = lifecycle
            .is_leaving()
            .then(|| lifecycle.next_phase(self.phase))
            .flatten();
        let of_connections = earlier(self.slots.next_due(), self.waiting.next_due());
        let of_loop = earlier(self.listeners.again(), self.works.next_due());
        let of_loop = earlier(of_loop, shared.admission.ask_again(self.now));
        let next = earlier(next_phase, earlier(of_connections, of_loop))?;
        // The clock is not read again: deadlines are of seconds, and the last time is exact enough. An occasional
        // unnecessary wake-up is better than more milliseconds than the system call accepts.
        Some(next.saturating_duration_since(self.now).min(LONGEST_SLEEP))
    }

    /// Frees memory that was not needed for a while, when it is time.
    fn tidy(&mut self, shared: &Shared) {
        if !self.works.is_due(self.now) {
            return;
        }
        shared.pool.tidy();
        if self.works.tidy(self.now) {
            self.sections.forget();
            self.read_ahead.forget();
            self.unsent.forget();
            self.idlest = Idlest::default();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::{clients, connected, shared_serving, shared_with, taken};
    use crate::{App, Limits, Scheduling};
    use std::io::Read;

    /// Frees everything, so that nothing is left to free that would wake the loop.
    fn free_all(event_loop: &mut EventLoop) {
        while event_loop.works.next_due().is_some() {
            event_loop.works.tidy(Instant::now());
        }
    }

    #[test]
    fn a_loop_does_not_sleep_while_it_has_a_permit_for_a_request_that_waits() {
        const NEVER: Duration = Duration::from_secs(60);
        let shared = shared_with(1, Limits::default().head_time(NEVER));
        let (mut event_loop, _waker) = EventLoop::new(0, Vec::new(), 0, true).unwrap();
        let _clients = clients(&mut event_loop, &shared, 1);
        event_loop.ready.take_all();
        // What the new sockets have to tell would wake it as well.
        event_loop.poller.wait(Some(Duration::ZERO));
        let waiting = taken(&mut event_loop, 0);
        // Another loop has put it into the queue, after this one has looked there.
        assert!(matches!(
            shared.admission.acquire(waiting, Instant::now(), true, true),
            Admitted::Queued
        ));
        free_all(&mut event_loop);
        assert!(event_loop.time_to_sleep(&shared).unwrap() > NEVER / 2);
        let begun = Instant::now();
        event_loop.sleep(&shared);
        assert!(begun.elapsed() < NEVER / 2, "it has slept until the next deadline");
        assert!(matches!(event_loop.turn(&shared), Turn::Call(_, Some(_))));
    }

    #[test]
    fn an_application_that_lets_nothing_begin_is_asked_again_soon_while_requests_wait() {
        struct Closed;
        impl Scheduling for Closed {
            fn may_begin(&self) -> bool {
                false
            }
        }
        let app = App::new(|| "unused").scheduling(Closed);
        let shared = shared_serving(app, 1, Limits::default().head_time(Duration::from_secs(60)));
        let (mut event_loop, _waker) = EventLoop::new(0, Vec::new(), 0, true).unwrap();
        let _clients = clients(&mut event_loop, &shared, 1);
        event_loop.ready.take_all();
        let connection = taken(&mut event_loop, 0);
        free_all(&mut event_loop);
        let before = event_loop.time_to_sleep(&shared);
        assert!(
            before.is_none_or(|time| time > Duration::from_millis(100)),
            "{before:?}"
        );
        assert!(event_loop.admit(connection, &shared).is_none(), "there is a permit");
        assert!(event_loop.permits.next(&shared.admission).is_none());
        assert!(event_loop.time_to_sleep(&shared).unwrap() < Duration::from_millis(100));
    }

    #[test]
    fn a_call_decides_whether_responses_wait_and_whether_its_endpoint_is_suspected() {
        let (mut event_loop, _waker) = EventLoop::new(0, Vec::new(), 0, true).unwrap();
        let took = |seconds| Took {
            time: Duration::from_secs(seconds),
            computed: None,
        };
        event_loop.observe_call(Pace::new(), took(0));
        assert!(event_loop.unsent.may_wait());
        event_loop.observe_call(Pace::new(), took(1));
        assert!(!event_loop.unsent.may_wait());
        assert!([(); 3].iter().all(|()| event_loop.suspicion.wants_next()));
    }

    /// Returns a loop, and the client of its connection, whose events cannot come.
    fn unregistrable(shared: &Shared) -> (EventLoop, std::os::unix::net::UnixStream) {
        let (mut event_loop, _) = EventLoop::new(0, Vec::new(), 0, true).unwrap();
        let (client, accepted) = connected();
        shared.loops[0].connection_opened();
        assert_eq!(event_loop.welcome(accepted, shared), Some(0));
        event_loop.ready.take_all();
        // The system registers a socket once.
        event_loop
            .poller
            .register(event_loop.slots.link(0).unwrap(), 99)
            .unwrap();
        (event_loop, client)
    }

    #[test]
    fn a_connection_whose_events_cannot_come_is_closed_instead_of_waiting_for_ever() {
        let shared = shared_with(1, Limits::default());
        let (mut event_loop, _client) = unregistrable(&shared);
        assert!(event_loop.go_on(0, &shared).is_none());
        assert_eq!(event_loop.ready.take_all(), [0]);
        assert!(event_loop.go_on(0, &shared).is_none());
        assert_eq!((shared.connections(), event_loop.slots.in_service()), (0, 0));
    }

    #[test]
    fn a_connection_whose_events_cannot_come_is_closed_although_its_client_does_not_read() {
        let shared = shared_with(1, Limits::default());
        let (mut event_loop, _client) = unregistrable(&shared);
        let mut connection = taken(&mut event_loop, 0);
        event_loop.equip(&mut connection, &shared);
        if let Some(work) = &mut connection.work {
            work.out.resize(16 << 20, b'x');
        }
        assert!(event_loop.advance(connection, &shared).is_none());
        assert_eq!(event_loop.ready.take_all(), [0]);
        assert!(event_loop.go_on(0, &shared).is_none());
        assert_eq!((shared.connections(), event_loop.slots.in_service()), (0, 0));
    }

    #[test]
    fn the_end_of_a_connection_that_a_lost_thread_still_has_is_seen_by_its_client() {
        let shared = shared_with(1, Limits::default());
        let (mut event_loop, _waker) = EventLoop::new(0, Vec::new(), 0, true).unwrap();
        let mut clients = clients(&mut event_loop, &shared, 1);
        let connection = taken(&mut event_loop, 0);
        let of_thread = connection.transport.clone();
        event_loop.slots.lose(0);
        event_loop.close(connection, &shared);
        clients[0].1.set_nonblocking(true).unwrap();
        assert_eq!(clients[0].1.read(&mut [0]).unwrap(), 0);
        drop(of_thread);
    }
}
