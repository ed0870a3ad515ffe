//! Connections for which there is no place: they get a response, and are closed.

use http::StatusCode;

use super::EventLoop;
use crate::request::Relayed;
use crate::server::net::room::Room;
use crate::server::net::socket::Accepted;
use crate::server::shared::Shared;
use crate::server::shared::tally::TurnedAway;

/// The most that is read of what has arrived on a connection that is closed at once.
const DISCARDED: usize = 16 * 1024;

impl EventLoop {
    /// Responds to a connection that is one too many, and closes it.
    pub(super) fn turn_away(&mut self, accepted: Accepted, why: TurnedAway, room: Room, shared: &Shared) {
        if shared.entrance.is_secure(&accepted) {
            // A response would need a handshake, which costs more than the request for which there is no place.
            return shared.tally.turned_away(TurnedAway::Untold);
        }
        shared.tally.turned_away(why);
        let reason = match why {
            TurnedAway::Peer => "too many connections from one address",
            TurnedAway::Limit | TurnedAway::Untold => "too many connections",
        };
        if room == Room::None {
            self.tell_in_passing(&accepted, reason, shared);
        } else {
            self.tell(accepted, reason, shared);
        }
    }

    /// Responds in the usual way: the connection is kept until the client has read the response.
    fn tell(&mut self, accepted: Accepted, reason: &str, shared: &Shared) {
        shared.loops[self.index].connection_opened();
        let Some(key) = self.welcome(accepted, shared) else {
            return;
        };
        let Some(connection) = self.slots.at_mut(key) else {
            return;
        };
        let mut work = shared.new_work();
        let status = StatusCode::SERVICE_UNAVAILABLE;
        work.exchange.refuse_with(status, reason, &self.date, &mut work.out);
        connection.work = Some(work);
        connection.close_after_sending();
    }

    /// Responds without keeping the connection. The response fits into any socket's buffer; but RFC 9112 §9.6: a client
    /// that continues to send "might" lose it by a reset. So what has arrived is read first.
    fn tell_in_passing(&mut self, accepted: &Accepted, reason: &str, shared: &Shared) {
        let mut work = self.works.take().unwrap_or_else(|| shared.new_work());
        let status = StatusCode::SERVICE_UNAVAILABLE;
        work.exchange.refuse_with(status, reason, &self.date, &mut work.out);
        // If anything fails here, the client has left.
        let _ = accepted.stream.read(&mut [0; DISCARDED]);
        let _ = accepted.stream.write(&work.out);
        let _ = accepted.stream.finish_sending();
        self.note_refusal(&mut work, (accepted.visitor.address, Relayed::No), shared);
        self.works.keep(work);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::{connected, event_loop, shared};
    use std::io::{Read, Write};

    #[test]
    fn who_is_told_in_passing_loses_nothing_by_what_he_has_sent() {
        let shared = shared();
        let mut event_loop = event_loop();
        let (mut client, accepted) = connected();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        event_loop.turn_away(accepted, TurnedAway::Limit, Room::None, &shared);
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        assert!(received.starts_with("HTTP/1.1 503 ") && received.ends_with("too many connections\n"));
        assert!(event_loop.slots.len() == 0, "it is not kept");
    }

    #[test]
    fn who_is_told_in_passing_is_counted_as_refused() {
        let shared = shared();
        let mut event_loop = event_loop();
        let (_client, accepted) = connected();
        event_loop.turn_away(accepted, TurnedAway::Limit, Room::None, &shared);
        let mut text = crate::operations::Exposition::default();
        shared.tally.expose(&mut text);
        let text = text.into_text();
        assert!(
            text.contains("hansel_requests_refused_total{status=\"503\"} 1\n"),
            "{text}"
        );
    }
}
