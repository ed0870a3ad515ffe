//! The readiness of a connection's socket, as far as events have told.

use super::link::{Attempt, FINISHED, READABLE, WRITABLE};

pub(super) struct Readiness {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The client has closed its side: what has arrived must still be read, up to the end.
    pub(super) peer_is_finishing: bool,
    /// The end was read. It stays readable, so whoever waits for the client continues at once.
    pub(super) peer_finished: bool,
}

impl Readiness {
    /// The readiness of a new connection. The client may have sent its request already: check before waiting.
    pub(super) fn new() -> Readiness {
        Readiness {
            readable: true,
            writable: true,
            peer_is_finishing: false,
            peer_finished: false,
        }
    }

    /// Records an event.
    pub(super) fn note(&mut self, readiness: u8) {
        self.readable |= readiness & READABLE != 0;
        self.writable |= readiness & WRITABLE != 0;
        self.peer_is_finishing |= readiness & FINISHED != 0;
    }

    /// Records the result of a read. A `short` one has taken everything there was.
    #[inline]
    pub(super) fn note_read(&mut self, attempt: Attempt, is_short: bool) {
        match attempt {
            Attempt::Done(1..) => {
                if is_short && !self.peer_is_finishing {
                    self.readable = false;
                }
            }
            Attempt::TooEarly => self.readable = false,
            // For whatever reason, nothing more will come.
            Attempt::Done(0) | Attempt::Failed => self.peer_finished = true,
        }
    }
}
