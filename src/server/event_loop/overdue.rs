//! Handlers that take too long: the loop responds in their place.
//!
//! A thread cannot be killed. It counts as lost until its handler returns, and another may work in its place, up to a
//! limit. The slot of its connection stays taken that long, because the socket stays open.

use std::sync::Arc;
use std::time::Instant;

use crate::report;

use super::EventLoop;
use crate::seconds::Seconds;
use crate::server::connection::claim::Overdue;
use crate::server::connection::link::Transport;
use crate::server::connection::{Connection, Work};
use crate::server::shared::Shared;
#[cfg(feature = "websocket")]
use crate::socket::Closed;

impl EventLoop {
    /// Notes that the thread is about to release the loop, to run the handler of this connection.
    pub(crate) fn goes_out(&mut self, connection: &Connection) {
        if connection.home == self.index {
            self.out = Some((connection.key, self.now));
        }
    }

    /// Notes that a connection is about to be given to a parked thread, where its time begins.
    pub(crate) fn gives(&mut self, connection: &Connection, shared: &Shared) {
        connection.transport.link.claim.queue();
        self.look_again(connection.key, shared);
        shared.tally.given();
    }

    /// Notes that a thread has acquired the loop again. The connection it returned with cannot be overdue. Another
    /// connection that is checked out has lost the loop, and from now on it may be overdue.
    pub(crate) fn is_back(&mut self, brought: Option<&Connection>, shared: &Shared) {
        let Some((key, since)) = self.out.take() else { return };
        let is_brought = brought.is_some_and(|connection| connection.home == self.index && connection.key == key);
        if !is_brought {
            self.watch_call(key, since, shared);
        }
    }

    /// Begins to watch the call of the connection at `key`, which began at `since`.
    #[inline(never)]
    fn watch_call(&mut self, key: usize, since: Instant, shared: &Shared) {
        if let Some(link) = self.slots.link(key) {
            link.claim.begin(since);
            #[cfg(feature = "websocket")]
            link.send_of_socket();
        }
        self.look_again(key, shared);
    }

    /// Makes the loop look at the call of a checked-out connection when it may be overdue.
    #[inline(never)]
    pub(super) fn look_again(&mut self, key: usize, shared: &Shared) {
        // Its thread may have to wait for the client. If registering fails, the thread finds that the connection is
        // cut.
        self.slots.register(key, &self.poller);
        let Some(link) = self.slots.link(key) else { return };
        if let Some(deadline) = shared.deadline(link, self.now) {
            self.slots.schedule(key, deadline);
        }
    }

    /// Looks at a checked-out connection that may be overdue.
    pub(super) fn look_at_call(&mut self, key: usize, shared: &Shared) {
        let Some(link) = self.slots.link(key).cloned() else {
            return;
        };
        let is_past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= self.now);
        let is_due = is_past(shared.deadline(&link, self.now));
        if is_due && link.is_awaited() {
            // It waits for its client, which has its own deadlines.
            link.claim.begin(self.now);
        }
        if is_due && is_past(shared.deadline(&link, self.now)) {
            // A thread that reads a file is not replaced: the disk would hang the replacement as well.
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
                        "a stream was cut, because it did not end within {} (`Limits::stream`)",
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

    /// Counts a thread as lost, and lets another handler run with its permit if allowed.
    fn lose(&mut self, key: usize, is_replaced: bool, shared: &Shared) {
        let allowed = self.slots.link(key).and_then(|link| link.claim.allowed(&shared.limits));
        report::warn!(
            "a handler did not respond within {}, its deadline: its client gets 503, and its thread is lost until the \
             handler returns; {} threads are lost now",
            Seconds(allowed.unwrap_or_default()),
            shared.crew.lost()
        );
        shared.tally.overdue();
        self.slots.lose(key);
        if is_replaced {
            self.permits.give_back(&shared.admission);
        }
    }

    /// Counts a thread that reads a file as lost. It keeps its place among those that read.
    fn lose_reader(&mut self, key: usize, shared: &Shared) {
        report::warn!(
            "a file could not be read within {} (`Limits::handler`): its connection is cut, and the thread is lost until the \
             read returns; {} threads are lost now",
            Seconds(shared.limits.handler.unwrap_or_default()),
            shared.crew.lost()
        );
        shared.tally.overdue();
        self.slots.lose(key);
    }

    /// Sends 503 on a connection that its thread has checked out.
    fn respond_instead(&mut self, key: usize, shared: &Shared) {
        let (Some(link), Some(visitor)) = (self.slots.link(key), self.slots.visitor(key)) else {
            return;
        };
        let transport = Transport::of(Arc::clone(link));
        let peer = visitor.address;
        let mut connection = Connection::new(transport, peer, key, self.index, self.now, &shared.limits);
        let mut work = shared.new_work();
        if !tell_socket(&connection.transport, &mut work) {
            let copy = connection.transport.link.copy();
            work.exchange.refuse_unseen(copy.as_ref(), &self.date, &mut work.out);
        }
        connection.work = Some(work);
        #[cfg(feature = "websocket")]
        self.leave_topics(key);
        connection.is_used = true;
        connection.close_after_sending();
        // It closes, so it cannot have a request.
        let _ = self.advance(Box::new(connection), shared);
    }

    /// Cuts a connection that its thread has checked out.
    fn abandon(&mut self, key: usize, shared: &Shared) {
        if let Some(link) = self.slots.link(key) {
            link.cut();
        }
        self.slots.abandon();
        shared.loops[self.index].connection_closed();
    }

    /// Notes that the handler of a lost thread has returned.
    // Not on the path of a usual request.
    #[inline(never)]
    pub(crate) fn recover(&mut self, key: usize) {
        self.slots.recover(key);
    }
}

/// Puts the end of a socket into `work`, if the connection belongs to one. Returns true if it does.
#[cfg(feature = "websocket")]
fn tell_socket(transport: &Transport, work: &mut Work) -> bool {
    let Some(line) = transport.link.line() else {
        return false;
    };
    let closed = Closed::error("the handler took too long");
    line.close_now(closed.code(), closed.reason());
    work.out = line.take_rest();
    true
}

#[cfg(not(feature = "websocket"))]
fn tell_socket(_: &Transport, _: &mut Work) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::connection::claim::Outcome;
    use crate::server::connection::link::{AWAITED, READABLE};
    use crate::server::event_loop::fixture::{clients, event_loop, taken};
    use crate::server::shared::fixture::serving;
    use crate::server::shared::staffing::Staffing;
    use crate::{IntoApplication, Limits};
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::time::Duration;

    const ALLOWED: Duration = Duration::from_secs(60);

    /// Returns a loop with a connection that its thread has checked out, its client, and the connection.
    fn checked_out(shared: &Shared) -> (EventLoop, UnixStream, Box<Connection>) {
        let mut event_loop = event_loop();
        let (_, client) = clients(&mut event_loop, shared, 1).remove(0);
        event_loop.ready.take_all();
        let connection = taken(&mut event_loop, 0);
        event_loop.goes_out(&connection);
        (event_loop, client, connection)
    }

    /// Returns the state of a server that replaces lost threads.
    fn shared() -> Arc<Shared> {
        let limits = Limits::default().handler(ALLOWED).stream(10 * ALLOWED);
        // What the connection itself waits for comes later than everything here.
        let limits = limits.head_time(100 * ALLOWED);
        let staffing = Staffing { loops: 1, threads: 2 };
        serving((|| "unused").into_application(), staffing, limits, None)
    }

    /// Lets the time of a handler pass.
    fn let_it_pass(event_loop: &mut EventLoop, shared: &Shared) {
        event_loop.now += ALLOWED + Duration::from_secs(1);
        event_loop.expire(shared);
    }

    fn received(mut client: UnixStream) -> String {
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        received
    }

    fn is_open(client: &UnixStream) -> bool {
        client.set_nonblocking(true).unwrap();
        let outcome = (&*client).read(&mut [0]);
        client.set_nonblocking(false).unwrap();
        outcome.is_err()
    }

    #[test]
    fn the_loop_responds_for_a_handler_that_takes_too_long_and_its_thread_is_lost_until_it_returns() {
        let shared = shared();
        let (mut event_loop, client, connection) = checked_out(&shared);
        event_loop.is_back(None, &shared);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!((shared.crew.lost(), event_loop.slots.is_lost(0)), (1, true));
        assert_eq!(
            (event_loop.slots.in_service(), shared.connections()),
            (1, 1),
            "its client reads"
        );
        // The client has read the response, and closes.
        client.shutdown(std::net::Shutdown::Write).unwrap();
        event_loop.slots.at_mut(0).unwrap().note(READABLE);
        assert!(event_loop.go_on(0, &shared).is_none());
        let response = received(client);
        assert!(
            response.starts_with("HTTP/1.1 503 ") && response.contains("Connection: close\r\n"),
            "{response}"
        );
        assert_eq!((event_loop.slots.in_service(), shared.connections()), (0, 0));
        assert_eq!(
            connection.transport.link.claim.claim(),
            Outcome::Overruled { is_replaced: true }
        );
        assert!(event_loop.permits.take(), "another handler may run in its place");
        assert_eq!(event_loop.slots.reserve(), 1, "its thread has the socket");
        shared.crew.find(true);
        event_loop.recover(0);
        assert_eq!((shared.crew.lost(), event_loop.slots.reserve()), (0, 0));
    }

    #[test]
    fn a_handler_that_is_quick_enough_is_not_overdue_however_long_others_take() {
        let shared = shared();
        let (mut event_loop, client, connection) = checked_out(&shared);
        event_loop.is_back(Some(&connection), &shared);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(shared.crew.lost(), 0, "its thread is back");
        assert!(is_open(&client));
        event_loop.goes_out(&connection);
        event_loop.is_back(None, &shared);
        event_loop.now += ALLOWED / 2;
        event_loop.expire(&shared);
        assert_eq!(shared.crew.lost(), 0, "its time is not up");
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(shared.crew.lost(), 1);
    }

    #[test]
    fn a_connection_of_another_loop_is_not_watched_by_this_one() {
        let shared = shared();
        let (mut event_loop, _client, mut connection) = checked_out(&shared);
        event_loop.is_back(Some(&connection), &shared);
        connection.home = 1;
        event_loop.goes_out(&connection);
        event_loop.is_back(None, &shared);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(shared.crew.lost(), 0);
        // It has brought back another connection with the same key.
        connection.home = 0;
        event_loop.goes_out(&connection);
        connection.home = 1;
        event_loop.is_back(Some(&connection), &shared);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(shared.crew.lost(), 1);
    }

    #[test]
    fn a_handler_that_waits_for_its_client_is_not_overdue() {
        let shared = shared();
        let (mut event_loop, client, connection) = checked_out(&shared);
        event_loop.is_back(None, &shared);
        connection.transport.link.note(AWAITED);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!((shared.crew.lost(), is_open(&client)), (0, true));
        connection.transport.link.forget(AWAITED);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(shared.crew.lost(), 1, "its time has begun anew");
    }

    #[test]
    fn a_connection_whose_response_has_begun_is_cut_instead() {
        let shared = shared();
        let (mut event_loop, client, connection) = checked_out(&shared);
        event_loop.is_back(None, &shared);
        connection.transport.link.claim.fall_behind();
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(received(client), "");
        assert_eq!((shared.crew.lost(), event_loop.slots.is_lost(0)), (1, true));
        assert_eq!((event_loop.slots.in_service(), shared.connections()), (0, 0));
        assert!(event_loop.permits.take(), "another handler may run in its place");
        event_loop.recover(0);
        assert_eq!(event_loop.slots.reserve(), 0);
    }

    #[test]
    fn a_stream_is_cut_when_its_own_time_is_up_and_its_thread_is_not_lost() {
        let shared = shared();
        let (mut event_loop, client, connection) = checked_out(&shared);
        event_loop.is_back(None, &shared);
        assert!(connection.transport.link.claim.stream(event_loop.now));
        let_it_pass(&mut event_loop, &shared);
        assert!(is_open(&client));
        event_loop.now += 10 * ALLOWED;
        event_loop.expire(&shared);
        assert_eq!(received(client), "");
        assert_eq!((shared.crew.lost(), event_loop.slots.is_lost(0)), (0, false));
        assert_eq!(shared.connections(), 1, "its thread brings it back");
    }

    #[test]
    fn a_read_that_hangs_is_cut_and_its_thread_is_not_replaced() {
        let shared = shared();
        let (mut event_loop, client, mut connection) = checked_out(&shared);
        event_loop.is_back(Some(&connection), &shared);
        event_loop.gives_to_read(&mut connection, &shared);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(received(client), "");
        assert_eq!((shared.crew.lost(), event_loop.slots.is_lost(0)), (1, true));
        assert_eq!((event_loop.slots.in_service(), shared.connections()), (0, 0));
        assert_eq!(
            connection.transport.link.claim.claim(),
            Outcome::Overruled { is_replaced: false }
        );
        assert!(!event_loop.permits.take(), "it had no permit");
    }

    #[test]
    fn what_is_given_to_a_thread_is_not_late_before_its_handler_begins() {
        let shared = shared();
        let (mut event_loop, client, connection) = checked_out(&shared);
        event_loop.is_back(Some(&connection), &shared);
        event_loop.gives(&connection, &shared);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!((shared.crew.lost(), is_open(&client)), (0, true));
        connection.transport.link.claim.begin_queued(event_loop.now);
        let_it_pass(&mut event_loop, &shared);
        assert_eq!(shared.crew.lost(), 1, "it is still looked at");
    }
}
