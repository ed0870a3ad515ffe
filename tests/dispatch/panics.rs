//! The panics of registrations that are refused.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

/// A panic's text, and the file and line that it is blamed on.
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// Calls what has to panic.
pub(crate) fn refused<R>(register: impl FnOnce() -> R) -> Refusal {
    // One at a time, since there is one hook for all.
    static ONE: Mutex<()> = Mutex::new(());
    static PLACE: Mutex<Option<(String, u32)>> = Mutex::new(None);
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = std::thread::current().id();
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        if let (true, Some(at)) = (std::thread::current().id() == thread, panic.location()) {
            *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = Some((at.file().to_owned(), at.line()));
        }
    }));
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(register())));
    set_hook(before);
    let panic = outcome.expect_err("it is refused");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = panic.downcast_ref::<String>().cloned().or(text);
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (file, line) = place.expect("a panic has a place");
    Refusal {
        message: message.expect("a panic says what is wrong"),
        file,
        line,
    }
}
