//! Memory for large bodies that are completely gathered before their handlers start.
//!
//! A handler that reads a body while it arrives needs a thread, which waits for each piece of it. A gathered body needs
//! only memory, so all connections share some for it.
//!
//! A large body that is announced gets memory for all of it at once, which is fast, as long as half of the memory is
//! free. Beyond that, memory grows with what has arrived, so that no client holds much more than it has sent.

use crate::lock::lock;
use std::sync::{Arc, Mutex, MutexGuard};

/// The sizes of buffers are multiples of this, so that the next connection can use them for a slightly larger body.
/// None is smaller than two of these, because it would be taken for a connection's own.
const STEP: usize = super::KEPT;

/// Buffers whose total size is limited. By default there are none.
#[derive(Default)]
pub(crate) struct Pool {
    /// The length of the longest body that gets a buffer.
    pub(super) largest: usize,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of bytes of all buffers, and of those in use.
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
    /// Creates a pool of `most` bytes in all, for bodies of up to `largest` bytes.
    pub(crate) fn new(largest: usize, most: usize) -> Arc<Pool> {
        Arc::new(Pool {
            // Offsets in a request have 32 bits.
            largest: largest.min(u32::MAX as usize / 2),
            most,
            state: Mutex::default(),
        })
    }

    /// Returns a buffer of `size` bytes or more for a body of which little has arrived, unless too much is in use. The
    /// caller gives it back when it is done.
    pub(super) fn lend_at_once(&self, size: usize) -> Option<Vec<u8>> {
        self.lend_within(self.most / 2, size, 0)
    }

    /// Does what [`lend_at_once`](Pool::lend_at_once) does. The buffer replaces one of the pool that has `instead_of`
    /// bytes and is full.
    pub(super) fn lend(&self, size: usize, instead_of: usize) -> Option<Vec<u8>> {
        self.lend_within(self.most, size, instead_of)
    }

    /// Counts that many bytes of memory that is not one of the pool's buffers. Returns true if the limit allows it.
    pub(crate) fn reserve(&self, size: usize) -> bool {
        let mut state = self.state();
        if state.bytes.saturating_add(size) > self.most {
            state.clear();
        }
        let may = state.bytes.saturating_add(size) <= self.most;
        if may {
            state.bytes += size;
            state.lent += size;
        }
        may
    }

    /// Returns how many bytes are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.state().lent
    }

    fn lend_within(&self, most: usize, size: usize, instead_of: usize) -> Option<Vec<u8>> {
        let size = size.checked_next_multiple_of(STEP)?.max(2 * STEP);
        let mut state = self.state();
        if state.lent.saturating_add(size) > most.saturating_add(instead_of) {
            return None;
        }
        // The buffer that came back last is still in the nearest cache. A much larger one is left for larger bodies.
        let fits = |spare: &Vec<u8>| spare.len() >= size && spare.len() <= size.saturating_mul(2);
        if let Some(place) = state.spares.iter().rposition(fits) {
            let spare = state.spares.remove(place);
            state.lent += spare.len();
            return Some(spare);
        }
        if state.bytes.saturating_add(size) > self.most.saturating_add(instead_of) {
            state.clear();
        }
        state.bytes += size;
        state.lent += size;
        // Zeroed pages are not touched: what a client does not send uses no memory.
        Some(vec![0; size])
    }

    /// Takes back what was lent as a buffer of `size` bytes, or reserved. Memory that is not such a buffer is freed.
    pub(crate) fn take_back(&self, buffer: Vec<u8>, size: usize) {
        let mut state = self.state();
        state.lent -= size;
        if buffer.len() == size && state.bytes <= self.most {
            state.spares.push(buffer);
        } else {
            state.bytes -= size;
        }
    }

    /// Frees the buffers that are not in use.
    pub(crate) fn tidy(&self) {
        self.state().clear();
    }

    // Used in several places, none of which is on the path of a usual request.
    #[inline(never)]
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
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
        assert!(pool.largest < u32::MAX as usize);
    }

    /// Takes back a buffer that was lent and not replaced by another.
    fn give_back(pool: &Pool, buffer: Vec<u8>) {
        let size = buffer.len();
        pool.take_back(buffer, size);
    }

    #[test]
    fn no_more_is_lent_than_there_is() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let first = pool.lend(3 * STEP, 0).unwrap();
        assert_eq!(first.len(), 3 * STEP);
        assert!(pool.lend(3 * STEP, 0).is_none());
        let second = pool.lend(1, 0).unwrap();
        assert_eq!(second.len(), 2 * STEP, "hardly less than two");
        assert!(pool.lend(1, 0).is_none() && !pool.reserve(1));
        give_back(&pool, first);
        assert!(pool.lend(3 * STEP, 0).is_some());
        assert!(pool.lend(usize::MAX, 0).is_none());
        assert_eq!(bytes(&pool), 5 * STEP);
    }

    #[test]
    fn what_is_reserved_counts_like_what_is_lent() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        assert!(pool.reserve(4 * STEP));
        assert!(!pool.reserve(STEP + 1) && pool.reserve(STEP));
        assert!(pool.lend(1, 0).is_none());
        pool.take_back(Vec::new(), 4 * STEP);
        assert_eq!(pool.in_use(), STEP);
        assert!(pool.lend(4 * STEP, 0).is_some());
    }

    #[test]
    fn half_of_it_is_never_lent_before_bodies_have_arrived() {
        let pool = Pool::new(usize::MAX, 8 * STEP);
        let announced: Vec<_> = (0..4).map_while(|_| pool.lend_at_once(2 * STEP)).collect();
        assert_eq!(announced.len(), 2);
        assert!(pool.lend(4 * STEP, 0).is_some());
    }

    #[test]
    fn a_larger_buffer_takes_the_place_of_the_one_that_is_full() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let full = pool.lend(2 * STEP, 0).unwrap();
        assert!(pool.lend(4 * STEP, 0).is_none());
        let _larger = pool.lend(4 * STEP, 2 * STEP).unwrap();
        give_back(&pool, full);
        assert_eq!(
            (bytes(&pool), pool.in_use()),
            (4 * STEP, 4 * STEP),
            "it is not kept: there is no place"
        );
    }

    #[test]
    fn what_is_not_in_use_makes_place_for_what_is_asked_for() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let both = [pool.lend(1, 0).unwrap(), pool.lend(1, 0).unwrap()];
        both.into_iter().for_each(|buffer| give_back(&pool, buffer));
        assert_eq!(pool.lend(5 * STEP, 0).map(|buffer| buffer.len()), Some(5 * STEP));
        assert_eq!(bytes(&pool), 5 * STEP);
    }

    #[test]
    fn what_is_not_in_use_makes_place_for_what_is_reserved() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        give_back(&pool, pool.lend(1, 0).unwrap());
        assert!(pool.reserve(5 * STEP));
        assert_eq!(bytes(&pool), 5 * STEP);
    }

    #[test]
    fn what_is_not_in_use_stays_where_a_larger_buffer_takes_the_place_of_one_that_is_full() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let full = pool.lend(2 * STEP, 0).unwrap();
        let spare = pool.lend(2 * STEP, 0).unwrap();
        let at = spare.as_ptr();
        give_back(&pool, spare);
        let _larger = pool.lend(3 * STEP, 2 * STEP).unwrap();
        give_back(&pool, full);
        assert_eq!(pool.lend(2 * STEP, 0).map(|spare| spare.as_ptr()), Some(at));
    }

    #[test]
    fn what_comes_back_is_lent_again_to_whom_it_is_large_enough() {
        let pool = Pool::new(usize::MAX, 10 * STEP);
        let mut first = pool.lend(5 * STEP, 0).unwrap();
        first[0] = 7;
        give_back(&pool, first);
        let again = pool.lend(3 * STEP, 0).unwrap();
        assert_eq!(again[0], 7, "the same one");
        give_back(&pool, again);
        let smaller = pool.lend(2 * STEP, 0).unwrap();
        assert_eq!(smaller[0], 0, "a new one: the other is much larger");
        let larger = pool.lend(6 * STEP, 0).unwrap();
        assert_eq!(larger[0], 0, "a new one");
        assert_eq!(bytes(&pool), 8 * STEP, "and what nobody uses has made place");
    }

    #[test]
    fn what_has_become_another_is_not_kept() {
        let pool = Pool::new(usize::MAX, 2 * STEP);
        let mut buffer = pool.lend(1, 0).unwrap();
        let size = buffer.len();
        buffer.resize(3 * STEP, 0);
        pool.take_back(buffer, size);
        assert_eq!(bytes(&pool), 0);
    }

    #[test]
    fn what_is_not_in_use_goes_back_to_the_system() {
        let pool = Pool::new(usize::MAX, 10 * STEP);
        let buffers = [pool.lend(1, 0).unwrap(), pool.lend(1, 0).unwrap()];
        let [used, unused] = buffers;
        give_back(&pool, unused);
        pool.tidy();
        assert_eq!(bytes(&pool), 2 * STEP);
        give_back(&pool, used);
        pool.tidy();
        assert_eq!(bytes(&pool), 0);
    }
}
