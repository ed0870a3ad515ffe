//! A step of a walk.

/// A step of a walk: a part of the path, and a name for it.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub(super) dispatcher: &'a str,
    pub(super) name: &'a str,
    pub(super) taken: Taken,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Taken {
    Segments(usize),
    /// This many octets of the rest of the path.
    Text(usize),
}

impl<'a> Step<'a> {
    /// Creates a step that takes no segment, such as one into a dispatcher among several at the same path.
    ///
    /// `dispatcher` is the kind of dispatcher that decided, and `name` is what it chose.
    pub fn new(dispatcher: &'a str, name: &'a str) -> Step<'a> {
        Step {
            dispatcher,
            name,
            taken: Taken::Segments(0),
        }
    }

    /// Creates a step that takes the next `count` segments. Its name becomes a part of the endpoint's pattern,
    /// so it should read like `/{id}`.
    pub fn taking(dispatcher: &'a str, name: &'a str, count: usize) -> Step<'a> {
        Step {
            taken: Taken::Segments(count),
            ..Step::new(dispatcher, name)
        }
    }

    pub(crate) fn taking_text(dispatcher: &'a str, name: &'a str, octets: usize) -> Step<'a> {
        Step {
            taken: Taken::Text(octets),
            ..Step::new(dispatcher, name)
        }
    }
}
