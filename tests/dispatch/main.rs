//! Dispatch from outside: what holds for every dispatcher, alone and under every other.

mod allow;
mod by_method;
mod captures;
mod client_deadlines;
mod conformance;
mod extractors;
mod hooks_once;
mod laws;
mod limits;
mod linear;
#[cfg(feature = "regex")]
mod matcher;
mod mounting;
mod own_404;
mod panics;
mod raw_names;
mod registration;
mod seeds;
mod state;
#[cfg(feature = "development")]
mod ten_mistakes;
mod tree;
mod urls;
mod urls_in_handlers;
