//! What a server sees of a subscription: bytes to be sent to one client, and the list of those who subscribe.
//!
//! Everything here is reached through trait objects, which are made where a program returns a [`Subscription`]. So
//! programs without topics have nothing of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Feed, Topic, Topics};

/// A subscription, as whoever sends it sees it.
pub(crate) trait Push: Send {
    /// Finds out where it begins. `last_id` is the last id that its client has seen.
    fn begin(&mut self, last_id: Option<&str>);

    /// Keeps this as long as it lives, and has `topics` know its topic.
    fn count(&mut self, counted: Box<dyn Send>, topics: &Topics);

    fn topic(&self) -> &Topic;

    /// Returns what is to be sent next, or the rest of it, as a chunk if `is_chunked`.
    fn piece(&mut self, is_chunked: bool, now: Instant) -> Piece<'_>;

    /// Notes that so many bytes of the piece were sent. Returns the octets of content of a piece that is sent whole now.
    fn sent(&mut self, bytes: usize, is_chunked: bool, now: Instant) -> u64;

    /// Returns false if it is to be closed, because its client takes nothing.
    fn holds_on(&mut self) -> bool;

    /// Returns when to look again, though nothing was sent to the topic.
    fn next_due(&self) -> Option<Instant>;

    /// Sends a sign of life next, if it is time for one.
    fn beat(&mut self, now: Instant);

    /// Ends it in order: appends the rest of a piece, and when its client is to come back, if that is known.
    fn end(&mut self, retry: Option<Duration>, is_chunked: bool, out: &mut Vec<u8>);

    /// Returns the list of a loop that has none yet.
    fn audience(&self) -> Box<dyn Audience>;

    /// Its place in the list, while it is in one.
    fn place(&mut self) -> &mut Option<Place>;

    /// Returns the number of the next message that it is to get.
    fn position(&self) -> u64;

    /// Returns it in the form of one that is polled.
    fn into_feed(self: Box<Self>) -> Feed;
}

/// The connections of a loop that subscribe, by topic.
pub(crate) trait Audience: Send {
    /// Returns true if some of them are to be visited.
    fn has_work(&self) -> bool;

    /// Has all of them end.
    fn end_all(&mut self);

    fn are_ending(&self) -> bool;

    /// Returns one of them, if there is any.
    fn any(&self) -> Option<usize>;

    /// Adds the connection at `key`. Returns its place in the list of the topic, of which `nudge` tells the loop.
    ///
    /// It may look at the topic for the first time after that: what is sent from now on wakes the loop.
    fn join(&mut self, topic: &Topic, key: usize, nudge: &dyn Fn(u64) -> Arc<dyn Nudge>) -> Place;

    /// Removes the connection at this place. Returns the key of the one that is there now.
    fn leave(&mut self, topic: u64, place: Place) -> Option<usize>;

    /// Notes whether the connection at `key` has taken all that is there, which moves it to another part of its list. Returns
    /// the key of the one that has its place now.
    fn note(&mut self, key: usize, push: &mut dyn Push, is_slow: bool) -> Option<usize>;

    /// Begins a walk, for a topic of which a note has come. Those that are slow are visited after as many messages as they
    /// may be behind.
    fn begin_walk(&mut self, topic: u64);

    /// Returns the next connection to which something may be sent.
    fn next(&mut self) -> Option<usize>;
}

/// Tells a loop that a topic has something for it.
pub(crate) trait Nudge: Send + Sync {
    /// Leaves a note at the loop, unless one lies there.
    fn nudge(&self);

    /// Takes the note up. What is sent after that leaves another.
    fn take_up(&self);
}

/// The next thing to be sent to a subscriber.
pub(crate) enum Piece<'p> {
    Bytes(&'p [u8]),
    /// There is nothing until something is sent to the topic.
    Nothing,
    /// It has ended.
    Over,
}

/// A place in the list of a topic.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// True among those whose clients do not take what is sent.
    pub(crate) is_slow: bool,
    pub(super) index: usize,
}
