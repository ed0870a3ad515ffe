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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lane_takes_what_comes_to_it_and_of_the_service_only_probes_if_they_are_served_there() {
        for beside_service in [false, true] {
            let health = Health::new(beside_service);
            for (path, is_probe) in [("/livez", true), ("/readyz", true), ("/metrics", true), ("/", false)] {
                let request = Request::get(path);
                assert!(health.takes(Lane::Health, &request), "{path}");
                assert_eq!(
                    health.takes(Lane::Service, &request),
                    beside_service && is_probe,
                    "{path}"
                );
            }
        }
        assert_eq!(Probe::at("/livez"), Some(Probe::Alive));
        assert_eq!(Probe::at("/readyz"), Some(Probe::Ready));
        assert_eq!(Probe::at("/metrics"), Some(Probe::Metrics));
        assert_eq!(Probe::at("/livez/"), None);
    }

    #[test]
    fn it_is_ready_until_the_application_says_otherwise() {
        let health = Health::new(false);
        assert!(health.is_ready() && !health.has_successor());
        health.set_ready(false);
        assert!(!health.is_ready());
        health.set_ready(true);
        assert!(health.is_ready());
    }

    #[test]
    #[cfg(all(unix, feature = "activation"))]
    fn a_successor_is_known_from_when_it_serves() {
        let health = Health::new(false);
        health.hand_over();
        assert!(health.has_successor());
    }
}
