//! The latest messages of a topic.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Message;

/// The latest messages, each of which has a number: the first of all has 0.
pub(super) struct Ring {
    kept: VecDeque<Arc<Message>>,
    most: usize,
    next: u64,
}

impl Ring {
    /// Creates a ring that keeps this many messages; at least one, or none could be sent.
    pub(super) fn new(most: usize) -> Ring {
        Ring {
            kept: VecDeque::new(),
            most: most.max(1),
            next: 0,
        }
    }

    /// Adds the message that `make` makes of its number. The oldest goes if there are too many.
    pub(super) fn push(&mut self, make: impl FnOnce(u64) -> Arc<Message>) {
        if self.kept.len() == self.most {
            self.kept.pop_front();
        }
        self.kept.push_back(make(self.next));
        self.next += 1;
    }

    /// Returns the number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Returns the number of the oldest message that is kept.
    pub(super) fn first(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    pub(super) fn at(&self, number: u64) -> Option<&Arc<Message>> {
        let place = number.checked_sub(self.first())?;
        self.kept.get(usize::try_from(place).ok()?)
    }

    /// Returns the number of the latest message with this id.
    pub(super) fn find(&self, id: &str) -> Option<u64> {
        let place = self.kept.iter().rposition(|message| message.id() == Some(id))?;
        Some(self.first() + place as u64)
    }
}
