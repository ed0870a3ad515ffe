//! Dispatch: finds the function that handles a request.
//!
//! There are four styles and one protocol. [`Routes`] dispatch by pattern, [`Methods`] by function name, a [`Resource`]
//! by verb, and a plain function is called. Each style can be mounted under any other, because they meet only as
//! [`Dispatch`].
//!
//! A dispatcher gets a [`Walk`] along the path. It takes steps by [`Walk::descend`], calls an endpoint by
//! [`Walk::arrive`], and replies with [`Arrived`] or a [`Miss`]. The walk leaves [`Crumb`]s for an [`Observer`], which
//! cost nothing if there is none.
//!
//! # A dispatcher of your own
//!
//! ```
//! use hansel::dispatch::{Dispatch, Map, Reply, Step, Walk};
//! use hansel::{Application, IntoApplication, Request, Routes};
//!
//! /// Dispatches by the host that the client asked for.
//! struct Hosts(Vec<(&'static str, Routes)>);
//!
//! impl Dispatch for Hosts {
//!     fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
//!         let asked = walk.request().host().unwrap_or("");
//!         match self.0.iter().find(|(host, _)| *host == asked) {
//!             Some((host, inner)) => walk.descend(Step::new("Hosts", host), |walk| inner.dispatch(walk)),
//!             None => Err(walk.decline("Hosts", asked, || "there is no such host".into())),
//!         }
//!     }
//!
//!     fn describe(&self, map: &mut Map) {
//!         for (_, inner) in &self.0 {
//!             inner.describe(map);
//!         }
//!     }
//! }
//!
//! let hosts = Hosts(vec![("hansel.example", Routes::new().get("/", || "Hansel"))]).into_application();
//! let status = |host| hosts.call(&Request::get("/").with_header("Host", host)).status();
//! assert_eq!(status("hansel.example"), 200);
//! assert_eq!(status("gretel.example"), 404);
//! ```

mod arguments;
mod by_method;
mod chain;
mod client_deadline;
mod crumb;
mod extract;
mod handler;
mod hook_runs;
mod hooks;
mod into_dispatch;
mod kept;
mod limits;
mod map;
mod method_set;
mod methods;
mod mount;
mod needs;
mod notation;
mod registry;
mod reply;
mod resource;
mod routes;
mod segment;
mod trail;
mod urls;
mod walk;

use std::sync::Arc;

pub use arguments::Argument;
pub use chain::Chain;
pub use client_deadline::ClientDeadline;
pub(crate) use crumb::Both;
pub use crumb::{Crumb, Decision, Observer, Why};
pub use extract::*;
pub use handler::{Handler, MethodHandler, MethodShape, Shape};
pub(crate) use hook_runs::HookRuns;
pub use hooks::{Hooks, Verdict};
pub use into_dispatch::IntoDispatch;
pub(crate) use kept::Kept;
pub use kept::routes_changed;
pub use limits::{LimitExtremes, RouteLimits};
pub use map::{Map, Place};
pub use method_set::MethodSet;
pub use methods::Methods;
pub use mount::{Mount, mount};
pub(crate) use needs::Life;
pub use needs::Needs;
pub use registry::Registry;
pub use reply::{Arrived, Miss, Reply};
pub use resource::{Resource, Verbs};
#[cfg(feature = "regex")]
pub use routes::regex;
pub use routes::{Pattern, Routes};
pub use segment::FromSegment;
pub(crate) use trail::Recorder;
pub use trail::{Outcome, Trail, TrailCrumb};
pub use urls::UrlError;
pub(crate) use urls::{build as build_url, stays_as_it_is};
pub(crate) use walk::Purpose;
pub use walk::{Endpoint, Step, Walk};

/// A dispatcher: it finds the way from a path to an endpoint, or a part of the way.
///
/// The [module](self) shows how to write one.
pub trait Dispatch: Send + Sync {
    /// Dispatches a request: takes steps by [`Walk::descend`], and ends by [`Walk::arrive`].
    ///
    /// # Errors
    /// Returns what was missed if there is no endpoint here. Another dispatcher may be asked then.
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply;

    /// Adds all endpoints that can be reached to `map`. What is not described is not checked for the
    /// [`State`] that it takes either. If they change while the server runs, call [`routes_changed`] after each change.
    fn describe(&self, map: &mut Map) {
        map.opaque();
    }
}

impl<D: Dispatch + ?Sized> Dispatch for Arc<D> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        (**self).dispatch(walk)
    }

    fn describe(&self, map: &mut Map) {
        (**self).describe(map);
    }
}

impl<D: Dispatch + ?Sized> Dispatch for Box<D> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        (**self).dispatch(walk)
    }

    fn describe(&self, map: &mut Map) {
        (**self).describe(map);
    }
}
