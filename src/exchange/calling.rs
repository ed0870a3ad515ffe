//! Calls an application without hansel's own server: for the in-process client, and for other servers.

use http::StatusCode;

use super::{Exchange, Step};
use crate::date::Date;
use crate::panics::contain;
use crate::report;
#[cfg(feature = "tower")]
use crate::request::RequestCopy;
use crate::response::Origin;
use crate::{IntoResponse, Request, Response};

impl Exchange {
    /// Does what [`advance`](Exchange::advance) does. If there is no memory to receive more of a body, its handler
    /// reads the rest. If the result is to receive more, there is room for it.
    pub(crate) fn advance_with_room(&mut self, date: &Date, out: &mut Vec<u8>) -> Step {
        match self.advance(date, out) {
            Step::Receive if !self.finds_room() => {
                self.hand_live();
                Step::CallLive
            }
            step => step,
        }
    }

    /// Returns true if the client waits to be told to send the body.
    #[cfg(feature = "tower")]
    pub(crate) fn needs_continue(&self) -> bool {
        self.protocol.needs_continue()
    }

    /// Returns what a hook for responses may see of the request after this exchange is gone, if there is a hook and a
    /// request.
    #[cfg(feature = "tower")]
    pub(crate) fn copy_for_hook(&self) -> Option<Request> {
        if self.hook.is_none() || self.stage == super::Stage::Head {
            return None;
        }
        let mut copy = RequestCopy::default();
        copy.copy(&self.request);
        copy.to_request()
    }

    /// Takes `copy` for the request, to refuse that.
    #[cfg(feature = "tower")]
    pub(crate) fn stand_in_for(&mut self, copy: Request) {
        self.request = copy;
        self.stage = super::Stage::Handed;
    }

    /// Calls the application with the current request. A panic becomes a 500; before it is logged, `note_endpoint` records
    /// which endpoint it was.
    pub(crate) fn call(
        &self,
        application: impl FnOnce(&Request) -> Response,
        note_endpoint: impl FnOnce(&Request),
    ) -> Response {
        let request = &self.request;
        contain(|| application(request)).unwrap_or_else(|panic| {
            note_endpoint(request);
            report::error!("handler panicked at {}: {panic}", request.described());
            StatusCode::INTERNAL_SERVER_ERROR
                .into_response()
                .with_origin(Origin::Panicked)
        })
    }
}
