//! Parts of the path that patterns have named, to be looked up by name.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

/// The named captures of one request, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    all: RefCell<Vec<Capture>>,
    /// The number of captures. It is read at every step of a walk, so it must be cheap.
    count: Cell<usize>,
}

/// A name, and where in the text of the path its value is; `None` for a group that took no part in the match.
#[derive(Debug)]
struct Capture {
    name: Arc<str>,
    place: Option<Range<u32>>,
}

impl Captures {
    pub(crate) fn add(&self, name: &Arc<str>, place: Option<Range<usize>>) {
        self.all.borrow_mut().push(Capture {
            name: Arc::clone(name),
            place: place.map(|place| place.start as u32..place.end as u32),
        });
        self.count.set(self.count.get() + 1);
    }

    /// Returns where the value is that was captured last under this name.
    pub(super) fn find(&self, name: &str) -> Option<Range<usize>> {
        // Groups without a name have an empty one.
        let name = Some(name).filter(|name| !name.is_empty())?;
        let captures = self.all.borrow();
        let capture = captures.iter().rev().find(|capture| &*capture.name == name)?;
        capture.range()
    }

    /// Returns where all values are, in the order in which they were captured.
    pub(super) fn places(&self) -> Vec<Option<Range<usize>>> {
        self.all.borrow().iter().map(Capture::range).collect()
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count.get()
    }

    /// Removes all but the first `count`.
    #[inline]
    pub(crate) fn truncate(&self, count: usize) {
        if self.count.get() > count {
            self.all.borrow_mut().truncate(count);
            self.count.set(count);
        }
    }
}

impl Capture {
    fn range(&self) -> Option<Range<usize>> {
        self.place
            .as_ref()
            .map(|place| place.start as usize..place.end as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_not_counted_any_more() {
        let captures = Captures::default();
        let name = Arc::from("id");
        for _ in 0..2 {
            let mark = captures.count();
            assert_eq!(mark, 0);
            captures.add(&name, Some(1..2));
            assert_eq!(captures.find("id"), Some(1..2));
            captures.truncate(mark);
            assert_eq!(captures.find("id"), None);
        }
    }
}
