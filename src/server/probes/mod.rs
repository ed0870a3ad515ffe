//! The health lane: `/livez`, `/readyz` and `/metrics`, served by the event loops themselves.
//!
//! They need no thread, no permit and no place in the queue. So the response comes even if every handler hangs and all
//! other clients are turned away, which is when somebody wants to know.

mod exposition;
mod responses;

use crate::operations::Metrics;

use super::shared::Probes;

/// Returns the lane. Referenced only where it is switched on, so the linker drops it from other programs.
pub(crate) const fn lane() -> Probes {
    Probes {
        respond: responses::respond,
        metrics: |loops| Box::new(Metrics::new(loops)),
    }
}
