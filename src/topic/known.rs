//! The topics of a server to which somebody has subscribed, for its metrics.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Topic, TopicStatus, WeakTopic};
use crate::lock::lock;

/// Topics, of which some may have ended.
#[derive(Default)]
pub(crate) struct Topics(Mutex<State>);

#[derive(Default)]
struct State {
    by_number: BTreeMap<u64, WeakTopic>,
    /// The number of topics at which those that have ended are removed: twice what was left the last time, so that
    /// adding takes no longer the more there are.
    full: usize,
}

impl Topics {
    pub(crate) fn add(&self, topic: &Topic) {
        let mut state = lock(&self.0);
        let number = topic.number();
        if state.by_number.contains_key(&number) {
            return;
        }
        if state.by_number.len() >= state.full {
            state.by_number.retain(|_, topic| topic.is_kept());
            state.full = (2 * state.by_number.len()).max(64);
        }
        state.by_number.insert(number, topic.downgrade());
    }

    /// Returns how the topics of each name are doing.
    pub(crate) fn by_name(&self) -> BTreeMap<String, TopicStatus> {
        let topics: Vec<_> = lock(&self.0)
            .by_number
            .values()
            .filter_map(WeakTopic::upgrade)
            .collect();
        let mut by_name = BTreeMap::<String, TopicStatus>::new();
        for topic in topics {
            let name = topic.inner().settings.name.clone().unwrap_or_default();
            by_name.entry(name).or_default().add(topic.status());
        }
        by_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_have_ended_are_forgotten_and_those_that_live_are_not() {
        let (topics, lasting) = (Topics::default(), Topic::new());
        topics.add(&lasting);
        (0..1000).for_each(|_| topics.add(&Topic::new()));
        assert!(lock(&topics.0).by_number.len() <= 64);
        assert!(lock(&topics.0).by_number.contains_key(&lasting.number()));
        assert_eq!(topics.by_name().len(), 1);
    }
}
