//! The span of a request: feature `tracing`. Without it, this compiles to nothing.

#[cfg(feature = "tracing")]
use std::time::Instant;

#[cfg(feature = "tracing")]
use tracing::field::{Empty, display};
#[cfg(feature = "tracing")]
use tracing::{Span, info, info_span};

use crate::Request;

/// The span of a request, for whoever collects spans.
///
/// It is entered on the thread that runs the handler, so what a handler logs is in it as well.
pub(crate) struct RequestSpan {
    #[cfg(feature = "tracing")]
    open: Option<(Span, Instant)>,
}

impl RequestSpan {
    /// Returns the span of a request that nobody records.
    #[inline(always)]
    pub(crate) fn none() -> RequestSpan {
        RequestSpan {
            #[cfg(feature = "tracing")]
            open: None,
        }
    }

    /// Begins the span when a handler is about to be called.
    #[inline(always)]
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
    pub(crate) fn of(request: &Request) -> RequestSpan {
        #[cfg(feature = "tracing")]
        {
            let span = info_span!(
                target: "hansel",
                parent: None,
                "request",
                method = request.method().as_str(),
                path = request.path(),
                id = %request.id(),
                pattern = Empty,
                status = Empty,
                seconds = Empty,
            );
            if span.is_disabled() {
                return RequestSpan::none();
            }
            request.record_endpoint();
            RequestSpan {
                open: Some((span, Instant::now())),
            }
        }
        #[cfg(not(feature = "tracing"))]
        RequestSpan {}
    }

    /// Runs `work` in the span.
    #[inline(always)]
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.open.as_ref().map(|(span, _)| span.enter());
        work()
    }

    /// Ends the span with the response. The status is `None` if the response was not the handler's.
    #[inline(always)]
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
    pub(crate) fn answered(self, request: &Request, status: Option<u16>) {
        #[cfg(feature = "tracing")]
        if let Some((span, since)) = self.open {
            let pattern = request.endpoint_text();
            if !pattern.is_empty() {
                span.record("pattern", display(&*pattern));
            }
            span.record("status", status);
            span.record("seconds", since.elapsed().as_secs_f64());
            info!(target: "hansel", parent: &span, "answered");
        }
    }
}

#[cfg(all(test, not(feature = "tracing")))]
mod tests {
    use super::*;

    #[test]
    fn it_is_nothing_without_the_feature() {
        assert_eq!(size_of::<RequestSpan>(), 0);
    }
}
