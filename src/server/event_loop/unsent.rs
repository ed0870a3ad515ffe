//! Answers that are made and not sent, kept to be sent one right behind the other.
//!
//! A client on the same machine, such as a balancer, is woken once for all of them. Waking it for each costs a tenth of
//! what a small request does.

/// Answers that are sent together at most. Each of them waits for the others.
const TOGETHER: usize = 32;

/// Answers that are made and not sent, and the connections that they belong to.
///
/// The connections rest meanwhile, like others: so their work goes to the next one at once, while it is still
/// in the processor's nearest cache, and there is only the answer itself that lies about.
#[derive(Default)]
pub(super) struct Unsent {
    keys: Vec<usize>,
    /// The first of these have their answers, in the same order; the others are spare.
    buffers: Vec<Vec<u8>>,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= TOGETHER
    }

    /// Takes what `out` has, and leaves it another buffer.
    pub(super) fn keep(&mut self, key: usize, out: &mut Vec<u8>) {
        let place = self.keys.len();
        match self.buffers.get_mut(place) {
            Some(spare) => std::mem::swap(spare, out),
            None => self.buffers.push(std::mem::take(out)),
        }
        self.keys.push(key);
    }

    /// The answer at `place`, and the key of its connection.
    pub(super) fn at_mut(&mut self, place: usize) -> Option<(usize, &mut Vec<u8>)> {
        Some((*self.keys.get(place)?, self.buffers.get_mut(place)?))
    }

    /// All are sent.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Nobody has come for a while: gives the memory back.
    pub(super) fn forget(&mut self) {
        if self.is_empty() {
            self.buffers = Vec::new();
        }
    }
}
