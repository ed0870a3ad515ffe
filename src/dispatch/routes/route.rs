//! Routes: patterns, and the handlers and mounts that they lead to.

use std::num::NonZeroUsize;
use std::panic::Location;
use std::sync::Arc;

use super::captured::Match;
use super::pattern::Pattern;
use crate::dispatch::arguments::{PathArguments, Tail};
use crate::dispatch::by_method::best;
use crate::dispatch::handler::Bound;
use crate::dispatch::{Dispatch, Endpoint, Map, MethodSet, Reply, RouteLimits, Step, Walk};
use crate::pace::Pace;

/// A pattern, and where it leads.
pub(super) struct Route {
    /// The pattern, for trails and maps.
    shown: Arc<str>,
    pub(super) destination: Destination,
    // Boxed, because a dispatch rarely needs it: with thousands of routes, a small `Route` saves cache misses.
    pub(super) registration: Box<Registration>,
}

/// The way in which a route was registered.
pub(super) struct Registration {
    /// The names of its parameters may differ from those in equal patterns.
    pub(super) pattern: Pattern,
    /// The name by which URLs are built.
    pub(super) name: Option<String>,
    pub(super) at: &'static Location<'static>,
    limits: RouteLimits,
    /// True if no earlier route has an equal pattern.
    pub(super) is_first: bool,
}

/// Where a pattern leads.
pub(super) enum Destination {
    Handler(RouteHandler),
    Mount { inner: Box<dyn Dispatch>, is_limited: bool },
}

/// The handler of a route, and what a dispatch needs to know of it.
pub(super) struct RouteHandler {
    pub(super) methods: MethodSet,
    bound: Bound,
    function: &'static str,
    pace: Pace,
    tail: Tail,
    /// True if the handler may ask for captures by name.
    asks_by_name: bool,
    /// True if the handler also reads the rest of the path by name, because no argument takes it.
    reads_rest: bool,
    /// The next route with an equal pattern, for other methods.
    next: Option<NonZeroUsize>,
    /// True if the route has limits.
    is_limited: bool,
}

impl Route {
    pub(super) fn new(pattern: Pattern, destination: Destination, at: &'static Location<'static>) -> Route {
        Route {
            shown: Arc::clone(&pattern.shown),
            destination,
            registration: Box::new(Registration {
                pattern,
                name: None,
                at,
                limits: RouteLimits::new(),
                is_first: true,
            }),
        }
    }

    pub(super) fn handler(&self) -> Option<&RouteHandler> {
        match &self.destination {
            Destination::Handler(handler) => Some(handler),
            Destination::Mount { .. } => None,
        }
    }

    pub(super) fn pattern(&self) -> &Pattern {
        &self.registration.pattern
    }

    pub(super) fn is_mount(&self) -> bool {
        matches!(self.destination, Destination::Mount { .. })
    }

    /// Links to the next route with an equal pattern.
    pub(super) fn set_next(&mut self, number: usize) {
        if let Destination::Handler(handler) = &mut self.destination {
            handler.next = NonZeroUsize::new(number);
        }
    }

    /// Adds limits.
    pub(super) fn limit(&mut self, limits: RouteLimits) {
        self.registration.limits.set(limits);
        match &mut self.destination {
            Destination::Handler(handler) => handler.is_limited = true,
            Destination::Mount { is_limited, .. } => *is_limited = true,
        }
    }

    /// Dispatches to the mount, or to the handler for the method. The pattern has matched, and `routes` contains the
    /// other routes with an equal pattern.
    // Compiled once, with everything inlined: the code between the tree and the handler is most of a dispatch.
    #[inline(never)]
    pub(super) fn take<'r>(&self, routes: &[Route], walk: &mut Walk<'r>, found: &Match<'_, 'r>) -> Reply {
        match &self.destination {
            Destination::Mount { inner, is_limited } => self.enter(&**inner, *is_limited, walk, found),
            Destination::Handler(only) if only.next.is_none() && !only.is_limited => self.call(only, walk, found),
            Destination::Handler(_) => self.take_best(routes, walk, found),
        }
    }

    /// Calls the handler for the method, if several have an equal pattern, or one has limits.
    #[inline(never)]
    fn take_best<'r>(&self, routes: &[Route], walk: &mut Walk<'r>, found: &Match<'_, 'r>) -> Reply {
        best(
            sharing(routes, self),
            |(_, handler)| &handler.methods,
            walk,
            |(route, handler), walk| match handler.is_limited {
                false => route.call(handler, walk, found),
                true => route.call_limited(handler, walk, found),
            },
        )
    }

    /// Calls the handler within the limits of the route.
    #[cold]
    #[inline(never)]
    fn call_limited<'r>(&self, handler: &RouteHandler, walk: &mut Walk<'r>, found: &Match<'_, 'r>) -> Reply {
        walk.limited(&self.registration.limits, |walk| self.call(handler, walk, found))
    }

    #[inline(always)]
    fn call<'r>(&self, handler: &RouteHandler, walk: &mut Walk<'r>, found: &Match<'_, 'r>) -> Reply {
        let step = Step::taking_text("Routes", &self.shown, found.taken);
        walk.descend(step, |walk| {
            let is_named = handler.asks_by_name || walk.keeps_captures();
            if is_named {
                self.name_captures(found, walk);
            }
            let endpoint = Endpoint {
                dispatcher: "Routes",
                name: handler.function,
                methods: &handler.methods,
                pace: handler.pace,
            };
            let mut arguments = PathArguments::new(found.captured, walk.segments(), handler.tail);
            if is_named && handler.reads_rest {
                arguments.skip_rest();
            }
            handler.bound.0.call(&(), walk, &mut arguments, endpoint)
        })
    }

    fn enter<'r>(&self, inner: &dyn Dispatch, is_limited: bool, walk: &mut Walk<'r>, found: &Match<'_, 'r>) -> Reply {
        let step = Step::taking_text("Routes", &self.shown, found.taken);
        walk.descend(step, |walk| {
            self.name_captures(found, walk);
            match is_limited {
                false => inner.dispatch(walk),
                true => walk.limited(&self.registration.limits, |walk| inner.dispatch(walk)),
            }
        })
    }

    /// Keeps the captures under the names of the pattern, of which the last may be that of the rest.
    #[cold]
    fn name_captures<'r>(&self, found: &Match<'_, 'r>, walk: &Walk<'r>) {
        let rest = walk.segments().text();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let values = found.captured.iter().copied().chain([Some(rest)]);
        for (name, value) in self.pattern().names().iter().zip(values) {
            walk.capture(name, value);
        }
    }

    pub(super) fn describe(&self, map: &mut Map) {
        map.limited(&self.registration.limits, |map| self.describe_destination(map));
    }

    fn describe_destination(&self, map: &mut Map) {
        match &self.destination {
            Destination::Mount { inner, .. } => map.below(&self.shown, |map| inner.describe(map)),
            Destination::Handler(handler) => {
                let signature = handler.bound.0.signature();
                map.endpoint("Routes", &handler.methods, &self.shown, &signature.text());
                map.timed_by(signature.pace);
                map.check(&signature.needs, self.registration.at);
                if let Some(name) = &self.registration.name {
                    map.name(name);
                }
            }
        }
    }
}

impl RouteHandler {
    pub(super) fn new(methods: MethodSet, bound: Bound, pattern: &Pattern) -> RouteHandler {
        let signature = bound.0.signature();
        let tail = pattern.tail();
        RouteHandler {
            methods,
            function: signature.name,
            pace: signature.pace,
            tail,
            asks_by_name: signature.sees_request(),
            reads_rest: signature.reads_by_name() && tail == Tail::Joined,
            bound,
            next: None,
            is_limited: false,
        }
    }
}

/// Returns the routes with the pattern of `first` that lead to handlers: itself and those that were registered later.
pub(super) fn sharing<'t>(
    routes: &'t [Route],
    first: &'t Route,
) -> impl Iterator<Item = (&'t Route, &'t RouteHandler)> + Clone {
    let with_handler = |route: &'t Route| Some((route, route.handler()?));
    std::iter::successors(with_handler(first), move |(_, handler)| {
        with_handler(routes.get(handler.next?.get())?)
    })
}
