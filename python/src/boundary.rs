//! Where the rules of two languages meet: all `unsafe` code of the package.
//!
//! **The interpreter's lock.** PyO3 attaches a thread for a scope. Here the end of the scope is unknown when it begins: a thread
//! keeps the lock until the server says that it rests. That is worth 25 times the rate of quick requests beside two that
//! compute. `take` and `give_back` are a pair: `LOCK` says which of them is next on this thread.
//!
//! **The request of a call.** An object of Python can't borrow it. `with_request` lends it to the functions that Python calls
//! on the same thread meanwhile, and its body to objects that other threads may have as well.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use hansel::{Limiter, Request};
use pyo3::ffi;
use pyo3::prelude::*;

thread_local! {
    static LOCK: Cell<Lock> = const { Cell::new(Lock::Unknown) };
    static REQUEST: Cell<Option<NonNull<Request>>> = const { Cell::new(None) };
    static BODY: Cell<Option<Arc<LentBody>>> = const { Cell::new(None) };
}

/// The hold that this thread has on the interpreter's lock.
#[derive(Clone, Copy)]
enum Lock {
    /// Python does not know this thread, or it is in the middle of `without`.
    Unknown,
    /// Python knows it. What it knows is kept for the thread's life: to make it takes ten times as long as to take the lock.
    Released(*mut ffi::PyThreadState),
    Held,
}

/// Takes the lock, unless this thread has kept it. Without the lock, other threads of the server go on meanwhile.
pub(crate) fn take(limiter: &Limiter) {
    match LOCK.get() {
        Lock::Held => return,
        // SAFETY: may be called on any thread of an initialized interpreter. It is initialized: it has imported this module.
        // While it ends, PyO3's version of the call never returns.
        Lock::Unknown => limiter.wait(|| unsafe { ffi::PyGILState_Ensure() }),
        Lock::Released(state) => limiter.wait(|| {
            // SAFETY: `state` is of the `PyEval_SaveThread` below, on this thread, and is used once.
            unsafe { ffi::PyEval_RestoreThread(state) };
            ffi::PyGILState_STATE::PyGILState_LOCKED
        }),
    };
    LOCK.set(Lock::Held);
}

/// Gives the lock back, if this thread has kept it.
pub(crate) fn give_back() {
    if let Lock::Held = LOCK.get() {
        // SAFETY: this thread has the lock, by `take`. All scopes of PyO3 in between have ended: this is called between calls of
        // the application, or within `without`, and then the lock is not `Held`.
        LOCK.set(Lock::Released(unsafe { ffi::PyEval_SaveThread() }));
    }
}

/// Runs `wait` without the lock, in the middle of a call. The server may say meanwhile that the thread rests.
pub(crate) fn without<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    py.detach(|| {
        let lock = LOCK.replace(Lock::Unknown);
        let result = wait();
        LOCK.set(lock);
        result
    })
}

/// Runs a thread of the server, and has Python forget it at the end. It does not wait for the lock before: whoever holds it may
/// wait for this thread.
pub(crate) fn run_thread(run: &mut dyn FnMut()) {
    run();
    give_back();
    if let Lock::Released(state) = LOCK.replace(Lock::Unknown) {
        // SAFETY: `state` is of the `PyEval_SaveThread` of `give_back`, on this thread, and is used once. The first `take` has
        // made it by `PyGILState_Ensure`, without the lock, and this is the one call that belongs to it.
        unsafe {
            ffi::PyEval_RestoreThread(state);
            ffi::PyGILState_Release(ffi::PyGILState_STATE::PyGILState_UNLOCKED);
        }
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

/// Calls `call`, and lends `request` to `request_of_call` and `lend_body` on this thread meanwhile.
pub(crate) fn with_request<R>(request: &Request, call: impl FnOnce() -> R) -> R {
    /// The request and the body that a call around this one has lent.
    struct Before {
        request: Option<NonNull<Request>>,
        body: Option<Arc<LentBody>>,
    }
    impl Drop for Before {
        fn drop(&mut self) {
            REQUEST.set(self.request);
            if let Some(body) = BODY.replace(self.body.take()) {
                *body.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }
    let _before = Before {
        request: REQUEST.replace(Some(NonNull::from(request))),
        body: BODY.take(),
    };
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

/// The body of a request, until its call is over. Any thread may read it.
pub(crate) struct LentBody(Mutex<Option<NonNull<[u8]>>>);

// SAFETY: all that is done with the pointer is to read bytes that nobody changes, with the mutex locked.
unsafe impl Send for LentBody {}
// SAFETY: the same.
unsafe impl Sync for LentBody {}

/// Lends the body of the request of the call that this thread is in, if all of it is here. However often it does so in one
/// call, the result is the same, so that each pointer is taken away when the call is over.
pub(crate) fn lend_body() -> Option<Arc<LentBody>> {
    if let Some(lent) = BODY.take() {
        BODY.set(Some(Arc::clone(&lent)));
        return Some(lent);
    }
    let body = request_of_call(|request| request.bytes().ok().map(NonNull::from))??;
    let lent = Arc::new(LentBody(Mutex::new(Some(body))));
    BODY.set(Some(Arc::clone(&lent)));
    Some(lent)
}

impl LentBody {
    /// Calls `read` with the body. No Python may run meanwhile. Returns `None` if the call is over.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.map(|body| {
            // SAFETY: `with_request` borrows the request, and with it the body, until it has locked the mutex and taken the
            // pointer away. The closure can keep no reference, because it must take one of any lifetime.
            read(unsafe { body.as_ref() })
        })
    }
}
