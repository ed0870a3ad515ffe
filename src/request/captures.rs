//! Parts of the path that dispatch has named on its way, for whoever asks by name.

use std::cell::RefCell;
use std::sync::Arc;

/// The named captures of one request, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Captures(RefCell<Vec<Capture>>);

/// A name, and where in the path's text its value is.
#[derive(Debug)]
struct Capture {
    name: Arc<str>,
    start: u32,
    end: u32,
}

impl Captures {
    pub(crate) fn add(&self, name: &Arc<str>, start: usize, end: usize) {
        self.0.borrow_mut().push(Capture {
            name: Arc::clone(name),
            start: start as u32,
            end: end as u32,
        });
    }

    /// Where the value is that was captured last under this name.
    pub(super) fn find(&self, name: &str) -> Option<(usize, usize)> {
        let captures = self.0.borrow();
        let capture = captures.iter().rev().find(|capture| &*capture.name == name)?;
        Some((capture.start as usize, capture.end as usize))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Forgets all but the first `count`.
    pub(crate) fn truncate(&self, count: usize) {
        self.0.borrow_mut().truncate(count);
    }
}
