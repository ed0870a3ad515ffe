//! Handlers by dotted name: `"views.index"`.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

use super::handler::{Bound, Find, Handler, Shape, bind};
use crate::sealed::Seal;

/// Handlers by dotted name, for routes that are written as data.
///
/// hansel looks a name up among the handlers that you have added here. An unknown name is an error at start-up, not at
/// the first request.
///
/// ```
/// use hansel::{Registry, Routes};
///
/// fn index() -> &'static str { "Index" }
/// fn hello(username: String) -> String { format!("Hello {username}") }
///
/// let views = Registry::new().add("views.index", index).add("views.hello", hello);
/// let routes = Routes::with(views).regex(r"^/$", "views.index").regex(r"^/hello/(?P<username>\w+)/$", "views.hello");
/// # let app = hansel::App::new(routes);
/// # assert!(app.explain(hansel::Method::GET, "/hello/Gretel/").is_found());
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<String, (Bound, &'static Location<'static>)>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}

impl Registry {
    /// Creates a registry without handlers.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Adds a handler under a name.
    ///
    /// # Panics
    /// Panics if there is a handler with that name. The message names both places.
    #[track_caller]
    #[must_use]
    pub fn add<H: Handler<S>, S: Shape<H>>(mut self, name: impl Into<String>, handler: H) -> Registry {
        let name = name.into();
        let at = Location::caller();
        let bound = bind(handler, &|name| self.find(name));
        if let Some((_, first)) = self.handlers.get(&name) {
            panic!("`{name}` is registered twice: at {first} and at {at}");
        }
        self.handlers.insert(name, (bound, at));
        self
    }

    /// Returns the handler with this name.
    ///
    /// # Errors
    /// If there is none. The text lists the names that exist.
    pub(super) fn find(&self, name: &str) -> Result<Bound, String> {
        match self.handlers.get(name) {
            Some((bound, _)) => Ok(bound.clone()),
            None if self.handlers.is_empty() => find_nowhere(name),
            None => {
                let known: Vec<_> = self.handlers.keys().map(String::as_str).collect();
                Err(format!(
                    "there is no handler `{name}`; the registry has {}",
                    known.join(", ")
                ))
            }
        }
    }
}

/// Finds no handler: used where there is no registry.
pub(super) fn find_nowhere(name: &str) -> Result<Bound, String> {
    Err(format!(
        "there is no handler `{name}`: give the routes a registry that has it, by `Routes::with(registry)`"
    ))
}

/// The shape of a handler that is given by name.
#[doc(hidden)]
#[derive(Debug)]
pub struct Dotted(());

impl Handler<Dotted> for &'static str {
    const SEAL: Seal = Seal;
}

impl Shape<&'static str> for Dotted {
    const SEAL: Seal = Seal;

    fn bind(name: &'static str, find: Find<'_>) -> Result<Bound, String> {
        find(name)
    }
}
