//! The primitives of the hand-over of a loop: the standard library's, or the model checker's.

#[cfg(not(hansel_loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
    sync::{Mutex as TryMutex, MutexGuard as TryMutexGuard},
    thread,
};

#[cfg(hansel_loom)]
pub(crate) use checked::{TryMutex, TryMutexGuard};
#[cfg(hansel_loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

/// A mutex that some only try to lock. The model checker's own blocks a thread that tries it just when another one gets
/// it, instead of failing.
#[cfg(hansel_loom)]
mod checked {
    use std::ops::{Deref, DerefMut};
    use std::sync::{LockResult, MutexGuard, TryLockError};

    pub(crate) struct TryMutex<T> {
        is_held: loom::sync::Mutex<bool>,
        /// Never contended: whoever locks it has marked it as held.
        content: std::sync::Mutex<T>,
    }

    pub(crate) struct TryMutexGuard<'m, T> {
        is_held: &'m loom::sync::Mutex<bool>,
        /// `None` once it is dropped.
        content: Option<MutexGuard<'m, T>>,
    }

    impl<T> TryMutex<T> {
        pub(crate) fn new(content: T) -> TryMutex<T> {
            TryMutex {
                is_held: loom::sync::Mutex::new(false),
                content: std::sync::Mutex::new(content),
            }
        }

        pub(crate) fn lock(&self) -> LockResult<TryMutexGuard<'_, T>> {
            loop {
                match self.try_lock() {
                    Ok(guard) => return Ok(guard),
                    Err(_) => loom::thread::yield_now(),
                }
            }
        }

        pub(crate) fn try_lock(&self) -> Result<TryMutexGuard<'_, T>, TryLockError<TryMutexGuard<'_, T>>> {
            let mut is_held = self.is_held.lock().unwrap();
            if std::mem::replace(&mut *is_held, true) {
                return Err(TryLockError::WouldBlock);
            }
            Ok(TryMutexGuard {
                is_held: &self.is_held,
                content: Some(self.content.try_lock().expect("one holder at a time")),
            })
        }
    }

    impl<T> Drop for TryMutexGuard<'_, T> {
        fn drop(&mut self) {
            self.content = None;
            *self.is_held.lock().unwrap() = false;
        }
    }

    impl<T> Deref for TryMutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.content.as_ref().expect("held until it is dropped")
        }
    }

    impl<T> DerefMut for TryMutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.content.as_mut().expect("held until it is dropped")
        }
    }
}
