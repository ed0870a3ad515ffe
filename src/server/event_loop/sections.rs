//! The field sections that connections have sent last: most clients send the same again.

use hansel_proto::LastSection;

use crate::server::connection::Work;

/// For how many connections: with more, those that share a place take turns, and are parsed anew.
const PLACES: usize = 256;

/// A section longer than this is not remembered. So all together take a megabyte at most.
const LONGEST: usize = 2048;

/// What is in a place only spares work, so it need not be that of the connection which comes back. There are
/// none before they are needed.
#[derive(Default)]
pub(super) struct Sections(Vec<LastSection>);

impl Sections {
    /// The connection at `key` goes on, with this work.
    pub(super) fn recall(&mut self, key: usize, work: &mut Work) {
        self.swap(key, work);
    }

    /// The connection at `key` rests, and leaves this work to others.
    pub(super) fn remember(&mut self, key: usize, work: &mut Work) {
        let place = self.swap(key, work);
        if place.len() > LONGEST {
            *place = LastSection::default();
        }
    }

    /// Nobody has come for a while: gives the memory back.
    pub(super) fn forget(&mut self) {
        self.0 = Vec::new();
    }

    fn swap(&mut self, key: usize, work: &mut Work) -> &mut LastSection {
        if self.0.is_empty() {
            self.0.resize_with(PLACES, LastSection::default);
        }
        let place = &mut self.0[key % PLACES];
        work.exchange.request.head.swap_last_section(place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use std::sync::Arc;

    #[test]
    fn memory_is_taken_when_it_is_needed_and_given_back() {
        let mut sections = Sections::default();
        let mut work = Work::new(Exchange::new(Arc::default(), 0, Arc::default()));
        assert_eq!(sections.0.capacity(), 0);
        sections.recall(7, &mut work);
        sections.remember(PLACES + 7, &mut work);
        assert_eq!(sections.0.len(), PLACES);
        sections.forget();
        assert_eq!(sections.0.capacity(), 0);
    }
}
