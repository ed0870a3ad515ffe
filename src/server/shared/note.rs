//! A note that something is to be looked at: it lies at a loop once, however often it is left.

use super::sync::{AtomicBool, Ordering};

/// True while the note lies at the loop.
pub(crate) struct Note(AtomicBool);

impl Note {
    pub(crate) fn new() -> Note {
        Note(AtomicBool::new(false))
    }

    /// Returns true if the caller must bring it to the loop: it does not lie there yet.
    #[must_use = "it must be brought to the loop"]
    pub(crate) fn leave(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// Takes it up. The loop looks after that, so what is there later leaves another note.
    pub(crate) fn take_up(&self) {
        // Swapped, although the old value is not used: so whoever has left it is seen with all that was done before.
        self.0.swap(false, Ordering::SeqCst);
    }
}
