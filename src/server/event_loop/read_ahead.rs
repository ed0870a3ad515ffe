//! Requests that are read before it is their turn.
//!
//! A read, and all that the kernel does for it, drives the server's own code out of the processor's nearest caches,
//! and the other way round. So of several connections that have something to say all are read first; then they are
//! seen to, one right behind the other.

use crate::exchange::ROOM;
use crate::server::connection::Connection;

/// Connections that are read together at most. Each of them waits for the others.
const TOGETHER: usize = 32;

/// What has been read and not been seen to. It belongs to the loop, so that whoever holds it next goes on with that;
/// the connections rest meanwhile, like others.
#[derive(Default)]
pub(super) struct ReadAhead {
    /// None before they are needed. The first `read` of them have something, and the first `seen` of those have been
    /// seen to.
    pieces: Vec<Ahead>,
    read: usize,
    seen: usize,
}

#[derive(Default)]
pub(super) struct Ahead {
    /// Which connection has sent how many bytes.
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

    /// All have been seen to.
    pub(super) fn restart(&mut self) {
        (self.read, self.seen) = (0, 0);
    }

    /// Reads what a connection has to say. Says whether that is all there is to do now; otherwise it has ended.
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

    /// Whose piece the [next](ReadAhead::next) is.
    pub(super) fn key(&self) -> Option<usize> {
        self.pieces.get(self.seen).map(|piece| piece.key)
    }

    /// The next piece that has not been seen to.
    pub(super) fn next(&mut self) -> Option<&mut Ahead> {
        let seen = self.seen;
        self.seen += 1;
        self.pieces.get_mut(seen)
    }

    /// Once for each piece, and where the last buffer has gone to a work that had none.
    #[cold]
    fn make_room(&mut self) {
        if self.read == self.pieces.len() {
            self.pieces.push(Ahead::default());
        }
        self.pieces[self.read].buffer = vec![0; ROOM];
    }

    /// Nobody has come for a while: gives the memory back.
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
        let pieces = ahead.pieces.iter().take(ahead.read);
        let kept: Vec<_> = pieces.map(|piece| (piece.key, &piece.buffer[..piece.len])).collect();
        assert_eq!(kept, [(1, &b"one"[..]), (4, b"two")]);
        ahead.restart();
        ahead.forget();
        assert_eq!(ahead.pieces.capacity(), 0);
    }
}
