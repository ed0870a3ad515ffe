//! Memory for bodies that are large and yet gathered whole before their handlers start.
//!
//! A handler that reads a body while it arrives needs a thread, which waits for each piece of it. A body that is
//! gathered costs none, only memory: so there is some for that, shared by all connections, and whoever finds
//! nothing left has a thread read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::spares::Spares;

/// The sizes of buffers are multiples of this, so that the next one can use them for a body somewhat larger; and
/// none is smaller than two of these, or would be taken for a connection's own.
const STEP: usize = super::KEPT;

/// Buffers of which all together have a limited size.
pub(crate) struct Pool {
    /// The longest body that gets one.
    pub(super) largest: usize,
    most: usize,
    state: Mutex<State>,
}

struct State {
    /// The bytes of all buffers, in use or not.
    bytes: usize,
    spares: Spares<Vec<u8>>,
}

impl Pool {
    /// Buffers of `most` bytes in all, for bodies of up to `largest`.
    pub(crate) fn new(largest: usize, most: usize) -> Arc<Pool> {
        let state = State {
            bytes: 0,
            spares: Spares::new(Instant::now()),
        };
        Arc::new(Pool {
            largest,
            most,
            state: Mutex::new(state),
        })
    }

    /// A buffer of `size` bytes or more, unless that is too much.
    pub(super) fn lend(self: &Arc<Pool>, size: usize) -> Option<Lent> {
        let size = size.checked_next_multiple_of(STEP)?.max(2 * STEP);
        let spare = self.reserve(size)?;
        // A new one is all zeros without having been touched: what a client does not send takes up nothing.
        let buffer = spare.unwrap_or_else(|| vec![0; size]);
        Some(Lent {
            size: buffer.len(),
            buffer,
            pool: Arc::clone(self),
        })
    }

    /// A spare buffer, or none if there may be a new one.
    fn reserve(&self, size: usize) -> Option<Option<Vec<u8>>> {
        let mut state = self.state();
        while let Some(spare) = state.spares.take() {
            if spare.len() >= size {
                return Some(Some(spare));
            }
            state.bytes -= spare.len();
        }
        if size > self.most - state.bytes {
            return None;
        }
        state.bytes += size;
        Some(None)
    }

    /// Gives back to the system what nobody needs, when it is time.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut state = self.state();
        let unneeded: Vec<_> = state.spares.tidy(now).into_iter().flatten().collect();
        state.bytes -= unneeded.iter().map(Vec::len).sum::<usize>();
    }

    /// Gives back to the system all that is not in use.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        while let Some(spare) = state.spares.take() {
            state.bytes -= spare.len();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that goes back when this is dropped: if it is still here, for the next one, and its size in any case.
pub(super) struct Lent {
    pub(super) buffer: Vec<u8>,
    size: usize,
    pool: Arc<Pool>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if self.buffer.len() == self.size {
            state.spares.keep(std::mem::take(&mut self.buffer));
        } else {
            // Whoever had it still has it, or has made another of it.
            state.bytes -= self.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn bytes(pool: &Pool) -> usize {
        pool.state().bytes
    }

    #[test]
    fn no_more_is_lent_than_there_is() {
        let pool = Pool::new(usize::MAX, 5 * STEP);
        let first = pool.lend(3 * STEP).unwrap();
        assert_eq!(first.buffer.len(), 3 * STEP);
        assert!(pool.lend(3 * STEP).is_none());
        let second = pool.lend(1).unwrap();
        assert_eq!(second.buffer.len(), 2 * STEP, "hardly less than two");
        assert!(pool.lend(1).is_none());
        drop(first);
        assert!(pool.lend(3 * STEP).is_some());
        assert!(pool.lend(usize::MAX).is_none());
        assert_eq!(bytes(&pool), 5 * STEP);
    }

    #[test]
    fn what_comes_back_is_lent_again_to_whom_it_is_large_enough() {
        let pool = Pool::new(usize::MAX, 10 * STEP);
        let mut first = pool.lend(3 * STEP).unwrap();
        first.buffer[0] = 7;
        drop(first);
        assert_eq!(pool.lend(2 * STEP).unwrap().buffer[0], 7, "the same one");
        let larger = pool.lend(4 * STEP).unwrap();
        assert_eq!(larger.buffer[0], 0, "a new one");
        assert_eq!(bytes(&pool), 4 * STEP, "and no other");
    }

    #[test]
    fn what_does_not_come_back_is_counted_no_more() {
        let pool = Pool::new(usize::MAX, 2 * STEP);
        let mut lent = pool.lend(1).unwrap();
        let kept = std::mem::take(&mut lent.buffer);
        drop(lent);
        assert_eq!(bytes(&pool), 0);
        assert!(pool.lend(1).is_some());
        drop(kept);
    }

    #[test]
    fn what_nobody_needs_goes_back_to_the_system() {
        let pool = Pool::new(usize::MAX, 10 * STEP);
        let (one, other) = (pool.lend(1), pool.lend(1));
        drop((one, other));
        let start = Instant::now();
        pool.tidy(start);
        drop(pool.lend(1));
        pool.tidy(start + Duration::from_secs(60));
        assert_eq!(bytes(&pool), 2 * STEP);
        pool.forget();
        assert_eq!(bytes(&pool), 0);
    }
}
