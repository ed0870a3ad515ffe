//! The link by which threads reach a loop without holding it: a way to leave something for its
//! holder, and how busy it is.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::inbox::Inbox;
use crate::report;
use crate::server::connection::Connection;
use crate::server::net::room::Want;
use crate::server::net::socket::Accepted;

pub(crate) struct LoopLink {
    pub(crate) inbox: Inbox<Arrival>,
    waker: mio::Waker,
    /// True if another loop needs memory for bodies, and has none that it could free.
    pub(crate) is_asked_for_memory: AtomicBool,
    connections: AtomicUsize,
}

/// A message to a loop from another thread.
pub(crate) enum Arrival {
    /// A connection of this loop, handled by a thread that has lost the loop.
    Returned(Box<Connection>),
    /// A connection of this loop, for which a piece of a file was read.
    Read(Box<Connection>),
    /// Something was sent to the topic of this number.
    Pushed(u64),
    /// The socket of the connection with this key has something to send.
    #[cfg(feature = "websocket")]
    OfSocket(usize),
    /// One more file may be read.
    ReadingPlace,
    /// The handler of a lost thread, or its read, has returned; it was that of the connection with this key.
    Recovered(usize),
    /// A new connection that another loop has accepted.
    Accepted(Accepted),
    /// The same, but it has a place only if another connection makes room for it.
    OneTooMany(Accepted, Want),
}

impl LoopLink {
    pub(crate) fn new(waker: mio::Waker) -> LoopLink {
        LoopLink {
            inbox: Inbox::new(),
            waker,
            is_asked_for_memory: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        }
    }

    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            asleep_for_now(&error);
        }
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns how many connections the loop has.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

#[cold]
fn asleep_for_now(error: &io::Error) {
    // It continues at its next event or deadline.
    report::error!("can't wake an event loop: {error}; it continues at its next event or deadline");
}
