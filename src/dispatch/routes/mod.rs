//! Dispatch by pattern: templates and regular expressions.

mod branch;
mod captured;
mod nearest;
mod pattern;
mod ready;
#[cfg(feature = "regex")]
mod regexes;
#[cfg(feature = "regex")]
mod shown;
#[cfg(feature = "regex")]
mod sieve;
mod table;
mod tree;

use std::collections::HashMap;
use std::panic::Location;
use std::sync::OnceLock;

use http::Method;

use super::arguments::{PathArguments, Tail};
use super::handler::{Bound, Handler, Shape, bind};
use super::{Dispatch, Endpoint, IntoDispatch, Map, MethodSet, Miss, Registry, Reply, Step, Walk};
use pattern::Key;
pub use pattern::Pattern;
#[cfg(feature = "regex")]
pub use pattern::regex;
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
    entries: Vec<Entry>,
    /// By key, so that equal patterns are found.
    places: HashMap<Place, usize>,
    last: Option<(usize, usize)>,
    not_found: Option<Bound>,
    registry: Registry,
    table: OnceLock<Table>,
}

/// Where an entry is: routes and a mount may share a pattern.
#[derive(PartialEq, Eq, Hash)]
enum Place {
    Endpoints(Key),
    Mount(Key),
}

/// What there is at one pattern.
struct Entry {
    pattern: Pattern,
    target: Target,
}

enum Target {
    Endpoints(Vec<Route>),
    Mount {
        inner: Box<dyn Dispatch>,
        at: &'static Location<'static>,
    },
}

/// A handler, for a method, at a pattern.
struct Route {
    methods: MethodSet,
    /// As this route was written: the names of parameters may differ from those of its neighbours.
    pattern: Pattern,
    bound: Bound,
    name: Option<String>,
    at: &'static Location<'static>,
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
        let key = Place::Mount(pattern.key());
        let first = self
            .places
            .get(&key)
            .and_then(|&place| self.entries[place].first_location());
        if let Some(first) = first {
            panic!("two mounts at `{path}`: at {first} and at {at}; a `Chain` tries one after the other");
        }
        self.places.insert(key, self.entries.len());
        self.last = None;
        self.table = OnceLock::new();
        self.entries.push(Entry {
            pattern,
            target: Target::Mount {
                inner: Box::new(inner.into_dispatch()),
                at,
            },
        });
        self
    }

    /// Gives the route that was added last a name, by which [`App::url_for`](crate::App::url_for) builds
    /// URLs.
    #[track_caller]
    #[must_use]
    pub fn name(mut self, name: &str) -> Routes {
        let Some(route) = self.last_route() else {
            panic!("`.name(\"{name}\")` stands behind a route, and there is none before it");
        };
        route.name = Some(name.to_owned());
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
        let entries = &mut self.entries;
        let place = *self.places.entry(Place::Endpoints(pattern.key())).or_insert_with(|| {
            entries.push(Entry {
                pattern: pattern.clone(),
                target: Target::Endpoints(Vec::new()),
            });
            entries.len() - 1
        });
        if let Some(Target::Endpoints(routes)) = entries.get_mut(place).map(|entry| &mut entry.target) {
            if let Some(first) = routes.iter().find(|route| route.methods == methods) {
                panic!(
                    "two handlers for {} at equal patterns: `{}` at {} and `{}` at {at}",
                    shown(&methods),
                    first.pattern.text,
                    first.at,
                    pattern.text,
                );
            }
            self.last = Some((place, routes.len()));
            routes.push(Route {
                methods,
                pattern,
                bound,
                name: None,
                at,
            });
        }
        self.table = OnceLock::new();
        self
    }

    fn last_route(&mut self) -> Option<&mut Route> {
        let (entry, route) = self.last?;
        match &mut self.entries.get_mut(entry)?.target {
            Target::Endpoints(routes) => routes.get_mut(route),
            Target::Mount { .. } => None,
        }
    }

    fn table(&self) -> &Table {
        self.table.get_or_init(|| Table::build(&self.entries))
    }
}

fn shown(methods: &MethodSet) -> String {
    if methods.is_any() {
        "any method".to_owned()
    } else {
        methods.to_string()
    }
}

impl Entry {
    fn first_location(&self) -> Option<&'static Location<'static>> {
        match &self.target {
            Target::Endpoints(routes) => routes.first().map(|route| route.at),
            Target::Mount { at, .. } => Some(at),
        }
    }
}

impl Dispatch for Routes {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let miss = match self.table().dispatch(&self.entries, walk) {
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
        for entry in &self.entries {
            match &entry.target {
                Target::Endpoints(routes) => routes.iter().for_each(|route| route.describe(map)),
                Target::Mount { inner, .. } => map.below(&entry.pattern.shown, |map| inner.describe(map)),
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
        let any = MethodSet::any();
        let signature = handler.0.signature();
        let endpoint = Endpoint {
            dispatcher: "Routes",
            name: signature.name,
            methods: &any,
            pace: signature.pace,
        };
        handler.0.call(
            &(),
            walk,
            &mut PathArguments::new(&[], segments, Tail::Segments),
            endpoint,
        )
    })?;
    if let Some(response) = walk.response_mut()
        && response.status() == http::StatusCode::OK
    {
        response.set_status(http::StatusCode::NOT_FOUND);
    }
    Ok(arrived)
}

impl Route {
    fn describe(&self, map: &mut Map) {
        map.endpoint(
            "Routes",
            &self.methods,
            &self.pattern.shown,
            &self.bound.0.signature().text(),
        );
        if let Some(name) = &self.name {
            map.name(name);
        }
    }
}
