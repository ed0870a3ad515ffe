//! The time that the handler of a request may take, told to whoever watches it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// The time that a handler may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// As long as the server says.
    #[default]
    Server,
    Time(Duration),
    /// As long as it likes.
    Always,
}

/// Watches how long a handler takes, perhaps from another thread.
pub(crate) trait HandlerWatch: Send + Sync {
    /// The handler that runs may take this long, counted from its beginning.
    fn allow(self: Arc<Self>, allowed: Allowed);
}

/// What is allowed to the handler of a request, and who watches it.
pub(crate) struct HandlerTime {
    allowed: Cell<Allowed>,
    watch: Arc<dyn HandlerWatch>,
}

impl HandlerTime {
    pub(crate) fn watched_by(watch: Arc<dyn HandlerWatch>) -> HandlerTime {
        HandlerTime {
            allowed: Cell::default(),
            watch,
        }
    }

    pub(super) fn get(&self) -> Allowed {
        self.allowed.get()
    }

    pub(super) fn set(&self, allowed: Allowed) {
        if self.allowed.replace(allowed) != allowed {
            Arc::clone(&self.watch).allow(allowed);
        }
    }
}
