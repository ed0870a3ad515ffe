//! Connections that are handed over to another protocol: to WebSockets, or to whoever takes one over.

use http::StatusCode;

#[cfg(feature = "websocket")]
use super::Switched;
use super::responding::encode_head;
use super::{Answered, Exchange, Payload};
use crate::date::Date;
use crate::report;
use crate::request::Request;
use crate::response::body::Kind;
use crate::response::{Response, status_text};

impl Exchange {
    /// Appends the head of a response after which the connection does not speak HTTP any more. If the request does not ask for
    /// that, `response` becomes one that says so.
    #[cold]
    pub(super) fn switch(&mut self, response: &mut Response, date: &Date, out: &mut Vec<u8>) -> Option<Payload> {
        let is_tunnel = response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let is_asked = if is_tunnel {
            *self.request.method() == http::Method::CONNECT
        } else {
            self.protocol.may_switch() && asks_for(&self.request, response.header("Upgrade").unwrap_or(""))
        };
        if !is_asked {
            *response = not_asked_for(response, is_tunnel);
            return None;
        }
        let status = response.status().as_u16();
        if is_tunnel {
            encode_head(&mut self.protocol, &self.request, response, date, out);
        } else {
            self.protocol.switch(&response.fields, date.value(), out);
        }
        self.answered = Some(Answered {
            status,
            content: 0,
            has_request: true,
        });
        match std::mem::take(&mut response.body.kind) {
            #[cfg(feature = "websocket")]
            Kind::Socket(opened) => Some(Payload::Socket(Box::new(Switched {
                opened: *opened,
                logged: None,
            }))),
            #[cfg(feature = "upgrade")]
            Kind::Takeover(takeover) => Some(Payload::Takeover(takeover)),
            _ => None,
        }
    }

    /// Returns what has arrived behind the request, which is no HTTP.
    #[cfg(feature = "upgrade")]
    pub(crate) fn take_unused(&mut self) -> Vec<u8> {
        let unused = self
            .request
            .buffer
            .get(self.position..self.filled)
            .unwrap_or(&[])
            .to_vec();
        self.filled = self.position;
        unused
    }

    /// Notes that what follows on the connection is no HTTP: a request is over, and none is to come.
    #[cfg(feature = "websocket")]
    pub(crate) fn hand_over(&mut self) {
        self.finished();
    }

    /// Returns what was received and not used, and where it begins in [`buffer`](Exchange::buffer).
    #[cfg(feature = "websocket")]
    pub(crate) fn unused(&mut self) -> (&mut [u8], usize) {
        let rest = self.request.buffer.get_mut(self.position..self.filled);
        (rest.unwrap_or_default(), self.position)
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.request.buffer
    }

    /// Notes that so many bytes of what was [not used](Exchange::unused) have been.
    #[cfg(feature = "websocket")]
    pub(crate) fn used(&mut self, n: usize) {
        self.position = (self.position + n).min(self.filled);
        self.request.origin = self.position;
    }

    /// Notes that nothing refers to what was used any more.
    #[cfg(feature = "websocket")]
    pub(crate) fn forget_used(&mut self) {
        if self.position == self.filled {
            (self.position, self.filled) = (0, 0);
            self.request.origin = 0;
        }
    }
}

/// Returns true if the request asks for this protocol (RFC 9110 §7.8: "A server MUST NOT switch to a protocol that was not
/// indicated by the client in the corresponding request's Upgrade header field").
fn asks_for(request: &Request, protocol: &str) -> bool {
    request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Upgrade"))
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .any(|asked| asked.trim().eq_ignore_ascii_case(protocol))
}

/// The response in place of one that switches to a protocol for which the request does not ask.
fn not_asked_for(response: &Response, is_tunnel: bool) -> Response {
    if is_tunnel {
        report::error!("a tunnel (`Response::tunnel`) is the response to CONNECT only");
        return Response::refusal_of(
            StatusCode::INTERNAL_SERVER_ERROR,
            status_text(StatusCode::INTERNAL_SERVER_ERROR),
        );
    }
    let protocol = response.header("Upgrade").unwrap_or("").to_owned();
    let status = StatusCode::UPGRADE_REQUIRED;
    Response::refusal_of(status, format!("{}: to {protocol}\n", status_text(status))).with_header("Upgrade", protocol)
}
