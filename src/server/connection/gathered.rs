//! Pieces of a stream that are gathered, and sent together.

use std::io;
use std::time::Instant;

use super::link::{Attempt, DRAINING, Transport};
use crate::server::limits::Limits;

/// How many bytes are gathered at most.
const MOST: usize = 16 * 1024;

/// A piece of this size is sent from where it is.
const LARGE: usize = 4 * 1024;

/// The pieces that a stream has written, and the way to its client.
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// `None` once nothing more is sent: what is still listed of a stream that is over must not keep its socket open.
    transport: Option<Transport>,
    /// True if something could not be sent.
    has_failed: bool,
}

impl Gathered {
    pub(crate) fn new(bytes: Vec<u8>, transport: Transport) -> Gathered {
        Gathered {
            bytes,
            transport: Some(transport),
            has_failed: false,
        }
    }

    /// Returns true if something waits to be sent.
    pub(crate) fn is_left(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Returns true if this piece can be kept until there are more.
    pub(crate) fn has_room(&self, piece: &[u8]) -> bool {
        piece.len() < LARGE && self.bytes.len() + piece.len() < MOST
    }

    pub(crate) fn keep(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Sends what was kept and then `piece`, waiting for the client.
    pub(crate) fn send(&mut self, piece: &[u8], limits: &Limits) -> io::Result<()> {
        if self.has_failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.is_left() && piece.len() < LARGE {
            self.keep(piece);
            return self.write(None, limits);
        }
        if self.is_left() {
            self.write(None, limits)?;
        }
        if piece.is_empty() {
            Ok(())
        } else {
            self.write(Some(piece), limits)
        }
    }

    /// Writes `piece`, or what was kept.
    fn write(&mut self, piece: Option<&[u8]>, limits: &Limits) -> io::Result<()> {
        let bytes = piece.unwrap_or(&self.bytes);
        let Some(transport) = &mut self.transport else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // The clock runs only while the client is waited for, not between two writes.
        let deadline = limits.transfer_deadline(Instant::now(), bytes.len() as u64);
        let outcome = transport.write_by(bytes, deadline);
        self.has_failed |= outcome.is_err();
        self.bytes.clear();
        outcome
    }

    /// Sends as much as the client takes now. Returns true if something is left.
    pub(crate) fn send_now(&mut self) -> bool {
        let Some(transport) = &mut self.transport else {
            return false;
        };
        while !self.bytes.is_empty() && !self.has_failed && !transport.is_interrupted() {
            match transport.try_write(&self.bytes) {
                Attempt::Done(written @ 1..) => drop(self.bytes.drain(..written)),
                Attempt::TooEarly => return true,
                Attempt::Done(_) | Attempt::Failed => self.has_failed = true,
            }
        }
        false
    }

    /// Lets it be sent although the server drains.
    pub(crate) fn outlive_drain(&mut self) {
        if let Some(transport) = &mut self.transport {
            transport.interrupts &= !DRAINING;
        }
    }

    /// Takes the buffer, when nothing more is sent.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.transport = None;
        self.bytes.clear();
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::connection::link::STOPPING;
    use crate::server::net::channel::Channel;
    use crate::server::net::socket::Stream;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn gathered() -> (UnixStream, Gathered) {
        let (client, stream) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
        let transport = Transport::new(Channel::plain(stream));
        (client, Gathered::new(Vec::with_capacity(100), transport))
    }

    /// Returns what the client has been sent since it looked last.
    fn arrived(client: &mut UnixStream) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = client.read(&mut piece) {
            all.extend_from_slice(&piece[..n]);
        }
        all
    }

    #[test]
    fn short_pieces_are_kept_up_to_a_limit_and_long_ones_are_not() {
        let (_client, mut gathered) = gathered();
        assert!(gathered.has_room(&[0; LARGE - 1]));
        assert!(!gathered.has_room(&[0; LARGE]));
        assert!(!gathered.is_left());
        gathered.keep(&[0; MOST - 10]);
        assert!(gathered.is_left());
        assert!(gathered.has_room(&[0; 9]));
        assert!(!gathered.has_room(&[0; 10]));
    }

    #[test]
    fn what_was_kept_is_sent_before_the_next_piece() {
        let (mut client, mut gathered) = gathered();
        let limits = Limits::default();
        gathered.keep(b"one");
        gathered.send(b"two", &limits).unwrap();
        assert_eq!(arrived(&mut client), b"onetwo");
        gathered.keep(b"one");
        gathered.send(&[b'x'; LARGE], &limits).unwrap();
        assert_eq!(arrived(&mut client), [&b"one"[..], &[b'x'; LARGE]].concat());
        gathered.keep(b"kept");
        gathered.send(b"", &limits).unwrap();
        assert_eq!(arrived(&mut client), b"kept");
        assert!(!gathered.is_left());
        gathered.send(b"", &limits).unwrap();
        gathered.send(b"alone", &limits).unwrap();
        assert_eq!(arrived(&mut client), b"alone");
    }

    #[test]
    fn behind_a_piece_that_could_not_be_sent_nothing_is_sent() {
        let (client, mut gathered) = gathered();
        drop(client);
        let limits = Limits::default();
        assert!(gathered.send(b"x", &limits).is_err());
        assert_eq!(
            gathered.send(b"", &limits).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        gathered.keep(b"y");
        assert!(!gathered.send_now(), "it need not be tried again");
    }

    #[test]
    fn what_the_client_does_not_take_now_is_left_for_later() {
        let (mut client, mut gathered) = gathered();
        let mut sent = 0;
        loop {
            gathered.keep(&[b'x'; LARGE]);
            sent += LARGE;
            if gathered.send_now() {
                break;
            }
            assert!(!gathered.is_left() && sent < 1 << 30);
        }
        assert!(gathered.is_left());
        let mut taken = arrived(&mut client).len();
        assert!(!gathered.send_now());
        assert!(!gathered.is_left());
        taken += arrived(&mut client).len();
        assert_eq!(taken, sent);
        gathered.send(b"more", &Limits::default()).unwrap();
        assert_eq!(arrived(&mut client), b"more");
    }

    #[test]
    fn a_stream_that_a_drain_interrupts_is_sent_no_further_unless_it_outlives_the_drain() {
        let (mut client, mut gathered) = gathered();
        let link = gathered.transport.as_mut().map(|transport| {
            transport.interrupts |= DRAINING;
            transport.link.clone()
        });
        let link = link.unwrap();
        link.note(DRAINING);
        gathered.keep(b"last");
        assert!(!gathered.send_now());
        assert_eq!(arrived(&mut client), b"");
        gathered.outlive_drain();
        assert!(!gathered.send_now());
        assert_eq!(arrived(&mut client), b"last");
        link.note(STOPPING);
        gathered.keep(b"too late");
        assert!(!gathered.send_now());
        assert_eq!(arrived(&mut client), b"");
    }

    #[test]
    fn a_stream_that_is_over_gives_back_its_buffer_and_its_way_to_the_client() {
        let (mut client, mut gathered) = gathered();
        gathered.keep(b"given up");
        let buffer = gathered.end();
        assert!(buffer.is_empty() && buffer.capacity() >= 100);
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "its socket is closed");
        gathered.keep(b"y");
        assert!(!gathered.send_now());
        assert!(gathered.send(b"", &Limits::default()).is_err());
    }
}
