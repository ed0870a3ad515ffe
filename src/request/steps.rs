//! Counts octets that are read, for tests of how the work grows.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// Counts octets that are read.
pub(crate) fn count(octets: usize) {
    STEPS.with(|steps| steps.set(steps.get() + octets));
}

/// Returns how many octets `of` reads.
pub(crate) fn counted(of: impl FnOnce()) -> usize {
    let before = STEPS.with(Cell::get);
    of();
    STEPS.with(Cell::get) - before
}
