//! Which requests ask for the server's health, and what is known of it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Request;
use crate::server::connection::lane::Lane;

/// The questions of probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe {
    Alive,
    Ready,
    Metrics,
    /// The status page, which no path of the application's listeners leads to.
    Page,
}

impl Probe {
    pub(crate) fn at(path: &str) -> Option<Probe> {
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

/// The reports of the application and of a successor about readiness.
pub(crate) struct Health {
    /// True if probes are served on the application's listeners, too.
    beside_service: bool,
    is_ready: AtomicBool,
    /// True if another process serves at the same addresses.
    has_successor: AtomicBool,
}

impl Health {
    pub(crate) fn new(beside_service: bool) -> Health {
        Health {
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

    /// Notes that a successor serves at the same addresses. A probe there asks whether anybody serves.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn hand_over(&self) {
        self.has_successor.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_successor(&self) -> bool {
        self.has_successor.load(Ordering::SeqCst)
    }

    /// Returns true if this request is for the lane, not for the application.
    pub(crate) fn takes(&self, lane: Lane, request: &Request) -> bool {
        lane == Lane::Health || (self.beside_service && Probe::is_at(request.path()))
    }
}
