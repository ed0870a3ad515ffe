//! The server's process as a whole: signals, its service manager, and its successor.

#[cfg(unix)]
pub(crate) mod notify;
#[cfg(all(unix, feature = "activation"))]
pub(crate) mod passing;
pub(crate) mod signals;
#[cfg(all(unix, feature = "activation"))]
pub(crate) mod successor;
