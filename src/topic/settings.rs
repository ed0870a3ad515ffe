//! The configuration of a topic.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Event;

/// The treatment of a subscriber that is too slow: it has not taken more messages than its
/// [backlog](TopicSettings::backlog) has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SlowSubscribers {
    /// It misses the oldest ones.
    #[default]
    DropOldest,
    /// It always gets the newest one only, and misses those before: for values, such as prices.
    KeepNewest,
    /// Its connection is closed. It may come back, and continue where it was.
    Close,
}

pub(super) type Replay = Arc<dyn Fn(&str) -> Option<Vec<Event>> + Send + Sync>;
pub(super) type Present = Arc<dyn Fn() -> Event + Send + Sync>;

/// The settings of a [`Topic`](crate::Topic).
#[derive(Clone)]
pub struct TopicSettings {
    pub(crate) backlog: usize,
    pub(super) replay: usize,
    pub(super) slow: SlowSubscribers,
    pub(crate) heartbeat: Duration,
    pub(crate) greatest_age: Option<Duration>,
    pub(crate) most: Option<usize>,
    pub(crate) name: Option<String>,
    pub(super) replay_by: Option<Replay>,
    pub(super) present: Option<Present>,
}

impl TopicSettings {
    /// Returns the default settings: 256 messages are kept for slow subscribers, which then miss the oldest, and for those
    /// that come back; a heartbeat every 15 seconds.
    pub fn new() -> TopicSettings {
        TopicSettings {
            backlog: 256,
            replay: 256,
            slow: SlowSubscribers::DropOldest,
            heartbeat: Duration::from_secs(15),
            greatest_age: None,
            most: None,
            name: None,
            replay_by: None,
            present: None,
        }
    }

    /// Sets how many messages a subscriber may be behind, at least one. The topic keeps each of them once, however many
    /// subscribers need it.
    #[must_use]
    pub fn backlog(mut self, messages: usize) -> TopicSettings {
        self.backlog = messages.max(1);
        self
    }

    /// Sets how many messages are kept for clients that come back.
    #[must_use]
    pub fn replay(mut self, messages: usize) -> TopicSettings {
        self.replay = messages;
        self
    }

    /// Sets what happens to subscribers that are too slow.
    #[must_use]
    pub fn slow(mut self, policy: SlowSubscribers) -> TopicSettings {
        self.slow = policy;
        self
    }

    /// Sets after how long without a message an event stream gets a comment, by which both sides find out whether the
    /// other is still there. At least a millisecond.
    #[must_use]
    pub fn heartbeat(mut self, time: Duration) -> TopicSettings {
        self.heartbeat = time.max(Duration::from_millis(1));
        self
    }

    /// Sets after how long a subscription ends. The client comes back, and is admitted anew.
    #[must_use]
    pub fn greatest_age(mut self, time: impl Into<Option<Duration>>) -> TopicSettings {
        self.greatest_age = time.into();
        self
    }

    /// Sets how many may subscribe. The next one gets 503.
    #[must_use]
    pub fn most(mut self, subscribers: impl Into<Option<usize>>) -> TopicSettings {
        self.most = subscribers.into();
        self
    }

    /// Sets the name under which [`Server::metrics`](crate::Server::metrics) tell of it. Those of one name are counted
    /// together, and so are those without a name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> TopicSettings {
        self.name = Some(name.into());
        self
    }

    /// Sets where messages come from that the topic does not keep, such as a database: all that came after an id, in order
    /// and each with its own [id](Event::with_id), or `None` if the id is unknown.
    ///
    /// It is called on the handler's thread, after the client has subscribed: a message that it returns and that is sent
    /// meanwhile is sent to the client once, by its id.
    ///
    /// With several replicas, a client may come back with an id that this one has not read yet, and would get again what lies
    /// before it. Wait for that id before you subscribe the client: the guide's chapter on more than one machine shows how.
    #[must_use]
    pub fn replay_by(mut self, replay: impl Fn(&str) -> Option<Vec<Event>> + Send + Sync + 'static) -> TopicSettings {
        self.replay_by = Some(Arc::new(replay));
        self
    }

    /// Sets what a new subscriber gets first: the present state. One that comes back with an id that is unknown gets it
    /// too, after an event `gap`.
    #[must_use]
    pub fn present(mut self, present: impl Fn() -> Event + Send + Sync + 'static) -> TopicSettings {
        self.present = Some(Arc::new(present));
        self
    }

    /// Returns how many messages are kept.
    pub(super) fn kept(&self) -> usize {
        self.backlog.max(self.replay)
    }
}

impl Default for TopicSettings {
    fn default() -> TopicSettings {
        TopicSettings::new()
    }
}

impl fmt::Debug for TopicSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicSettings")
            .field("name", &self.name)
            .field("backlog", &self.backlog)
            .field("replay", &self.replay)
            .field("slow", &self.slow)
            .field("heartbeat", &self.heartbeat)
            .field("greatest_age", &self.greatest_age)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
