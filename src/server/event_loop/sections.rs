//! The field sections that connections have sent last: most clients send the same again.

use hansel_proto::LastSection;

use super::super::connection::Work;

/// For how many connections: with more, those that share a place take turns, and are parsed anew.
const PLACES: usize = 256;

/// A section longer than this is not remembered. So all together take a megabyte at most.
const LONGEST: usize = 2048;

/// What is in a place only spares work, so it need not be that of the connection which comes back.
pub(super) struct Sections(Vec<LastSection>);

impl Sections {
    pub(super) fn new() -> Sections {
        // `vec!` would bring in what copies a section.
        let mut places = Vec::new();
        places.resize_with(PLACES, LastSection::default);
        Sections(places)
    }

    /// The connection at `key` goes on, with this work.
    pub(super) fn recall(&mut self, key: usize, work: &mut Work) {
        self.swap(key, work);
    }

    /// The connection at `key` rests, and leaves this work to others.
    pub(super) fn remember(&mut self, key: usize, work: &mut Work) {
        self.swap(key, work);
        let place = &mut self.0[key % PLACES];
        if place.len() > LONGEST {
            *place = LastSection::default();
        }
    }

    fn swap(&mut self, key: usize, work: &mut Work) {
        work.exchange.request.head.swap_last_section(&mut self.0[key % PLACES]);
    }
}
