//! Containing panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`. If it panics, returns the message of the panic.
///
/// Anything that `work` leaves unfinished must not be used again, or must be repaired by the caller.
#[inline]
pub(crate) fn contain<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(text_of)
}

/// Runs `work`. If it panics, runs `instead` with the message of the panic.
#[inline]
pub(crate) fn contain_or<R>(work: impl FnOnce() -> R, instead: impl FnOnce(&str) -> R) -> R {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(panic) => instead(&text_of(panic)),
    }
}

#[cold]
fn text_of(panic: Box<dyn Any + Send>) -> String {
    let text = if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    };
    // The payload is a value of the program, and may panic again when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_text_whatever_it_carries() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::panic::panic_any(Bomb);
            }
        }
        assert_eq!(contain(|| 1), Ok(1));
        assert_eq!(contain(|| panic!("literal")), Err::<(), _>("literal".to_owned()));
        assert_eq!(contain(|| panic!("{}", 1)), Err::<(), _>("1".to_owned()));
        let bomb = contain(|| std::panic::panic_any(Bomb));
        assert_eq!(bomb, Err::<(), _>("a panic without a text".to_owned()));
    }
}
