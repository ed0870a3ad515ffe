//! The connections of a loop that subscribe to topics, by topic.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::push::{Audience, Nudge, Place, Push};
use super::{Topic, Wake};

/// Those who subscribe on one loop: keys of connections, each of which is in its slot.
#[derive(Default)]
pub(crate) struct Subscribers {
    /// By the number of their topic. A tree, because a drain takes the first list again and again.
    lists: BTreeMap<u64, List>,
    /// Topics that have something to be sent.
    walks: VecDeque<Walk>,
    /// True once all of them are to end.
    are_ending: bool,
}

/// The connections that subscribe to one topic.
struct List {
    topic: Topic,
    /// The keys of connections that take what is sent, then of those whose clients do not read. The second ones are woken
    /// by their sockets, so a message costs no time for them.
    parts: [Vec<usize>; 2],
    /// The number of the next message when those that are slow were visited last.
    looked: u64,
    listener: Arc<Listener>,
    /// The number of the listener at its topic, by which it leaves.
    number: u64,
}

/// A walk along a list, from the end of each part to its beginning: whoever joins meanwhile has looked at the topic
/// already, and whoever leaves gives its place to one that was visited.
struct Walk {
    topic: u64,
    /// The number of those of each part that are not visited.
    left: [usize; 2],
    /// The first message that one of those that are slow has not taken, if they are visited.
    furthest: Option<u64>,
}

/// Tells a loop that a topic has something for it.
struct Listener {
    nudge: Arc<dyn Nudge>,
    slow: AtomicUsize,
    furthest: AtomicU64,
}

impl Audience for Subscribers {
    fn has_work(&self) -> bool {
        !self.walks.is_empty() || (self.are_ending && !self.lists.is_empty())
    }

    fn end_all(&mut self) {
        self.are_ending = true;
    }

    fn are_ending(&self) -> bool {
        self.are_ending
    }

    fn join(&mut self, topic: &Topic, key: usize, nudge: &dyn Fn(u64) -> Arc<dyn Nudge>) -> Place {
        let number = topic.number();
        let list = self
            .lists
            .entry(number)
            .or_insert_with(|| List::new(topic, nudge(number)));
        list.add(key, false)
    }

    fn any(&self) -> Option<usize> {
        let list = self.lists.values().next()?;
        list.parts.iter().find_map(|part| part.last().copied())
    }

    fn leave(&mut self, topic: u64, place: Place) -> Option<usize> {
        let list = self.lists.get_mut(&topic)?;
        let moved = list.remove(place);
        if list.parts.iter().all(Vec::is_empty) {
            self.lists.remove(&topic);
        }
        moved
    }

    fn note(&mut self, key: usize, push: &mut dyn Push, is_slow: bool) -> Option<usize> {
        let topic = push.topic().number();
        let (list, place) = (self.lists.get_mut(&topic)?, (*push.place())?);
        if is_slow {
            let position = push.position();
            list.listener.furthest.fetch_min(position, Ordering::Relaxed);
            let walk = self.walks.front_mut().filter(|walk| walk.topic == topic);
            if let Some(furthest) = walk.and_then(|walk| walk.furthest.as_mut()) {
                *furthest = position.min(*furthest);
            }
        }
        if place.is_slow == is_slow {
            return None;
        }
        let moved = list.remove(place);
        *push.place() = Some(list.add(key, is_slow));
        moved
    }

    fn begin_walk(&mut self, topic: u64) {
        let Some(list) = self.lists.get_mut(&topic) else { return };
        // This walk looks at the ring only after that.
        list.listener.nudge.take_up();
        let [quick, slow] = list.parts.each_ref().map(Vec::len);
        let sent = list.topic.sent();
        let is_due = slow > 0 && sent.saturating_sub(list.looked) >= list.topic.inner().settings.backlog as u64;
        if is_due {
            list.looked = sent;
        }
        self.walks.push_back(Walk {
            topic,
            left: [quick, if is_due { slow } else { 0 }],
            furthest: is_due.then_some(u64::MAX),
        });
    }

    fn next(&mut self) -> Option<usize> {
        while let Some(walk) = self.walks.front_mut() {
            let Some(list) = self.lists.get(&walk.topic) else {
                self.walks.pop_front();
                continue;
            };
            for (left, part) in walk.left.iter_mut().zip(&list.parts) {
                *left = part.len().min(*left);
                if let Some(next) = left.checked_sub(1) {
                    *left = next;
                    return part.get(next).copied();
                }
            }
            if let Some(furthest) = walk.furthest {
                list.listener.furthest.store(furthest, Ordering::Relaxed);
            }
            self.walks.pop_front();
        }
        None
    }
}

impl List {
    fn new(topic: &Topic, nudge: Arc<dyn Nudge>) -> List {
        let listener = Arc::new(Listener {
            nudge,
            slow: AtomicUsize::new(0),
            furthest: AtomicU64::new(u64::MAX),
        });
        List {
            number: topic.listen(Arc::clone(&listener) as Arc<dyn Wake>),
            topic: topic.clone(),
            parts: Default::default(),
            looked: 0,
            listener,
        }
    }

    fn add(&mut self, key: usize, is_slow: bool) -> Place {
        let part = &mut self.parts[usize::from(is_slow)];
        part.push(key);
        if is_slow {
            self.listener.slow.store(part.len(), Ordering::Relaxed);
        }
        let index = part.len() - 1;
        Place { is_slow, index }
    }

    /// Removes the key at this place. Returns the one that is there now.
    fn remove(&mut self, place: Place) -> Option<usize> {
        let part = &mut self.parts[usize::from(place.is_slow)];
        if place.index < part.len() {
            part.swap_remove(place.index);
        }
        if place.is_slow {
            self.listener.slow.store(part.len(), Ordering::Relaxed);
        }
        part.get(place.index).copied()
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.topic.unlisten(self.number);
    }
}

impl Wake for Listener {
    fn wake(&self) {
        self.nudge.nudge();
    }

    fn behind(&self) -> (usize, Option<u64>) {
        let furthest = self.furthest.load(Ordering::Relaxed);
        let slow = self.slow.load(Ordering::Relaxed);
        (slow, (slow > 0 && furthest != u64::MAX).then_some(furthest))
    }
}
