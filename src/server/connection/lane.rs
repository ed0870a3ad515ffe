//! The purpose of a connection.

/// The purpose of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// The application.
    Service,
    /// Only the health of the server: it came to a listener for that purpose.
    Health,
}
