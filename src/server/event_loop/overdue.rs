//! Handlers that take too long: the loop answers in their place.
//!
//! A thread can't be killed. It is counted as lost until its handler returns, and another may work in its
//! place, up to a bound. Its connection's slot stays taken so long, since the socket is open so long.

use std::sync::Arc;
use std::time::Instant;

use crate::report;

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::connection::claim::Overdue;
use crate::server::connection::link::Transport;
use crate::server::seconds::Seconds;
use crate::server::shared::Shared;

impl EventLoop {
    /// The thread is about to put the loop down, to answer this connection.
    pub(crate) fn goes_out(&mut self, connection: &Connection) {
        if connection.home == self.index {
            self.out = Some((connection.key, self.now));
        }
    }

    /// A connection is about to be given to a parked thread, where its time begins.
    pub(crate) fn gives(&mut self, connection: &Connection, shared: &Shared) {
        connection.transport.link.claim.queue();
        self.look_again(connection.key, shared);
        shared.tally.given();
    }

    /// A thread has taken the loop up again; of the connection it has brought back, nothing need be
    /// feared. Another one that is out has lost the loop, and from now on it may be overdue.
    pub(crate) fn is_back(&mut self, brought: Option<&Connection>, shared: &Shared) {
        let Some((key, since)) = self.out.take() else { return };
        let is_brought = brought.is_some_and(|connection| connection.home == self.index && connection.key == key);
        if !is_brought {
            self.watch_call(key, since, shared);
        }
    }

    /// The call of the connection at `key`, which has begun at `since`, is one that may be overdue from now on.
    #[inline(never)]
    fn watch_call(&mut self, key: usize, since: Instant, shared: &Shared) {
        if let Some(link) = self.slots.link(key) {
            link.claim.begin(since);
        }
        self.look_again(key, shared);
    }

    /// Sees to it that the loop looks at the call of a connection that is out when it may be overdue.
    #[inline(never)]
    pub(super) fn look_again(&mut self, key: usize, shared: &Shared) {
        // Its thread may have to wait for the client. If that can't be, it finds that it is cut off.
        self.slots.register(key, &self.poller);
        let Some(link) = self.slots.link(key) else { return };
        if let Some(deadline) = link.claim.deadline(self.now, &shared.limits) {
            self.slots.schedule(key, deadline);
        }
    }

    /// Looks at a connection that is out, and whose time may be up.
    pub(super) fn look_at_call(&mut self, key: usize, shared: &Shared) {
        let Some(link) = self.slots.link(key).cloned() else {
            return;
        };
        let is_due = link
            .claim
            .deadline(self.now, &shared.limits)
            .is_some_and(|deadline| deadline <= self.now);
        if is_due && link.is_awaited() {
            // It waits for its client, who has deadlines of his own.
            link.claim.begin(self.now);
        }
        if is_due
            && link
                .claim
                .deadline(self.now, &shared.limits)
                .is_some_and(|deadline| deadline <= self.now)
        {
            // Nobody takes the place of one who reads a file: the disk that one waits for would get others as well.
            let was_reading = link.claim.is_reading();
            let is_replaced = shared.crew.lose(!was_reading);
            match link.claim.overrule(is_replaced) {
                Overdue::Respond => {
                    self.lose(key, is_replaced, shared);
                    self.respond_instead(key, shared);
                    return;
                }
                Overdue::Abandon if was_reading => {
                    self.lose_reader(key, shared);
                    self.abandon(key, shared);
                    return;
                }
                Overdue::Abandon => {
                    self.lose(key, is_replaced, shared);
                    self.abandon(key, shared);
                    return;
                }
                Overdue::Cut => {
                    report::warn!(
                        "a stream has been cut off, since it has not ended in {}",
                        Seconds(shared.limits.stream.unwrap_or_default())
                    );
                    link.cut();
                    shared.crew.find(is_replaced);
                    return;
                }
                Overdue::Late => shared.crew.find(is_replaced),
            }
        }
        self.look_again(key, shared);
    }

    /// Counts a thread as lost, and has another handler run with its permit if that may be.
    fn lose(&mut self, key: usize, is_replaced: bool, shared: &Shared) {
        report::warn!(
            "a handler has not answered in {}: its client is told 503, and its thread is lost until it returns ({} are)",
            Seconds(shared.limits.handler.unwrap_or_default()),
            shared.crew.lost()
        );
        shared.tally.overdue();
        self.slots.lose(key);
        if is_replaced {
            self.permits.give_back(&shared.admission);
        }
    }

    /// Counts a thread as lost that reads a file. It keeps its place among those that read.
    fn lose_reader(&mut self, key: usize, shared: &Shared) {
        report::warn!(
            "a file could not be read in {}: its client is broken off, and the thread is lost until the read returns ({} are)",
            Seconds(shared.limits.handler.unwrap_or_default()),
            shared.crew.lost()
        );
        shared.tally.overdue();
        self.slots.lose(key);
    }

    /// Answers 503 on a connection that its thread has.
    fn respond_instead(&mut self, key: usize, shared: &Shared) {
        let (Some(link), Some(visitor)) = (self.slots.link(key), self.slots.visitor(key)) else {
            return;
        };
        let transport = Transport::of(Arc::clone(link));
        let peer = visitor.address;
        let mut connection = Connection::new(transport, peer, key, self.index, self.now, &shared.limits);
        let mut work = shared.new_work();
        let copy = connection.transport.link.copy();
        work.exchange.refuse_unseen(copy.as_ref(), &self.date, &mut work.out);
        connection.work = Some(work);
        connection.is_used = true;
        connection.close_after_sending();
        // It closes, so it can't have a request.
        let _ = self.advance(Box::new(connection), shared);
    }

    /// Breaks a connection off that its thread has.
    fn abandon(&mut self, key: usize, shared: &Shared) {
        if let Some(link) = self.slots.link(key) {
            link.cut();
        }
        self.slots.abandon();
        shared.loops[self.index].connection_closed();
    }

    /// The handler of a lost thread has returned.
    // Not on the way of a usual request.
    #[inline(never)]
    pub(crate) fn recover(&mut self, key: usize) {
        self.slots.recover(key);
    }
}
