//! The server over real sockets.
//!
//! No test here decides by a clock: gates and channels establish order, and an endless wait becomes a failure after
//! half a minute.

mod access_log;
mod blocking;
mod bodies;
mod body_done;
mod client_deadlines;
mod connections;
mod corpus;
mod crew;
mod crowds;
mod deadlines;
mod early;
#[cfg(unix)]
mod endings;
#[cfg(unix)]
mod exhaustion;
mod files;
mod half_close;
mod handler_deadline;
mod head;
mod health;
mod idlest;
mod life;
mod limits;
mod metrics;
mod panics;
#[cfg(feature = "json")]
mod part_hooks;
#[cfg(unix)]
mod processes;
mod proxy_protocol;
mod refusals;
#[cfg(feature = "json")]
mod response_hooks;
mod responses;
#[cfg(all(unix, feature = "activation"))]
mod restart;
#[cfg(unix)]
mod rounds;
mod route_limits;
mod scheduling;
#[cfg(unix)]
mod sharing;
#[cfg(feature = "websocket")]
mod sockets;
mod streams;
mod support;
#[cfg(feature = "upgrade")]
mod takeover;
mod threads;
#[cfg(feature = "tls")]
mod tls;
mod topics;
mod trailers;
mod trust;
#[cfg(unix)]
mod unix_sockets;
