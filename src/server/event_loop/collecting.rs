//! What returns to the loop: connections with a response, and whatever other threads have left.

use super::EventLoop;
use crate::exchange::KEPT;
use crate::server::connection::Connection;
use crate::server::connection::lane::Lane;
use crate::server::shared::Shared;
use crate::server::shared::lifecycle::Phase;
use crate::server::shared::loop_link::Arrival;

/// The most responses of other threads that are sent in a row. What their clients request next should begin before more
/// are sent: handlers that begin together end together, and the processor is idle in between.
const COLLECTED: usize = 6;

impl EventLoop {
    /// Takes what other threads have left, or the first part of it.
    pub(super) fn collect(&mut self, shared: &Shared) {
        let mut returned = 0;
        while returned < COLLECTED
            && let Some(arrival) = shared.loops[self.index].inbox.pop()
        {
            match arrival {
                Arrival::Returned(connection) => {
                    returned += 1;
                    self.take_back(connection, shared);
                }
                Arrival::Read(connection) => {
                    returned += 1;
                    self.take_back_read(connection);
                }
                Arrival::ReadingPlace => self.begin_next_read(shared),
                Arrival::Recovered(key) => self.recover(key),
                Arrival::Accepted(accepted) => {
                    self.welcome(accepted, shared);
                }
                Arrival::OneTooMany(accepted, want) => {
                    shared.loops[self.index].connection_closed();
                    self.squeeze_in(accepted, want, shared);
                }
            }
        }
    }

    /// Takes back a connection that was checked out.
    pub(crate) fn take_back(&mut self, mut connection: Box<Connection>, shared: &Shared) {
        connection.transport.link.claim.reset();
        connection.note(connection.transport.take_noted());
        connection.answered(self.now, &shared.limits);
        let is_answered = || connection.work.as_ref().is_none_or(|work| !work.needs_place());
        if !shared.lifecycle.is_running() && connection.lane == Lane::Service && is_answered() {
            shared.lifecycle.count_finished();
        }
        if !self.may_keep_responses() {
            return self.send(connection);
        }
        let key = connection.key;
        let Some(out) = connection.lone_response() else {
            return self.send(connection);
        };
        self.unsent.keep(key, out);
        connection.has_unsent = true;
        self.rest(connection);
        if self.unsent.is_full() {
            self.send_unsent(shared);
        }
    }

    /// Returns true if a response may wait for others, because others will follow soon.
    fn may_keep_responses(&self) -> bool {
        let are_others = !self.read_ahead.is_empty() || self.poller.has_next();
        are_others && self.unsent.may_wait() && self.phase == Phase::Running
    }

    /// Sends the responses that have waited for others.
    pub(crate) fn send_unsent(&mut self, shared: &Shared) {
        let mut place = 0;
        while let Some((key, out)) = self.unsent.at_mut(place) {
            place += 1;
            // It is in its slot: whatever happens to it next sends this first.
            if let Some(connection) = self.slots.at_mut(key) {
                connection.has_unsent = false;
                // A permanent error is found again when the connection continues.
                let sent = connection.transport.try_write(out).done();
                if sent < out.len() {
                    let out = std::mem::take(out);
                    self.send_rest(key, out, sent, shared);
                    continue;
                }
            }
            out.clear();
            if out.capacity() > KEPT {
                *out = Vec::new();
            }
        }
        self.unsent.clear();
    }

    /// Continues a connection whose client has accepted only the beginning of `out`.
    #[cold]
    fn send_rest(&mut self, key: usize, out: Vec<u8>, sent: usize, shared: &Shared) {
        let Some(mut connection) = self.slots.take(key) else {
            return;
        };
        self.equip(&mut connection, shared);
        if let Some(work) = &mut connection.work {
            work.out = out;
            work.sent = sent;
        }
        self.put_ready(connection);
    }

    /// Sends the response of a connection.
    fn send(&mut self, mut connection: Box<Connection>) {
        connection.send_now();
        if connection.can_rest() && self.phase == Phase::Running {
            self.rest(connection);
        } else {
            // Other connections get their turn before what has arrived after it.
            self.put_ready(connection);
        }
    }

    /// Puts a connection into its slot, to continue in the next round.
    pub(super) fn put_ready(&mut self, connection: Box<Connection>) {
        self.ready.push(connection.key);
        self.slots.put_back(connection);
    }
}
