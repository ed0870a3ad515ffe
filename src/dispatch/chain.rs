//! A chain of dispatchers, which are asked one after the other.

use std::fmt;

use super::{Dispatch, IntoDispatch, Map, Miss, Reply, Walk};

/// Asks dispatchers one after the other, until one finds an endpoint.
///
/// If none does, the methods that they allow are merged: a path that one has for GET and another for POST is 405 with
/// both in `Allow`. Your own 404 does not change this. [`Routes::not_found`](crate::Routes::not_found) is called only
/// after all dispatchers have missed. The 404 of an endpoint for any method, such as a function at the end of the
/// chain, is replaced by a 405 if another dispatcher has the path.
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
    /// Creates a chain without dispatchers.
    pub fn new() -> Chain {
        Chain::default()
    }

    /// Adds a dispatcher, application, resource or function, which is asked after the others.
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
        walk.with_rivals(|walk| self.ask(walk))
    }

    fn describe(&self, map: &mut Map) {
        for link in &self.links {
            link.describe(map);
        }
    }
}
