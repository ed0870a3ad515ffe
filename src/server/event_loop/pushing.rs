//! What is sent to topics, written to the connections that subscribe.

use std::time::Duration;

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::connection::pushing::Outcome;
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;

/// How many connections are visited before everything else of a loop gets its turn: about half a millisecond.
const SLICE: usize = 128;

/// When clients come back that a draining server has left: in about a second, but not all at once.
const COMES_BACK: Duration = Duration::from_millis(500);
const SPREAD: usize = 1000;

impl EventLoop {
    /// Makes a connection one that subscribes, and sends it what there is.
    #[cold]
    pub(super) fn subscribe(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        if connection.subscribe(self.now).is_none() {
            return self.close(connection, shared);
        }
        if let Some(work) = connection.work.take() {
            self.works.keep(work);
        }
        if let Some(pushed) = &mut connection.pushed {
            let topic = pushed.subscription.subscriber.topic().clone();
            pushed.place = self.subscribers.join(&topic, connection.key, &shared.loops[self.index]);
        }
        self.go_on_pushing(connection, shared);
        if self.phase != Phase::Running {
            self.end_subscriptions(shared);
        }
    }

    /// Sends a connection that subscribes what there is, and puts it into its slot.
    #[cold]
    pub(super) fn go_on_pushing(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        match connection.push(self.now, &shared.limits) {
            Outcome::Waits | Outcome::Blocked => self.put(connection),
            Outcome::More => self.put_ready(connection),
            Outcome::Ends => self.end_subscription(connection, None, shared),
            Outcome::Gone => self.close(connection, shared),
        }
    }

    /// Visits some of the connections for which there is something.
    pub(super) fn push_slice(&mut self, shared: &Shared) {
        for _ in 0..SLICE {
            let Some(key) = self.subscribers.next() else { return };
            let Some(mut connection) = self.slots.take(key) else {
                continue;
            };
            let outcome = connection.push(self.now, &shared.limits);
            if let (Outcome::Blocked | Outcome::More, Some(pushed)) = (outcome, &connection.pushed) {
                self.subscribers.note_slow(pushed.subscription.subscriber.position());
            }
            match outcome {
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

    /// Ends all subscriptions in order, each after what was sent to its topic.
    #[cold]
    pub(super) fn end_subscriptions(&mut self, shared: &Shared) {
        for key in self.subscribers.all() {
            let Some(mut connection) = self.slots.take(key) else {
                continue;
            };
            while connection.push(self.now, &shared.limits) == Outcome::More {}
            let later = u64::try_from(key % SPREAD).unwrap_or(0);
            let retry = COMES_BACK.saturating_add(Duration::from_millis(later));
            self.end_subscription(connection, Some(retry), shared);
        }
    }

    fn end_subscription(&mut self, mut connection: Box<Connection>, retry: Option<Duration>, shared: &Shared) {
        self.leave_topic(&connection);
        self.equip(&mut connection, shared);
        // Dropping it is the end of a topic at most, and of what the program has given to that.
        if let Some(pushed) = connection.end_push(retry) {
            shared.drop_queue.push(pushed);
        }
        connection.close_after_sending();
        self.put_ready(connection);
    }

    /// Removes a connection from the list of its topic, if it is in one.
    pub(super) fn leave_topic(&mut self, connection: &Connection) {
        let Some(pushed) = &connection.pushed else { return };
        let topic = pushed.subscription.subscriber.topic().inner().number;
        let moved = self.subscribers.leave(topic, pushed.place);
        let moved = moved.and_then(|key| self.slots.at_mut(key)?.pushed.as_mut());
        if let Some(moved) = moved {
            moved.place = pushed.place;
        }
    }
}
