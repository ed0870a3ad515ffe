//! The application that handles a request: of those that are mounted in each other, the innermost.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

/// An application. What it is, this room does not know.
pub(super) type App = Arc<dyn Any + Send + Sync>;

/// The application that handles a request.
///
/// The one that was entered last is kept, so that the next request on the same connection finds it here, and touches no
/// counter that all threads share.
#[derive(Default)]
pub(crate) struct Innermost {
    kept: RefCell<Option<App>>,
    /// The address of what is kept. Nothing else has it, as long as it is kept.
    address: Cell<usize>,
    is_inside: Cell<bool>,
}

/// The application that was the innermost one before another was entered. It is again once this is dropped.
#[must_use = "dropping it leaves the application"]
pub(crate) struct Outer<'r> {
    innermost: &'r Innermost,
    was_inside: bool,
    /// None if the same application is still the innermost one, or there was none.
    before: Option<App>,
}

impl Innermost {
    /// Makes `app` the innermost application.
    #[inline]
    pub(crate) fn enter<T: Any + Send + Sync>(&self, app: &Arc<T>) -> Outer<'_> {
        let before = if self.address.get() == Arc::as_ptr(app).addr() {
            None
        } else {
            self.replace(Arc::clone(app) as App)
        };
        self.entered(before)
    }

    /// Does the same with an application that was the innermost one before.
    pub(super) fn enter_again(&self, app: App) -> Outer<'_> {
        let before = self.replace(app);
        self.entered(before)
    }

    #[inline]
    fn entered(&self, before: Option<App>) -> Outer<'_> {
        Outer {
            innermost: self,
            was_inside: self.is_inside.replace(true),
            before,
        }
    }

    /// Returns the innermost application, if it is a `T`.
    pub(crate) fn current<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.app()?.downcast().ok()
    }

    /// Returns the innermost application.
    pub(super) fn app(&self) -> Option<App> {
        self.kept.borrow().clone().filter(|_| self.is_inside.get())
    }

    #[inline(never)]
    fn replace(&self, app: App) -> Option<App> {
        self.address.set(Arc::as_ptr(&app).addr());
        self.kept.replace(Some(app))
    }
}

impl Drop for Outer<'_> {
    #[inline]
    fn drop(&mut self) {
        self.innermost.is_inside.set(self.was_inside);
        if let Some(before) = self.before.take() {
            drop(self.innermost.replace(before));
        }
    }
}

impl fmt::Debug for Innermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Innermost").field(&self.is_inside.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_application_is_the_last_one_entered_that_was_not_left() {
        let innermost = Innermost::default();
        let (outer, inner) = (Arc::new("outer"), Arc::new("inner"));
        let current = || innermost.current::<&str>().map(|app| *app);
        for _ in 0..2 {
            assert_eq!(current(), None);
            {
                let _first = innermost.enter(&outer);
                assert_eq!(current(), Some("outer"));
                {
                    let _same = innermost.enter(&outer);
                    let _second = innermost.enter(&inner);
                    assert_eq!(current(), Some("inner"));
                    assert_eq!(innermost.current::<u8>(), None);
                }
                assert_eq!(current(), Some("outer"));
                let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _second = innermost.enter(&inner);
                    panic!("on purpose");
                }));
                assert!(left.is_err());
                assert_eq!(current(), Some("outer"), "a panic leaves it as well");
            }
        }
    }

    #[test]
    fn what_is_entered_again_is_not_cloned_again() {
        let innermost = Innermost::default();
        let app = Arc::new(());
        for _ in 0..3 {
            let _outer = innermost.enter(&app);
            assert_eq!(Arc::strong_count(&app), 2);
        }
    }
}
