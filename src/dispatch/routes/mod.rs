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
use std::time::Duration;

use http::Method;

use super::handler::{Bound, Handler, Shape, bind};
use super::{Dispatch, IntoDispatch, Map, MethodSet, Registry, Reply, RouteLimits, Step, Walk};
use pattern::Key;
pub use pattern::Pattern;
#[cfg(feature = "regex")]
pub use pattern::regex;
use route::{Destination, Route, RouteHandler, sharing};
use table::Table;

/// Dispatch by pattern.
///
/// A path is compared with all patterns in one pass. If several match, text comes before parameters, parameters before
/// regular expressions (in the order of their registration), and rests come last. Routes with the same pattern have the
/// position of the first. A mount is a template as well; a mount at `/` comes after everything else. If an argument
/// does not fit (`abc` where a handler takes a `u32`), the next pattern is tried.
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
/// Registration panics on a mistake that would otherwise only show at a request: an invalid pattern, two equal
/// patterns, a handler whose arguments do not fit its pattern, a name that is not in the registry. The message names
/// the places. It is a panic and not a `Result` because the program is wrong, at start-up and at a known line; no input
/// can cause it.
#[derive(Default)]
pub struct Routes {
    /// In the order of their registration.
    routes: Vec<Route>,
    /// The routes to handlers, by pattern.
    handlers: HashMap<Key, Vec<usize>>,
    /// The mounts, by pattern: handlers and a mount may have equal patterns.
    mounts: HashMap<Key, usize>,
    /// With the line that sets it.
    not_found: Option<(Bound, &'static Location<'static>)>,
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
    /// Creates a dispatcher without routes.
    pub fn new() -> Routes {
        Routes::default()
    }

    /// Creates a dispatcher without routes. Their handlers may be given by the names in `registry`.
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

    /// Answers one method at a pattern. It may be a custom method.
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

    /// Mounts `inner` under a path. Parameters in the path are read by [`Request::capture`](crate::Request::capture).
    ///
    /// A path that `inner` misses may still match another pattern.
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
        let inner = Destination::Mount {
            inner: Box::new(inner.into_dispatch()),
            is_limited: false,
        };
        self.push(Route::new(pattern, inner, at))
    }

    /// Names the route that was added last. [`App::url_for`](crate::App::url_for) builds URLs by this name.
    #[track_caller]
    #[must_use]
    pub fn name(mut self, name: &str) -> Routes {
        let Some(route) = self.routes.last_mut().filter(|route| !route.is_mount()) else {
            panic!("`.name(\"{name}\")` stands behind a route, and there is none before it");
        };
        route.registration.name = Some(name.to_owned());
        self
    }

    /// Limits the route or mount that was added last; see [`RouteLimits`]. [`Hooks::limits`](crate::Hooks::limits) limits all
    /// routes at once.
    ///
    /// ```
    /// use hansel::{Request, RouteLimits, Routes};
    /// use std::time::Duration;
    ///
    /// fn upload(request: &Request) -> hansel::Result<String> {
    ///     Ok(format!("{} bytes", std::io::copy(&mut request.body(), &mut std::io::sink())?))
    /// }
    ///
    /// let large = RouteLimits::new().body(1 << 30).deadline(Duration::from_secs(600));
    /// let routes = Routes::new()
    ///     .post("/upload", upload).route_limits(large)
    ///     .post("/login", || "Hello").route_body_limit(1000)
    ///     .get("/report", || "Slow").route_deadline(Duration::from_secs(300)).route_concurrency(2);
    /// print!("{}", hansel::App::new(routes).routes());
    /// ```
    ///
    /// # Panics
    /// If there is no route or mount yet.
    #[track_caller]
    #[must_use]
    pub fn route_limits(mut self, limits: RouteLimits) -> Routes {
        let Some(route) = self.routes.last_mut() else {
            panic!("limits stand behind a route or mount, and there is none before them");
        };
        route.limit(limits);
        self
    }

    /// Limits the bodies of requests to the route or mount that was added last, in bytes: see [`RouteLimits::body`].
    ///
    /// # Panics
    /// Panics if [`route_limits`](Routes::route_limits) does.
    #[track_caller]
    #[must_use]
    pub fn route_body_limit(self, bytes: u64) -> Routes {
        self.route_limits(RouteLimits::new().body(bytes))
    }

    /// Limits the time that the handler of the route or mount that was added last may take: see
    /// [`RouteLimits::deadline`].
    ///
    /// # Panics
    /// Panics if [`route_limits`](Routes::route_limits) does.
    #[track_caller]
    #[must_use]
    pub fn route_deadline(self, time: impl Into<Option<Duration>>) -> Routes {
        self.route_limits(RouteLimits::new().deadline(time))
    }

    /// Limits how many requests to the route or mount that was added last are handled at once: see
    /// [`RouteLimits::concurrency`].
    ///
    /// # Panics
    /// Panics if [`route_limits`](Routes::route_limits) does.
    #[track_caller]
    #[must_use]
    pub fn route_concurrency(self, most: usize) -> Routes {
        self.route_limits(RouteLimits::new().concurrency(most))
    }

    /// Sets the handler for paths that are not found. Its response has the status 404 unless the handler sets another.
    ///
    /// Below a mount, the handler is called for paths that begin with the path of the mount, but only if no other
    /// dispatcher has the path. It never replaces a 405 or the response to OPTIONS.
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
        self.not_found = Some((bound, Location::caller()));
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
            Some((handler, _)) if walk.is_404(&miss) && walk.is_last_resort() => not_found(handler, walk),
            _ => Err(miss),
        }
    }

    fn describe(&self, map: &mut Map) {
        // Builds the table before the first request.
        self.table();
        for first in self.routes.iter().filter(|route| route.registration.is_first) {
            match &first.destination {
                Destination::Handler(_) => sharing(&self.routes, first).for_each(|(route, _)| route.describe(map)),
                Destination::Mount { .. } => first.describe(map),
            }
        }
        if let Some((handler, at)) = &self.not_found {
            let signature = handler.0.signature();
            let shown = format!("{} (not found)", signature.text());
            map.endpoint("Routes", &MethodSet::any(), "/{*}", &shown);
            map.check(&signature.needs, at);
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
