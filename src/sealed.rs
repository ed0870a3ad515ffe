//! Keeps traits from being implemented outside this crate, so that they can get new items without breaking anybody.

/// Must be named to implement a sealed trait, and has no name outside this crate.
#[derive(Debug)]
pub struct Seal;
