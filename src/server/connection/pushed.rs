//! What a connection knows of its subscription to a topic.

use std::sync::Arc;
use std::time::Instant;

use crate::deadline::{after, earlier};
use crate::response::OnDone;
use crate::topic::{Form, Message, Subscription};

/// What a connection knows of its subscription.
pub(crate) struct Pushed {
    pub(crate) subscription: Subscription,
    pub(super) is_chunked: bool,
    /// What was not sent whole: the client takes nothing else before.
    pub(super) begun: Option<Begun>,
    /// When the last message was sent, and when all this ends.
    pub(super) last: Instant,
    pub(super) ends: Option<Instant>,
    /// Who wants to know what becomes of it.
    pub(super) on_done: Option<Box<OnDone>>,
    /// Its place in the list of its topic.
    pub(crate) place: usize,
}

/// Bytes that were not sent whole, and how many of them were.
pub(super) struct Begun {
    pub(super) bytes: Piece,
    pub(super) sent: usize,
}

pub(super) enum Piece {
    Message(Arc<Message>),
    Own(Box<[u8]>),
}

impl Pushed {
    pub(super) fn heartbeat_due(&self) -> Option<Instant> {
        let subscriber = &self.subscription.subscriber;
        // In plain bytes nothing means nothing.
        let time = subscriber.topic().inner().settings.heartbeat;
        (subscriber.form == Form::EventStream).then(|| after(self.last, time))
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        earlier(self.heartbeat_due(), self.ends)
    }
}

impl Begun {
    pub(super) fn new(bytes: Piece) -> Begun {
        Begun { bytes, sent: 0 }
    }
}

impl Piece {
    pub(super) fn bytes(&self, form: Form, is_chunked: bool) -> &[u8] {
        match self {
            Piece::Message(message) => message.bytes(form, is_chunked),
            Piece::Own(bytes) => bytes,
        }
    }
}
