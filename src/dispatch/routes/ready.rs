//! Routes, ready to be taken: all that a dispatch needs of one, side by side.

use std::sync::Arc;

use super::{Entry, Route, Target};
use crate::dispatch::arguments::{PathArguments, Tail};
use crate::dispatch::by_method::best;
use crate::dispatch::handler::Bound;
use crate::dispatch::{Endpoint, MethodSet, Reply, Step, Walk};
use crate::pace::Pace;

/// A copy of a route. There may be thousands, so what is looked at together stands together, away from
/// what only registration and explanations look at.
#[derive(Clone)]
pub(super) struct Ready {
    methods: MethodSet,
    bound: Bound,
    shown: Arc<str>,
    function: &'static str,
    /// The entry, and which of its routes this is.
    origin: (u32, u32),
    /// How many routes share the pattern, from this one on.
    pub(super) sharing: u32,
    pace: Pace,
    tail: Tail,
    /// Whether the handler may ask for captures by name.
    asks_by_name: bool,
    /// Whether it asks for the rest by its name, too: no argument takes that.
    reads_rest: bool,
}

/// What has matched: what was captured, and how many octets it takes.
#[derive(Clone, Copy)]
pub(super) struct Matched<'a, 'r> {
    pub(super) captured: &'a [Option<&'r str>],
    pub(super) taken: usize,
}

/// What a pattern leads to, as a number that a tree can keep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// Routes: the first of them in the list.
    Routes(usize),
    /// A mount: its entry.
    Mount(usize),
}

impl Lead {
    pub(super) fn number(self) -> usize {
        match self {
            Lead::Routes(first) => 2 * first,
            Lead::Mount(entry) => 2 * entry + 1,
        }
    }

    pub(super) fn of(number: usize) -> Lead {
        match number % 2 {
            0 => Lead::Routes(number / 2),
            _ => Lead::Mount(number / 2),
        }
    }
}

impl Ready {
    /// All routes of all entries, in order.
    pub(super) fn all(entries: &[Entry]) -> Vec<Ready> {
        let of = |(entry, of): (usize, &Entry)| -> Vec<Ready> {
            let routes = of.routes().iter().enumerate();
            let ready = |(number, route)| Ready {
                sharing: (of.routes().len() - number) as u32,
                ..Ready::new(route, (entry as u32, number as u32))
            };
            routes.map(ready).collect()
        };
        entries.iter().enumerate().flat_map(of).collect()
    }

    fn new(route: &Route, origin: (u32, u32)) -> Ready {
        let signature = route.bound.0.signature();
        Ready {
            methods: route.methods.clone(),
            bound: route.bound.clone(),
            shown: Arc::from(&*route.pattern.shown),
            function: signature.name,
            origin,
            sharing: 1,
            pace: signature.pace,
            tail: route.pattern.tail(),
            asks_by_name: signature.sees_request(),
            reads_rest: signature.reads_by_name() && route.pattern.tail() == Tail::Joined,
        }
    }

    /// Takes the one of `routes`, which share a pattern, that suits the method.
    #[inline(always)]
    pub(super) fn take_best<'r>(
        routes: &[Ready],
        entries: &[Entry],
        walk: &mut Walk<'r>,
        matched: &Matched<'_, 'r>,
    ) -> Reply {
        match routes {
            [only] => only.take(entries, walk, matched),
            _ => best(
                routes,
                |route| &route.methods,
                walk,
                |route, walk| route.take(entries, walk, matched),
            ),
        }
    }

    /// Goes on behind the pattern and calls the handler.
    #[inline(always)]
    fn take<'r>(&self, entries: &[Entry], walk: &mut Walk<'r>, matched: &Matched<'_, 'r>) -> Reply {
        let step = Step::taking_text("Routes", &self.shown, matched.taken);
        walk.descend(step, |walk| {
            let is_named = self.asks_by_name || walk.keeps_captures();
            if is_named {
                self.name_captures(entries, walk, matched);
            }
            let endpoint = Endpoint {
                dispatcher: "Routes",
                name: self.function,
                methods: &self.methods,
                pace: self.pace,
            };
            let mut arguments = PathArguments::new(matched.captured, walk.segments(), self.tail);
            if is_named && self.reads_rest {
                arguments.skip_rest();
            }
            self.bound.0.call(&(), walk, &mut arguments, endpoint)
        })
    }

    #[cold]
    fn name_captures<'r>(&self, entries: &[Entry], walk: &Walk<'r>, matched: &Matched<'_, 'r>) {
        let (entry, number) = self.origin;
        let routes = entries.get(entry as usize).map_or(&[][..], Entry::routes);
        if let Some(route) = routes.get(number as usize) {
            let rest = walk.segments().text();
            matched.name(route.pattern.names(), rest.strip_prefix('/').unwrap_or(rest), walk);
        }
    }
}

impl<'r> Matched<'_, 'r> {
    /// Keeps what was captured under these names, of which the last may be that of the `rest`.
    pub(super) fn name(&self, names: &[Arc<str>], rest: &'r str, walk: &Walk<'r>) {
        let rest = std::iter::once(Some(rest));
        for (name, value) in names.iter().zip(self.captured.iter().copied().chain(rest)) {
            walk.capture(name, value);
        }
    }
}

impl Entry {
    pub(super) fn routes(&self) -> &[Route] {
        match &self.target {
            Target::Endpoints(routes) => routes,
            Target::Mount { .. } => &[],
        }
    }
}
