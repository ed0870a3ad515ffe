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
    /// How many are taken by nothing but a thread that is lost.
    lost: usize,
    /// The connections of the health lane.
    probes: Vec<usize>,
    timers: Timers,
}

/// A connection's place. It keeps the link while the connection is out with a handler.
#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    connection: Option<Box<Connection>>,
    visitor: Visitor,
    /// Events of it come to this loop.
    #[cfg(unix)]
    is_registered: bool,
    /// Its thread was given up, and has not come back.
    is_lost: bool,
    /// The deadline that is in the timers.
    scheduled: Option<Instant>,
}

/// What closing a connection leaves in its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Another connection may have it.
    Vacant,
    /// A lost thread still has the connection's socket.
    Lost,
}

impl Slots {
    /// How many there are, taken or not.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many connections of the service there are, other than those that only a lost thread still has.
    pub(super) fn in_service(&self) -> usize {
        self.all.len() - self.vacant.len() - self.probes.len() - self.lost
    }

    /// A key for a new connection.
    pub(super) fn reserve(&mut self) -> usize {
        self.vacant.pop().unwrap_or_else(|| {
            self.all.push(Slot::default());
            self.all.len() - 1
        })
    }

    /// Gives a key back that was not [taken](Slots::begin).
    pub(super) fn release(&mut self, key: usize) {
        self.vacant.push(key);
    }

    /// Puts a new connection into the slot of its key. As long as it is open, `visitor` counts.
    pub(super) fn begin(&mut self, connection: Box<Connection>, visitor: Visitor) {
        let key = connection.key;
        if let Some(slot) = self.all.get_mut(key) {
            slot.link = Some(Arc::clone(&connection.transport.link));
            slot.visitor = visitor;
            slot.connection = Some(connection);
        }
    }

    /// The connection at `key`, unless it is out.
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
        self.put_back(connection);
        self.schedule(key, deadline);
    }

    /// The link of the connection at `key`, wherever that is.
    pub(super) fn link(&self, key: usize) -> Option<&Arc<Link>> {
        self.all.get(key)?.link.as_ref()
    }

    /// Who has the connection at `key`.
    pub(super) fn visitor(&self, key: usize) -> Option<&Visitor> {
        self.all.get(key).map(|slot| &slot.visitor)
    }

    /// Whether its thread was given up.
    pub(super) fn is_lost(&self, key: usize) -> bool {
        self.all.get(key).is_some_and(|slot| slot.is_lost)
    }

    /// Each connection that is not out.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.all.iter().filter_map(|slot| slot.connection.as_deref())
    }

    /// Since when the connection at `key` has been idle, if it has, and is one of the service.
    pub(super) fn idle_since(&self, key: usize) -> Option<Instant> {
        let connection = self.at(key)?;
        (connection.lane == Lane::Service).then(|| connection.idle_since())?
    }

    /// Has the loop look at the connection at `key` at `deadline`, unless it does so before.
    pub(super) fn schedule(&mut self, key: usize, deadline: Instant) {
        if let Some(slot) = self.all.get_mut(key)
            && slot.scheduled.is_none_or(|scheduled| deadline < scheduled)
        {
            slot.scheduled = Some(deadline);
            self.timers.add(deadline, key);
        }
    }

    /// The next moment at which to look at a connection.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// A connection that is to be looked at by `now`, which is not scheduled any more.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        while let Some((when, key)) = self.timers.due(now) {
            if let Some(slot) = self.all.get_mut(key)
                && slot.scheduled == Some(when)
            {
                slot.scheduled = None;
                return Some(key);
            }
        }
        None
    }

    /// Drops what connections that are gone have left in the timers.
    pub(super) fn tidy_timers(&mut self) {
        let all = &self.all;
        self.timers.tidy(all.len(), |when, key| {
            all.get(key).is_some_and(|slot| slot.scheduled == Some(when))
        });
    }

    /// Has events of the connection at `key` come from now on. Says whether they will; else it is cut off.
    ///
    /// This is not done before there is something to wait for: what is answered and closed at once spares the
    /// system a tenth of its work. No event is missed, since readiness that is there already raises one as well.
    #[cfg(unix)]
    pub(super) fn register(&mut self, key: usize, poller: &Poller) -> bool {
        let Some(slot) = self.all.get_mut(key) else {
            return true;
        };
        let (Some(link), false) = (&slot.link, slot.is_registered) else {
            return true;
        };
        match poller.register(link, key) {
            Ok(()) => slot.is_registered = true,
            Err(error) => {
                report::warn!("can't wait for a client: {error}");
                link.cut();
            }
        }
        slot.is_registered
    }

    /// They come already: elsewhere a socket can be registered only before it is shared.
    #[cfg(not(unix))]
    pub(super) fn register(&mut self, _: usize, _: &Poller) -> bool {
        true
    }

    /// The connection at `key` is one of the health lane.
    pub(super) fn add_probe(&mut self, key: usize) {
        self.probes.push(key);
    }

    /// How many connections of the health lane there are.
    pub(super) fn probes(&self) -> usize {
        self.probes.len()
    }

    /// The connection of the health lane that has been idle longest.
    pub(super) fn idlest_probe(&self) -> Option<usize> {
        let since = |key: usize| self.at(key)?.idle_since();
        let idle = self.probes.iter().filter_map(|&key| Some((since(key)?, key)));
        idle.min().map(|(_, key)| key)
    }

    /// The thread that has the connection at `key` is given up.
    pub(super) fn lose(&mut self, key: usize) {
        if let Some(slot) = self.all.get_mut(key) {
            slot.is_lost = true;
        }
    }

    /// A connection that a lost thread has is of no use any more.
    pub(super) fn abandon(&mut self) {
        self.lost += 1;
    }

    /// The lost thread that had the connection at `key` has returned.
    pub(super) fn recover(&mut self, key: usize) {
        let Some(slot) = self.all.get_mut(key) else { return };
        slot.is_lost = false;
        if slot.connection.is_none() {
            *slot = Slot::default();
            self.vacant.push(key);
            self.lost -= 1;
        }
    }

    /// A connection that was taken out has ended.
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

    /// As a connection leaves in the timers that is gone.
    #[cfg(test)]
    pub(super) fn leave_timer(&mut self, when: Instant, key: usize) {
        self.timers.add(when, key);
    }
}
