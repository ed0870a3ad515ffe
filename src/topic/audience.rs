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
        if self.are_ending {
            // Nobody walks any more.
            !self.lists.is_empty()
        } else {
            !self.walks.is_empty()
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::{Piece, Subscription, TopicSettings};
    use std::time::Instant;

    /// Counts the notes that are left and taken up.
    #[derive(Default)]
    struct Notes {
        left: AtomicUsize,
        taken_up: AtomicUsize,
    }

    impl Nudge for Notes {
        fn nudge(&self) {
            self.left.fetch_add(1, Ordering::Relaxed);
        }

        fn take_up(&self) {
            self.taken_up.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A topic and those who subscribe to it, without a loop.
    struct Fixture {
        subscribers: Subscribers,
        topic: Topic,
        notes: Arc<Notes>,
        subscriptions: BTreeMap<usize, Subscription>,
    }

    impl Fixture {
        fn new(backlog: usize, keys: &[usize]) -> Fixture {
            let mut fixture = Fixture {
                subscribers: Subscribers::default(),
                topic: Topic::with(TopicSettings::new().backlog(backlog)),
                notes: Arc::default(),
                subscriptions: BTreeMap::new(),
            };
            keys.iter().for_each(|&key| fixture.join(key));
            fixture
        }

        fn join(&mut self, key: usize) {
            let notes = Arc::clone(&self.notes);
            let nudge = move |_: u64| Arc::clone(&notes) as Arc<dyn Nudge>;
            let mut subscription = self.topic.subscribe();
            *subscription.place() = Some(self.subscribers.join(&self.topic, key, &nudge));
            self.subscriptions.insert(key, subscription);
        }

        fn leave(&mut self, key: usize) -> Option<usize> {
            let mut subscription = self.subscriptions.remove(&key)?;
            let place = subscription.place().take()?;
            let moved = self.subscribers.leave(self.topic.number(), place);
            self.moved(moved, place)
        }

        fn note(&mut self, key: usize, is_slow: bool) -> Option<usize> {
            let subscription = self.subscriptions.get_mut(&key)?;
            let place = (*subscription.place())?;
            let moved = self.subscribers.note(key, subscription, is_slow);
            self.moved(moved, place)
        }

        fn moved(&mut self, moved: Option<usize>, place: Place) -> Option<usize> {
            if let Some(subscription) = moved.and_then(|key| self.subscriptions.get_mut(&key)) {
                *subscription.place() = Some(place);
            }
            moved
        }

        /// Has the connection at `key` take all that was sent.
        fn take_all(&mut self, key: usize) {
            let now = Instant::now();
            let subscription = self.subscriptions.get_mut(&key).unwrap();
            while let Piece::Bytes(bytes) = subscription.piece(false, now) {
                let sent = bytes.len();
                subscription.sent(sent, false, now);
            }
        }

        fn begin_walk(&mut self) {
            self.subscribers.begin_walk(self.topic.number());
        }

        /// Returns whom the walk has still to visit.
        fn go_on(&mut self) -> Vec<usize> {
            let subscribers = &mut self.subscribers;
            std::iter::from_fn(|| subscribers.next()).take(100).collect()
        }

        fn walk(&mut self) -> Vec<usize> {
            self.begin_walk();
            self.go_on()
        }
    }

    #[test]
    fn a_walk_visits_each_who_subscribes_to_its_topic_once() {
        let mut fixture = Fixture::new(9, &[10, 11, 12]);
        let other = Topic::new();
        let nudge = |_: u64| Arc::<Notes>::default() as Arc<dyn Nudge>;
        fixture.subscribers.join(&other, 20, &nudge);
        assert!(!fixture.subscribers.has_work());
        fixture.subscribers.begin_walk(Topic::new().number());
        assert!(!fixture.subscribers.has_work(), "nobody subscribes to that");
        fixture.begin_walk();
        assert!(fixture.subscribers.has_work());
        assert_eq!(fixture.notes.taken_up.load(Ordering::Relaxed), 1);
        assert_eq!(fixture.go_on(), [12, 11, 10]);
        assert!(!fixture.subscribers.has_work());
    }

    #[test]
    fn a_walk_misses_nobody_if_others_leave_and_join_meanwhile() {
        let mut fixture = Fixture::new(9, &[10, 11, 12]);
        fixture.begin_walk();
        assert_eq!(fixture.subscribers.next(), Some(12));
        assert_eq!(fixture.leave(10), Some(12), "which has its place now");
        fixture.join(13);
        assert_eq!(fixture.go_on(), [11, 12]);
        assert_eq!(fixture.walk(), [13, 11, 12]);
        // All leave while a walk has begun.
        fixture.begin_walk();
        assert_eq!([12, 11, 13].map(|key| fixture.leave(key)), [Some(13), None, None]);
        assert_eq!(fixture.go_on(), [0; 0]);
    }

    #[test]
    fn who_is_slow_is_visited_after_as_many_messages_as_it_may_be_behind() {
        let mut fixture = Fixture::new(2, &[10, 11]);
        assert_eq!(fixture.note(10, true), Some(11), "which has its place now");
        assert_eq!(fixture.note(10, true), None, "it is where it was");
        fixture.topic.send("one");
        assert_eq!(fixture.walk(), [11]);
        fixture.topic.send("two");
        assert_eq!(fixture.walk(), [11, 10]);
        fixture.topic.send("three");
        assert_eq!(fixture.walk(), [11]);
        assert_eq!(fixture.note(10, false), None);
        assert_eq!(fixture.walk(), [10, 11]);
    }

    #[test]
    fn a_topic_tells_how_many_are_slow_and_how_far_behind_the_slowest_was() {
        let mut fixture = Fixture::new(4, &[10, 11]);
        let told = |fixture: &Fixture| (fixture.topic.status().slow, fixture.topic.status().behind);
        fixture.topic.send("one");
        fixture.topic.send("two");
        assert_eq!(told(&fixture), (0, 0));
        fixture.note(10, true);
        assert_eq!(told(&fixture), (1, 2));
        fixture.take_all(11);
        fixture.note(11, true);
        assert_eq!(told(&fixture), (2, 2));
        fixture.take_all(10);
        fixture.note(10, false);
        fixture.topic.send("three");
        fixture.topic.send("four");
        assert_eq!(told(&fixture), (1, 4), "since it was looked at last");
        fixture.begin_walk();
        assert_eq!(fixture.subscribers.next(), Some(10));
        assert_eq!(fixture.subscribers.next(), Some(11));
        fixture.note(11, true);
        assert_eq!(fixture.subscribers.next(), None);
        assert_eq!(told(&fixture), (1, 2));
        fixture.leave(11);
        assert_eq!(told(&fixture), (0, 0));
    }

    #[test]
    fn a_message_wakes_the_loop_as_long_as_anybody_subscribes() {
        let mut fixture = Fixture::new(9, &[10, 11]);
        let sent = |fixture: &Fixture| {
            fixture.topic.send("x");
            fixture.notes.left.load(Ordering::Relaxed)
        };
        assert_eq!(sent(&fixture), 1);
        assert_eq!(fixture.leave(11), None);
        assert_eq!(sent(&fixture), 2);
        let nobodys = Place {
            is_slow: false,
            index: 1,
        };
        assert_eq!(fixture.subscribers.leave(fixture.topic.number(), nobodys), None);
        assert_eq!(fixture.leave(10), None);
        assert_eq!(sent(&fixture), 2);
        assert_eq!(fixture.subscribers.any(), None);
        fixture.join(12);
        assert_eq!(sent(&fixture), 3);
    }

    #[test]
    fn all_end_those_who_are_slow_included() {
        let mut fixture = Fixture::new(9, &[10, 11, 12]);
        fixture.note(11, true);
        assert!(!fixture.subscribers.are_ending() && !fixture.subscribers.has_work());
        fixture.subscribers.end_all();
        assert!(fixture.subscribers.are_ending());
        for left in (0..3).rev() {
            assert!(fixture.subscribers.has_work());
            let key = fixture.subscribers.any().unwrap();
            fixture.leave(key);
            assert_eq!(fixture.subscriptions.len(), left, "{key} has ended");
        }
        assert!(!fixture.subscribers.has_work());
    }
}
