//! Dispatch, from outside: what holds for every dispatcher, alone and under each other.

mod conformance;
mod laws;
#[cfg(feature = "regex")]
mod matcher;
mod mounting;
mod panics;
mod registration;
mod seeds;
#[cfg(feature = "development")]
mod ten_mistakes;
mod tree;
