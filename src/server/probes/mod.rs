//! The health lane: `/livez`, `/readyz`, `/metrics` and a page for people, served by the event loops themselves.
//!
//! They need no thread, no permit and no place in the queue. So the response comes even if every handler hangs and all
//! other clients are turned away, which is when somebody wants to know.

mod exposition;
mod responses;

use crate::operations::Metrics;
use crate::{Html, Response};

use super::shared::Probes;

/// Returns the lane. Referenced only where it is switched on, so the linker drops it from other programs.
pub(crate) const fn lane() -> Probes {
    Probes {
        respond: responses::respond,
        metrics: |loops| Box::new(Metrics::new(loops)),
        page: None,
    }
}

/// Returns the status page. Referenced only where it is switched on, as the lane is.
pub(crate) fn status_page() -> Response {
    // Its script asks for `/metrics`. Nothing else can be loaded, and nothing can be sent elsewhere.
    const POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    Response::new(Html(include_str!("status.html")))
        .with_header("Content-Security-Policy", POLICY)
        .with_header("X-Content-Type-Options", "nosniff")
}
