//! The origin of a response.

/// A way in which a response is made, for a [hook for responses](crate::App::respond).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A handler or a hook returned it, whatever its status.
    #[default]
    Handler,
    /// A handler failed: an error by `?`, an [`Extension`](crate::Extension) that no hook has set, a response that can't be
    /// sent.
    /// The log says what was wrong.
    Failed,
    /// An argument of the handler could not be made of the request: 400, 413, 415 or 422, or the rejection of a
    /// [`FromRequest`](crate::FromRequest) of the program's.
    Rejected,
    /// Nothing is at the path, or nothing for the method: 404 or 405.
    Missed,
    /// The routes answered by themselves: OPTIONS, and redirects to a path with a slash more or less.
    Automatic,
    /// A handler panicked: 500.
    Panicked,
    /// A handler did not respond in time: 503. The handler still has its request, so a copy is shown.
    Overdue,
    /// The server refused the request without calling the application: 400, 408, 411, 413, 414, 417, 431, 501, 503
    /// or 505. Or a [limit of a route](crate::RouteLimits) did, without calling the handler: 413 or 503.
    Refused,
}
