//! Topics: what one sends, many receive, on connections that hold no thread meanwhile.
//!
//! A topic keeps its latest messages in a [ring](ring::Ring). A [subscriber](Subscriber) is a position in it: it costs
//! the same whether it is fast or slow. Who delivers (a loop of the server, the test client, a task of hyper) registers a
//! [`Wake`] first and looks at the ring after that, so it misses nothing: each message is in the ring before anybody is
//! woken. Whoever delivers in another way, such as to a WebSocket, does the same: [`Topic::join`] gives it a subscriber,
//! [`Subscriber::next`] the messages one by one, each of them encoded once for all by [`Message`].

mod audience;
mod event;
mod feed;
mod known;
mod message;
mod push;
mod ring;
mod settings;
mod subscriber;
mod subscription;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::lock::lock;

pub use event::{Event, InvalidEvent};
pub(crate) use feed::Feed;
pub(crate) use known::Topics;
pub(crate) use message::{Form, Message};
pub(crate) use push::{Audience, Nudge, Piece, Place, Push};
use ring::Ring;
pub use settings::{SlowSubscribers, TopicSettings};
pub(crate) use subscriber::{HEARTBEAT, Next, Subscriber};
pub use subscription::Subscription;

/// Something to which messages are sent, and to which clients subscribe: see [`subscribe`](Topic::subscribe).
///
/// A subscriber needs no thread while nothing happens, so ten thousand of them are a list of connections. Clones are the
/// same topic. Anyone may send, from any thread; sending never waits for a client.
///
/// ```
/// use hansel::{Event, Request, Routes, Topic, test::Client};
/// use std::io::BufRead;
///
/// let news = Topic::new();
/// let subscribed = news.clone();
/// let client = Client::new(Routes::new().get("/news", move || subscribed.subscribe()));
///
/// let mut stream = client.open(Request::get("/news"));
/// news.send(Event::new("it works"));
/// let lines: Vec<_> = stream.lines().take(2).collect::<Result<_, _>>()?;
/// assert!(lines[0].starts_with("id: "));
/// assert_eq!(lines[1], "data: it works");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Messages have ids of an epoch, which is the life of this topic, and a number. A client that comes back with the last
/// id that it has seen (`Last-Event-ID`, as a browser's `EventSource` does) continues behind it. If it is not among those
/// that are [kept](TopicSettings::replay), or of another process, the client gets an event `gap` first: something is
/// missing.
#[derive(Clone)]
pub struct Topic(Arc<Inner>);

/// A topic that ends when nobody else keeps it.
pub(crate) struct WeakTopic(Weak<Inner>);

impl WeakTopic {
    pub(crate) fn upgrade(&self) -> Option<Topic> {
        self.0.upgrade().map(Topic)
    }

    fn is_kept(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// The state of a topic.
pub(crate) struct Inner {
    /// Tells topics apart.
    number: u64,
    epoch: String,
    pub(crate) settings: TopicSettings,
    ring: Mutex<Ring>,
    listeners: Mutex<Listeners>,
    pub(crate) subscribers: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Listeners {
    by_number: BTreeMap<u64, Arc<dyn Wake>>,
    last: u64,
}

/// Who delivers the messages of a topic.
pub(crate) trait Wake: Send + Sync {
    /// Tells it that there is something in the ring. It is called from any thread, and must not wait.
    fn wake(&self);

    /// Returns how many of its subscribers are behind, and the next message of the one that is furthest behind.
    fn behind(&self) -> (usize, Option<u64>) {
        (0, None)
    }
}

/// The status of a topic: see [`Topic::status`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TopicStatus {
    /// The number of subscribers.
    pub subscribers: usize,
    /// The number of messages that were sent to the topic.
    pub sent: u64,
    /// The number of messages that were left out for subscribers that were too slow, counted for each subscriber.
    pub dropped: u64,
    /// The number of subscribers that have not taken everything.
    pub slow: usize,
    /// The number of messages by which the slowest of them was behind when it was last looked at.
    pub behind: u64,
}

impl TopicStatus {
    /// Adds that of another topic.
    pub(crate) fn add(&mut self, other: TopicStatus) {
        self.subscribers += other.subscribers;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.slow += other.slow;
        self.behind = self.behind.max(other.behind);
    }
}

impl Topic {
    /// Creates a topic with the default settings.
    pub fn new() -> Topic {
        Topic::with(TopicSettings::new())
    }

    /// Creates a topic with these settings.
    ///
    /// ```
    /// use hansel::{SlowSubscribers, Topic, TopicSettings};
    ///
    /// let prices = Topic::with(TopicSettings::new().slow(SlowSubscribers::KeepNewest).replay(1));
    /// # let _ = prices;
    /// ```
    pub fn with(settings: TopicSettings) -> Topic {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Topic(Arc::new(Inner {
            number,
            // The time alone would do, but for clocks that are set back.
            epoch: format!("{:x}.{:x}.{number:x}", since.as_nanos(), std::process::id()),
            ring: Mutex::new(Ring::new(settings.kept())),
            settings,
            listeners: Mutex::default(),
            subscribers: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Sends an event to all who subscribe. It gets the next id of the topic, unless it has one.
    ///
    /// Returns at once: each loop of the server with subscribers is woken, and writes to them what they take.
    pub fn send(&self, event: impl Into<Event>) {
        let event = event.into();
        lock(&self.0.ring).push(|number| Message::new(event, number, &self.0.epoch));
        self.wake();
    }

    /// Subscribes: return the result from a handler. Whatever is sent after this call reaches the client.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.clone(), Form::EventStream)
    }

    /// Subscribes to the bytes of each message alone, one after the other, such as lines of a log. Neither ids nor
    /// heartbeats are sent, and the Content-Type is that of bytes unless you set another.
    pub fn subscribe_plain(&self) -> Subscription {
        Subscription::new(self.clone(), Form::Plain)
    }

    /// Returns how the topic is doing: how many subscribe, and how far behind they are.
    pub fn status(&self) -> TopicStatus {
        let sent = self.sent();
        let mut status = TopicStatus {
            subscribers: self.0.subscribers.load(Ordering::Relaxed),
            sent,
            dropped: self.0.dropped.load(Ordering::Relaxed),
            ..TopicStatus::default()
        };
        for listener in self.listeners() {
            let (slow, position) = listener.behind();
            status.slow += slow;
            let behind = position.map_or(0, |position| sent.saturating_sub(position));
            status.behind = status.behind.max(behind);
        }
        status
    }

    /// Returns how many messages were sent.
    pub(crate) fn sent(&self) -> u64 {
        lock(&self.0.ring).next()
    }

    /// Creates a subscriber that gets what is sent from now on.
    pub(crate) fn join(&self, form: Form) -> Subscriber {
        let next = lock(&self.0.ring).next();
        Subscriber::new(self.clone(), form, next)
    }

    /// Makes `listener` be woken for each message from now on. Returns the number by which it leaves.
    pub(crate) fn listen(&self, listener: Arc<dyn Wake>) -> u64 {
        let mut listeners = lock(&self.0.listeners);
        listeners.last += 1;
        let number = listeners.last;
        listeners.by_number.insert(number, listener);
        number
    }

    /// Ends what [`listen`](Topic::listen) has begun.
    pub(crate) fn unlisten(&self, number: u64) {
        let left = lock(&self.0.listeners).by_number.remove(&number);
        // Dropped without the lock.
        drop(left);
    }

    /// Returns the same topic for as long as others keep it.
    pub(crate) fn downgrade(&self) -> WeakTopic {
        WeakTopic(Arc::downgrade(&self.0))
    }

    /// Returns the list of a loop that has none yet.
    #[cfg(feature = "websocket")]
    pub(crate) fn audience(&self) -> Box<dyn Audience> {
        Box::<audience::Subscribers>::default()
    }

    /// Returns a number that tells it apart from all others.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Wakes who delivers. No lock is held: what a listener does is its own business.
    fn wake(&self) {
        self.listeners().into_iter().for_each(|listener| listener.wake());
    }

    fn listeners(&self) -> Vec<Arc<dyn Wake>> {
        lock(&self.0.listeners).by_number.values().map(Arc::clone).collect()
    }
}

impl Inner {
    fn ring<R>(&self, look: impl FnOnce(&Ring) -> R) -> R {
        look(&lock(&self.ring))
    }

    fn note_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    /// Returns the number that an id of this topic has.
    fn number_of(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.epoch)?.strip_prefix('-')?.parse().ok()
    }
}

impl Default for Topic {
    fn default() -> Topic {
        Topic::new()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One step of a topic and a client.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Send,
        Receive,
        /// The client's connection breaks, and it comes back with its last id.
        Return,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![3 => Just(Step::Send), 3 => Just(Step::Receive), 1 => Just(Step::Return)];
        proptest::collection::vec(step, 0..60)
    }

    /// Returns the number that a message with an id has, and its id.
    fn id_of(topic: &Topic, message: &Message) -> Option<(u64, String)> {
        let id = message.id()?;
        Some((topic.0.number_of(id)?, id.to_owned()))
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_unless_a_gap_or_the_count_of_dropped_ones_says_so(
            steps in steps(),
            kept in 1..20_usize,
        ) {
            let topic = Topic::with(TopicSettings::new().backlog(kept).replay(kept));
            let mut subscriber = topic.join(Form::EventStream);
            subscriber.begin(None);
            let (mut expected, mut last_id) = (0, None);
            let mut has_gap = false;
            for step in steps.into_iter().chain(vec![Step::Receive; 100]) {
                match step {
                    Step::Send => topic.send("x"),
                    Step::Receive => {
                        let Next::Message(message) = subscriber.next() else { continue };
                        let Some((number, id)) = id_of(&topic, &message) else {
                            has_gap = true;
                            continue;
                        };
                        let missed = number - expected;
                        let dropped = topic.0.dropped.swap(0, Ordering::Relaxed);
                        prop_assert!(missed == dropped || has_gap, "{missed} are missing, {dropped} were dropped");
                        has_gap = false;
                        (expected, last_id) = (number + 1, Some(id));
                    }
                    Step::Return => {
                        topic.0.dropped.store(0, Ordering::Relaxed);
                        // One that has seen nothing yet has no id to continue behind.
                        let Some(id) = &last_id else { continue };
                        subscriber = topic.join(Form::EventStream);
                        subscriber.begin(Some(id));
                    }
                }
            }
            prop_assert_eq!(expected, topic.status().sent);
        }
    }

    #[test]
    fn an_id_of_another_life_is_not_taken_for_one_of_this() {
        let (topic, other) = (Topic::new(), Topic::new());
        topic.send("a");
        assert_eq!(topic.0.number_of(&format!("{}-0", topic.0.epoch)), Some(0));
        assert_eq!(topic.0.number_of(&format!("{}-0", other.0.epoch)), None);
    }

    #[test]
    fn nobody_is_forgotten_and_nobody_stays() {
        let topic = Topic::new();
        let one = topic.subscribe();
        assert_eq!(topic.status().subscribers, 1);
        drop(one);
        assert_eq!(topic.status(), TopicStatus::default());
    }
}
