//! The parts of a path that a pattern captures.

/// The most captures of a pattern, so a dispatch needs no memory but the stack.
pub(super) const MAX_CAPTURES: usize = 16;

/// A match: a pattern that matches the path, and what it takes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match<'a, 'r> {
    /// The first route with this pattern.
    pub(super) route: usize,
    pub(super) captured: &'a [Option<&'r str>],
    /// The number of octets of the path that the match takes.
    pub(super) taken: usize,
}

impl Match<'static, '_> {
    /// Creates a match that takes nothing, and leaves the whole path to the route.
    pub(super) fn all(route: usize) -> Self {
        Match {
            route,
            captured: &[],
            taken: 0,
        }
    }
}

/// The values that were captured on the way to a node.
pub(super) struct Captured<'r> {
    values: [Option<&'r str>; MAX_CAPTURES],
    len: usize,
}

impl<'r> Captured<'r> {
    pub(super) fn new() -> Captured<'r> {
        Captured {
            values: [None; MAX_CAPTURES],
            len: 0,
        }
    }

    /// Adds a value, and returns whether there was room. There is: no pattern has more parameters.
    pub(super) fn push(&mut self, value: Option<&'r str>) -> bool {
        let Some(place) = self.values.get_mut(self.len) else {
            return false;
        };
        *place = value;
        self.len += 1;
        true
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Keeps only the first `len` values.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = len;
    }

    pub(super) fn matched(&self, route: usize, taken: usize) -> Match<'_, 'r> {
        Match {
            route,
            captured: self.values.get(..self.len).unwrap_or(&[]),
            taken,
        }
    }
}
