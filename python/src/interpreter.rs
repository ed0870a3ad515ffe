//! Keeping the interpreter's lock on a thread from one call to the next.
//!
//! PyO3 attaches a thread for a scope. Here the end of the scope is unknown when it begins: a thread keeps the lock until
//! the server says that it rests. That is worth 25 times the rate of quick requests beside two that compute.
//!
//! The two calls of `take` and `give_back` are a pair: `KEPT` says which of them is next on this thread.
#![allow(unsafe_code)]

use std::cell::Cell;

use hansel::Limiter;
use pyo3::ffi;
use pyo3::prelude::*;

thread_local! {
    static KEPT: Cell<Option<ffi::PyGILState_STATE>> = const { Cell::new(None) };
}

/// Takes the lock, unless this thread has kept it. Without the lock, other threads of the server go on meanwhile.
pub(crate) fn take(limiter: &Limiter) {
    KEPT.with(|kept| {
        if kept.get().is_none() {
            // SAFETY: may be called on any thread of an initialized interpreter, attached or not. The interpreter is
            // initialized: it has imported this module. While it ends, PyO3's version of the call never returns.
            kept.set(Some(limiter.wait(|| unsafe { ffi::PyGILState_Ensure() })));
        }
    });
}

/// Gives the lock back, if this thread has kept it.
pub(crate) fn give_back() {
    KEPT.with(|kept| {
        if let Some(state) = kept.take() {
            // SAFETY: `state` is of the `PyGILState_Ensure` above, on this thread, and is used once. All scopes of PyO3
            // in between have ended: this is called between calls of the application only.
            unsafe { ffi::PyGILState_Release(state) };
        }
    });
}

/// Runs a thread, and has Python keep what it knows of it meanwhile. Making that for each call takes ten times as long as
/// to take the lock. PyO3's own `attach` and `detach` need a closure that is `Send`, which `run` is not.
pub(crate) fn run_thread(run: &mut dyn FnMut()) {
    // SAFETY: as in `take`. The lock is given back by `PyEval_SaveThread` before anything else happens, and taken again on
    // this thread with what that returned. Nothing in between is left attached: `give_back` runs before.
    let (state, saved) = unsafe { (ffi::PyGILState_Ensure(), ffi::PyEval_SaveThread()) };
    run();
    give_back();
    // SAFETY: see above.
    unsafe {
        ffi::PyEval_RestoreThread(saved);
        ffi::PyGILState_Release(state);
    }
}

/// Returns how many references there are to an object.
pub(crate) fn owners(object: &Bound<'_, PyAny>) -> isize {
    // SAFETY: it is a live object, and this thread has the lock.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}
