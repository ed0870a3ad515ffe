//! The one place that sees every response: between the moment it is made, by whomever, and the moment it is encoded.

use std::sync::Arc;

use http::StatusCode;

use crate::panics::contain;
use crate::report;
use crate::request::Subtree;
use crate::response::Origin;
use crate::{IntoResponse, Request, Response};

/// A hook that is called with each response exactly once, before it is sent: see [`App::respond`](crate::App::respond).
pub type ResponseHook = Arc<dyn Fn(&Seen<'_>, &mut Response) + Send + Sync>;

/// The origin of a response that will be sent, and its request.
#[derive(Debug)]
pub struct Seen<'s> {
    request: Option<&'s Request>,
    origin: Origin,
}

impl<'s> Seen<'s> {
    pub(crate) fn new(request: Option<&'s Request>, origin: Origin) -> Seen<'s> {
        Seen { request, origin }
    }

    /// Returns the request, or `None` if its head was never complete, or was malformed.
    ///
    /// If the handler is [overdue](Origin::Overdue), it still has the request. Then this is a copy of the method, the target,
    /// the id, and the headers Host, Origin and Accept.
    pub fn request(&self) -> Option<&'s Request> {
        self.request
    }

    /// Returns how the response was made.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns the pattern of the endpoint, such as `/people/{id}`, if the request reached one.
    pub fn pattern(&self) -> Option<String> {
        self.request
            .map(Request::endpoint)
            .filter(|pattern| !pattern.is_empty())
    }
}

/// The hook of a subtree, as [`Hooks::respond`](crate::Hooks::respond) sets it. A request notes where it has entered.
pub(crate) fn subtree(hook: ResponseHook) -> Subtree {
    Arc::new(hook)
}

/// The hook of an application whose subtrees have hooks: it calls those of the subtrees that the request has entered.
pub(crate) fn in_subtrees(seen: &Seen<'_>, response: &mut Response) {
    let Some(request) = seen.request() else { return };
    let is_missed = seen.origin() == Origin::Missed || seen.origin() == Origin::Automatic;
    request.show_subtrees(!is_missed, |subtree| {
        if let Some(hook) = subtree.downcast_ref::<ResponseHook>() {
            hook(seen, response);
        }
    });
}

/// One hook of two: `second` sees what `first` made of the response.
pub(crate) fn both(first: ResponseHook, second: ResponseHook) -> ResponseHook {
    Arc::new(move |seen, response| {
        first(seen, response);
        second(seen, response);
    })
}

/// A hook that tells clients what their requests are called here.
pub(crate) fn send_id(seen: &Seen<'_>, response: &mut Response) {
    if let Some(request) = seen.request() {
        let mut room = [0; 16];
        // An id is made of characters that may stand in a field.
        let _ = response.try_set_header("X-Request-Id", request.id().text(&mut room));
    }
}

/// Shows a response to the hook, once. If the hook panics, the response is a plain 500.
#[cold]
pub(crate) fn show(hook: &ResponseHook, request: Option<&Request>, response: &mut Response) {
    let Some(origin) = response.origin() else { return };
    let seen = Seen::new(request, origin);
    let Err(panic) = contain(|| hook(&seen, response)) else {
        return response.set_seen();
    };
    match request {
        Some(request) => report::error!("a hook for responses panicked at {}: {panic}", request.described()),
        None => report::error!("a hook for responses panicked: {panic}"),
    }
    // What it has left of the response may not be dropped without a panic either.
    let mut broken = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    broken.set_seen();
    std::mem::swap(response, &mut broken);
    if let Err(panic) = contain(|| drop(broken)) {
        report::error!("dropping a response panicked: {panic}");
    }
}
