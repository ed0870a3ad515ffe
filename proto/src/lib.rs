//! Placeholder while the protocol is written.
