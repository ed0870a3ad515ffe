//! Non-blocking sockets of either kind: TCP, or Unix where there are such.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use mio::net::{UnixListener, UnixStream};
#[cfg(unix)]
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

use super::peers::Visitor;

/// After how much silence the system checks whether the peer is there, and how often it does so from then on.
const PROBE: Duration = Duration::from_secs(15);

/// Returns true if an error is of that kind. Asking for the kind uses a table of all system errors, which would be
/// linked wherever it is asked.
#[inline(never)]
pub(crate) fn is(error: &io::Error, kind: io::ErrorKind) -> bool {
    error.kind() == kind
}

/// A connected socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A listening socket.
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// A connection that was just accepted.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    /// Where it comes from.
    pub(crate) visitor: Visitor,
    /// The listener that accepted it.
    pub(crate) listener: usize,
}

/// Does the same with a socket of either kind.
macro_rules! either {
    ($kind:ident, $socket:expr, $inner:ident => $do:expr) => {
        match $socket {
            $kind::Tcp($inner) => $do,
            #[cfg(unix)]
            $kind::Unix($inner) => $do,
        }
    };
}

impl Stream {
    /// Registers its events with `registry` by its number, because others may use it as well.
    #[cfg(unix)]
    pub(crate) fn register(&self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        let number = either!(Stream, self, stream => stream.as_raw_fd());
        registry.register(&mut SourceFd(&number), token, interests)
    }

    /// On other systems it has no number, and nobody else may use it.
    #[cfg(not(unix))]
    pub(crate) fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        either!(Stream, self, stream => stream.register(registry, token, interests))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        either!(Stream, self, stream => stream.as_fd())
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        either!(Stream, self, stream => (&*stream).read(into))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(Stream, self, stream => (&*stream).write(bytes))
    }

    pub(crate) fn write_both(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let both = [IoSlice::new(first), IoSlice::new(second)];
        either!(Stream, self, stream => (&*stream).write_vectored(&both))
    }

    /// Returns true if something has arrived that was not read.
    #[cfg(unix)]
    pub(crate) fn has_unread(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let socket = either!(Stream, self, stream => stream.as_fd());
        let peeked = recv(socket, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.is_ok_and(|(_, bytes)| bytes > 0)
    }

    /// The same.
    #[cfg(not(unix))]
    pub(crate) fn has_unread(&self) -> bool {
        either!(Stream, self, stream => stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0))
    }

    /// Tells the peer that nothing more will come.
    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        either!(Stream, self, stream => stream.shutdown(Shutdown::Write))
    }

    /// Makes the system check whether the peer is there when nothing arrives for a while. A peer on the same machine is
    /// noticed at once when it leaves.
    pub(crate) fn probe(&self) {
        let often = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE);
        // If that fails, the next write finds out.
        let _ = match self {
            Stream::Tcp(stream) => SockRef::from(stream).set_tcp_keepalive(&often),
            #[cfg(unix)]
            Stream::Unix(_) => Ok(()),
        };
    }

    /// Closes the connection in both directions.
    pub(crate) fn cut(&self) -> io::Result<()> {
        either!(Stream, self, stream => stream.shutdown(Shutdown::Both))
    }
}

impl Acceptor {
    /// Accepts a waiting connection. Returns its address if that is a network address.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        Ok(match self {
            Acceptor::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                (Stream::Tcp(stream), Some(canonical(peer)))
            }
            #[cfg(unix)]
            Acceptor::Unix(listener) => (Stream::Unix(listener.accept()?.0), None),
        })
    }
}

/// RFC 4291 §2.5.5.2: an IPv4 address in IPv6 form, as a socket for both families reports it, is that IPv4 address.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V6(of_both) => match of_both.ip().to_ipv4_mapped() {
            Some(address) => SocketAddr::new(address.into(), of_both.port()),
            None => peer,
        },
        SocketAddr::V4(_) => peer,
    }
}

impl Source for Acceptor {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        either!(Acceptor, self, socket => socket.register(registry, token, interests))
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        either!(Acceptor, self, socket => socket.reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        either!(Acceptor, self, socket => socket.deregister(registry))
    }
}
