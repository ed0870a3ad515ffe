//! The part of a socket that its connection has.

use crate::exchange::Logged;
use crate::socket::SocketExchange;

/// The part of a socket that its connection has.
pub(crate) struct OpenSocket {
    pub(crate) exchange: SocketExchange,
    /// Its line in the access log, which is written when it ends, if somebody wants to know.
    pub(crate) logged: Option<Box<Logged>>,
    /// Its count among those that are open.
    pub(crate) counted: Option<Box<dyn Send>>,
}
