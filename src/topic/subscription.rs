//! A subscription: what a handler returns.

use std::fmt;
use std::sync::atomic::Ordering;

use super::push::{Begun, Place};
use super::{Form, Subscriber, Topic};

/// The response to a client that subscribes to a [`Topic`]: see [`Topic::subscribe`].
///
/// It is sent until the client leaves, the server drains, or the topic's settings end it; its connection is closed then.
/// The client's `Last-Event-ID` decides where it begins. As a [`Body`](crate::Body) it can be part of any response. Filters
/// of bodies, such as compression, leave it as it is: a message is encoded once for all.
#[must_use = "a subscription does nothing until it is returned"]
pub struct Subscription {
    pub(crate) subscriber: Subscriber,
    /// The count of subscribers where it is served.
    pub(super) counted: Option<Box<dyn Send>>,
    /// The rest of a message that was not sent whole: the client takes nothing else before.
    pub(super) begun: Option<Begun>,
    /// Its place in the list of a loop, while it is in one.
    pub(super) place: Option<Place>,
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
