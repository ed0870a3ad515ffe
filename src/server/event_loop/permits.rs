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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::shared::admission::Admitted;
    use crate::server::shared::fixture::connection;

    /// Lets a connection with this key wait for a permit.
    fn queue(admission: &Admission<Box<Connection>>, key: usize) {
        let (_, connection) = connection(key);
        let admitted = admission.acquire(connection, Instant::now(), true, true);
        assert!(matches!(admitted, Admitted::Queued), "{key}");
    }

    fn next(permits: &mut Permits, admission: &Admission<Box<Connection>>) -> Option<usize> {
        permits.next(admission).map(|(_, connection)| connection.key)
    }

    #[test]
    fn the_permit_in_reserve_is_taken_once_and_goes_to_whoever_waits_when_it_is_back() {
        let admission = Admission::new(0, 9);
        let mut permits = Permits::new(true);
        assert!(!permits.may_grant(&admission), "nobody waits");
        assert!(permits.take() && !permits.take());
        queue(&admission, 7);
        assert!(!permits.may_grant(&admission), "there is no permit");
        assert_eq!(next(&mut permits, &admission), None);
        permits.give_back(&admission);
        assert!(permits.may_grant(&admission) && !permits.has_granted());
        assert_eq!(next(&mut permits, &admission), Some(7));
        assert!(!permits.take(), "it has the permit");
    }

    #[test]
    fn a_permit_beside_the_reserve_goes_to_whoever_waits_or_to_all_loops() {
        let admission = Admission::new(0, 9);
        let mut permits = Permits::new(true);
        queue(&admission, 7);
        permits.give_back(&admission);
        assert!(permits.has_granted() && !permits.may_grant(&admission));
        assert_eq!(next(&mut permits, &admission), Some(7));
        assert!(!permits.has_granted());
        permits.give_back(&admission);
        let (_, connection) = connection(8);
        let admitted = admission.acquire(connection, Instant::now(), true, true);
        assert!(matches!(admitted, Admitted::Entered(_)));
        assert!(permits.take(), "the reserve is still there");
    }
}
