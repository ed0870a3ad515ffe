//! Values that are made of the map of an application: when they are first used, and again after the map has changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// The number of times that the map of any application has changed.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Tells all applications that a dispatcher of your own [describes](super::Dispatch::describe) itself differently from now on,
/// as one does whose routes come and go while the server runs.
///
/// A value that is made of the description, such as the URLs by [`Request::url_for`](crate::Request::url_for) and the
/// response to `OPTIONS *`, is made again when it is next used. The dispatchers of this crate, such as
/// [`Methods`](crate::Methods), do this by themselves.
pub fn routes_changed() {
    // Whoever sees this change sees the new description, too.
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// Something that is made of the map of an application.
#[derive(Debug)]
pub(crate) struct Kept<T>(Mutex<Option<(u64, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// Returns what was made last, or what `make` makes if that is outdated.
    pub(crate) fn current(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let changes = CHANGES.load(Ordering::Acquire);
        if let Some((at, made)) = &*lock(&self.0) {
            if *at == changes {
                return Arc::clone(made);
            }
        }
        // Describing runs the program's code: not under the lock. A change that comes meanwhile is noticed the next time.
        let made = Arc::new(make());
        let before = lock(&self.0).replace((changes, Arc::clone(&made)));
        drop(before);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_again_after_each_change() {
        // Other tests change maps meanwhile, so it may be made more often than here.
        let kept = Kept::default();
        let mut made = 0;
        let mut current = || {
            *kept.current(|| {
                made += 1;
                made
            })
        };
        let first = current();
        routes_changed();
        let second = current();
        assert!(second > first);
        assert!((0..1000).any(|_| current() == current()));
    }
}
