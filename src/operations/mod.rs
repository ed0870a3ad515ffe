//! A server's reports to its operator about requests.

mod access_log;
mod entry;
mod escape;
mod metrics;
mod outlet;
mod span;

pub use access_log::AccessLog;
pub(crate) use access_log::Log;
pub(crate) use entry::Entry;
pub(crate) use escape::json as write_json;
pub(crate) use metrics::{Count, Exposition, Metrics, Number, Places};
pub(crate) use span::RequestSpan;
