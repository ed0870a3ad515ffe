//! The threads that hold the event loops and run handlers.

mod baton;
mod call;
mod early;
pub(crate) mod engine;
#[cfg(all(test, hansel_loom))]
mod models;
pub(crate) mod runner;
mod streaming;
#[cfg(feature = "upgrade")]
mod takeover;
mod thread_time;
pub(crate) mod watching;
