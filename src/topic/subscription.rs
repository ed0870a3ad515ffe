//! A subscription: what a handler returns.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::audience::Subscribers;
use super::push::{Audience, Piece, Place, Push};
use super::{Feed, Form, HEARTBEAT, Message, Next, Subscriber, Topic, Topics};

/// The response to a client that subscribes to a [`Topic`]: see [`Topic::subscribe`].
///
/// It is sent until the client leaves, the server drains, or the topic's settings end it; its connection is closed then.
/// The client's `Last-Event-ID` decides where it begins. As a [`Body`](crate::Body) it can be part of any response. Filters
/// of bodies, such as compression, leave it as it is: a message is encoded once for all.
#[must_use = "a subscription does nothing until it is returned"]
pub struct Subscription {
    pub(crate) subscriber: Subscriber,
    /// The count of subscribers where it is served.
    counted: Option<Box<dyn Send>>,
    /// The rest of a message that was not sent whole: the client takes nothing else before.
    begun: Option<Begun>,
    /// Its place in the list of a loop, while it is in one.
    place: Option<Place>,
}

impl Subscription {
    pub(super) fn new(topic: Topic, form: Form) -> Subscription {
        Subscription {
            subscriber: topic.join(form),
            counted: None,
            begun: None,
            place: None,
        }
    }

    /// Returns true if the topic has as many subscribers as it may have, without this one.
    pub(crate) fn is_too_many(&self) -> bool {
        let inner = self.subscriber.topic().inner();
        let all = inner.subscribers.load(Ordering::Relaxed);
        inner.settings.most.is_some_and(|most| all > most)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("topic", self.subscriber.topic())
            .finish_non_exhaustive()
    }
}

/// Bytes that were not sent whole, and how many of them were.
struct Begun {
    content: Content,
    sent: usize,
}

enum Content {
    Message(Arc<Message>),
    Heartbeat,
}

impl Content {
    fn bytes(&self, form: Form, is_chunked: bool) -> &[u8] {
        match self {
            Content::Message(message) => message.bytes(form, is_chunked),
            Content::Heartbeat if is_chunked => b"3\r\n:\n\n\r\n",
            Content::Heartbeat => HEARTBEAT,
        }
    }
}

impl Begun {
    fn rest(&self, form: Form, is_chunked: bool) -> &[u8] {
        self.content.bytes(form, is_chunked).get(self.sent..).unwrap_or(&[])
    }
}

impl Push for Subscription {
    fn begin(&mut self, last_id: Option<&str>) {
        self.subscriber.begin(last_id);
    }

    fn count(&mut self, counted: Box<dyn Send>, topics: &Topics) {
        self.counted = Some(counted);
        topics.add(self.subscriber.topic());
    }

    fn topic(&self) -> &Topic {
        self.subscriber.topic()
    }

    fn piece(&mut self, is_chunked: bool, now: Instant) -> Piece<'_> {
        let form = self.subscriber.form;
        while self
            .begun
            .as_ref()
            .is_none_or(|begun| begun.rest(form, is_chunked).is_empty())
        {
            let content = match self.subscriber.next() {
                Next::Message(message) => Content::Message(message),
                Next::Nothing if !self.subscriber.is_over(now) => return Piece::Nothing,
                Next::Nothing | Next::Close => return Piece::Over,
            };
            self.begun = Some(Begun { content, sent: 0 });
        }
        match &self.begun {
            Some(begun) => Piece::Bytes(begun.rest(form, is_chunked)),
            None => Piece::Nothing,
        }
    }

    fn sent(&mut self, bytes: usize, is_chunked: bool, now: Instant) -> u64 {
        let form = self.subscriber.form;
        self.subscriber.note_sent(now);
        let Some(begun) = &mut self.begun else { return 0 };
        begun.sent += bytes;
        if !begun.rest(form, is_chunked).is_empty() {
            return 0;
        }
        let content = begun.content.bytes(form, false).len() as u64;
        self.begun = None;
        content
    }

    fn holds_on(&mut self) -> bool {
        self.subscriber.holds_on()
    }

    fn next_due(&self) -> Option<Instant> {
        self.subscriber.next_due()
    }

    fn beat(&mut self, now: Instant) {
        if self.subscriber.wants_heartbeat(now) && self.begun.is_none() {
            self.begun = Some(Begun {
                content: Content::Heartbeat,
                sent: 0,
            });
        }
    }

    fn end(&mut self, retry: Option<Duration>, is_chunked: bool, out: &mut Vec<u8>) {
        let form = self.subscriber.form;
        if let Some(begun) = &self.begun {
            out.extend_from_slice(begun.rest(form, is_chunked));
        }
        let Some(retry) = retry.filter(|_| form == Form::EventStream) else {
            return;
        };
        let line = format!("retry: {}\n\n", retry.as_millis());
        if is_chunked {
            // RFC 9112 §7.1: `chunk = chunk-size CRLF chunk-data CRLF`.
            out.extend_from_slice(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes());
        } else {
            out.extend_from_slice(line.as_bytes());
        }
    }

    fn audience(&self) -> Box<dyn Audience> {
        Box::new(Subscribers::default())
    }

    fn place(&mut self) -> &mut Option<Place> {
        &mut self.place
    }

    fn position(&self) -> u64 {
        self.subscriber.position()
    }

    fn into_feed(self: Box<Self>) -> Feed {
        Feed::new(self.subscriber)
    }
}
