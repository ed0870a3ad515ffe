//! Writing the messages of topics to the connections that subscribe.

use std::time::Duration;

use super::EventLoop;
use super::slots::Slots;
use super::subscribers::Subscribers;
use crate::exchange::Answered;
use crate::server::connection::Connection;
use crate::server::connection::pushed::{Place, Pushed};
use crate::server::connection::pushing::Outcome;
use crate::server::shared::Shared;

/// The number of connections that are visited before everything else of a loop gets its turn: about half a millisecond.
const SLICE: usize = 128;

/// When clients come back that a draining server has left: in about a second, but not all at once.
const COMES_BACK: Duration = Duration::from_millis(500);
const SPREAD: usize = 1000;

impl EventLoop {
    /// Makes a connection one that subscribes, and sends it what there is.
    #[cold]
    pub(super) fn subscribe(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if !connection.subscribe() {
            return self.close(connection, shared);
        }
        if let Some(work) = connection.work.take() {
            self.works.keep(work);
        }
        if let Some(pushed) = &mut connection.pushed {
            let topic = pushed.subscription.subscriber.topic();
            pushed.place = Some(self.subscribers.join(topic, connection.key, &shared.loops[self.index]));
        }
        self.go_on_pushing(connection, shared);
    }

    /// Sends a connection that subscribes what there is, and puts it into its slot.
    #[cold]
    pub(super) fn go_on_pushing(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        match self.push(&mut connection, shared) {
            Outcome::Waits | Outcome::Blocked => self.put(connection),
            Outcome::More => self.put_ready(connection),
            Outcome::Ends => self.end_subscription(connection, None, shared),
            Outcome::Gone => self.close(connection, shared),
        }
    }

    fn push(&mut self, connection: &mut Connection, shared: &Shared) -> Outcome {
        let outcome = connection.push(self.now, &shared.limits);
        let is_slow = outcome == Outcome::Blocked;
        let Some(pushed) = &mut connection.pushed else {
            return outcome;
        };
        if let Some(place) = pushed.place.filter(|place| is_slow || place.is_slow) {
            let topic = pushed.subscription.subscriber.topic().inner().number;
            if let Some(moved) = self.subscribers.note(connection.key, pushed, is_slow) {
                note_place(&mut self.slots, &mut self.subscribers, moved, topic, place);
            }
        }
        outcome
    }

    /// Visits some of the connections for which there is something.
    pub(super) fn push_slice(&mut self, shared: &Shared) {
        if self.subscribers.are_ending() {
            return self.end_slice(shared);
        }
        for _ in 0..SLICE {
            let Some(key) = self.subscribers.next() else { return };
            let Some(mut connection) = self.slots.take(key) else {
                continue;
            };
            #[cfg(feature = "websocket")]
            if connection.socket.is_some() {
                self.go_on_sending(connection, shared);
                continue;
            }
            match self.push(&mut connection, shared) {
                Outcome::Waits | Outcome::Blocked => self.slots.put(connection),
                Outcome::More => self.put_ready(connection),
                Outcome::Ends => self.end_subscription(connection, None, shared),
                Outcome::Gone => self.close(connection, shared),
            }
        }
    }

    /// Sends a sign of life to a connection that subscribes, or ends it, because its time has come.
    #[cold]
    pub(super) fn push_due(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if connection.send_heartbeat(self.now) {
            self.go_on_pushing(connection, shared);
        } else {
            self.close(connection, shared);
        }
    }

    /// Ends some of the subscriptions in order, each after what was sent to its topic.
    #[cold]
    fn end_slice(&mut self, shared: &Shared) {
        for _ in 0..SLICE {
            let connection = self.subscribers.any().and_then(|key| self.slots.take(key));
            let Some(mut connection) = connection else { return };
            while connection.push(self.now, &shared.limits) == Outcome::More {}
            let later = u64::try_from(connection.key % SPREAD).unwrap_or(0);
            let retry = COMES_BACK.saturating_add(Duration::from_millis(later));
            self.end_subscription(connection, Some(retry), shared);
        }
    }

    fn end_subscription(&mut self, mut connection: Box<Connection>, retry: Option<Duration>, shared: &Shared) {
        self.leave_topic(&mut connection);
        self.equip(&mut connection, shared);
        if let Some(pushed) = connection.end_push(retry) {
            self.drop_subscription(pushed, shared);
        }
        connection.close_after_sending();
        self.put_ready(connection);
    }

    /// Ends the subscription of a connection that is closed, also of one that has not begun.
    #[cold]
    pub(super) fn forget_subscription(&mut self, connection: &mut Connection, shared: &Shared) {
        self.leave_topic(connection);
        if connection.pushed.is_none() {
            connection.subscribe();
        }
        if let Some(pushed) = connection.pushed.take() {
            self.drop_subscription(pushed, shared);
        }
    }

    fn drop_subscription(&self, mut pushed: Box<Pushed>, shared: &Shared) {
        if let Some(logged) = pushed.logged.take() {
            let duration = self.now.saturating_duration_since(logged.since);
            let answered = Answered {
                status: logged.status,
                content: pushed.content,
                has_request: true,
            };
            if let Some(request) = logged.request.to_request() {
                let observation = &shared.observation;
                observation.ended(self.index, &request, answered, duration, (self.now, &self.date));
            }
        }
        // It may be the end of a topic, and of what the program has given to that.
        shared.drop_queue.push(pushed);
    }

    /// Removes a connection from the list of its topic, if it is in one.
    pub(super) fn leave_topic(&mut self, connection: &mut Connection) {
        let Some(pushed) = &mut connection.pushed else { return };
        let Some(place) = pushed.place.take() else { return };
        let topic = pushed.subscription.subscriber.topic().inner().number;
        if let Some(moved) = self.subscribers.leave(topic, place) {
            note_place(&mut self.slots, &mut self.subscribers, moved, topic, place);
        }
    }
}

/// Notes the place in the list of a topic of a connection that has been moved to it.
#[cfg_attr(
    not(feature = "websocket"),
    expect(unused_variables, reason = "only sockets have several places")
)]
pub(super) fn note_place(slots: &mut Slots, subscribers: &mut Subscribers, moved: usize, topic: u64, place: Place) {
    #[cfg(feature = "websocket")]
    if subscribers.note_socket(moved, topic, place) {
        return;
    }
    if let Some(moved) = slots.at_mut(moved).and_then(|connection| connection.pushed.as_mut()) {
        moved.place = Some(place);
    }
}
