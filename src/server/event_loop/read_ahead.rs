//! Requests that are read before their turn.
//!
//! A read, and all that the kernel does for it, evicts the server's own code from the processor's nearest caches, and
//! the other way round. So several readable connections are read first, then processed one after the other.

use crate::exchange::ROOM;
use crate::server::connection::Connection;

/// The most connections that are read together. Each waits for the others.
const TOGETHER: usize = 32;

/// Bytes that were read and not yet processed. The buffer belongs to the loop, so that the next holder continues with it. The
/// connections are in their slots meanwhile.
#[derive(Default)]
pub(super) struct ReadAhead {
    /// Empty until they are needed. The first `read` pieces have content, and the first `seen` of those were processed.
    pieces: Vec<Ahead>,
    read: usize,
    seen: usize,
}

#[derive(Default)]
pub(super) struct Ahead {
    /// The key of the connection, and how many bytes it has sent.
    pub(super) key: usize,
    pub(super) len: usize,
    pub(super) buffer: Vec<u8>,
}

impl ReadAhead {
    pub(super) fn is_empty(&self) -> bool {
        self.seen == self.read
    }

    pub(super) fn is_full(&self) -> bool {
        self.read == TOGETHER
    }

    /// Notes that all pieces were processed.
    pub(super) fn restart(&mut self) {
        (self.read, self.seen) = (0, 0);
    }

    /// Reads what a connection has sent. Returns true if that is all there is to do now; otherwise the connection has
    /// ended.
    pub(super) fn read(&mut self, connection: &mut Connection) -> bool {
        if self.pieces.get(self.read).is_none_or(|piece| piece.buffer.is_empty()) {
            self.make_room();
        }
        let piece = &mut self.pieces[self.read];
        piece.key = connection.key;
        piece.len = connection.receive_ahead(&mut piece.buffer);
        self.read += usize::from(piece.len > 0);
        piece.len > 0 || !connection.is_ready()
    }

    /// Returns the key of the [next](ReadAhead::next) piece.
    pub(super) fn key(&self) -> Option<usize> {
        self.pieces.get(self.seen).map(|piece| piece.key)
    }

    /// Returns the next piece that was not processed.
    pub(super) fn next(&mut self) -> Option<&mut Ahead> {
        let seen = self.seen;
        self.seen += 1;
        self.pieces.get_mut(seen)
    }

    /// Called once for each piece, and when the last buffer was given to a work that had none.
    #[cold]
    fn make_room(&mut self) {
        if self.read == self.pieces.len() {
            self.pieces.push(Ahead::default());
        }
        self.pieces[self.read].buffer = vec![0; ROOM];
    }

    /// Frees the memory after a while without connections.
    pub(super) fn forget(&mut self) {
        if self.is_empty() {
            *self = ReadAhead::default();
        }
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

    /// Returns a client that has sent this, or has closed if it is nothing, and its connection.
    fn connected(key: usize, sent: Option<&[u8]>) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        if let Some(sent) = sent {
            client.write_all(sent).unwrap();
            if sent.is_empty() {
                client.shutdown(std::net::Shutdown::Write).unwrap();
            }
            // Waits until it has arrived.
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
        let pieces = ahead.pieces.iter().take(ahead.read);
        let kept: Vec<_> = pieces.map(|piece| (piece.key, &piece.buffer[..piece.len])).collect();
        assert_eq!(kept, [(1, &b"one"[..]), (4, b"two")]);
        ahead.restart();
        ahead.forget();
        assert_eq!(ahead.pieces.capacity(), 0);
    }
}
