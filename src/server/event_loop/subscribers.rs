//! The connections of a loop that subscribe to topics, by topic.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::server::connection::pushed::Pushed;
use crate::server::shared::loop_link::{Arrival, LoopLink};
use crate::server::shared::note::Note;
use crate::topic::{Topic, Wake};

/// Subscribers, each of whose connections is in its slot.
#[derive(Default)]
pub(super) struct Subscribers {
    lists: HashMap<u64, List>,
    /// Topics that have something to be sent.
    walks: VecDeque<Walk>,
    /// True once all of them are to end.
    are_ending: bool,
}

/// The connections that subscribe to one topic.
struct List {
    topic: Topic,
    keys: Vec<usize>,
    listener: Arc<Listener>,
    /// By which the listener leaves.
    number: u64,
}

/// A walk along a list, from its end to its beginning: whoever joins meanwhile has looked at the topic already, and
/// whoever leaves gives its place to one that was visited.
struct Walk {
    topic: u64,
    /// How many are not visited.
    left: usize,
    /// The first message that one of them has not taken.
    furthest: u64,
}

/// Tells a loop that a topic has something for it.
struct Listener {
    link: Arc<LoopLink>,
    topic: u64,
    note: Note,
    slow: AtomicUsize,
    furthest: AtomicU64,
}

impl Subscribers {
    /// Returns true if some of them are to be visited.
    pub(super) fn has_work(&self) -> bool {
        !self.walks.is_empty() || (self.are_ending && !self.lists.is_empty())
    }

    pub(super) fn end_all(&mut self) {
        self.are_ending = true;
    }

    pub(super) fn are_ending(&self) -> bool {
        self.are_ending
    }

    /// Returns one of them, if there is any.
    pub(super) fn any(&self) -> Option<usize> {
        self.lists.values().next()?.keys.last().copied()
    }

    /// Adds the connection at `key`. Returns its place in the list of the topic.
    ///
    /// It may look at the topic for the first time after that: what is sent from now on wakes the loop.
    pub(super) fn join(&mut self, topic: &Topic, key: usize, link: &Arc<LoopLink>) -> usize {
        let number = topic.inner().number;
        let list = self.lists.entry(number).or_insert_with(|| List::new(topic, link));
        list.keys.push(key);
        list.keys.len() - 1
    }

    /// Removes the connection at this place. Returns the key of the one that is there now.
    pub(super) fn leave(&mut self, topic: u64, place: usize) -> Option<usize> {
        let list = self.lists.get_mut(&topic)?;
        if place < list.keys.len() {
            list.keys.swap_remove(place);
        }
        let moved = list.keys.get(place).copied();
        if list.keys.is_empty() {
            self.lists.remove(&topic);
        }
        moved
    }

    /// Begins a walk, for a topic of which a note has come.
    pub(super) fn begin_walk(&mut self, topic: u64) {
        let Some(list) = self.lists.get(&topic) else { return };
        // This walk looks at the ring only after that.
        list.listener.note.take_up();
        self.walks.push_back(Walk {
            topic,
            left: list.keys.len(),
            furthest: u64::MAX,
        });
    }

    /// Returns the next connection to which something may be sent.
    pub(super) fn next(&mut self) -> Option<usize> {
        while let Some(walk) = self.walks.front_mut() {
            let Some(list) = self.lists.get(&walk.topic) else {
                self.walks.pop_front();
                continue;
            };
            walk.left = walk.left.min(list.keys.len());
            if let Some(next) = walk.left.checked_sub(1) {
                walk.left = next;
                return list.keys.get(next).copied();
            }
            list.listener.furthest.store(walk.furthest, Ordering::Relaxed);
            self.walks.pop_front();
        }
        None
    }

    /// Notes whether a connection has taken all that is there.
    pub(super) fn note(&mut self, pushed: &mut Pushed, is_slow: bool) {
        if !is_slow && !pushed.is_slow {
            return;
        }
        let subscriber = &pushed.subscription.subscriber;
        let topic = subscriber.topic().inner().number;
        let Some(list) = self.lists.get(&topic) else { return };
        let listener = &list.listener;
        match (std::mem::replace(&mut pushed.is_slow, is_slow), is_slow) {
            (false, true) => listener.slow.fetch_add(1, Ordering::Relaxed),
            (true, false) => listener.slow.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        if is_slow {
            let position = subscriber.position();
            listener.furthest.fetch_min(position, Ordering::Relaxed);
            let walk = self.walks.front_mut().filter(|walk| walk.topic == topic);
            if let Some(walk) = walk {
                walk.furthest = walk.furthest.min(position);
            }
        }
    }
}

impl List {
    fn new(topic: &Topic, link: &Arc<LoopLink>) -> List {
        let listener = Arc::new(Listener {
            link: Arc::clone(link),
            topic: topic.inner().number,
            note: Note::new(),
            slow: AtomicUsize::new(0),
            furthest: AtomicU64::new(u64::MAX),
        });
        List {
            number: topic.listen(Arc::clone(&listener) as Arc<dyn Wake>),
            topic: topic.clone(),
            keys: Vec::new(),
            listener,
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.topic.unlisten(self.number);
    }
}

impl Wake for Listener {
    fn wake(&self) {
        if self.note.leave() && self.link.inbox.push(Arrival::Pushed(self.topic)) {
            self.link.wake();
        }
    }

    fn behind(&self) -> (usize, Option<u64>) {
        let furthest = self.furthest.load(Ordering::Relaxed);
        let slow = self.slow.load(Ordering::Relaxed);
        (slow, (slow > 0 && furthest != u64::MAX).then_some(furthest))
    }
}
