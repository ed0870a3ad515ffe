//! The connections of a loop that subscribe to topics, by topic.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::server::shared::loop_link::{Arrival, LoopLink};
use crate::topic::{Topic, Wake};

/// Subscribers, each of whose connections is in its slot.
#[derive(Default)]
pub(super) struct Subscribers {
    lists: HashMap<u64, List>,
    /// Topics that have something to be sent.
    walks: VecDeque<Walk>,
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
    slow: usize,
    furthest: u64,
}

/// Tells a loop that a topic has something for it.
struct Listener {
    link: Arc<LoopLink>,
    topic: u64,
    /// True while a note about the topic lies at the loop: it needs no other.
    is_noted: AtomicBool,
    slow: AtomicUsize,
    furthest: AtomicU64,
}

impl Subscribers {
    pub(super) fn has_walks(&self) -> bool {
        !self.walks.is_empty()
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
        // From here on a message leaves another note: this walk looks at the ring only after that.
        list.listener.is_noted.store(false, Ordering::SeqCst);
        self.walks.push_back(Walk {
            topic,
            left: list.keys.len(),
            slow: 0,
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
            list.listener.slow.store(walk.slow, Ordering::Relaxed);
            list.listener.furthest.store(walk.furthest, Ordering::Relaxed);
            self.walks.pop_front();
        }
        None
    }

    /// Notes that the connection that came last has not taken everything, but only what is before this message.
    pub(super) fn note_slow(&mut self, position: u64) {
        if let Some(walk) = self.walks.front_mut() {
            walk.slow += 1;
            walk.furthest = walk.furthest.min(position);
        }
    }

    /// Returns all connections.
    pub(super) fn all(&self) -> Vec<usize> {
        self.lists.values().flat_map(|list| list.keys.iter().copied()).collect()
    }
}

impl List {
    fn new(topic: &Topic, link: &Arc<LoopLink>) -> List {
        let listener = Arc::new(Listener {
            link: Arc::clone(link),
            topic: topic.inner().number,
            is_noted: AtomicBool::new(false),
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
        if !self.is_noted.swap(true, Ordering::SeqCst) && self.link.inbox.push(Arrival::Pushed(self.topic)) {
            self.link.wake();
        }
    }

    fn behind(&self) -> (usize, Option<u64>) {
        let furthest = self.furthest.load(Ordering::Relaxed);
        let slow = self.slow.load(Ordering::Relaxed);
        (slow, (furthest != u64::MAX).then_some(furthest))
    }
}
