//! Parts of the path that dispatch has named on its way, for whoever asks by name.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The named captures of one request, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    all: RefCell<Vec<Capture>>,
    /// How many there are: asked at every step of a walk, so it has to cost next to nothing.
    count: Cell<usize>,
}

/// A name, and where in the path's text its value is.
#[derive(Debug)]
struct Capture {
    name: Arc<str>,
    start: u32,
    end: u32,
}

impl Captures {
    pub(crate) fn add(&self, name: &Arc<str>, start: usize, end: usize) {
        self.all.borrow_mut().push(Capture {
            name: Arc::clone(name),
            start: start as u32,
            end: end as u32,
        });
        self.count.set(self.count.get() + 1);
    }

    /// Where the value is that was captured last under this name.
    pub(super) fn find(&self, name: &str) -> Option<(usize, usize)> {
        let captures = self.all.borrow();
        let capture = captures.iter().rev().find(|capture| &*capture.name == name)?;
        Some((capture.start as usize, capture.end as usize))
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count.get()
    }

    /// Forgets all but the first `count`.
    #[inline]
    pub(crate) fn truncate(&self, count: usize) {
        if self.count.get() > count {
            self.all.borrow_mut().truncate(count);
            self.count.set(count);
        }
    }
}
