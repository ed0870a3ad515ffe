//! Pieces that streams have written and not yet sent, so that quick ones leave together.
//!
//! A stream that leaves pieces unsent lists itself, and the watch sends all that is listed at each tick. The watch never
//! waits for a stream: one that holds its pieces at that moment lists itself again. `models` checks that no piece is
//! forgotten.

use std::sync::{Arc, PoisonError};

use crate::server::connection::gathered::Gathered;

use super::sync::{AtomicBool, Mutex, Ordering, TryMutex, TryMutexGuard};

/// The streams that have left something to be sent.
pub(crate) struct Corks<P> {
    listed: Mutex<Vec<Arc<Cork<P>>>>,
}

/// The pieces `P` of one stream.
pub(crate) struct Cork<P> {
    pieces: TryMutex<P>,
    is_listed: AtomicBool,
}

/// Pieces that can be sent without waiting.
pub(crate) trait Pieces {
    /// Sends as much as the client takes now. Returns true if something is left.
    fn send_now(&mut self) -> bool;
}

impl Pieces for Gathered {
    fn send_now(&mut self) -> bool {
        Gathered::send_now(self)
    }
}

impl<P> Cork<P> {
    pub(crate) fn new(pieces: P) -> Arc<Cork<P>> {
        Arc::new(Cork {
            pieces: TryMutex::new(pieces),
            is_listed: AtomicBool::new(false),
        })
    }

    /// Locks the pieces. If some are left when they are unlocked, [`Corks::list`] must be called after that.
    pub(crate) fn lock(&self) -> TryMutexGuard<'_, P> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Pieces> Corks<P> {
    pub(crate) fn new() -> Corks<P> {
        Corks {
            listed: Mutex::new(Vec::new()),
        }
    }

    /// Lists a stream that has left something. Returns true if it was not listed: then the watch must be told.
    pub(crate) fn list(&self, cork: &Arc<Cork<P>>) -> bool {
        if cork.is_listed.load(Ordering::SeqCst) || cork.is_listed.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.lock().push(Arc::clone(cork));
        true
    }

    /// Sends what is listed, as far as its clients take it. What they don't take stays listed.
    pub(crate) fn send(&self) {
        if self.is_empty() {
            return;
        }
        let listed = std::mem::take(&mut *self.lock());
        for cork in listed {
            // First the mark, then the attempt: if its stream is faster, it sees the mark and lists itself again.
            cork.is_listed.store(false, Ordering::SeqCst);
            let is_left = match cork.pieces.try_lock() {
                Ok(mut pieces) => pieces.send_now(),
                Err(_) => false,
            };
            if is_left {
                self.list(&cork);
            }
        }
    }

    /// Returns true if nothing waits to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> super::sync::MutexGuard<'_, Vec<Arc<Cork<P>>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
