//! What a connection is for.

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// The application.
    Service,
    /// Nothing but the health of the server: it came to a listener of that purpose.
    Health,
}
