//! Who runs the interpreter, and for how long: the scheduling of a WSGI application.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hansel::{Limiter, Request, Scheduling};
use pyo3::prelude::*;

use crate::boundary;
use crate::mounts::Table;

/// The number of calls that may wait for the interpreter's lock before no other begins. With two, 256 handlers that sleep do
/// some 5 to 10 % fewer requests; eight are no better than four.
const WAITING: usize = 4;

/// The threads that take turns with the interpreter.
pub(crate) struct Turns {
    limiter: Limiter,
    mounts: Option<Arc<Table>>,
    /// How many calls have begun.
    begun: AtomicUsize,
    /// Is called with each exception that an application lets out, and where that happened.
    failed: Py<PyAny>,
}

impl Turns {
    pub(crate) fn new(mounts: Option<Arc<Table>>, failed: Py<PyAny>) -> Turns {
        Turns {
            limiter: Limiter::up_to(WAITING),
            mounts,
            begun: AtomicUsize::new(0),
            failed,
        }
    }

    /// Makes a call when it is this thread's turn.
    pub(crate) fn take<R>(&self, call: impl FnOnce() -> R) -> R {
        boundary::take(&self.limiter);
        let turn = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let result = call();
        // Kept for the next call. If others have begun, this one has waited for something, and now they wait for the lock.
        if self.begun.load(Ordering::Relaxed) != turn {
            boundary::give_back();
        }
        result
    }

    /// Returns what is mounted, if there is anything.
    pub(crate) fn mounts(&self) -> Option<&Table> {
        self.mounts.as_deref()
    }

    /// Returns what is mounted, if the request is for that.
    pub(crate) fn mounts_with(&self, request: &Request) -> Option<&Table> {
        self.mounts().filter(|mounts| mounts.has(request))
    }

    /// Reports what an application has raised, and returns what the client may be told of it. `SystemExit` and
    /// `KeyboardInterrupt` end the server.
    pub(crate) fn report(&self, py: Python<'_>, error: &PyErr, place: &str) -> Option<String> {
        // If the report fails, there is nobody left to tell.
        let told = self.failed.call1(py, (error.value(py), place)).ok()?;
        told.extract(py).ok().flatten()
    }
}

impl Scheduling for Turns {
    fn run_thread(&self, run: &mut dyn FnMut()) {
        boundary::run_thread(run);
    }

    fn may_begin(&self) -> bool {
        self.limiter.may_begin()
    }

    fn is_independent(&self, request: &Request) -> bool {
        self.mounts_with(request).is_some()
    }

    fn rest(&self) {
        boundary::give_back();
    }
}
