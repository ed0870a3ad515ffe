//! Writing the messages of topics to the connections that subscribe.

use std::sync::Arc;
use std::time::Duration;

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::connection::pushed::Pushed;
use crate::server::connection::pushing::Outcome;
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;
use crate::server::shared::loop_link::{Arrival, LoopLink};
use crate::server::shared::note::Note;
use crate::topic::{Nudge, Place};

/// The number of connections that are visited before everything else of a loop gets its turn: about half a millisecond.
const SLICE: usize = 128;

/// When clients come back that a draining server has left: in about a second, but not all at once.
const COMES_BACK: Duration = Duration::from_millis(500);
const SPREAD: usize = 1000;

impl EventLoop {
    /// Returns true if some of those who subscribe are to be visited.
    #[inline]
    pub(super) fn has_to_push(&self) -> bool {
        self.subscribers.as_ref().is_some_and(|audience| audience.has_work())
    }

    /// Takes note that something was sent to the topic of this number.
    pub(super) fn begin_to_push(&mut self, topic: u64) {
        if let Some(audience) = &mut self.subscribers {
            audience.begin_walk(topic);
        }
    }

    /// Has all who subscribe end, because the server drains.
    pub(super) fn end_subscriptions(&mut self) {
        if let Some(audience) = &mut self.subscribers {
            audience.end_all();
        }
    }

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
            let audience = self.subscribers.get_or_insert_with(|| pushed.push.audience());
            if self.phase != Phase::Running {
                audience.end_all();
            }
            let link = &shared.loops[self.index];
            let place = audience.join(pushed.push.topic(), connection.key, &|topic| nudge(link, topic));
            *pushed.push.place() = Some(place);
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
        let place = pushed.push.place().filter(|place| is_slow || place.is_slow);
        if let (Some(place), Some(audience)) = (place, &mut self.subscribers) {
            let topic = pushed.push.topic().number();
            if let Some(moved) = audience.note(connection.key, &mut *pushed.push, is_slow) {
                self.note_place(moved, topic, place);
            }
        }
        outcome
    }

    /// Notes the place in the list of a topic of a connection that has been moved to it.
    #[cfg_attr(
        not(feature = "websocket"),
        expect(unused_variables, reason = "only sockets have several places")
    )]
    pub(super) fn note_place(&mut self, moved: usize, topic: u64, place: Place) {
        #[cfg(feature = "websocket")]
        if self.socket_places.note(moved, topic, place) {
            return;
        }
        if let Some(moved) = self
            .slots
            .at_mut(moved)
            .and_then(|connection| connection.pushed.as_mut())
        {
            *moved.push.place() = Some(place);
        }
    }

    /// Visits some of the connections for which there is something.
    pub(super) fn push_slice(&mut self, shared: &Shared) {
        if self.subscribers.as_ref().is_some_and(|audience| audience.are_ending()) {
            return self.end_slice(shared);
        }
        for _ in 0..SLICE {
            let next = self.subscribers.as_mut().and_then(|audience| audience.next());
            let Some(key) = next else { return };
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
            let any = self.subscribers.as_ref().and_then(|audience| audience.any());
            let Some(mut connection) = any.and_then(|key| self.slots.take(key)) else {
                return;
            };
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

    fn drop_subscription(&self, pushed: Box<Pushed>, shared: &Shared) {
        if let Some(logged) = &pushed.logged {
            let observation = &shared.observation;
            observation.ended(self.index, logged, pushed.content, (self.now, &self.date));
        }
        // It may be the end of a topic, and of what the program has given to that.
        shared.drop_queue.push(pushed);
    }

    /// Removes a connection from the list of its topic, if it is in one.
    pub(super) fn leave_topic(&mut self, connection: &mut Connection) {
        let (Some(pushed), Some(audience)) = (&mut connection.pushed, &mut self.subscribers) else {
            return;
        };
        let Some(place) = pushed.push.place().take() else {
            return;
        };
        let topic = pushed.push.topic().number();
        if let Some(moved) = audience.leave(topic, place) {
            self.note_place(moved, topic, place);
        }
    }
}

/// A note at a loop that something was sent to a topic.
struct TopicNote {
    link: Arc<LoopLink>,
    topic: u64,
    note: Note,
}

pub(super) fn nudge(link: &Arc<LoopLink>, topic: u64) -> Arc<dyn Nudge> {
    Arc::new(TopicNote {
        link: Arc::clone(link),
        topic,
        note: Note::new(),
    })
}

impl Nudge for TopicNote {
    fn nudge(&self) {
        if self.note.leave() && self.link.inbox.push(Arrival::Pushed(self.topic)) {
            self.link.wake();
        }
    }

    fn take_up(&self) {
        self.note.take_up();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::Topic;
    use crate::exchange::{Payload, Subscribed};
    use crate::server::event_loop::fixture::{clients, event_loop, shared, taken};

    /// A loop with connections that subscribe to one topic.
    struct Fixture {
        shared: Arc<Shared>,
        event_loop: EventLoop,
        topic: Topic,
        clients: Vec<(usize, UnixStream)>,
    }

    impl Fixture {
        fn new(count: usize) -> Fixture {
            let (shared, mut event_loop, topic) = (shared(), event_loop(), Topic::new());
            let clients = clients(&mut event_loop, &shared, count);
            for (key, client) in &clients {
                client.set_nonblocking(true).unwrap();
                let mut connection = taken(&mut event_loop, *key);
                event_loop.equip(&mut connection, &shared);
                let payload = Payload::Pushed(Box::new(Subscribed {
                    push: Box::new(topic.subscribe()),
                    is_chunked: false,
                    on_done: None,
                    logged: None,
                }));
                connection.work.as_mut().unwrap().payload = Some(payload);
                event_loop.subscribe(connection, &shared);
            }
            Fixture {
                shared,
                event_loop,
                topic,
                clients,
            }
        }

        fn close(&mut self, index: usize) {
            let connection = taken(&mut self.event_loop, self.clients[index].0);
            self.event_loop.close(connection, &self.shared);
        }

        /// Does all that is to be done, and returns what this client has been sent.
        fn sent(&mut self, index: usize) -> String {
            self.event_loop.collect(&self.shared);
            while self.event_loop.has_to_push() {
                self.event_loop.push_slice(&self.shared);
            }
            for key in self.event_loop.ready.take_all() {
                assert!(self.event_loop.go_on(key, &self.shared).is_none());
            }
            let mut text = String::new();
            let _ = self.clients[index].1.read_to_string(&mut text);
            text
        }

        fn is_empty(&self) -> bool {
            self.event_loop
                .subscribers
                .as_ref()
                .is_none_or(|audience| audience.any().is_none())
        }
    }

    #[test]
    fn whose_connection_is_closed_is_in_no_list_whoever_has_got_its_place() {
        let mut fixture = Fixture::new(3);
        // The last one takes the place of the first, and then the one in between that of the last.
        fixture.close(0);
        fixture.close(2);
        fixture.topic.send("crumb");
        assert!(fixture.sent(1).ends_with("data: crumb\n\n"));
        assert!(!fixture.is_empty());
        fixture.close(1);
        assert!(fixture.is_empty());
    }

    #[test]
    fn clients_that_a_drain_ends_come_back_one_after_the_other() {
        let mut fixture = Fixture::new(3);
        fixture.topic.send("crumb");
        fixture.event_loop.end_subscriptions();
        for index in 0..3 {
            let later = 500 + fixture.clients[index].0;
            let sent = fixture.sent(index);
            assert!(
                sent.ends_with(&format!("data: crumb\n\nretry: {later}\n\n")),
                "{sent:?}"
            );
        }
        assert!(fixture.is_empty());
    }
}
