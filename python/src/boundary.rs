//! Where the rules of two languages meet: all `unsafe` code of the package.
//!
//! **The interpreter's lock.** PyO3 attaches a thread for a scope. Here the end of the scope is unknown when it begins: a thread
//! keeps the lock until the server says that it rests. That is worth 25 times the rate of quick requests beside two that
//! compute. `take` and `give_back` are a pair: `KEPT` says which of them is next on this thread.
//!
//! **The request of a call.** An object of Python can't borrow it. `with_request` lends it to the functions that Python calls
//! on the same thread meanwhile.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::NonNull;

use hansel::{Limiter, Request};
use pyo3::ffi;
use pyo3::prelude::*;

thread_local! {
    static KEPT: Cell<Option<ffi::PyGILState_STATE>> = const { Cell::new(None) };
    static REQUEST: Cell<Option<NonNull<Request>>> = const { Cell::new(None) };
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
            // in between have ended: this is called between calls of the application only, or by `without`'s closure,
            // which finds nothing to give back.
            unsafe { ffi::PyGILState_Release(state) };
        }
    });
}

/// Runs `wait` without the lock, in the middle of a call. The server may say meanwhile that the thread rests.
pub(crate) fn without<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    py.detach(|| {
        let kept = KEPT.take();
        let result = wait();
        KEPT.set(kept);
        result
    })
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

/// Takes a socket that Python has given away by its number, as `socket.detach` does.
pub(crate) fn given_away(number: i32) -> OwnedFd {
    // SAFETY: `hansel.wsgi` passes only what `socket.detach` has returned, once, so nobody else will close it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Calls `call`, and lends `request` to `request_of_call` on this thread meanwhile.
pub(crate) fn with_request<R>(request: &Request, call: impl FnOnce() -> R) -> R {
    struct Lent(Option<NonNull<Request>>);
    impl Drop for Lent {
        fn drop(&mut self) {
            REQUEST.set(self.0);
        }
    }
    let _lent = Lent(REQUEST.replace(Some(NonNull::from(request))));
    call()
}

/// Calls `read` with the request of the call that this thread is in.
pub(crate) fn request_of_call<R>(read: impl FnOnce(&Request) -> R) -> Option<R> {
    REQUEST.get().map(|request| {
        // SAFETY: it is of `with_request`, further up the stack of this thread: that borrows it until it takes it back. The
        // closure can keep no reference, because it must take one of any lifetime.
        read(unsafe { request.as_ref() })
    })
}
