//! The health lane: `/livez`, `/readyz` and `/metrics`, answered by the event loops themselves.
//!
//! No thread, no permit and no place in the queue is needed, so the answer comes when every handler
//! hangs and everybody else is turned away: just when somebody wants to know.

mod exposition;
mod responses;

use crate::operations::Metrics;

use super::shared::Probes;

/// What makes up the lane. It is named where the lane is asked for and nowhere else, so that a program that never does so
/// has nothing of it in it.
pub(crate) const fn lane() -> Probes {
    Probes {
        respond: responses::respond,
        metrics: |loops| Box::new(Metrics::new(loops)),
    }
}
