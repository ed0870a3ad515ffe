//! The threads that hold the event loops and run handlers.

pub(crate) mod baton;
pub(crate) mod call;
#[cfg(all(test, hansel_loom))]
mod models;
pub(crate) mod runner;
pub(crate) mod streaming;
