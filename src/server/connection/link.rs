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
    use crate::server::limits::Limits;
    use crate::server::net::socket::Stream;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    fn transport() -> (Transport, UnixStream) {
        let (client, stream) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
        (Transport::new(Channel::plain(stream)), client)
    }

    /// A deadline that no test reaches.
    fn in_an_hour() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    /// Waits until a thread waits for the client.
    fn until_awaited(transport: &Transport) {
        while !transport.link.is_awaited() {
            thread::yield_now();
        }
    }

    /// Returns a transport whose writes block now, and how many bytes its client has to read first.
    fn full() -> (Transport, UnixStream, usize) {
        let (mut transport, client) = transport();
        let mut bytes = 0;
        while let Attempt::Done(n) = transport.try_write(&[b'x'; 4096]) {
            bytes += n;
        }
        (transport, client, bytes)
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

    #[test]
    fn who_waits_is_awaited_until_what_it_waits_for_is_noted() {
        let (transport, _client) = transport();
        let reader = transport.clone();
        thread::scope(|scope| {
            assert!(!transport.link.is_awaited());
            let waiting = scope.spawn(move || reader.link.wait(READABLE, in_an_hour()));
            until_awaited(&transport);
            transport.link.note(WRITABLE);
            until_awaited(&transport);
            assert!(!waiting.is_finished(), "that was for somebody else");
            transport.link.note(READABLE | FINISHED);
            assert_eq!(waiting.join().unwrap(), READABLE);
        });
        assert!(!transport.link.is_awaited());
        assert_eq!(
            transport.take_noted(),
            WRITABLE | FINISHED,
            "the others are still noted"
        );
    }

    #[test]
    fn two_threads_wait_for_one_client_each_for_its_own_event() {
        let (transport, _client) = transport();
        let (reader, writer) = (transport.clone(), transport.clone());
        let both_wait = || lock(&transport.link.waiting).len() == 2;
        thread::scope(|scope| {
            let reading = scope.spawn(move || reader.link.wait(READABLE, in_an_hour()));
            let writing = scope.spawn(move || writer.link.wait(WRITABLE, in_an_hour()));
            while !both_wait() {
                thread::yield_now();
            }
            transport.link.note(READABLE);
            assert_eq!(reading.join().unwrap(), READABLE);
            until_awaited(&transport);
            assert!(!writing.is_finished());
            transport.link.note(WRITABLE);
            assert_eq!(writing.join().unwrap(), WRITABLE);
        });
        assert!(!transport.link.is_awaited());
    }

    #[test]
    fn one_of_two_that_stops_waiting_leaves_the_other_to_be_woken() {
        let (transport, _client) = transport();
        let writer = transport.clone();
        thread::scope(|scope| {
            let writing = scope.spawn(move || writer.link.wait(WRITABLE, in_an_hour()));
            until_awaited(&transport);
            assert_eq!(transport.link.wait(READABLE, Instant::now()), 0, "its time is up");
            assert!(transport.link.is_awaited());
            transport.link.note(WRITABLE);
            assert_eq!(writing.join().unwrap(), WRITABLE);
        });
    }

    #[test]
    fn a_reader_waits_for_what_the_client_sends_and_for_its_end() {
        let (transport, mut client) = transport();
        let mut reader = transport.clone();
        let mut read = |into: &mut [u8]| reader.read_by(into, in_an_hour()).unwrap();
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut bytes = [0; 8];
                let len = read(&mut bytes);
                (bytes, len, read(&mut [0; 8]))
            });
            until_awaited(&transport);
            client.write_all(b"body").unwrap();
            transport.link.note(READABLE);
            until_awaited(&transport);
            client.shutdown(std::net::Shutdown::Write).unwrap();
            transport.link.note(READABLE);
            let (bytes, len, end) = reading.join().unwrap();
            assert_eq!((&bytes[..len], end), (&b"body"[..], 0));
        });
    }

    #[test]
    fn a_writer_waits_for_room_and_then_writes_the_rest() {
        let (transport, mut client, before) = full();
        let mut writer = transport.clone();
        thread::scope(|scope| {
            let writing = scope.spawn(move || writer.write_by(b"the rest", in_an_hour()));
            until_awaited(&transport);
            let mut received = vec![0; before + 8];
            client.read_exact(&mut received[..before]).unwrap();
            transport.link.note(WRITABLE);
            client.read_exact(&mut received[before..]).unwrap();
            assert!(received.ends_with(b"xthe rest"));
            writing.join().unwrap().unwrap();
        });
    }

    #[test]
    fn what_is_written_is_removed_and_the_rest_stays_if_time_is_up() {
        let (mut transport, mut client, _) = full();
        let mut bytes = vec![b'y'; 100];
        let error = transport.drain_by(&mut bytes, Instant::now()).unwrap_err();
        assert_eq!((error.kind(), bytes.len()), (io::ErrorKind::TimedOut, 100));
        client.read_exact(&mut [0; 64 * 1024]).unwrap();
        bytes.resize(1024 * 1024, b'y');
        let error = transport.drain_by(&mut bytes, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(
            (1..1024 * 1024).contains(&bytes.len()),
            "a part of it was written: {}",
            bytes.len()
        );
        let mut few = b"few".to_vec();
        client.read_exact(&mut [0; 64 * 1024]).unwrap();
        transport.drain_by(&mut few, Instant::now()).unwrap();
        assert!(few.is_empty());
    }

    #[test]
    fn a_server_that_stops_and_a_place_that_is_taken_away_end_a_wait() {
        for (note, interrupts, kind) in [
            (STOPPING, STOPPING, io::ErrorKind::ConnectionAborted),
            (OUSTED, STOPPING | OUSTED, io::ErrorKind::TimedOut),
            (STOPPING | OUSTED, STOPPING | OUSTED, io::ErrorKind::ConnectionAborted),
        ] {
            let (mut transport, _client) = transport();
            transport.interrupts = interrupts;
            transport.link.note(note);
            assert!(transport.is_interrupted());
            let error = transport.read_by(&mut [0; 8], in_an_hour()).unwrap_err();
            assert_eq!(error.kind(), kind, "{note}");
        }
        let (mut transport, _client) = transport();
        transport.link.note(OUSTED | DRAINING);
        let error = transport.read_by(&mut [0; 8], Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        transport.link.forget(OUSTED);
        assert_eq!(transport.await_end(OUSTED | DRAINING, Instant::now()), DRAINING);
    }

    #[test]
    fn the_time_of_a_wait_for_the_client_is_not_the_handlers() {
        let limits = Limits {
            handler: Some(Duration::from_secs(60)),
            ..Limits::default()
        };
        let (mut transport, _client) = transport();
        let claim = |transport: &Transport| transport.link.claim.deadline(Instant::now(), &limits, None).unwrap();
        let before = claim(&transport);
        assert!(transport.read_by(&mut [0; 8], Instant::now()).is_err());
        assert!(claim(&transport) > before);
    }

    #[test]
    fn a_cut_is_the_end_for_both_and_one_who_finishes_sending_still_reads() {
        let (mut transport, mut client) = transport();
        transport.finish_sending();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        client.write_all(b"more").unwrap();
        assert_eq!(transport.try_read(&mut [0; 8]).done(), 4);
        assert!(matches!(transport.try_read(&mut [0; 8]), Attempt::TooEarly));
        transport.link.cut();
        assert!(matches!(transport.try_read(&mut [0; 8]), Attempt::Done(0)));
        assert!(matches!(transport.try_write(b"x"), Attempt::Failed));
        assert_eq!(client.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_call_that_was_interrupted_is_made_again() {
        let mut kinds = [io::ErrorKind::Interrupted, io::ErrorKind::Interrupted].into_iter();
        assert_eq!(
            uninterrupted(|| kinds.next().map_or(Ok(7), |kind| Err(kind.into()))).unwrap(),
            7
        );
        let error = uninterrupted(|| Err(io::ErrorKind::BrokenPipe.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_copy_of_the_request_is_there_once_it_was_kept() {
        let (transport, _client) = transport();
        assert!(transport.link.copy().is_none());
        let request = Request::get("/here?a=b");
        transport.link.keep_copy(&request);
        assert_eq!(transport.link.copy().unwrap().target(), "/here?a=b");
    }

    #[test]
    fn an_error_other_than_having_to_wait_ends_reading_and_writing_at_once() {
        let (mut transport, client) = transport();
        // What its client has not read makes its leaving a reset.
        assert_eq!(transport.try_write(b"unread").done(), 6);
        drop(client);
        let error = transport.read_by(&mut [0; 8], in_an_hour()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = transport.write_by(b"more", in_an_hour()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_a_route_allows_is_told_to_the_claim() {
        let (transport, _client) = transport();
        let allowed = || transport.link.claim.allowed(&Limits::default());
        assert_eq!(allowed(), Limits::default().handler);
        Arc::clone(&transport.link).allow(Allowed::Time(Duration::from_secs(7)));
        assert_eq!(allowed(), Some(Duration::from_secs(7)));
    }
}
