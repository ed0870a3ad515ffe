//! The interface behind which all routers are asked.

use std::time::Duration;

/// A router with its routes.
pub(crate) trait Peer {
    /// Returns how many of these paths it finds, and how long that takes. What it needs of the paths is prepared first,
    /// so that only dispatch is timed.
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)>;

    /// Returns how many paths are looked up at once, at most.
    fn patience(&self) -> usize {
        usize::MAX
    }
}
