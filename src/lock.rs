//! Locks that do not care whether somebody has panicked while holding them.
//!
//! Data behind a lock of this crate is whole at every moment at which its holder may panic, so poisoning tells nothing.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Locks `mutex`.
// In many places, none of which is on the way of a usual request.
#[inline(never)]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks `mutex`, unless somebody holds it.
pub(crate) fn try_lock<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
