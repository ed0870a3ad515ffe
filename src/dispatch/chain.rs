//! One dispatcher after the other.

use std::fmt;

use super::{Dispatch, IntoDispatch, Map, Miss, Reply, Walk};

/// Asks dispatchers one after the other; the first that finds an endpoint answers.
///
/// If none does, what they allow is merged: a path that one has for GET and another for POST is 405 with
/// both in `Allow`. A 404 of your own hides none of this: that of [`Routes::not_found`](crate::Routes::not_found) is
/// asked when all have missed, and one that an endpoint for any method answers, such as a function at the end of the
/// chain, gives way to a 405.
///
/// ```
/// use hansel::{App, Chain, Method, Routes};
///
/// let app = App::new(
///     Chain::new()
///         .then(Routes::new().get("/x", || "GET of the first"))
///         .then(Routes::new().post("/x", || "POST of the second")),
/// );
/// assert!(app.explain(Method::POST, "/x").is_found());
/// assert!(app.explain(Method::PUT, "/x").to_string().contains("Allow: GET, HEAD, OPTIONS, POST"));
/// ```
#[derive(Default)]
pub struct Chain {
    links: Vec<Box<dyn Dispatch>>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// No dispatcher yet.
    pub fn new() -> Chain {
        Chain::default()
    }

    /// The same with a dispatcher, application, resource or function, to be asked after the others.
    #[track_caller]
    #[must_use]
    pub fn then<K>(mut self, link: impl IntoDispatch<K>) -> Chain {
        self.links.push(Box::new(link.into_dispatch()));
        self
    }
}

impl Chain {
    fn ask(&self, walk: &mut Walk<'_>) -> Reply {
        let mut missed = Miss::NotFound;
        for link in &self.links {
            match walk.behind_miss(&missed, |walk| link.dispatch(walk)) {
                Ok(arrived) => return Ok(arrived),
                Err(miss) => missed = missed.merge(miss),
            }
        }
        Err(missed)
    }
}

impl Dispatch for Chain {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        walk.with_rivals(self.links.len() > 1, |walk| self.ask(walk))
    }

    fn describe(&self, map: &mut Map) {
        for link in &self.links {
            link.describe(map);
        }
    }
}
