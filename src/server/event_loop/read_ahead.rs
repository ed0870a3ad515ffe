//! Requests that are read before it is their turn.
//!
//! A read, and all that the kernel does for it, drives the server's own code out of the processor's nearest caches,
//! and the other way round. So of several connections that have something to say all are read first; then they are
//! seen to, one right behind the other.

use super::EventLoop;
use crate::exchange::ROOM;
use crate::server::connection::Connection;
use crate::server::shared::Shared;

/// Connections that are read together at most. Each of them waits for the others.
const TOGETHER: usize = 32;

/// What has been read and not been seen to. It belongs to the loop, so that whoever holds it next goes on with that;
/// the connections rest meanwhile, like others.
#[derive(Default)]
pub(super) struct ReadAhead {
    /// None before they are needed. The first `read` of them have something, and the first `seen` of those have been
    /// seen to.
    places: Vec<Place>,
    read: usize,
    seen: usize,
}

#[derive(Default)]
struct Place {
    /// Which connection has sent how many bytes.
    key: usize,
    len: usize,
    buffer: Vec<u8>,
}

impl ReadAhead {
    pub(super) fn is_empty(&self) -> bool {
        self.seen == self.read
    }

    fn is_full(&self) -> bool {
        self.read == TOGETHER
    }

    /// All have been seen to.
    fn restart(&mut self) {
        (self.read, self.seen) = (0, 0);
    }

    /// Reads what a connection has to say. Says whether that is all there is to do now; otherwise it has ended.
    pub(super) fn read(&mut self, connection: &mut Connection) -> bool {
        if self.places.get(self.read).is_none_or(|place| place.buffer.is_empty()) {
            self.make_room();
        }
        let place = &mut self.places[self.read];
        place.key = connection.key;
        place.len = connection.receive_ahead(&mut place.buffer);
        self.read += usize::from(place.len > 0);
        place.len > 0 || !connection.is_ready()
    }

    /// Once for each place, and where the last buffer has gone to a work that had none.
    #[cold]
    fn make_room(&mut self) {
        if self.read == self.places.len() {
            self.places.push(Place::default());
        }
        self.places[self.read].buffer = vec![0; ROOM];
    }

    /// Nobody has come for a while: gives the memory back.
    pub(super) fn forget(&mut self) {
        if self.is_empty() {
            *self = ReadAhead::default();
        }
    }
}

impl EventLoop {
    /// Sees to the next events, until enough has been read, or a connection that could not be read here has a request.
    pub(super) fn on_events(&mut self, shared: &Shared) -> Option<Box<Connection>> {
        self.read_ahead.restart();
        while !self.read_ahead.is_full()
            && let Some(&(token, readiness)) = self.batch.get(self.events_seen)
        {
            self.events_seen += 1;
            let called = self.on_event(token, readiness, shared);
            if called.is_some() {
                return called;
            }
        }
        None
    }

    /// Goes on with the next connection that has been read. Returns it if it has a request.
    pub(super) fn go_on_with_read(&mut self, shared: &Shared) -> Option<Box<Connection>> {
        let place = self.read_ahead.seen;
        self.read_ahead.seen += 1;
        let key = self.read_ahead.places.get(place)?.key;
        let mut connection = self.slots.get_mut(key)?.connection.take()?;
        self.equip(&mut connection, shared);
        if let (Some(work), Some(place)) = (&mut connection.work, self.read_ahead.places.get_mut(place)) {
            work.exchange.receive_in(&mut place.buffer, place.len);
        }
        self.settle(connection, shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::connection::link::Transport;
    use crate::server::limits::Limits;
    use crate::server::net::channel::Channel;
    use crate::server::net::socket::Stream;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    /// A client that has sent this, or has closed if that is nothing, and its connection.
    fn connected(key: usize, sent: Option<&[u8]>) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        if let Some(sent) = sent {
            client.write_all(sent).unwrap();
            if sent.is_empty() {
                client.shutdown(std::net::Shutdown::Write).unwrap();
            }
            // Waits until it is there.
            stream.peek(&mut [0]).unwrap();
        }
        stream.set_nonblocking(true).unwrap();
        let channel = Channel::plain(Stream::Tcp(mio::net::TcpStream::from_std(stream)));
        let limits = Limits::default();
        let connection = Connection::new(Transport::new(channel), None, key, 0, Instant::now(), &limits);
        (client, connection)
    }

    #[test]
    fn what_is_read_is_kept_until_it_is_seen_to_and_then_given_back() {
        let mut ahead = ReadAhead::default();
        let (_one, mut first) = connected(1, Some(b"one"));
        let (_silent, mut silent) = connected(2, None);
        let (_closed, mut closed) = connected(3, Some(b""));
        let (_two, mut second) = connected(4, Some(b"two"));
        assert!(ahead.read(&mut first));
        assert!(ahead.read(&mut silent), "there is nothing to do");
        assert!(!ahead.read(&mut closed), "it has ended");
        assert!(ahead.read(&mut second));
        ahead.forget();
        let places = ahead.places.iter().take(ahead.read);
        let kept: Vec<_> = places.map(|place| (place.key, &place.buffer[..place.len])).collect();
        assert_eq!(kept, [(1, &b"one"[..]), (4, b"two")]);
        ahead.restart();
        ahead.forget();
        assert_eq!(ahead.places.capacity(), 0);
    }
}
