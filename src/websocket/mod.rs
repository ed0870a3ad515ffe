//! WebSockets.

#[cfg(feature = "compression")]
#[allow(dead_code, reason = "the server does not compress messages yet")]
mod deflate;
