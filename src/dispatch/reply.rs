//! The result of a dispatch: it has arrived, or it has missed.

use std::error::Error;
use std::fmt;

use http::Method;

use super::MethodSet;

/// The reply of a [`Dispatch`](super::Dispatch).
pub type Reply = Result<Arrived, Miss>;

/// An endpoint was reached. Only [`Walk::arrive`](super::Walk::arrive) makes this value.
///
/// The walk has the response: [`Walk::response`](super::Walk::response).
#[derive(Debug)]
#[must_use = "an endpoint was reached"]
pub struct Arrived(());

impl Arrived {
    pub(super) fn new() -> Arrived {
        Arrived(())
    }
}

/// No endpoint was reached.
///
/// `NotFound` is equivalent to a `MethodNotAllowed` that allows nothing, so misses can be [merged](Miss::merge) in any
/// order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a dispatcher replies with one of the two, and must know both"
)]
pub enum Miss {
    /// There is nothing at this path: 404.
    NotFound,
    /// There is something at this path, for these methods: 405.
    MethodNotAllowed(MethodSet),
}

impl Miss {
    /// Merges the misses of two dispatchers that were asked about the same path.
    #[must_use]
    pub fn merge(self, other: Miss) -> Miss {
        match (self, other) {
            (Miss::NotFound, miss) | (miss, Miss::NotFound) => miss,
            (Miss::MethodNotAllowed(mut allowed), Miss::MethodNotAllowed(others)) => {
                allowed.merge(&others);
                Miss::MethodNotAllowed(allowed)
            }
        }
    }

    /// Returns the methods that are allowed at the path.
    pub fn allowed(&self) -> MethodSet {
        match self {
            Miss::NotFound => MethodSet::empty(),
            Miss::MethodNotAllowed(allowed) => allowed.clone(),
        }
    }

    /// Returns whether `method` is allowed at the path.
    pub fn allows(&self, method: &Method) -> bool {
        match self {
            Miss::NotFound => false,
            Miss::MethodNotAllowed(allowed) => allowed.allows(method),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Miss::NotFound => f.write_str("there is no endpoint at this path"),
            Miss::MethodNotAllowed(allowed) => write!(f, "this path allows only {}", allowed.allow()),
        }
    }
}

impl Error for Miss {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_404_is_a_405_that_allows_nothing() {
        let get = || Miss::MethodNotAllowed(MethodSet::of(Method::GET));
        let post = || Miss::MethodNotAllowed(MethodSet::of(Method::POST));
        assert_eq!(Miss::NotFound.merge(get()), get());
        assert_eq!(get().merge(Miss::NotFound), get());
        assert_eq!(get().merge(post()), post().merge(get()));
        assert_eq!(Miss::NotFound.merge(Miss::NotFound), Miss::NotFound);
    }

    #[test]
    fn a_miss_says_what_its_path_allows() {
        let get = Miss::MethodNotAllowed(MethodSet::of(Method::GET));
        assert_eq!(get.allowed(), MethodSet::of(Method::GET));
        assert!(get.allows(&Method::HEAD) && !get.allows(&Method::PUT));
        assert_eq!(get.to_string(), "this path allows only GET, HEAD, OPTIONS");
        assert!(Miss::NotFound.allowed().is_empty() && !Miss::NotFound.allows(&Method::GET));
        assert_eq!(Miss::NotFound.to_string(), "there is no endpoint at this path");
    }
}
