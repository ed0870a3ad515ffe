//! The topics to which somebody has subscribed, for the metrics.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::lock::lock;
use crate::topic::{Topic, TopicStatus, WeakTopic};

/// Topics by their numbers. Those that have ended are removed when the next one is added.
#[derive(Default)]
pub(crate) struct Topics(Mutex<BTreeMap<u64, WeakTopic>>);

impl Topics {
    pub(crate) fn add(&self, topic: &Topic) {
        let mut topics = lock(&self.0);
        if topics.contains_key(&topic.inner().number) {
            return;
        }
        topics.retain(|_, topic| topic.upgrade().is_some());
        topics.insert(topic.inner().number, topic.downgrade());
    }

    /// Returns how the topics of each name are doing.
    pub(crate) fn by_name(&self) -> BTreeMap<String, TopicStatus> {
        let topics: Vec<_> = lock(&self.0).values().filter_map(WeakTopic::upgrade).collect();
        let mut by_name = BTreeMap::<String, TopicStatus>::new();
        for topic in topics {
            let name = topic.inner().settings.name.clone().unwrap_or_default();
            by_name.entry(name).or_default().add(topic.status());
        }
        by_name
    }
}
