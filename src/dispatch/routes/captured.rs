//! The parts of a path that a pattern captures.

/// So that a dispatch needs no room but the stack's.
pub(super) const MAX_CAPTURES: usize = 16;

/// A pattern that matches, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match<'a, 'r> {
    /// The first route with this pattern.
    pub(super) route: usize,
    pub(super) captured: &'a [Option<&'r str>],
    /// How many octets of the text it takes.
    pub(super) taken: usize,
}

impl Match<'static, '_> {
    /// A match that takes nothing of the path and leaves it all to the route.
    pub(super) fn all(route: usize) -> Self {
        Match {
            route,
            captured: &[],
            taken: 0,
        }
    }
}

/// What has been captured on the way to a node.
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

    /// Says whether there was room, which there is: no pattern has more parameters.
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

    /// Forgets what was captured after the first `len` values.
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
