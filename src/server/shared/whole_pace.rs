//! The pace of an application that does not time its calls itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::Application;
use crate::pace::Pace;

/// The pace of a hand-written [`Application`], which the server times as a whole, until the application proves to time its
/// calls itself: by endpoints of dispatch within it, or by [`paced`](crate::paced).
pub(crate) struct WholePace {
    pace: Option<Pace>,
    is_timed_inside: AtomicBool,
}

impl WholePace {
    pub(crate) fn of(application: &dyn Application) -> WholePace {
        WholePace {
            pace: (!application.times_itself()).then(Pace::new),
            is_timed_inside: AtomicBool::new(false),
        }
    }

    /// Returns the pace by which to time a call, if there is one.
    #[inline]
    pub(crate) fn current(&self) -> Option<Pace> {
        self.pace.filter(|_| !self.is_timed_inside.load(Relaxed))
    }

    /// Takes note of an endpoint that is about to run.
    #[inline]
    pub(crate) fn note(&self, endpoint: Pace) {
        if self.pace.is_some_and(|pace| pace != endpoint) && !self.is_timed_inside.load(Relaxed) {
            self.is_timed_inside.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IntoApplication, IntoResponse, Request, Response};

    struct Whole;

    impl Application for Whole {
        fn call(&self, _: &Request) -> Response {
            "whole".into_response()
        }
    }

    #[test]
    fn only_an_application_that_does_not_time_its_calls_is_timed_as_a_whole() {
        let own = WholePace::of(&(|| "Hello").into_application());
        assert_eq!(own.current(), None);

        let whole = WholePace::of(&Whole);
        let pace = whole.current().unwrap();
        whole.note(pace);
        assert_eq!(whole.current(), Some(pace));
        whole.note(Pace::new());
        assert_eq!(whole.current(), None, "an endpoint has run inside");
    }
}
