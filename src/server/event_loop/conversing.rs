//! Connections that belong to sockets: what the loop does between two calls of their programs.

use std::sync::Arc;
use std::time::Instant;

use super::EventLoop;
use super::pushing::nudge;
use super::socket_places::SocketPlaces;
use crate::server::connection::conversing::Conversed;
use crate::server::connection::{Connection, Waits};
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;
use crate::server::shared::loop_link::{Arrival, LoopLink};
use crate::socket::{Closed, Flushed, Membership};
use crate::topic::{Audience, Place, Topic, Wake};

/// Tells a loop that a socket has something to send.
struct Caller {
    link: Arc<LoopLink>,
    key: usize,
}

impl Wake for Caller {
    fn wake(&self) {
        if self.link.inbox.push(Arrival::OfSocket(self.key)) {
            self.link.wake();
        }
    }
}

/// The lists of topics, for the socket of one connection.
struct Lists<'l> {
    subscribers: &'l mut Option<Box<dyn Audience>>,
    places: &'l mut SocketPlaces,
    link: &'l Arc<LoopLink>,
    key: usize,
    /// Those who have been moved to another place: the key, the topic, the place.
    moved: Vec<(usize, u64, Place)>,
}

impl Membership for Lists<'_> {
    fn joins(&mut self, topic: &Topic) {
        let audience = self.subscribers.get_or_insert_with(|| topic.audience());
        // Where all end, it is about to be closed.
        if !audience.are_ending() {
            let place = audience.join(topic, self.key, &|topic| nudge(self.link, topic));
            self.places.add(self.key, topic.number(), place);
        }
    }

    fn leaves(&mut self, topic: &Topic) {
        let Some(audience) = self.subscribers else { return };
        let number = topic.number();
        if let Some((moved, place)) = self.places.leave(&mut **audience, number, self.key) {
            // A socket may have been moved that leaves the same topic next.
            if !self.places.note(moved, number, place) {
                self.moved.push((moved, number, place));
            }
        }
    }
}

impl EventLoop {
    /// Makes a connection one of a socket, and begins its conversation.
    #[cold]
    pub(super) fn open_socket(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if !connection.open_socket(self.now) {
            return self.close(connection, shared);
        }
        if let Some(socket) = &mut connection.socket {
            socket.counted = Some(Box::new(shared.sockets.open()));
            socket.exchange.line.wake_by(Arc::new(Caller {
                link: Arc::clone(&shared.loops[self.index]),
                key: connection.key,
            }));
            if self.phase != Phase::Running {
                socket.exchange.close(Closed::drain());
            }
        }
        connection.await_socket(Waits::Push, self.now);
        self.put_ready(connection);
    }

    /// Continues a connection that belongs to a socket. Returns it if its program is to be called.
    pub(super) fn converse(&mut self, mut connection: Box<Connection>, shared: &Shared) -> Option<Box<Connection>> {
        loop {
            let outcome = self.with_lists(connection.key, shared, |now, lists| {
                connection.converse(now, &shared.limits, lists)
            });
            match outcome {
                Conversed::Call => return Some(connection),
                Conversed::Wait => self.rest_socket(connection),
                Conversed::Equip => {
                    self.equip(&mut connection, shared);
                    continue;
                }
                Conversed::Again => self.put_ready(connection),
                Conversed::Over => self.end_socket(connection, shared),
            }
            return None;
        }
    }

    /// Takes back a connection whose program was called.
    pub(super) fn take_back_socket(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if let (Some(socket), true) = (&connection.socket, self.phase != Phase::Running) {
            socket.exchange.close(Closed::drain());
        }
        let flushed = self.with_lists(connection.key, shared, |now, lists| {
            connection.send_of_socket(now, lists)
        });
        let is_all = flushed == Flushed::All;
        if is_all && connection.socket_can_rest() {
            connection.await_socket(Waits::Push, self.now);
            self.rest_socket(connection);
        } else {
            // Other connections get their turn before what has arrived after it.
            self.put_ready(connection);
        }
    }

    /// Puts a connection into its slot that waits for its client, and perhaps keeps what has arrived of a message.
    fn rest_socket(&mut self, mut connection: Box<Connection>) {
        let is_unused = |connection: &mut Connection| {
            let work = connection.work.as_mut();
            work.is_none_or(|work| work.exchange.unused().0.is_empty())
        };
        if is_unused(&mut connection) {
            if let Some(work) = connection.work.take() {
                self.works.keep(work);
            }
        }
        self.put(connection);
    }

    /// Does what a socket has to do by itself at this time.
    #[cold]
    pub(super) fn socket_due(&mut self, mut connection: Box<Connection>) {
        let is_blocked = connection.wait.reason == Waits::Client;
        if let Some(socket) = &mut connection.socket {
            if is_blocked {
                socket.exchange.lose("the client does not take what it is sent");
            } else {
                socket.exchange.note_time(self.now);
            }
        }
        connection.await_socket(Waits::Push, self.now);
        self.put_ready(connection);
    }

    /// Sends what another thread has left for the connection at `key`.
    pub(super) fn send_of_socket(&mut self, key: usize, shared: &Shared) {
        match self.slots.take(key) {
            Some(connection) if connection.socket.is_some() => self.go_on_sending(connection, shared),
            Some(connection) => self.slots.put_back(connection),
            // Its handler runs.
            None => {
                if let Some(link) = self.slots.link(key) {
                    link.send_of_socket();
                }
            }
        }
    }

    /// Sends a connection that belongs to a socket what there is, and puts it into its slot.
    pub(super) fn go_on_sending(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        let flushed = self.with_lists(connection.key, shared, |now, lists| {
            connection.send_of_socket(now, lists)
        });
        let is_all = flushed == Flushed::All;
        if is_all && connection.socket_can_rest() {
            // It waits as before.
            self.slots.put_back(connection);
        } else {
            self.put_ready(connection);
        }
    }

    /// Ends the connection of a socket in order: everything is sent, and its program knows.
    fn end_socket(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        let socket = connection.socket.as_ref();
        if socket.is_some_and(|socket| socket.exchange.is_lost()) {
            return self.close(connection, shared);
        }
        self.forget_socket(&mut connection, shared);
        if connection.work.is_none() {
            self.equip(&mut connection, shared);
        }
        connection.close_after_sending();
        self.put_ready(connection);
    }

    /// Ends the socket of a connection that is closed, also one that has not begun.
    #[cold]
    pub(super) fn forget_socket(&mut self, connection: &mut Connection, shared: &Shared) {
        self.leave_topics(connection.key);
        // One that has not begun is dropped with what else is not sent.
        if let Some(socket) = connection.socket.take() {
            if let Some(logged) = &socket.logged {
                let observation = &shared.observation;
                observation.ended(self.index, logged, socket.exchange.sent, (self.now, &self.date));
            }
            // It may have its program called.
            shared.drop_queue.push(socket);
        }
    }

    /// Does something with the lists of topics, for the socket of the connection at `key`.
    fn with_lists<R>(&mut self, key: usize, shared: &Shared, work: impl FnOnce(Instant, &mut Lists<'_>) -> R) -> R {
        let mut lists = Lists {
            subscribers: &mut self.subscribers,
            places: &mut self.socket_places,
            link: &shared.loops[self.index],
            key,
            moved: Vec::new(),
        };
        let result = work(self.now, &mut lists);
        for (moved, topic, place) in lists.moved {
            self.note_place(moved, topic, place);
        }
        result
    }

    /// Removes a connection from the lists of all topics that its socket has joined, wherever it is.
    pub(super) fn leave_topics(&mut self, key: usize) {
        while let (Some(topic), Some(audience)) = (self.socket_places.any_of(key), &mut self.subscribers) {
            if let Some((moved, place)) = self.socket_places.leave(&mut **audience, topic, key) {
                self.note_place(moved, topic, place);
            }
        }
    }

    /// Makes all sockets close, because the server drains.
    #[cold]
    pub(super) fn close_sockets(&mut self) {
        for key in 0..self.slots.len() {
            // What was sent to its topics until now is sent all the same.
            self.leave_topics(key);
            let socket = self.slots.at(key).and_then(|connection| connection.socket.as_ref());
            if let Some(socket) = socket {
                socket.exchange.close(Closed::drain());
                self.ready.push(key);
            }
        }
    }
}
