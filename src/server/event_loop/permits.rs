//! The permits of a loop. One is in reserve, so that the usual request touches nothing that loops share.

use std::collections::VecDeque;
use std::time::Instant;

use crate::server::connection::Connection;
use crate::server::shared::admission::Admission;

pub(crate) struct Permits {
    /// A permit to run a handler, kept for the next request.
    reserve: bool,
    /// Connections that already have their permits, and since when they have waited.
    next: VecDeque<(Instant, Box<Connection>)>,
}

impl Permits {
    pub(super) fn new(reserve: bool) -> Permits {
        Permits {
            reserve,
            next: VecDeque::new(),
        }
    }

    /// Takes the reserve, if it is there.
    pub(super) fn take(&mut self) -> bool {
        std::mem::take(&mut self.reserve)
    }

    /// Takes back the permit of a handler that has returned.
    pub(crate) fn give_back(&mut self, admission: &Admission<Box<Connection>>) {
        if std::mem::replace(&mut self.reserve, true) {
            self.release(admission);
        }
    }

    /// Passes on a permit that the loop has beside its reserve: the replacement of a lost thread has got one for the
    /// loop meanwhile.
    #[cold]
    fn release(&mut self, admission: &Admission<Box<Connection>>) {
        self.next.extend(admission.release());
    }

    /// Returns a connection that waits for a permit, if there is one and a permit for it.
    pub(super) fn next(&mut self, admission: &Admission<Box<Connection>>) -> Option<(Instant, Box<Connection>)> {
        if let Some(next) = self.next.pop_front() {
            return Some(next);
        }
        if !self.reserve {
            return admission.next_with_permit();
        }
        let next = admission.next_waiting()?;
        self.reserve = false;
        Some(next)
    }

    /// Returns true if a connection has got its permit.
    pub(super) fn has_granted(&self) -> bool {
        !self.next.is_empty()
    }

    /// Returns true if a waiting connection can get a permit.
    pub(super) fn may_grant(&self, admission: &Admission<Box<Connection>>) -> bool {
        self.reserve && admission.has_waiting() && admission.is_open()
    }
}
