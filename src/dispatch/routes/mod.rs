//! Dispatch by pattern: templates and regular expressions.

mod branch;
mod captured;
mod nearest;
mod pattern;
#[cfg(feature = "regex")]
mod regexes;
mod route;
#[cfg(feature = "regex")]
mod shown;
#[cfg(feature = "regex")]
mod sieve;
mod table;
mod tree;

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;

use http::Method;

use super::handler::{Bound, Handler, Shape, bind};
use super::{Dispatch, IntoDispatch, Map, MethodSet, Miss, Registry, Reply, Step, Walk};
use pattern::Key;
pub use pattern::Pattern;
#[cfg(feature = "regex")]
pub use pattern::regex;
use route::{Destination, Route, RouteHandler, sharing};
use table::Table;

/// Dispatch by pattern.
///
/// A path is decided in one pass over all patterns. Where several match, text comes before parameters,
/// parameters before regular expressions, those in the order of their registration, and rests come last.
/// Routes of the same pattern share the place of the first. A mount counts as the template it is; at `/`
/// it comes after all else. If an argument does not fit
/// (`abc` where a handler wants a `u32`), the next pattern is tried.
///
/// ```
/// use hansel::Routes;
///
/// fn index() -> &'static str { "Index" }
/// fn person(id: u32) -> String { format!("person {id}") }
/// fn hello(username: &str) -> String { format!("Hello {username}") }
/// fn file(path: std::path::PathBuf) -> String { path.display().to_string() }
///
/// let routes = Routes::new()
///     .get("/", index)
///     .get("/people/{id}", person)
///     .delete("/people/{id}", |id: u32| format!("{id} is gone"))
///     .regex(r"^/hello/(?P<username>\w+)/$", hello)
///     .get("/files/{*path}", file)
///     .not_found(|| "There is nothing here.");
/// ```
///
/// # Panics
/// Registering panics on a mistake that would otherwise show at a request: a pattern that can't be, two
/// equal ones, a handler whose arguments are not those of its pattern, a name that a registry does not
/// have. The message names the places. It is a panic, not a `Result`, because it is the program that is
/// wrong, at its start, at a line of its own; no input can cause it.
#[derive(Default)]
pub struct Routes {
    /// In the order of their registration.
    routes: Vec<Route>,
    /// The routes to handlers at each pattern, so that equal patterns are found.
    handlers: HashMap<Key, Vec<usize>>,
    mounts: HashMap<Key, usize>,
    not_found: Option<Bound>,
    registry: Registry,
    table: OnceLock<Table>,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident $method:ident),*) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $verb<H: Handler<S>, S: Shape<H>>(self, pattern: impl Into<Pattern>, handler: H) -> Routes {
            self.on(Method::$method, pattern, handler)
        }
    )*};
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("patterns", &self.routes.len())
            .finish_non_exhaustive()
    }
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Routes {
        Routes::default()
    }

    /// No routes yet; their handlers may be given by dotted names that `registry` knows.
    pub fn with(registry: Registry) -> Routes {
        Routes {
            registry,
            ..Routes::new()
        }
    }

    verbs!(
        /// Answers GET, and HEAD with it, at a pattern.
        get GET,
        /// Answers POST at a pattern.
        post POST,
        /// Answers PUT at a pattern.
        put PUT,
        /// Answers PATCH at a pattern.
        patch PATCH,
        /// Answers DELETE at a pattern.
        delete DELETE
    );

    /// Answers any one method at a pattern, a custom one as well.
    #[track_caller]
    #[must_use]
    pub fn on<H: Handler<S>, S: Shape<H>>(self, method: Method, pattern: impl Into<Pattern>, handler: H) -> Routes {
        self.add(MethodSet::of(method), pattern.into(), handler)
    }

    /// Answers every method at a pattern for which there is no other handler.
    #[track_caller]
    #[must_use]
    pub fn any<H: Handler<S>, S: Shape<H>>(self, pattern: impl Into<Pattern>, handler: H) -> Routes {
        self.add(MethodSet::any(), pattern.into(), handler)
    }

    /// Answers GET at a regular expression; for other methods, see [`regex`](crate::regex()).
    ///
    /// Requires the feature `regex`, which is on by default.
    #[cfg(feature = "regex")]
    #[track_caller]
    #[must_use]
    pub fn regex<H: Handler<S>, S: Shape<H>>(self, expression: &str, handler: H) -> Routes {
        self.get(regex(expression), handler)
    }

    /// Hands over to `inner` what begins with a path. Parameters in the path are read by
    /// [`Request::capture`](crate::Request::capture).
    ///
    /// What `inner` misses may still match another pattern.
    #[track_caller]
    #[must_use]
    pub fn mount<S>(mut self, path: &str, inner: impl IntoDispatch<S>) -> Routes {
        let at = Location::caller();
        let pattern = Pattern::from(path);
        if let Err(problem) = pattern.check_mount() {
            panic!("{problem}");
        }
        if let Some(&first) = self.mounts.get(&pattern.key()) {
            let first = self.routes[first].registration.at;
            panic!("two mounts at `{path}`: at {first} and at {at}; a `Chain` tries one after the other");
        }
        self.mounts.insert(pattern.key(), self.routes.len());
        let inner = Destination::Mount(Box::new(inner.into_dispatch()));
        self.push(Route::new(pattern, inner, at))
    }

    /// Gives the route that was added last a name, by which [`App::url_for`](crate::App::url_for) builds
    /// URLs.
    #[track_caller]
    #[must_use]
    pub fn name(mut self, name: &str) -> Routes {
        let Some(route) = self.routes.last_mut().filter(|route| !route.is_mount()) else {
            panic!("`.name(\"{name}\")` stands behind a route, and there is none before it");
        };
        route.registration.name = Some(name.to_owned());
        self
    }

    /// Answers what would be 404 here. The response's status is 404 unless the handler sets one.
    ///
    /// Below a mount, it answers for all that begins with the mount's path, unless another dispatcher has it: it is asked
    /// when nobody else answers, and never hides a 405, or what OPTIONS is answered with.
    #[track_caller]
    #[must_use]
    pub fn not_found<H: Handler<S>, S: Shape<H>>(mut self, handler: H) -> Routes {
        let bound = bind(handler, &|name| self.registry.find(name));
        let signature = bound.0.signature();
        if !signature.takes(0, true) {
            panic!(
                "{} can't handle what is not found: there is no path argument to give it",
                signature.text()
            );
        }
        self.not_found = Some(bound);
        self
    }

    #[track_caller]
    fn add<H: Handler<S>, S: Shape<H>>(mut self, methods: MethodSet, pattern: Pattern, handler: H) -> Routes {
        let at = Location::caller();
        if let Err(problem) = pattern.check() {
            panic!("{problem}");
        }
        let bound = bind(handler, &|name| self.registry.find(name));
        let (captures, open) = pattern.captures();
        let signature = bound.0.signature();
        if !signature.takes(captures, open) {
            panic!(
                "the pattern `{}` captures {captures}{}, and {} takes {}",
                pattern.text,
                if open { " and a rest" } else { "" },
                signature.text(),
                signature.parameters.len(),
            );
        }
        let number = self.routes.len();
        let equal = self.handlers.entry(pattern.key()).or_default();
        let has_same = |other: &&Route| other.handler().is_some_and(|other| other.methods == methods);
        if let Some(first) = equal.iter().map(|&other| &self.routes[other]).find(has_same) {
            panic!(
                "two handlers for {} at equal patterns: `{}` at {} and `{}` at {at}",
                shown(&methods),
                first.pattern().text,
                first.registration.at,
                pattern.text,
            );
        }
        let handler = RouteHandler::new(methods, bound, &pattern);
        let mut route = Route::new(pattern, Destination::Handler(handler), at);
        if let Some(&last) = equal.last() {
            route.registration.is_first = false;
            self.routes[last].set_next(number);
        }
        equal.push(number);
        self.push(route)
    }

    fn push(mut self, route: Route) -> Routes {
        self.routes.push(route);
        self.table = OnceLock::new();
        self
    }

    fn table(&self) -> &Table {
        self.table.get_or_init(|| Table::build(&self.routes))
    }
}

fn shown(methods: &MethodSet) -> String {
    if methods.is_any() {
        "any method".to_owned()
    } else {
        methods.to_string()
    }
}

impl Dispatch for Routes {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let miss = match self.table().dispatch(&self.routes, walk) {
            Ok(arrived) => return Ok(arrived),
            Err(miss) => miss,
        };
        match &self.not_found {
            Some(handler) if miss == Miss::NotFound && walk.is_last_resort() => not_found(handler, walk),
            _ => Err(miss),
        }
    }

    fn describe(&self, map: &mut Map) {
        // So that what takes a while is done before the first request.
        self.table();
        for first in self.routes.iter().filter(|route| route.registration.is_first) {
            match &first.destination {
                Destination::Handler(_) => sharing(&self.routes, first).for_each(|(route, _)| route.describe(map)),
                Destination::Mount(_) => first.describe(map),
            }
        }
        if let Some(handler) = &self.not_found {
            map.endpoint(
                "Routes",
                &MethodSet::any(),
                "/{*}",
                &format!("{} (not found)", handler.0.signature().text()),
            );
        }
    }
}

fn not_found(handler: &Bound, walk: &mut Walk<'_>) -> Reply {
    let all = Step::taking_text("Routes", "", walk.segments().text().len());
    let segments = walk.segments();
    let arrived = walk.descend(all, |walk| {
        handler
            .0
            .call_with_segments(&(), walk, segments, "Routes", &MethodSet::any())
    })?;
    if let Some(response) = walk
        .response_mut()
        .filter(|response| response.status() == http::StatusCode::OK)
    {
        response.set_status(http::StatusCode::NOT_FOUND);
    }
    Ok(arrived)
}
