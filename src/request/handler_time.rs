//! The time that the handler of a request may take, told to whoever watches it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// The time that a handler may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// The time of the server: [`Limits::handler`](crate::Limits::handler).
    #[default]
    Server,
    Time(Duration),
    /// No limit.
    Always,
}

impl Allowed {
    /// Returns what is left of it for a client that waits no longer than `client`. The server says `of_server`.
    fn within(self, client: Option<Duration>, of_server: Option<Duration>) -> Allowed {
        let Some(client) = client else { return self };
        let otherwise = match self {
            Allowed::Server => of_server,
            Allowed::Time(time) => Some(time),
            Allowed::Always => None,
        };
        Allowed::Time(otherwise.map_or(client, |time| time.min(client)))
    }
}

/// The limits of the time of a handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeLimits {
    pub(crate) of_route: Allowed,
    /// The client waits no longer, and may shorten the time only.
    pub(crate) of_client: Option<Duration>,
}

/// Watches how long a handler takes, perhaps from another thread.
pub(crate) trait HandlerWatch: Send + Sync {
    /// The handler that runs may take this long, counted from its beginning.
    fn allow(self: Arc<Self>, allowed: Allowed);
}

/// The time limits of the handler of a request, and its watch.
pub(crate) struct HandlerTime {
    limits: Cell<TimeLimits>,
    of_server: Option<Duration>,
    watch: Arc<dyn HandlerWatch>,
}

impl HandlerTime {
    /// Creates the time of a handler that the server gives `of_server`, or any time.
    pub(crate) fn watched_by(watch: Arc<dyn HandlerWatch>, of_server: Option<Duration>) -> HandlerTime {
        HandlerTime {
            limits: Cell::default(),
            of_server,
            watch,
        }
    }

    pub(super) fn get(&self) -> TimeLimits {
        self.limits.get()
    }

    pub(super) fn set(&self, limits: TimeLimits) {
        let allowed = |limits: TimeLimits| limits.of_route.within(limits.of_client, self.of_server);
        let before = self.limits.replace(limits);
        if allowed(before) != allowed(limits) {
            Arc::clone(&self.watch).allow(allowed(limits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_shortens_the_time_and_never_lengthens_it() {
        let ms = Duration::from_millis;
        for (allowed, client, of_server, expected) in [
            (Allowed::Server, None, Some(ms(9)), Allowed::Server),
            (Allowed::Server, Some(ms(5)), Some(ms(9)), Allowed::Time(ms(5))),
            (Allowed::Server, Some(ms(50)), Some(ms(9)), Allowed::Time(ms(9))),
            (Allowed::Server, Some(ms(50)), None, Allowed::Time(ms(50))),
            (Allowed::Time(ms(7)), Some(ms(5)), Some(ms(1)), Allowed::Time(ms(5))),
            (Allowed::Time(ms(7)), Some(ms(8)), Some(ms(1)), Allowed::Time(ms(7))),
            (Allowed::Always, Some(ms(8)), Some(ms(1)), Allowed::Time(ms(8))),
            (Allowed::Always, None, Some(ms(1)), Allowed::Always),
        ] {
            assert_eq!(allowed.within(client, of_server), expected, "{allowed:?} {client:?}");
        }
    }
}
