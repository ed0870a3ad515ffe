//! The responses of the health lane: `/livez`, `/readyz` and `/metrics`.

use http::{Method, StatusCode};

use super::exposition;
use crate::operations::Exposition;
use crate::server::shared::Shared;
use crate::server::shared::health::Probe;
use crate::{IntoResponse, Request, Response};

/// Responds to a request of the lane.
pub(super) fn respond(request: &Request, shared: &Shared) -> Response {
    const ALLOWED: &str = "GET, HEAD, OPTIONS";
    let everything = request.path() == "*" && request.method() == Method::OPTIONS;
    let is_page = request.path() == "/" && shared.status_page().is_some();
    let probe = Probe::at(request.path()).or(everything.then_some(Probe::Alive));
    let Some(probe) = probe.or(is_page.then_some(Probe::Page)) else {
        return (StatusCode::NOT_FOUND, "here are /livez, /readyz and /metrics\n").into_response();
    };
    match *request.method() {
        // RFC 9111 §5.2.2.5: "the no-store response directive indicates that a cache MUST NOT store".
        Method::GET | Method::HEAD => look(probe, shared).with_header("Cache-Control", "no-store"),
        // RFC 9110 §9.3.7.
        Method::OPTIONS => ().into_response().with_header("Allow", ALLOWED),
        // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
        _ => StatusCode::METHOD_NOT_ALLOWED
            .into_response()
            .with_header("Allow", ALLOWED),
    }
}

fn look(probe: Probe, shared: &Shared) -> Response {
    match probe {
        // A loop that can respond is alive.
        Probe::Alive => "alive\n".into_response(),
        Probe::Ready if !shared.health.is_ready() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the application is not ready\n").into_response()
        }
        Probe::Ready if !shared.is_ready() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the server is about to stop\n").into_response()
        }
        Probe::Ready => "ready\n".into_response(),
        Probe::Metrics => metrics(shared),
        Probe::Page => Response::new(shared.status_page()),
    }
}

fn metrics(shared: &Shared) -> Response {
    Response::new(exposition::text(shared)).with_header("Content-Type", Exposition::MEDIA_TYPE)
}
