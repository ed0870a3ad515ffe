//! A connected socket with its encryption, if it has one: bytes of HTTP in and out.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::BorrowedFd;
#[cfg(feature = "tls")]
use std::sync::{Mutex, MutexGuard};

use mio::{Interest, Registry, Token};

use super::socket::Stream;
#[cfg(feature = "tls")]
use super::tls_session::TlsSession;
#[cfg(feature = "tls")]
use crate::lock::lock;

/// True if a read that fills less than its buffer has emptied the socket. That holds on Linux as long as the peer has
/// not closed, which raises another event. Elsewhere only `WouldBlock` shows it.
pub(crate) const SHORT_READ_DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

pub(crate) struct Channel {
    stream: Stream,
    /// Only the holder of the connection uses it, so nobody waits for this lock.
    #[cfg(feature = "tls")]
    session: Option<Box<Mutex<TlsSession>>>,
}

impl Channel {
    pub(crate) fn plain(stream: Stream) -> Channel {
        Channel {
            stream,
            #[cfg(feature = "tls")]
            session: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn secure(stream: Stream, session: TlsSession) -> Channel {
        Channel {
            stream,
            session: Some(Box::new(Mutex::new(session))),
        }
    }

    #[cfg(feature = "tls")]
    fn session(&self) -> Option<MutexGuard<'_, TlsSession>> {
        let session = self.session.as_ref()?;
        Some(lock(session))
    }

    /// Registers both kinds of events with `registry`, once. They are edges, so unwanted ones cost nothing.
    #[cfg(unix)]
    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token, BOTH)
    }

    /// The same. On other systems it is possible only before anybody else has the socket.
    #[cfg(not(unix))]
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token, BOTH)
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(mut session) = self.session() {
            return session.read(&self.stream, into);
        }
        self.stream.read(into)
    }

    /// Sends the beginning of `bytes`, and returns how much. The next call must begin with what is not sent: it may be
    /// encrypted already.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(mut session) = self.session() {
            return session.write(&self.stream, [bytes, &[]]);
        }
        self.stream.write(bytes)
    }

    /// Does what [`write`](Channel::write) does, for bytes in two places.
    pub(crate) fn write_both(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(mut session) = self.session() {
            return session.write(&self.stream, [first, second]);
        }
        self.stream.write_both(first, second)
    }

    /// Returns the socket, if what is sent on it is not encrypted here.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn plain_socket(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_secure()).then(|| self.stream.as_fd())
    }

    /// Tells the peer that nothing more will come, and that this is the proper end.
    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(mut session) = self.session() {
            session.finish(&self.stream)?;
        }
        self.stream.finish_sending()
    }

    /// Returns true if something has arrived that was not read.
    pub(crate) fn has_unread(&self) -> bool {
        self.stream.has_unread()
    }

    /// Makes the system find out by itself when the peer has left.
    pub(crate) fn probe(&self) {
        self.stream.probe();
    }

    /// Closes the connection in both directions.
    pub(crate) fn cut(&self) -> io::Result<()> {
        self.stream.cut()
    }

    /// Reads below the encryption, if there is one.
    pub(crate) fn read_beneath(&self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }

    /// Accepts bytes that were read [below](Channel::read_beneath), to be decrypted. Returns true if they were; without
    /// encryption they are the caller's.
    #[cfg_attr(not(feature = "tls"), expect(unused_variables))]
    pub(crate) fn decrypt(&self, bytes: &[u8]) -> io::Result<bool> {
        #[cfg(feature = "tls")]
        if let Some(mut session) = self.session() {
            return session.receive(&self.stream, bytes).map(|()| true);
        }
        Ok(false)
    }

    pub(crate) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.session.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns true if the encryption has something of its own to send, which it can do when it is read.
    pub(crate) fn has_unsent(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.session().is_some_and(|session| session.has_unsent());
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns true if a read that fills less than its buffer has emptied the socket. Of encrypted bytes only the end
    /// of a record shows that, and the next record may have arrived.
    pub(crate) fn short_read_drains(&self) -> bool {
        SHORT_READ_DRAINS && !self.is_secure()
    }
}
