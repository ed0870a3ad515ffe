//! The runtime that a service needs, whichever it is.

use std::fmt;
use std::sync::Arc;

use crate::sealed::Seal;

/// The runtime that is entered while a service runs, if any. Clones are the same runtime.
#[derive(Clone, Default)]
pub(super) struct Runtime(Option<Arc<dyn Entering>>);

impl Runtime {
    pub(super) fn new<R, E>(runtime: R, enter: E) -> Runtime
    where
        R: Send + Sync + 'static,
        E: for<'r> Enter<'r, R> + Send + Sync + 'static,
    {
        Runtime(Some(Arc::new(Chosen { runtime, enter })))
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Enters the runtime on the calling thread, until the guard is dropped.
    pub(super) fn enter(&self) -> Option<Box<dyn Guard + '_>> {
        self.0.as_ref().map(|runtime| runtime.enter())
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "none" } else { "some" })
    }
}

/// A function that enters a runtime until its guard is dropped, such as `tokio::runtime::Handle::enter`: see
/// [`Hosted::runtime`](super::Hosted::runtime).
///
/// Every function from `&R` to a guard is one. This trait is sealed.
///
/// Requires the feature `tower`.
pub trait Enter<'r, R> {
    #[doc(hidden)]
    const SEAL: Seal;

    /// A guard, which leaves the runtime when it is dropped.
    type Guard: 'r;

    /// Enters the runtime on the calling thread.
    fn enter(&self, runtime: &'r R) -> Self::Guard;
}

impl<'r, R: 'r, G: 'r, F: Fn(&'r R) -> G> Enter<'r, R> for F {
    const SEAL: Seal = Seal;

    type Guard = G;

    fn enter(&self, runtime: &'r R) -> G {
        self(runtime)
    }
}

/// A runtime, and how it is entered.
struct Chosen<R, E> {
    runtime: R,
    enter: E,
}

trait Entering: Send + Sync {
    fn enter(&self) -> Box<dyn Guard + '_>;
}

impl<R, E> Entering for Chosen<R, E>
where
    R: Send + Sync,
    E: for<'r> Enter<'r, R> + Send + Sync,
{
    fn enter(&self) -> Box<dyn Guard + '_> {
        Box::new(self.enter.enter(&self.runtime))
    }
}

/// Anything: it matters only when it is dropped.
pub(super) trait Guard {}

impl<T> Guard for T {}
