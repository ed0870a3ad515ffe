//! The header sections that connections have sent last, because most clients repeat theirs.

use hansel_proto::LastSection;

use crate::server::connection::Work;

/// The number of sections. With more connections, those that share an entry replace each other's section, and are
/// parsed again.
const PLACES: usize = 256;

/// Longer sections are not remembered. So all of them take a megabyte at most.
const LONGEST: usize = 2048;

/// A section only saves work, so it need not be that of the connection which comes back. There are none until they are
/// needed.
#[derive(Default)]
pub(super) struct Sections(Vec<LastSection>);

impl Sections {
    /// Restores the section of the connection at `key`, which continues with this work.
    pub(super) fn recall(&mut self, key: usize, work: &mut Work) {
        self.swap(key, work);
    }

    /// Stores the section of the connection at `key`, which becomes idle and leaves this work to others.
    pub(super) fn remember(&mut self, key: usize, work: &mut Work) {
        let place = self.swap(key, work);
        if place.len() > LONGEST {
            *place = LastSection::default();
        }
    }

    /// Frees the memory after a while without connections.
    pub(super) fn forget(&mut self) {
        self.0 = Vec::new();
    }

    fn swap(&mut self, key: usize, work: &mut Work) -> &mut LastSection {
        if self.0.is_empty() {
            self.make_room();
        }
        let place = &mut self.0[key % PLACES];
        work.exchange.request.head.swap_last_section(place);
        place
    }

    #[cold]
    fn make_room(&mut self) {
        self.0.resize_with(PLACES, LastSection::default);
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
        let mut work = Work::new(Exchange::new(Arc::default(), 0, Arc::default()), Arc::default());
        assert_eq!(sections.0.capacity(), 0);
        sections.recall(7, &mut work);
        sections.remember(PLACES + 7, &mut work);
        assert_eq!(sections.0.len(), PLACES);
        sections.forget();
        assert_eq!(sections.0.capacity(), 0);
    }
}
