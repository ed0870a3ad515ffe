//! The places of sockets in the lists of topics. A socket may be in several, and its connection may be checked out.

use std::collections::BTreeMap;

use crate::topic::{Audience, Place};

/// By the key of the connection, the number of each topic that its socket has joined, and the place in the list of that.
#[derive(Default)]
pub(super) struct SocketPlaces(BTreeMap<usize, Vec<(u64, Place)>>);

impl SocketPlaces {
    /// Notes that the socket of the connection at `key` has this place.
    pub(super) fn add(&mut self, key: usize, topic: u64, place: Place) {
        let places = self.0.entry(key).or_insert_with(|| Vec::with_capacity(1));
        places.push((topic, place));
    }

    /// Removes the socket of the connection at `key`. Returns the key of the one that has its place now, and the place.
    pub(super) fn leave(&mut self, audience: &mut dyn Audience, topic: u64, key: usize) -> Option<(usize, Place)> {
        let places = self.0.get_mut(&key)?;
        let index = places.iter().position(|(number, _)| *number == topic)?;
        let (_, place) = places.swap_remove(index);
        if places.is_empty() {
            self.0.remove(&key);
        }
        Some((audience.leave(topic, place)?, place))
    }

    /// Returns a topic that the socket of the connection at `key` has joined, if there is any.
    pub(super) fn any_of(&self, key: usize) -> Option<u64> {
        let (topic, _) = self.0.get(&key)?.last()?;
        Some(*topic)
    }

    /// Notes the place of a socket that has been moved to it. Returns false if the connection at `key` is none.
    pub(super) fn note(&mut self, key: usize, topic: u64, place: Place) -> bool {
        let places = self.0.get_mut(&key);
        let found = places.and_then(|places| places.iter_mut().find(|(number, _)| *number == topic));
        let Some((_, noted)) = found else { return false };
        *noted = place;
        true
    }
}
