//! The kinds of things that can be mounted: dispatchers, applications, functions.

use std::panic::Location;

use super::handler::{Bound, Handler, Shape, bind};
use super::registry::find_nowhere;
use super::{Dispatch, Map, MethodSet, Reply, Step, Walk};
use crate::sealed::Seal;

/// A type that can be mounted under a path.
///
/// | mounted | answers |
/// |---|---|
/// | a [`Dispatch`] | the paths at which it finds an endpoint |
/// | a [`Resource`](crate::Resource) | its verbs and its items |
/// | an [`Application`](crate::Application) | everything below the path |
/// | a function that takes only the request, and perhaps a response | everything below the path |
/// | any other function | GET, with the rest of the path as its arguments |
/// | a `tower` service (feature `tower`) | everything below the path, and sees only that part of it |
///
/// `Kind` is inferred and never written by hand.
///
/// This trait is sealed: implement [`Dispatch`] instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be mounted",
    label = "not a dispatcher, application, or function",
    note = "mount a `Dispatch` (`Routes`, `Methods`, a `Chain`), a `Resource`, an `Application`, or a function",
    note = "a function must be a handler: each argument is an `hansel::dispatch::Argument`, its response is `hansel::IntoResponse` and borrows from none of them, and it is not `async`",
    note = "a closure's arguments need their types written: `|id: u32| ..`"
)]
pub trait IntoDispatch<Kind> {
    #[doc(hidden)]
    const SEAL: Seal;

    /// Returns the dispatcher.
    #[track_caller]
    fn into_dispatch(self) -> impl Dispatch + 'static;
}

impl<D: Dispatch + 'static> IntoDispatch<()> for D {
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        self
    }
}

/// The kind of functions.
#[doc(hidden)]
#[derive(Debug)]
pub struct AFunction<S>(S);

impl<S: Shape<H>, H: Handler<S>> IntoDispatch<AFunction<S>> for H {
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        MountedFunction::new(bind(self, &find_nowhere), Location::caller())
    }
}

struct MountedFunction {
    bound: Bound,
    methods: MethodSet,
    takes_all: bool,
    at: &'static Location<'static>,
}

impl MountedFunction {
    fn new(bound: Bound, at: &'static Location<'static>) -> MountedFunction {
        let takes_all = bound.0.signature().takes_all();
        MountedFunction {
            bound,
            methods: if takes_all {
                MethodSet::any()
            } else {
                MethodSet::of(http::Method::GET)
            },
            takes_all,
            at,
        }
    }
}

impl Dispatch for MountedFunction {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let call = |walk: &mut Walk<'_>| {
            let segments = walk.segments();
            self.bound
                .0
                .call_with_segments(&(), walk, segments, "Function", &self.methods)
        };
        if self.takes_all {
            let all = Step::taking_text("Function", "", walk.segments().text().len());
            return walk.descend(all, call);
        }
        call(walk)
    }

    fn describe(&self, map: &mut Map) {
        let signature = self.bound.0.signature();
        let pattern = if self.takes_all { "/{*}" } else { &*signature.pattern };
        map.endpoint("Function", &self.methods, pattern, &signature.text());
        map.timed_by(signature.pace);
        map.check(&signature.needs, self.at);
    }
}
