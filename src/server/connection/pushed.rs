//! The part of a subscription to a topic that its connection has.

use std::sync::Arc;

use crate::exchange::{Logged, Subscribed};
use crate::response::OnDone;
use crate::topic::{Form, HEARTBEAT, Message, Subscription};

/// The part of a subscription that its connection has.
pub(crate) struct Pushed {
    pub(crate) subscription: Subscription,
    pub(super) is_chunked: bool,
    /// The rest of a message that was not sent whole: the client takes nothing else before.
    pub(super) begun: Option<Begun>,
    /// Who wants to know what becomes of it.
    pub(super) on_done: Option<Box<OnDone>>,
    /// Its line in the access log, which is written when it ends, if somebody wants to know.
    pub(crate) logged: Option<Box<Logged>>,
    /// Octets of content that were sent.
    pub(crate) content: u64,
    /// True once its client sends nothing more.
    pub(super) has_left: bool,
    /// Its place in the list of its topic, once it is in one.
    pub(crate) place: Option<Place>,
}

/// A place in the list of a topic.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// True among those whose clients do not take what is sent.
    pub(crate) is_slow: bool,
    pub(crate) index: usize,
}

/// Bytes that were not sent whole, and how many of them were.
pub(super) struct Begun {
    pub(super) bytes: Piece,
    pub(super) sent: usize,
}

pub(super) enum Piece {
    Message(Arc<Message>),
    Heartbeat,
}

impl Pushed {
    pub(super) fn new(subscribed: Subscribed) -> Pushed {
        Pushed {
            subscription: subscribed.subscription,
            is_chunked: subscribed.is_chunked,
            begun: None,
            on_done: subscribed.on_done,
            logged: subscribed.logged,
            content: 0,
            has_left: false,
            place: None,
        }
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
            Piece::Heartbeat if is_chunked => b"3\r\n:\n\n\r\n",
            Piece::Heartbeat => HEARTBEAT,
        }
    }
}
