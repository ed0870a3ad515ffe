//! Passing the event loop from thread to thread.
//!
//! The loop is a baton. The thread that holds it polls, reads and parses. To run a handler it releases the loop, and
//! acquires it again afterwards. Whoever finds it released may acquire it meanwhile: a spare thread that was sent
//! because the handler blocks, or another thread that has just finished.
//!
//! Two things must not get lost, and `models` checks them under every interleaving:
//! - **The loop**: it is released only while some thread that released it is in a handler, and that thread tries to
//!   acquire it when it returns. So there is always a thread to come.
//! - **A connection** that comes back from a thread which has lost the loop: either the holder sees it before it
//!   sleeps, or it is woken.

use std::sync::TryLockError;

use crate::server::shared::sync::{AtomicU64, Ordering, TryMutex, TryMutexGuard};

/// A loop that one thread at a time may hold.
pub(crate) struct Baton<L> {
    content: TryMutex<L>,
    /// Counts how often it was released and acquired: odd while it is released.
    moves: AtomicU64,
}

/// Proof of holding the loop, and access to it.
pub(crate) type Held<'b, L> = TryMutexGuard<'b, L>;

impl<L> Baton<L> {
    pub(crate) fn new(content: L) -> Baton<L> {
        // It begins released, for the first thread to acquire.
        Baton {
            content: TryMutex::new(content),
            moves: AtomicU64::new(1),
        }
    }

    /// Acquires the loop, unless somebody holds it. Never waits.
    ///
    /// A thread that panics while it holds the loop ends the process (`src/threads.rs`). Until then, nobody uses what
    /// it has left unfinished.
    pub(crate) fn take_up(&self) -> Option<Held<'_, L>> {
        let held = match self.content.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return None,
        };
        // Only a holder writes, so this needs no read-modify-write.
        let moves = self.moves.load(Ordering::Relaxed);
        self.moves.store(moves + 1, Ordering::Relaxed);
        Some(held)
    }

    /// Releases the loop for whoever comes first.
    pub(crate) fn put_down(&self, held: Held<'_, L>) {
        let moves = self.moves.load(Ordering::Relaxed);
        // Before the loop is free, so that the count increases in order; and read-modify-write, so that a watch that
        // goes to sleep sees this, or this thread sees it asleep.
        self.moves.swap(moves + 1, Ordering::SeqCst);
        drop(held);
    }

    /// Returns how often it has moved: while an odd number stays, a thread is in the same handler.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// Returns true if somebody holds it at this moment.
    pub(crate) fn is_held(&self) -> bool {
        self.moves.load(Ordering::Relaxed) % 2 == 0
    }

    /// Does what [`moves`](Baton::moves) does; whoever releases the loop after this call sees everything that the
    /// caller has written before it.
    pub(crate) fn moves_at_last_look(&self) -> u64 {
        // This comes either before the swap in `put_down`, which then reads from it, or after it.
        self.moves.fetch_add(0, Ordering::SeqCst)
    }
}

#[cfg(all(test, not(hansel_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_holds_it_and_the_count_tells_whether_it_lies() {
        let baton = Baton::new("loop");
        assert_eq!(baton.moves() % 2, 1);
        assert!(!baton.is_held());
        let held = baton.take_up().unwrap();
        assert_eq!(baton.moves() % 2, 0);
        assert!(baton.is_held());
        assert!(baton.take_up().is_none());
        baton.put_down(held);
        assert_eq!(baton.moves() % 2, 1);
        assert!(baton.take_up().is_some());
    }
}
