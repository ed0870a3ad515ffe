//! A connection's socket, and its readiness, for whoever has the connection.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
#[cfg(feature = "websocket")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::thread::Thread;
use std::time::Instant;

use super::claim::Claim;
use crate::Request;
use crate::lock::lock;
use crate::request::{Allowed, HandlerWatch, RequestCopy};
use crate::server::net::channel::Channel;
use crate::server::net::socket::is;
#[cfg(feature = "websocket")]
use crate::socket::Line;

/// The socket may be read from.
pub(crate) const READABLE: u8 = 1;
/// The socket may be written to.
pub(crate) const WRITABLE: u8 = 2;
/// The client has announced that it sends no more: the next short read is not the last.
pub(crate) const FINISHED: u8 = 32;
/// The connection is closed in both directions.
pub(crate) const GONE: u8 = 64;
/// The server is about to stop: endless streams should end.
pub(crate) const DRAINING: u8 = 4;
/// The server has waited long enough: nobody waits any more.
pub(crate) const STOPPING: u8 = 8;
/// Threads wait for some of the above.
pub(crate) const AWAITED: u8 = 16;
/// Others wait for the place of this slow upload: it should end.
pub(crate) const OUSTED: u8 = 128;

/// State of a connection that its loop shares with the thread that has checked it out.
///
/// Whoever has the connection reads and writes the socket. The loop still gets its events; while the connection is
/// checked out, they are noted here.
pub(crate) struct Link {
    channel: Channel,
    noted: AtomicU8,
    /// The threads that wait: one that reads a body, and another one that writes a response meanwhile.
    waiting: Mutex<Vec<Thread>>,
    pub(crate) claim: Claim,
    /// The parts of the request that a hook sees in case its handler is overdue.
    copy: Mutex<Option<Box<RequestCopy>>>,
    /// What the socket to which the connection belongs is to send, if it belongs to one.
    #[cfg(feature = "websocket")]
    line: OnceLock<Arc<Line>>,
}

impl Link {
    /// Notes readiness, and wakes those that wait: whoever waits for something else waits again.
    pub(crate) fn note(&self, readiness: u8) {
        let before = self.noted.fetch_or(readiness, SeqCst);
        if before & AWAITED != 0 {
            for thread in lock(&self.waiting).drain(..) {
                thread.unpark();
            }
        }
    }

    /// Keeps what a hook sees of the request in case its handler is overdue.
    #[cold]
    pub(crate) fn keep_copy(&self, request: &Request) {
        lock(&self.copy).get_or_insert_default().copy(request);
    }

    /// The copy of the request that was kept last.
    pub(crate) fn copy(&self) -> Option<Request> {
        lock(&self.copy).as_ref()?.to_request()
    }

    /// Notes that the connection belongs to the socket of this line from now on.
    #[cfg(feature = "websocket")]
    pub(crate) fn belong_to(&self, line: &Arc<Line>) {
        let _ = self.line.set(Arc::clone(line));
    }

    /// Returns the line of the socket to which it belongs, if it does.
    #[cfg(feature = "websocket")]
    pub(crate) fn line(&self) -> Option<&Line> {
        self.line.get().map(|line| &**line)
    }

    /// Sends what its socket has left, while a handler of the socket runs.
    #[cfg(feature = "websocket")]
    pub(crate) fn send_of_socket(&self) {
        if let Some(line) = self.line() {
            line.flush_own(&mut |bytes| uninterrupted(|| self.channel.write(bytes)));
        }
    }

    /// Registers this connection with `registry`.
    #[cfg(unix)]
    pub(crate) fn register(&self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        self.channel.register(registry, token)
    }

    /// Cuts the connection at once, whoever has it.
    pub(crate) fn cut(&self) {
        // A client that has already left cannot be cut.
        let _ = self.channel.cut();
    }

    /// Returns true if a thread waits for the client.
    pub(crate) fn is_awaited(&self) -> bool {
        self.noted.load(SeqCst) & AWAITED != 0
    }

    /// Clears what does not concern the next request.
    pub(crate) fn forget(&self, readiness: u8) {
        self.noted.fetch_and(!readiness, SeqCst);
    }

    /// Takes what was noted.
    fn take(&self, readiness: u8) -> u8 {
        if self.noted.load(SeqCst) & readiness == 0 {
            // The usual case, without a locked instruction.
            return 0;
        }
        // What the server is about to do stays true.
        self.noted
            .fetch_and(!(readiness & (READABLE | WRITABLE | FINISHED)), SeqCst)
            & readiness
    }

    /// Waits until one of `wanted` is noted, and returns it; returns nothing when `deadline` has passed.
    fn wait(&self, wanted: u8, deadline: Instant) -> u8 {
        let this = std::thread::current();
        loop {
            {
                let mut waiting = lock(&self.waiting);
                if waiting.iter().all(|thread| thread.id() != this.id()) {
                    waiting.push(this.clone());
                }
                // First the mark, then the check: a note between the two wakes this thread.
                self.noted.fetch_or(AWAITED, SeqCst);
            }
            let noted = self.take(wanted);
            let left = deadline.saturating_duration_since(Instant::now());
            if noted != 0 || left.is_zero() {
                let mut waiting = lock(&self.waiting);
                waiting.retain(|thread| thread.id() != this.id());
                // One that was woken and waits again marks it again.
                if waiting.is_empty() {
                    self.noted.fetch_and(!AWAITED, SeqCst);
                }
                return noted;
            }
            std::thread::park_timeout(left);
        }
    }
}

impl HandlerWatch for Link {
    fn allow(self: Arc<Self>, allowed: Allowed) {
        self.claim.allow(allowed);
    }
}

/// The result of reading or writing without waiting.
#[derive(Clone, Copy)]
pub(crate) enum Attempt {
    /// This many bytes; reading none means the end.
    Done(usize),
    /// Nothing, until an event makes another attempt worthwhile.
    TooEarly,
    /// Nothing, now or later.
    Failed,
}

impl Attempt {
    #[inline]
    pub(crate) fn of(outcome: io::Result<usize>) -> Attempt {
        match outcome {
            Ok(n) => Attempt::Done(n),
            Err(error) if is(&error, io::ErrorKind::WouldBlock) => Attempt::TooEarly,
            Err(_) => Attempt::Failed,
        }
    }

    /// Returns the number of bytes.
    pub(crate) fn done(self) -> usize {
        match self {
            Attempt::Done(n) => n,
            Attempt::TooEarly | Attempt::Failed => 0,
        }
    }
}

/// The way from a connection to its client.
#[derive(Clone)]
pub(crate) struct Transport {
    pub(crate) link: Arc<Link>,
    /// The notes that end a wait early.
    pub(crate) interrupts: u8,
}

impl Transport {
    pub(crate) fn new(channel: Channel) -> Transport {
        let link = Link {
            channel,
            noted: AtomicU8::new(0),
            waiting: Mutex::default(),
            claim: Claim::new(),
            copy: Mutex::new(None),
            #[cfg(feature = "websocket")]
            line: OnceLock::new(),
        };
        Transport::of(Arc::new(link))
    }

    /// Creates another way to the same client.
    pub(crate) fn of(link: Arc<Link>) -> Transport {
        Transport {
            link,
            interrupts: STOPPING,
        }
    }

    /// Waits until `deadline` for a note that ends a stream, or for one of `also`. Returns it.
    pub(crate) fn await_end(&self, also: u8, deadline: Instant) -> u8 {
        self.link.wait(GONE | self.interrupts | also, deadline)
    }

    /// Returns true if a wait would end at once.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.link.noted.load(SeqCst) & self.interrupts != 0
    }

    /// Takes what was noted while the connection was checked out.
    pub(crate) fn take_noted(&self) -> u8 {
        self.link.take(READABLE | WRITABLE | FINISHED)
    }

    /// Returns the channel: the socket, and its encryption if there is any.
    pub(crate) fn channel(&self) -> &Channel {
        &self.link.channel
    }

    // Compared with the system calls in these three, a call costs nothing.
    /// Reads what has arrived.
    #[inline(never)]
    pub(crate) fn try_read(&mut self, into: &mut [u8]) -> Attempt {
        Attempt::of(self.read(into))
    }

    /// Writes as much as the client accepts now.
    #[inline(never)]
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> Attempt {
        Attempt::of(self.write(bytes))
    }

    /// Does what [`try_write`](Transport::try_write) does, for bytes in two places.
    #[inline(never)]
    pub(crate) fn try_write_both(&mut self, first: &[u8], second: &[u8]) -> Attempt {
        Attempt::of(uninterrupted(|| self.link.channel.write_both(first, second)))
    }

    /// Does what [`try_read`](Transport::try_read) does, for callers that report errors.
    #[inline]
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.link.channel.read(into))
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| self.link.channel.write(bytes))
    }

    /// Tells the client that nothing more will come.
    pub(crate) fn finish_sending(&self) {
        // A client that has already left need not be told.
        let _ = self.link.channel.finish_sending();
    }

    /// Does what [`read`](Transport::read) does, waiting for something to read.
    pub(crate) fn read_by(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match self.read(into) {
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => self.wait(READABLE, deadline)?,
                outcome => return outcome,
            }
        }
    }

    /// Writes all of `bytes`, waiting for the client. Returns how many are written, and an error if those are not all.
    fn write_on(&mut self, bytes: &[u8], deadline: Instant) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest @ [_, ..]) = bytes.get(written..) {
            let outcome = match self.write(rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    Ok(())
                }
                Err(error) if is(&error, io::ErrorKind::WouldBlock) => self.wait(WRITABLE, deadline),
                Err(error) => Err(error),
            };
            if outcome.is_err() {
                return (written, outcome);
            }
        }
        (written, Ok(()))
    }

    /// Writes all of `bytes`, waiting for the client.
    pub(crate) fn write_by(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        self.write_on(bytes, deadline).1
    }

    /// Does what [`write_by`](Transport::write_by) does, and removes from `bytes` what is written.
    pub(crate) fn drain_by(&mut self, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
        let (written, outcome) = self.write_on(bytes, deadline);
        bytes.drain(..written);
        outcome
    }

    /// Waits until the client makes something in `wanted` possible.
    #[inline(never)]
    fn wait(&self, wanted: u8, deadline: Instant) -> io::Result<()> {
        let noted = self.link.wait(wanted | self.interrupts, deadline);
        // Time spent waiting for the client does not count against the handler.
        self.link.claim.begin(Instant::now());
        if noted & self.interrupts != 0 {
            if noted & self.interrupts == OUSTED {
                return Err(io::ErrorKind::TimedOut.into());
            }
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server is stopping",
            ));
        }
        if noted == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

fn uninterrupted(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if is(&error, io::ErrorKind::Interrupted) => {}
            outcome => return outcome,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::net::socket::Stream;

    fn transport() -> (Transport, std::os::unix::net::UnixStream) {
        let (client, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
        (Transport::new(Channel::plain(stream)), client)
    }

    #[test]
    fn each_note_is_taken_once_but_for_what_stays_true() {
        let (transport, _client) = transport();
        assert!(!transport.is_interrupted());
        transport.link.note(READABLE | WRITABLE | FINISHED);
        assert!(!transport.is_interrupted());
        assert_eq!(transport.take_noted(), READABLE | WRITABLE | FINISHED);
        assert_eq!(transport.take_noted(), 0);
        transport.link.note(GONE | STOPPING | WRITABLE);
        assert_eq!(transport.take_noted(), WRITABLE);
        assert!(transport.is_interrupted());
        let now = Instant::now();
        assert_eq!(transport.await_end(0, now), GONE | STOPPING);
        assert_eq!(
            transport.await_end(0, now),
            GONE | STOPPING,
            "it is not to be waited for"
        );
    }
}
