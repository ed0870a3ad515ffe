//! The health lane: `/livez`, `/readyz` and `/metrics`, answered by the event loops themselves.
//!
//! No thread, no permit and no place in the queue is needed, so the answer comes when every handler
//! hangs and everybody else is turned away: just when somebody wants to know.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, StatusCode};

use crate::operations::{Count, Exposition, Metrics};
use crate::{IntoResponse, Request, Response};

use super::Shared;
use super::tally;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// The application.
    Service,
    /// Nothing but the health of the server: it came to a listener of that purpose.
    Health,
}

/// What may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Probe {
    Alive,
    Ready,
    Metrics,
}

impl Probe {
    fn at(path: &str) -> Option<Probe> {
        match path {
            "/livez" => Some(Probe::Alive),
            "/readyz" => Some(Probe::Ready),
            "/metrics" => Some(Probe::Metrics),
            _ => None,
        }
    }

    #[inline(never)]
    fn is_at(path: &str) -> bool {
        Probe::at(path).is_some()
    }
}

/// What makes up the lane. It is named where the lane is asked for and nowhere else: a program that never
/// does so has nothing of it in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HealthLane {
    answer: fn(&Request, &Shared) -> Response,
    /// The counters of so many loops.
    pub(crate) metrics: fn(usize) -> Box<dyn Count>,
}

impl HealthLane {
    pub(crate) const fn new() -> HealthLane {
        HealthLane {
            answer,
            metrics: |loops| Box::new(Metrics::new(loops)),
        }
    }
}

/// Whether there is a health lane, and what the application says of its readiness.
pub(crate) struct Health {
    lane: Option<HealthLane>,
    /// The probes are answered on the application's listeners, too.
    beside_service: bool,
    is_ready: AtomicBool,
    /// Another process serves at the same addresses.
    has_successor: AtomicBool,
}

impl Health {
    pub(crate) fn new(lane: Option<HealthLane>, beside_service: bool) -> Health {
        Health {
            lane,
            beside_service,
            is_ready: AtomicBool::new(true),
            has_successor: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::SeqCst);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }

    /// A successor serves at the same addresses. Whoever asks there, asks whether somebody does.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn hand_over(&self) {
        self.has_successor.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_successor(&self) -> bool {
        self.has_successor.load(Ordering::SeqCst)
    }

    /// Whether this request is the lane's to answer, not the application's.
    pub(crate) fn takes(&self, lane: Lane, request: &Request) -> bool {
        lane == Lane::Health || (self.beside_service && Probe::is_at(request.path()))
    }

    /// Answers a request that the lane takes.
    pub(crate) fn answer(&self, request: &Request, shared: &Shared) -> Response {
        match self.lane {
            Some(lane) => (lane.answer)(request, shared),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// Answers a request that the lane takes.
fn answer(request: &Request, shared: &Shared) -> Response {
    const ALLOWED: &str = "GET, HEAD, OPTIONS";
    let everything = request.path() == "*" && request.method() == Method::OPTIONS;
    let Some(probe) = Probe::at(request.path()).or(everything.then_some(Probe::Alive)) else {
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
        // A loop that can answer is alive.
        Probe::Alive => "alive\n".into_response(),
        Probe::Ready if !shared.health.is_ready() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the application is not ready\n").into_response()
        }
        Probe::Ready if !shared.is_ready() => {
            (StatusCode::SERVICE_UNAVAILABLE, "the server is about to stop\n").into_response()
        }
        Probe::Ready => "ready\n".into_response(),
        Probe::Metrics => metrics(shared),
    }
}

fn metrics(shared: &Shared) -> Response {
    Response::new(tally::exposition(shared)).with_header("Content-Type", Exposition::MEDIA_TYPE)
}
