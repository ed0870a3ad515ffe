//! A subscriber: a position in the ring of a topic.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Event, Form, Message, SlowSubscribers, Topic};
use crate::deadline::{after, earlier};

/// One who subscribes. As long as this lives, it counts.
pub(crate) struct Subscriber {
    topic: Topic,
    pub(crate) form: Form,
    /// The number of the next message.
    position: u64,
    /// When it was last sent something, and when it ends.
    last: Instant,
    ends: Option<Instant>,
    /// The messages that come first, if it comes back or is new.
    first: Option<Box<First>>,
}

/// A comment, which clients ignore: both sides find out by it whether the other is still there.
pub(crate) const HEARTBEAT: &[u8] = b":\n\n";

/// The messages that a subscriber gets before it goes on from its position.
#[derive(Default)]
struct First {
    messages: VecDeque<Arc<Message>>,
    /// Ids of messages that were replayed, and may be in the ring from its position on.
    replayed: HashSet<String>,
    /// The number of the first message that can't be one of those.
    until: u64,
}

/// The next message of a subscriber, or why there is none.
pub(crate) enum Next {
    Message(Arc<Message>),
    /// Nothing, until it is woken.
    Nothing,
    /// The end: it was too slow.
    Close,
}

impl Subscriber {
    pub(super) fn new(topic: Topic, form: Form, position: u64) -> Subscriber {
        topic.inner().subscribers.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        Subscriber {
            ends: topic.inner().settings.greatest_age.map(|age| after(now, age)),
            topic,
            form,
            position,
            last: now,
            first: None,
        }
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Returns the number of the next message in the ring.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Notes that it was sent something.
    pub(crate) fn note_sent(&mut self, now: Instant) {
        self.last = now;
    }

    /// Returns true if it is old enough to end.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// Returns true if it is time for a [`HEARTBEAT`].
    pub(crate) fn wants_heartbeat(&self, now: Instant) -> bool {
        self.heartbeat_due().is_some_and(|due| due <= now)
    }

    /// Returns when it is to be looked at, even if nothing is sent.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        earlier(self.heartbeat_due(), self.ends)
    }

    fn heartbeat_due(&self) -> Option<Instant> {
        // In plain bytes nothing means nothing.
        let time = self.topic.inner().settings.heartbeat;
        (self.form == Form::EventStream).then(|| after(self.last, time))
    }

    /// Makes it continue after the message with this id, or begin. What it gets from the engine may have been sent since
    /// it joined, so the ids are kept until it has come past that.
    pub(crate) fn begin(&mut self, last_id: Option<&str>) {
        let topic = self.topic.clone();
        let (inner, settings) = (topic.inner(), &topic.inner().settings);
        let known = last_id.and_then(|id| {
            inner.ring(|ring| {
                let next = match inner.number_of(id) {
                    Some(number) => number.checked_add(1)?,
                    None => ring.find(id)? + 1,
                };
                (ring.first()..=ring.next()).contains(&next).then_some(next)
            })
        });
        if let Some(next) = known {
            // What was sent since it joined is behind that.
            self.position = next;
            return;
        }
        let replayed = last_id
            .zip(settings.replay_by.as_ref())
            .and_then(|(id, replay)| replay(id));
        let mut first = First::default();
        if let Some(events) = replayed {
            first.until = inner.ring(|ring| ring.next());
            for mut event in events {
                let id = event.id.take();
                first.replayed.extend(id.clone());
                first.messages.push_back(Message::of(event, id));
            }
        } else if last_id.is_some() {
            first.messages.push_back(Message::of(gap(), None));
            match &settings.present {
                Some(present) => first.messages.push_back(Message::of(present(), None)),
                None => {
                    let kept = settings.replay as u64;
                    self.position = inner.ring(|ring| ring.first().max(ring.next().saturating_sub(kept)));
                }
            }
        } else if let Some(present) = &settings.present {
            first.messages.push_back(Message::of(present(), None));
        }
        if !first.messages.is_empty() {
            self.first = Some(Box::new(first));
        }
    }

    /// Returns what it gets next, by the topic's policy for slow subscribers.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            if let Some(message) = self.first.as_mut().and_then(|first| first.messages.pop_front()) {
                return Next::Message(message);
            }
            let position = match self.catch_up() {
                Some(position) => position,
                None => return Next::Close,
            };
            let Some(message) = self.topic.inner().ring(|ring| ring.at(position).map(Arc::clone)) else {
                return Next::Nothing;
            };
            self.position = position + 1;
            if !self.was_replayed(position, &message) {
                return Next::Message(message);
            }
        }
    }

    /// Applies the policy without taking anything: for one whose client takes nothing. Returns false if it ends.
    pub(crate) fn holds_on(&mut self) -> bool {
        match self.catch_up() {
            Some(position) => {
                self.position = position;
                true
            }
            None => false,
        }
    }

    /// Returns where it goes on, which is later than where it was if it is too slow; `None` if it ends.
    fn catch_up(&mut self) -> Option<u64> {
        let inner = self.topic.inner();
        let (first, next) = inner.ring(|ring| (ring.first(), ring.next()));
        let settings = &inner.settings;
        let oldest = match settings.slow {
            SlowSubscribers::KeepNewest => next.saturating_sub(1),
            // Who comes back is given what is kept, even if that is more than the backlog.
            _ if self.first.is_some() => first,
            _ => first.max(next.saturating_sub(settings.kept() as u64)),
        };
        if oldest <= self.position {
            return Some(self.position);
        }
        if settings.slow == SlowSubscribers::Close {
            return None;
        }
        inner.note_dropped(oldest - self.position);
        Some(oldest)
    }

    fn was_replayed(&mut self, position: u64, message: &Message) -> bool {
        let Some(first) = &self.first else { return false };
        if position >= first.until {
            self.first = None;
            return false;
        }
        message.id().is_some_and(|id| first.replayed.contains(id))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.topic.inner().subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The event that tells a client that something is missing.
fn gap() -> Event {
    Event::new("").with_name("gap").unwrap_or_else(|_| Event::new(""))
}
