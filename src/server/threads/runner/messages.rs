//! Calls the program of a socket, on whichever thread has its connection.

use std::time::Instant;

use http::StatusCode;

use super::Runner;
use crate::Response;
use crate::panics::contain;
use crate::report;
use crate::server::connection::Connection;
use crate::server::connection::claim::Outcome;
use crate::socket::Received;

impl Runner {
    /// Makes the call that is due, and those for the messages that have arrived after it.
    #[cold]
    pub(super) fn serve_socket(&mut self, connection: &mut Connection, queued_since: Option<Instant>) {
        if queued_since.is_some() {
            connection.transport.link.claim.begin_queued(Instant::now());
        }
        for called in 1.. {
            let Connection {
                transport,
                work,
                socket: Some(socket),
                ..
            } = connection
            else {
                return;
            };
            let exchange = &mut socket.exchange;
            if exchange.has_message() {
                self.shared.sockets.handled();
            }
            // What the program sends meanwhile leaves when it has returned. If it blocks, the next holder of the loop sends it.
            exchange.line.attend(true);
            // Asked after that: who takes the loop up later takes up the notice as well.
            if self.call.has_lost_loop() {
                exchange.line.attend(false);
            }
            let buffer = work.as_ref().map_or(&[][..], |work| work.exchange.buffer());
            let pace = exchange.pace();
            if let Err(panic) = contain(|| pace.run(|| exchange.call(buffer))) {
                self.shared.tally.panicked();
                report::error!("the handler of a socket panicked: {panic}; the socket is closed");
                exchange.panicked();
            }
            if transport.link.claim.outcome() != Outcome::Own {
                report::warn!("the handler of a socket returned after its deadline");
                exchange.overruled();
                return self.end_overruled(connection);
            }
            let Some(work) = work else { return };
            let (unused, at) = work.exchange.unused();
            if called >= self.shared.limits.pipelined || unused.is_empty() {
                return;
            }
            let (n, received) = exchange.receive(unused, at, Instant::now());
            work.exchange.used(n);
            if received != Received::Call || !exchange.has_message() {
                // The loop goes on: it sends what there is before the end.
                return;
            }
            self.begin_next(connection);
        }
    }

    /// Ends a socket whose client was told that its handler has taken too long.
    fn end_overruled(&mut self, connection: &mut Connection) {
        connection.break_off();
        let Some(socket) = connection.socket.take() else { return };
        if let Some(logged) = &socket.logged {
            let now = Instant::now();
            self.date.refresh(now);
            let observation = &self.shared.observation;
            observation.ended(self.call.index.get(), logged, socket.exchange.sent, (now, &self.date));
        }
        // Its program is called for the end here, because nobody waits for this thread.
        if let Err(panic) = contain(|| drop(socket)) {
            report::error!("a value of a socket panicked when it was dropped: {panic}");
        }
    }

    /// Counts a socket that is about to be opened, or refuses it.
    #[cold]
    pub(super) fn count_socket(&self, response: &mut Response, connection: &Connection) {
        let Some(opened) = response.body.opened() else { return };
        match self.shared.share.take(self.shared.told_apart(connection.peer)) {
            Some(part) => opened.counted = Some(Box::new(part)),
            None => *response = Response::refusal(StatusCode::SERVICE_UNAVAILABLE, &"too many sockets are open"),
        }
    }
}
