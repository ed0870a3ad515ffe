//! Memory for bodies that are large and yet gathered whole before their handlers start.
//!
//! A handler that reads a body while it arrives needs a thread, which waits for each piece of it. A body that is
//! gathered costs none, only memory: so there is some for that, shared by all connections, and whoever finds
//! nothing left has a thread read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sizes of buffers are multiples of this, so that the next one can use them for a body somewhat larger; and
/// none is smaller than two of these, or would be taken for a connection's own.
const STEP: usize = super::KEPT;

/// Buffers of which all together have a limited size; there are none by default.
#[derive(Default)]
pub(crate) struct Pool {
    /// The longest body that gets one.
    pub(super) largest: u64,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The bytes of all buffers, and of those that are in use.
    bytes: usize,
    lent: usize,
    spares: Vec<Vec<u8>>,
}

impl State {
    fn clear(&mut self) {
        self.spares.clear();
        self.bytes = self.lent;
    }
}

impl Pool {
    /// Buffers of `most` bytes in all, for bodies of up to `largest`.
    pub(crate) fn new(largest: usize, most: usize) -> Arc<Pool> {
        Arc::new(Pool {
            // Offsets in a request have 32 bits.
            largest: largest.min(u32::MAX as usize / 2) as u64,
            most,
            state: Mutex::default(),
        })
    }

    /// A buffer of `size` bytes or more, unless that is too much. Whoever gets it says when it is no more needed.
    pub(super) fn lend(&self, size: usize) -> Option<Vec<u8>> {
        let size = size.checked_next_multiple_of(STEP)?.max(2 * STEP);
        let mut state = self.state();
        if let Some(spare) = state.spares.pop() {
            if spare.len() >= size {
                state.lent += spare.len();
                return Some(spare);
            }
            state.bytes -= spare.len();
        }
        if size > self.most - state.bytes {
            state.clear();
        }
        if size > self.most - state.bytes {
            return None;
        }
        state.bytes += size;
        state.lent += size;
        // All zeros without having been touched: what a client does not send takes up nothing.
        Some(vec![0; size])
    }

    /// Takes back what was lent as a buffer of `size` bytes. If it is another one now, it is not kept.
    pub(super) fn take_back(&self, buffer: Vec<u8>, size: usize) {
        let mut state = self.state();
        state.lent -= size;
        if buffer.len() == size {
            state.spares.push(buffer);
        } else {
            state.bytes -= size;
        }
    }

    /// Gives back to the system what is not in use.
    pub(crate) fn tidy(&self) {
        self.state().clear();
    }

    // In several places, none of which is on the way of a usual request.
    #[inline(never)]
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pool: &Pool) -> usize {
        pool.state().bytes
    }

    #[test]
    fn nobody_gets_what_the_offsets_in_a_request_do_not_reach() {
        let pool = Pool::new(usize::MAX, usize::MAX);
        assert!(pool.largest < u64::from(u32::MAX));
    }

    /// Takes back what was lent and has not become another.
    fn give_back(pool: &Pool, buffer: Vec<u8>) {
        let size = buffer.len();
        pool.take_back(buffer, size);
    }

    #[test]
    fn no_more_is_lent_than_there_is() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let first = pool.lend(3 * STEP).unwrap();
        assert_eq!(first.len(), 3 * STEP);
        assert!(pool.lend(3 * STEP).is_none());
        let second = pool.lend(1).unwrap();
        assert_eq!(second.len(), 2 * STEP, "hardly less than two");
        assert!(pool.lend(1).is_none());
        give_back(&pool, first);
        assert!(pool.lend(3 * STEP).is_some());
        assert!(pool.lend(usize::MAX).is_none());
        assert_eq!(bytes(&pool), 5 * STEP);
    }

    #[test]
    fn what_is_not_in_use_makes_place_for_what_is_asked_for() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let both = [pool.lend(1).unwrap(), pool.lend(1).unwrap()];
        both.into_iter().for_each(|buffer| give_back(&pool, buffer));
        assert_eq!(pool.lend(5 * STEP).map(|buffer| buffer.len()), Some(5 * STEP));
        assert_eq!(bytes(&pool), 5 * STEP);
    }

    #[test]
    fn what_comes_back_is_lent_again_to_whom_it_is_large_enough() {
        let pool = Pool::new(usize::MAX, 10 * STEP);
        let mut first = pool.lend(3 * STEP).unwrap();
        first[0] = 7;
        give_back(&pool, first);
        let again = pool.lend(2 * STEP).unwrap();
        assert_eq!(again[0], 7, "the same one");
        give_back(&pool, again);
        let larger = pool.lend(4 * STEP).unwrap();
        assert_eq!(larger[0], 0, "a new one");
        assert_eq!(bytes(&pool), 4 * STEP, "and no other");
    }

    #[test]
    fn what_has_become_another_is_not_kept() {
        let pool = Pool::new(usize::MAX, 2 * STEP);
        let mut buffer = pool.lend(1).unwrap();
        let size = buffer.len();
        buffer.resize(3 * STEP, 0);
        pool.take_back(buffer, size);
        assert_eq!(bytes(&pool), 0);
    }

    #[test]
    fn what_is_not_in_use_goes_back_to_the_system() {
        let pool = Pool::new(usize::MAX, 10 * STEP);
        let buffers = [pool.lend(1).unwrap(), pool.lend(1).unwrap()];
        let [used, unused] = buffers;
        give_back(&pool, unused);
        pool.tidy();
        assert_eq!(bytes(&pool), 2 * STEP);
        give_back(&pool, used);
        pool.tidy();
        assert_eq!(bytes(&pool), 0);
    }
}
