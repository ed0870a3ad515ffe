//! The connections of a loop, each in its slot, and when to look at each again.

use std::sync::Arc;
use std::time::Instant;

use super::poller::Poller;
use super::timers::Timers;
#[cfg(unix)]
use crate::report;
use crate::server::connection::Connection;
use crate::server::connection::lane::Lane;
use crate::server::connection::link::Link;
use crate::server::net::peers::Visitor;

#[derive(Default)]
pub(super) struct Slots {
    all: Vec<Slot>,
    vacant: Vec<usize>,
    /// The number of slots that only a lost thread still occupies.
    lost: usize,
    /// The connections of the health lane.
    probes: Vec<usize>,
    timers: Timers,
}

/// The slot of a connection. It keeps the link while the connection is checked out.
#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    connection: Option<Box<Connection>>,
    visitor: Visitor,
    /// True if its events come to this loop.
    #[cfg(unix)]
    is_registered: bool,
    /// True if its thread is lost, and has not returned.
    is_lost: bool,
    /// The deadline that is in the timers.
    scheduled: Option<Instant>,
}

/// The remains of a closed connection in its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Another connection may use the slot.
    Vacant,
    /// A lost thread still has the connection's socket.
    Lost,
}

impl Slot {
    /// Makes this slot, at `key`, come up at `deadline`, unless it does so before.
    fn schedule(&mut self, key: usize, deadline: Instant, timers: &mut Timers) {
        if self.scheduled.is_none_or(|scheduled| deadline < scheduled) {
            self.scheduled = Some(deadline);
            timers.add(deadline, key);
        }
    }

    /// Registers the connection of this slot, at `key`. Returns true if its events will come.
    // Once for a connection.
    #[cfg(unix)]
    #[inline(never)]
    fn register(&mut self, key: usize, poller: &Poller) -> bool {
        let Some(link) = &self.link else {
            return true;
        };
        match poller.register(link, key) {
            Ok(()) => self.is_registered = true,
            Err(error) => {
                report::warn!("can't register a connection for events: {error}; the connection is cut");
                link.cut();
            }
        }
        self.is_registered
    }
}

impl Slots {
    /// Returns how many slots there are, free ones included.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns how many connections of the service there are, without those that only a lost thread still has.
    pub(super) fn in_service(&self) -> usize {
        self.all.len() - self.vacant.len() - self.probes.len() - self.lost
    }

    /// Returns a key for a new connection.
    pub(super) fn reserve(&mut self) -> usize {
        self.vacant.pop().unwrap_or_else(|| {
            self.all.push(Slot::default());
            self.all.len() - 1
        })
    }

    /// Frees a key that was not [used](Slots::begin).
    pub(super) fn release(&mut self, key: usize) {
        self.vacant.push(key);
    }

    /// Puts a new connection into the slot of its key. `visitor` counts as long as it is open.
    pub(super) fn begin(&mut self, connection: Box<Connection>, visitor: Visitor) {
        let key = connection.key;
        if let Some(slot) = self.all.get_mut(key) {
            slot.link = Some(Arc::clone(&connection.transport.link));
            slot.visitor = visitor;
            slot.connection = Some(connection);
        }
    }

    /// Returns the connection at `key`, unless it is checked out.
    pub(super) fn at(&self, key: usize) -> Option<&Connection> {
        self.all.get(key)?.connection.as_deref()
    }

    pub(super) fn at_mut(&mut self, key: usize) -> Option<&mut Box<Connection>> {
        self.all.get_mut(key)?.connection.as_mut()
    }

    /// Takes the connection at `key` out of its slot.
    pub(super) fn take(&mut self, key: usize) -> Option<Box<Connection>> {
        self.all.get_mut(key)?.connection.take()
    }

    /// Puts a connection back as it was taken.
    pub(super) fn put_back(&mut self, connection: Box<Connection>) {
        if let Some(slot) = self.all.get_mut(connection.key) {
            slot.connection = Some(connection);
        }
    }

    /// Puts a connection back that waits until its deadline.
    pub(super) fn put(&mut self, connection: Box<Connection>) {
        let (key, deadline) = (connection.key, connection.wait.deadline);
        let Some(slot) = self.all.get_mut(key) else { return };
        slot.connection = Some(connection);
        slot.schedule(key, deadline, &mut self.timers);
    }

    /// Returns the link of the connection at `key`, wherever the connection is.
    pub(super) fn link(&self, key: usize) -> Option<&Arc<Link>> {
        self.all.get(key)?.link.as_ref()
    }

    /// Forgets all links, because the loop ends.
    pub(super) fn forget_links(&mut self) {
        self.all.iter_mut().for_each(|slot| slot.link = None);
    }

    /// Returns the visitor of the connection at `key`.
    pub(super) fn visitor(&self, key: usize) -> Option<&Visitor> {
        self.all.get(key).map(|slot| &slot.visitor)
    }

    /// Returns true if its thread is lost.
    pub(super) fn is_lost(&self, key: usize) -> bool {
        self.all.get(key).is_some_and(|slot| slot.is_lost)
    }

    /// Returns each connection that is not checked out.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.all.iter().filter_map(|slot| slot.connection.as_deref())
    }

    /// Returns since when the connection at `key` has been idle, if it is, and if it belongs to the service.
    pub(super) fn idle_since(&self, key: usize) -> Option<Instant> {
        let connection = self.at(key)?;
        (connection.lane == Lane::Service).then(|| connection.idle_since())?
    }

    /// Makes the loop look at the connection at `key` at `deadline`, unless it does so before.
    pub(super) fn schedule(&mut self, key: usize, deadline: Instant) {
        if let Some(slot) = self.all.get_mut(key) {
            slot.schedule(key, deadline, &mut self.timers);
        }
    }

    /// Returns the next moment at which to look at a connection.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Returns a connection that is due at `now`, and removes its deadline.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        while let Some((when, key)) = self.timers.due(now) {
            let slot = self.all.get_mut(key).filter(|slot| slot.scheduled == Some(when));
            if let Some(slot) = slot {
                slot.scheduled = None;
                return Some(key);
            }
        }
        None
    }

    /// Removes what closed connections have left in the timers.
    pub(super) fn tidy_timers(&mut self) {
        let all = &self.all;
        self.timers.tidy(all.len(), |when, key| {
            all.get(key).is_some_and(|slot| slot.scheduled == Some(when))
        });
    }

    /// Registers the connection at `key`, so that its events come from now on. Returns true if they will; otherwise the
    /// connection is cut.
    ///
    /// This is done only when there is something to wait for: a connection that is served and closed at once saves the
    /// system a tenth of its work. No event is missed, because readiness that exists already raises one as well.
    #[cfg(unix)]
    pub(super) fn register(&mut self, key: usize, poller: &Poller) -> bool {
        let Some(slot) = self.all.get_mut(key) else {
            return true;
        };
        slot.is_registered || slot.register(key, poller)
    }

    /// They already come: on other systems a socket can be registered only before it is shared.
    #[cfg(not(unix))]
    pub(super) fn register(&mut self, _: usize, _: &Poller) -> bool {
        true
    }

    /// Adds the connection at `key` to those of the health lane.
    pub(super) fn add_probe(&mut self, key: usize) {
        self.probes.push(key);
    }

    /// Returns how many connections of the health lane there are.
    pub(super) fn probes(&self) -> usize {
        self.probes.len()
    }

    /// Returns the connection of the health lane that has been idle longest.
    pub(super) fn idlest_probe(&self) -> Option<usize> {
        let since = |key: usize| self.at(key)?.idle_since();
        let idle = self.probes.iter().filter_map(|&key| Some((since(key)?, key)));
        idle.min().map(|(_, key)| key)
    }

    /// Notes that the thread with the connection at `key` is lost.
    pub(super) fn lose(&mut self, key: usize) {
        if let Some(slot) = self.all.get_mut(key) {
            slot.is_lost = true;
        }
    }

    /// Notes that a connection of a lost thread has no further use.
    pub(super) fn abandon(&mut self) {
        self.lost += 1;
    }

    /// Notes that the lost thread with the connection at `key` has returned.
    pub(super) fn recover(&mut self, key: usize) {
        let Some(slot) = self.all.get_mut(key) else { return };
        slot.is_lost = false;
        if slot.connection.is_none() {
            *slot = Slot::default();
            self.vacant.push(key);
            self.lost -= 1;
        }
    }

    /// Notes that a connection that was taken out has ended.
    pub(super) fn end(&mut self, connection: &Connection) -> Left {
        let key = connection.key;
        if connection.lane == Lane::Health {
            self.probes.retain(|&probe| probe != key);
        }
        match self.all.get_mut(key) {
            Some(slot) if slot.is_lost => {
                self.lost += 1;
                Left::Lost
            }
            Some(slot) => {
                *slot = Slot::default();
                self.vacant.push(key);
                Left::Vacant
            }
            None => Left::Vacant,
        }
    }

    /// Leaves a timer, as a closed connection does.
    #[cfg(test)]
    pub(super) fn leave_timer(&mut self, when: Instant, key: usize) {
        self.timers.add(when, key);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::connection::link::READABLE;
    use crate::server::event_loop::EventLoop;
    use crate::server::event_loop::fixture::{clients, connected, event_loop, shared, taken};
    use std::io::Read;
    use std::time::Duration;

    #[test]
    fn a_slot_that_only_a_lost_thread_occupies_counts_as_no_connection_and_is_free_when_that_returns() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 3);
        let slots = &mut event_loop.slots;
        assert_eq!(slots.in_service(), 3);
        slots.lose(1);
        assert_eq!((slots.in_service(), slots.is_lost(1)), (3, true));
        let (lost, other) = (taken(&mut event_loop, 1), taken(&mut event_loop, 2));
        let slots = &mut event_loop.slots;
        assert_eq!((slots.end(&lost), slots.in_service()), (Left::Lost, 2));
        assert_eq!((slots.end(&other), slots.in_service()), (Left::Vacant, 1));
        assert_eq!(slots.reserve(), 2, "the slot at 1 is still occupied");
        slots.recover(1);
        assert_eq!((slots.in_service(), slots.is_lost(1)), (2, false));
        assert_eq!(slots.reserve(), 1);
    }

    #[test]
    fn who_is_found_again_before_the_connection_ends_is_a_connection_like_others() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 2);
        event_loop.slots.lose(0);
        event_loop.slots.recover(0);
        let connection = taken(&mut event_loop, 0);
        assert_eq!(event_loop.slots.end(&connection), Left::Vacant);
        assert_eq!(event_loop.slots.in_service(), 1);
        event_loop.slots.lose(1);
        event_loop.slots.abandon();
        assert_eq!(event_loop.slots.in_service(), 0, "its thread writes nothing more");
        taken(&mut event_loop, 1);
        event_loop.slots.recover(1);
        assert_eq!(event_loop.slots.in_service(), 0);
    }

    #[test]
    fn a_slot_comes_up_at_the_earliest_of_its_deadlines_and_once() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut slots = Slots::default();
        assert_eq!([slots.reserve(), slots.reserve()], [0, 1]);
        slots.schedule(0, at(3));
        slots.schedule(0, at(5));
        assert_eq!(slots.next_due(), Some(at(3)));
        slots.schedule(0, at(2));
        slots.schedule(1, at(4));
        assert_eq!(slots.next_due(), Some(at(2)));
        assert_eq!(slots.due(at(1)), None);
        assert_eq!(slots.due(at(2)), Some(0));
        assert_eq!(slots.due(at(9)), Some(1), "the other deadlines of the first are void");
        assert_eq!(slots.due(at(9)), None);
        slots.schedule(0, at(6));
        assert_eq!(slots.due(at(6)), Some(0), "it may be scheduled again");
        slots.schedule(7, at(1));
        assert_eq!(slots.due(at(9)), None, "there is no such slot");
    }

    #[test]
    fn a_connection_that_is_put_back_comes_up_at_its_deadline() {
        let shared = shared();
        let mut event_loop = event_loop();
        let (_client, accepted) = connected();
        assert_eq!(event_loop.welcome(accepted, &shared), Some(0));
        let connection = taken(&mut event_loop, 0);
        let deadline = connection.wait.deadline;
        event_loop.slots.put_back(connection);
        assert_eq!(event_loop.slots.next_due(), None, "it was put back as it was");
        let connection = taken(&mut event_loop, 0);
        assert!(event_loop.slots.at(0).is_none() && event_loop.slots.link(0).is_some());
        event_loop.slots.put(connection);
        assert!(event_loop.slots.at(0).is_some());
        assert_eq!(event_loop.slots.next_due(), Some(deadline));
    }

    #[test]
    fn a_key_that_was_not_used_is_free_again() {
        let shared = shared();
        let mut event_loop = event_loop();
        let _clients = clients(&mut event_loop, &shared, 1);
        let slots = &mut event_loop.slots;
        let key = slots.reserve();
        assert_eq!((key, slots.len(), slots.in_service()), (1, 2, 2));
        slots.release(key);
        assert_eq!((slots.len(), slots.in_service(), slots.reserve()), (2, 1, 1));
        assert_eq!(slots.iter().map(|connection| connection.key).collect::<Vec<_>>(), [0]);
        slots.forget_links();
        assert!(slots.link(0).is_none());
    }

    #[test]
    fn the_slot_of_a_connection_that_has_ended_knows_nothing_of_it() {
        let shared = shared();
        let mut event_loop = event_loop();
        let (_client, mut accepted) = connected();
        let address = Some(([192, 0, 2, 1], 1).into());
        accepted.visitor = Visitor::of(address);
        assert_eq!(event_loop.welcome(accepted, &shared), Some(0));
        assert_eq!(event_loop.slots.visitor(0).unwrap().address, address);
        let connection = taken(&mut event_loop, 0);
        assert_eq!(event_loop.slots.end(&connection), Left::Vacant);
        let slots = &event_loop.slots;
        assert!(slots.link(0).is_none() && slots.at(0).is_none());
        assert_eq!(
            slots.visitor(0).unwrap().address,
            None,
            "it counts for its peer no more"
        );
    }

    #[test]
    fn probes_are_no_connections_of_the_service_and_the_one_that_is_idle_longest_is_found() {
        let shared = shared();
        let mut event_loop = event_loop();
        let clients = clients(&mut event_loop, &shared, 4);
        for (key, _) in &clients[..3] {
            event_loop.slots.at_mut(*key).unwrap().lane = Lane::Health;
            event_loop.slots.add_probe(*key);
        }
        let slots = &mut event_loop.slots;
        assert_eq!((slots.probes(), slots.in_service()), (3, 1));
        assert_eq!([2, 3].map(|key| slots.idle_since(key).is_some()), [false, true]);
        assert_eq!(slots.idlest_probe(), Some(0));
        slots.at_mut(0).unwrap().note(READABLE);
        assert_eq!(slots.idlest_probe(), Some(1), "the other one has a request");
        let ended = slots.take(1).unwrap();
        assert_eq!(slots.end(&ended), Left::Vacant);
        assert_eq!((slots.probes(), slots.in_service()), (2, 1));
        assert_eq!(slots.idlest_probe(), Some(2));
        let ended = slots.take(3).unwrap();
        assert_eq!(slots.end(&ended), Left::Vacant);
        assert_eq!((slots.probes(), slots.in_service()), (2, 0));
        slots.take(2).unwrap();
        assert_eq!(slots.idlest_probe(), None);
    }

    #[test]
    fn a_connection_whose_events_cannot_come_is_cut() {
        let shared = shared();
        let mut event_loop = event_loop();
        let mut clients = [(); 2].map(|()| {
            let (client, accepted) = connected();
            (event_loop.welcome(accepted, &shared).unwrap(), client)
        });
        let EventLoop { slots, poller, .. } = &mut event_loop;
        // The system registers a socket once.
        poller.register(slots.link(0).unwrap(), 99).unwrap();
        assert!(!slots.register(0, poller));
        assert_eq!(clients[0].1.read(&mut [0]).unwrap(), 0);
        assert!(
            slots.register(1, poller) && slots.register(1, poller),
            "which is done once"
        );
        assert!(slots.register(7, poller), "there is no such slot");
        clients[1].1.set_nonblocking(true).unwrap();
        assert!(clients[1].1.read(&mut [0]).is_err(), "it is open");
    }

    #[test]
    fn the_deadlines_of_connections_that_have_ended_are_removed_once_they_are_many() {
        let now = Instant::now();
        let mut slots = Slots::default();
        slots.reserve();
        slots.schedule(0, now + Duration::from_secs(60));
        (0..5000).for_each(|_| slots.leave_timer(now + Duration::from_secs(1), 7));
        assert_eq!(slots.next_due(), Some(now + Duration::from_secs(1)));
        slots.tidy_timers();
        assert_eq!(slots.next_due(), Some(now + Duration::from_secs(60)));
    }
}
