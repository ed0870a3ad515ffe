//! Paths with a slash too many at their end, or too few.

use super::App;
use crate::Response;
use crate::dispatch::{Dispatch, Miss, Purpose, Reply, Walk, stays_as_it_is};
use crate::request::DecodedPath;
use crate::response::Origin;

/// The treatment of a path that leads nowhere, but would with a slash more or less at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Slashes {
    /// `/a` and `/a/` are different paths.
    #[default]
    Strict,
    /// Redirects with 308 to the path that leads to an endpoint, if that takes the method of the request.
    Redirect,
    /// Responds as at the other path.
    Ignore,
}

impl App {
    /// Does what [`dispatch`](App::dispatch) does, where a slash at the end may be missing or too many.
    pub(super) fn dispatch_either(&self, walk: &mut Walk<'_>) -> Reply {
        walk.expect_another();
        // What is not found is only answered once the other path has led nowhere either.
        match walk.without_last_resort(|walk| self.ask(walk)) {
            Err(Miss::NotFound) => {}
            reply => return reply,
        }
        match self.other_path(walk) {
            Err(Miss::NotFound) => self.ask(walk),
            reply => reply,
        }
    }

    /// Looks up the path with a slash more or less at its end.
    pub(super) fn other_path(&self, walk: &mut Walk<'_>) -> Reply {
        let request = walk.request();
        let path = request.path();
        let other = match path.strip_suffix('/') {
            Some("") => return Err(Miss::NotFound),
            Some(shorter) => shorter.to_owned(),
            None => format!("{path}/"),
        };
        let mut decoded = DecodedPath::default();
        if decoded.decode(&other).is_err() {
            return Err(Miss::NotFound);
        }
        let purpose = match self.slashes {
            Slashes::Redirect if walk.purpose() == Purpose::Respond => Purpose::LookAhead,
            Slashes::Redirect => Purpose::Explain,
            Slashes::Strict | Slashes::Ignore => walk.purpose(),
        };
        let mut ahead = walk.along(decoded.segments(), purpose);
        let reply = ahead.without_last_resort(|ahead| self.root.dispatch.dispatch(ahead));
        if self.slashes != Slashes::Redirect {
            return Ok(walk.end_with(reply.map(|arrived| ahead.into_response(arrived))?));
        }
        if let Some(refusal) = ahead.take_refusal() {
            // Whoever may not enter is not told that there is something.
            return Ok(walk.end_with(Some(refusal)));
        }
        // What a browser would make another path, or another host's, of is no redirection to this one.
        if reply.is_err() || !stays_as_it_is(&other) {
            return Err(Miss::NotFound);
        }
        let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = other + &query;
        if let Some(observer) = walk.observer() {
            observer.moves(request, &location);
        }
        let moved = Response::moved_permanently(location).with_origin(Origin::Automatic);
        Ok(walk.end_with(Some(moved)))
    }
}
