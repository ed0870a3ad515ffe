//! The notice to whoever sends for a socket that there is something to be sent.

/// Decides whether whoever sends for a socket must be told. The lock of the messages to be sent protects it.
#[derive(Default)]
pub(crate) struct Notice {
    /// True while a handler of the socket runs and whoever runs it sends what it leaves.
    is_attended: bool,
    /// True while whoever sends has been told.
    is_given: bool,
    /// True while the client does not take more.
    is_blocked: bool,
}

impl Notice {
    /// Returns true if whoever sends must be told, after something was left to be sent. Then the caller does it.
    #[must_use = "nobody else will tell"]
    pub(crate) fn is_due(&mut self) -> bool {
        let is_known = self.is_attended || self.is_given || self.is_blocked;
        self.is_given |= !is_known;
        !is_known
    }

    /// Notes whether whoever runs a handler sends what that leaves.
    pub(crate) fn attend(&mut self, is_attended: bool) {
        self.is_attended = is_attended;
    }

    /// Notes that somebody sends now what there is. What is left later needs another notice.
    pub(crate) fn take_up(&mut self) {
        self.is_attended = false;
        self.is_given = false;
    }

    /// Notes whether the client takes more. When it does again, its connection has an event.
    pub(crate) fn block(&mut self, is_blocked: bool) {
        self.is_blocked = is_blocked;
    }

    /// Returns true if the client does not take more.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }
}
