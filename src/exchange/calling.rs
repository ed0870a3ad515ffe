//! Calling an application without a server of our own: by the in-process client, and by other servers.

use http::StatusCode;

use super::{Exchange, Step};
use crate::date::Date;
use crate::panics::contain;
use crate::report;
use crate::{IntoResponse, Request, Response};

impl Exchange {
    /// As [`advance`](Exchange::advance), and when there is no memory to receive more of a body into, its handler reads
    /// the rest. If this says that more is to be received, there is room for it.
    pub(crate) fn advance_with_room(&mut self, date: &Date, out: &mut Vec<u8>) -> Step {
        match self.advance(date, out) {
            Step::Receive if !self.finds_room() => {
                self.hand_live();
                Step::CallLive
            }
            step => step,
        }
    }

    /// Whether the client waits to be told to send the body.
    #[cfg(feature = "tower")]
    pub(crate) fn needs_continue(&self) -> bool {
        self.protocol.needs_continue()
    }

    /// Calls the application with the request at hand. A panic is a 500.
    pub(crate) fn call(&self, application: impl FnOnce(&Request) -> Response) -> Response {
        let request = &self.request;
        contain(|| application(request)).unwrap_or_else(|panic| {
            report::error!("handler panicked at {} {}: {panic}", request.method(), request.path());
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        })
    }
}
