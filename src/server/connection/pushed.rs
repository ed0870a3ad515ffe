//! The part of a subscription to a topic that its connection has.

use crate::exchange::{Logged, Subscribed};
use crate::response::OnDone;
use crate::topic::Push;

/// A subscription, as its connection has it.
pub(crate) struct Pushed {
    /// What is sent. Its code is reached only from here: programs without topics have none of it.
    pub(crate) push: Box<dyn Push>,
    pub(super) is_chunked: bool,
    /// Who wants to know what becomes of it.
    pub(super) on_done: Option<Box<OnDone>>,
    /// Its line in the access log, which is written when it ends, if somebody wants to know.
    pub(crate) logged: Option<Box<Logged>>,
    /// Octets of content that were sent.
    pub(crate) content: u64,
    /// True once its client sends nothing more.
    pub(super) has_left: bool,
}

impl Pushed {
    pub(super) fn new(subscribed: Subscribed) -> Pushed {
        Pushed {
            push: subscribed.push,
            is_chunked: subscribed.is_chunked,
            on_done: subscribed.on_done,
            logged: subscribed.logged,
            content: 0,
            has_left: false,
        }
    }
}
