//! Bodies that are transferred while their handler runs: read as they arrive, or written piece by piece.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Request;
use crate::deadline::after;
use crate::exchange::{Incoming, Source, pour};
use crate::pace;
use crate::report;
use crate::request::BodyError;
use crate::response::Sink;

use crate::server::connection::gathered::Gathered;
use crate::server::connection::link::{DRAINING, FINISHED, OUSTED, Transport};
use crate::server::connection::places::Holder;
use crate::server::connection::work::Work;
use crate::server::limits::Limits;
use crate::server::net::socket::is;
use crate::server::shared::Shared;
use crate::server::shared::corks::Cork;

/// The body of a request, as it arrives on a connection.
pub(crate) struct Upload {
    /// The bytes that must be sent before the response.
    before: Vec<u8>,
    transport: Transport,
    limits: Limits,
    holder: Arc<Holder>,
}

impl Upload {
    /// For a handler that has a place to read a body from its connection.
    pub(crate) fn new(mut transport: Transport, limits: &Limits, holder: &Arc<Holder>) -> Upload {
        transport.link.forget(OUSTED);
        transport.interrupts |= OUSTED;
        Upload {
            before: Vec::new(),
            transport,
            limits: limits.clone(),
            holder: Arc::clone(holder),
        }
    }

    /// Returns what must still be sent before the response.
    pub(crate) fn into_unsent(self) -> Vec<u8> {
        self.before
    }

    /// Waits for the client to send more, as long as it has time, and reads that.
    fn await_bytes(&mut self, room: &mut [u8]) -> io::Result<usize> {
        pace::about_to_block();
        let began = Instant::now();
        let deadline = self.holder.clock().begin_wait(began, &self.limits);
        let outcome = self.transport.read_by(room, deadline);
        self.holder.clock().end_wait(Instant::now());
        outcome
    }
}

impl Incoming for Upload {
    fn receive(&mut self, room: &mut [u8]) -> Result<usize, BodyError> {
        let outcome = match self.transport.read(room) {
            Err(error) if is(&error, io::ErrorKind::WouldBlock) => self.await_bytes(room),
            outcome => outcome,
        };
        match outcome.map_err(failure)? {
            // A server that stops cuts the connection, and this thread may see that first.
            0 if self.transport.is_interrupted() => Err(BodyError::Stopping),
            n => {
                self.holder.clock().received(n);
                Ok(n)
            }
        }
    }

    /// Waits for the client. RFC 9112 §9.3.2: responses come "in the same order that the requests were received", so this
    /// one stands behind those to earlier requests.
    fn interim(&mut self, response: &[u8]) -> Result<(), BodyError> {
        if !self.before.is_empty() {
            pace::about_to_block();
        }
        self.before.extend_from_slice(response);
        let deadline = self.limits.transfer_deadline(Instant::now(), self.before.len() as u64);
        let link = Arc::clone(&self.transport.link);
        let sent = link.claim.write_before(|| {
            // If it fails, what is left still goes before the response: no byte may be missing in between.
            let sent = self.transport.drain_by(&mut self.before, deadline);
            (!self.before.is_empty(), sent)
        });
        sent.ok_or(BodyError::Stopping)?.map_err(failure)
    }
}

fn failure(error: io::Error) -> BodyError {
    match error.kind() {
        io::ErrorKind::TimedOut => BodyError::TimedOut,
        io::ErrorKind::ConnectionAborted => BodyError::Stopping,
        _ => BodyError::Disconnected,
    }
}

/// Sends the response with the body `source`, after what is already to be sent. An error means that it is incomplete.
pub(crate) fn respond(
    source: Source,
    chunked: bool,
    work: &mut Work,
    transport: &Transport,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    pace::about_to_block();
    if !shared.lifecycle.is_running() {
        // The drain has notified the connections that were checked out when it began; this one begins now.
        transport.link.note(DRAINING);
    }
    if !transport.link.claim.stream(Instant::now()) {
        return Err(missed_deadline());
    }
    // From here on it is being sent, and after an error nothing of it may be sent again.
    let before = work.take_out();
    let sent = work.exchange.answered.as_mut().map(|answered| &mut answered.content);
    let outcome = send(
        source,
        chunked,
        before,
        transport.clone(),
        shared,
        sent.unwrap_or(&mut 0),
    );
    match outcome {
        Ok(buffer) => work.out = buffer,
        Err(broken) => return Err(broken.report(&work.exchange.request, shared)),
    }
    Ok(())
}

pub(super) fn missed_deadline() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the handler missed its deadline (`Limits::handler`)",
    )
}

/// Sends `before`, then all that `source` has, waiting for the client as long as the limits allow. `sent` counts the
/// content. Returns the buffer of `before`.
fn send(
    source: Source,
    chunked: bool,
    before: Vec<u8>,
    mut transport: Transport,
    shared: &Arc<Shared>,
    sent: &mut u64,
) -> Result<Vec<u8>, Broken> {
    if source.is_stream() {
        // A stream may be endless, so a draining server ends it.
        transport.interrupts |= DRAINING;
    }
    let mut client = Client::new(transport, Arc::clone(shared), before);
    match pour(source, chunked, &mut client, sent) {
        Ok(()) => Ok(client.cork.lock().end()),
        Err(error) if client.has_failed => Err(Broken::ByClient(error)),
        Err(error) => {
            // What came before the error is sent.
            let _ = client.empty();
            Err(Broken::ByProgram(error))
        }
    }
}

/// Why a body is not sent whole.
enum Broken {
    /// Its client does not take it, or the server stops.
    ByClient(io::Error),
    /// The stream or reader that makes it has failed.
    ByProgram(io::Error),
}

impl Broken {
    /// Logs what is the program's.
    fn report(self, request: &Request, shared: &Shared) -> io::Error {
        match self {
            Broken::ByClient(error) => error,
            Broken::ByProgram(error) => {
                shared.application.note_endpoint(request);
                report::error!("the body of a response failed at {}: {error}", request.described());
                error
            }
        }
    }
}

/// The client of a stream. Pieces that come quickly are gathered and leave together; if the stream then goes on to something
/// else, the watch sends them.
pub(super) struct Client {
    transport: Transport,
    shared: Arc<Shared>,
    cork: Arc<Cork<Gathered>>,
    /// The time when the last piece came.
    last: Instant,
    /// The time within which the next one is quick.
    quick: Duration,
    /// True if a handler writes: what the application keeps meanwhile is its own business.
    is_within_call: bool,
    /// The system finds out by itself when the client has left.
    is_probed: Cell<bool>,
    /// A client that has finished sending was sent something, to find out whether it is there.
    is_asked: Cell<bool>,
    /// It could not be sent something.
    has_failed: bool,
}

/// The time within which another piece is quick.
const QUICK: Duration = Duration::from_millis(1);

impl Client {
    /// `before` is sent with the first piece, if that comes quickly.
    fn new(transport: Transport, shared: Arc<Shared>, before: Vec<u8>) -> Client {
        let client = Client {
            cork: Cork::new(Gathered::new(before, transport.clone())),
            transport,
            shared,
            last: Instant::now(),
            quick: QUICK,
            is_within_call: false,
            is_probed: Cell::new(false),
            is_asked: Cell::new(false),
            has_failed: false,
        };
        client.shared.send_later(&client.cork);
        client
    }

    /// For a handler that writes while it runs.
    pub(super) fn within_call(transport: Transport, shared: Arc<Shared>, before: Vec<u8>) -> Client {
        let mut client = Client::new(transport, shared, before);
        client.is_within_call = true;
        client
    }

    /// Sends all that was gathered, and then `piece`.
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.rest();
        let outcome = self.cork.lock().send(piece, &self.shared.limits);
        self.has_failed |= outcome.is_err();
        outcome
    }

    /// Sends all that was gathered, because the stream is about to wait.
    fn empty(&self) -> io::Result<()> {
        let is_left = self.cork.lock().is_left();
        if is_left {
            // The program's code, so without the lock.
            self.rest();
        }
        self.cork.lock().send(&[], &self.shared.limits)
    }

    /// What makes the body may keep something that others need, and the client may be slow.
    fn rest(&self) {
        if !self.is_within_call {
            self.shared.rest();
        }
    }

    /// Its stream does more than write, and writing alone would tell.
    fn probe(&self) {
        if !self.is_probed.replace(true) {
            self.transport.channel().probe();
        }
    }
}

impl Sink for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.gather(bytes)? {
            return Ok(());
        }
        self.last = Instant::now();
        self.write(bytes)
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if self.transport.is_interrupted() {
            self.has_failed = true;
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server is stopping",
            ));
        }
        let now = Instant::now();
        if now.saturating_duration_since(self.last) >= self.quick {
            return Ok(false);
        }
        let mut gathered = self.cork.lock();
        if !gathered.has_room(bytes) {
            return Ok(false);
        }
        gathered.keep(bytes);
        drop(gathered);
        self.last = now;
        self.shared.send_later(&self.cork);
        Ok(true)
    }

    fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What has ended by itself while the server began to drain is complete.
        self.transport.interrupts &= !DRAINING;
        self.cork.lock().outlive_drain();
        self.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write(&[])
    }

    fn is_open(&self) -> bool {
        self.wait(Duration::ZERO, &[])
    }

    fn wait(&self, time: Duration, filler: &[u8]) -> bool {
        self.probe();
        if self.empty().is_err() {
            return false;
        }
        let deadline = after(Instant::now(), time);
        loop {
            let may_ask = !filler.is_empty() && !self.is_asked.get();
            let noted = self.transport.await_end(if may_ask { FINISHED } else { 0 }, deadline);
            if noted != FINISHED {
                return noted == 0;
            }
            // Whoever takes the connection back must know as well.
            self.transport.link.note(FINISHED);
            // The client sends no more. If it has closed, something that is sent to it is refused.
            self.is_asked.set(true);
            if self.cork.lock().send(filler, &self.shared.limits).is_err() {
                return false;
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut gathered = self.cork.lock();
        // After a panic there is something left, which comes before it.
        gathered.send_now();
        gathered.end();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::date::Date;
    use crate::exchange::{Exchange, Pool, Step};
    use crate::server::connection::link::READABLE;
    use crate::server::connection::places::Places;
    use crate::server::event_loop::fixture;
    use crate::server::net::channel::Channel;
    use crate::server::net::socket::Stream;

    /// Returns a transport and the client at its other end.
    fn pair() -> (Transport, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = Stream::Tcp(mio::net::TcpStream::from_std(stream));
        (Transport::new(Channel::plain(stream)), client)
    }

    /// Returns an exchange with a request whose body of three bytes has not arrived.
    fn arriving() -> Exchange {
        let mut exchange = Exchange::new(Arc::default(), 0, Pool::new(0, 0));
        let head = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\n";
        exchange.room()[..head.len()].copy_from_slice(head);
        exchange.received(head.len());
        assert_eq!(exchange.advance(&Date::now(), &mut Vec::new()), Step::CallLive);
        exchange
    }

    /// Reads the body, whose bytes come once the reader waits for them.
    fn assert_arrives(exchange: &Exchange, transport: &Transport, client: &mut TcpStream) {
        thread::scope(|scope| {
            scope.spawn(|| {
                while !transport.link.is_awaited() {
                    thread::yield_now();
                }
                client.write_all(b"ham").unwrap();
                transport.link.note(READABLE);
            });
            assert_eq!(exchange.request.bytes().unwrap(), b"ham");
        });
    }

    #[test]
    fn a_client_is_charged_the_wait_of_its_reader_and_earns_time_by_its_bytes() {
        let (transport, mut client) = pair();
        let limits = Limits {
            transfer_time: Duration::from_secs(3600),
            rate: 1,
            ..Limits::default()
        };
        let place = Places::new(1).take(None, &transport.link).unwrap();
        let mut exchange = arriving();
        exchange.begin_reading(Upload::new(transport.clone(), &limits, &place.holder));
        assert_arrives(&exchange, &transport, &mut client);
        let now = Instant::now();
        let deadline = place.holder.clock().begin_wait(now, &limits);
        let earned = after(after(now, limits.transfer_time), Duration::from_secs(3));
        assert!(deadline < earned, "it has been waited for");
        assert!(deadline > after(now, limits.transfer_time), "its bytes count");
    }

    #[test]
    fn quick_pieces_leave_together_and_nothing_waits_longer_than_a_tick_or_a_wait() {
        let shared = fixture::shared();
        let (transport, mut client) = pair();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let link = Arc::clone(&transport.link);
        let mut stream = Client::new(transport, Arc::clone(&shared), b"head ".to_vec());
        stream.quick = Duration::MAX;
        let mut received = |expected: &str| {
            let mut here = vec![0; expected.len()];
            client.read_exact(&mut here).unwrap();
            assert_eq!(String::from_utf8(here).unwrap(), expected);
            // There is no more.
            client.set_nonblocking(true).unwrap();
            let more = client.read(&mut [0]).map_err(|error| error.kind());
            client.set_nonblocking(false).unwrap();
            assert_eq!(more, Err(io::ErrorKind::WouldBlock));
        };
        stream.send(b"one ").unwrap();
        stream.send(b"two").unwrap();
        received("");
        // The tick of the watch, while the stream does something else.
        shared.corks.send();
        assert!(shared.corks.is_empty());
        received("head one two");
        stream.send(b"three").unwrap();
        assert!(stream.wait(Duration::ZERO, b"!"));
        received("three");
        stream.send(b"four").unwrap();
        stream.flush().unwrap();
        received("four");
        assert!(stream.gather(b"gathered").unwrap());
        received("");
        assert!(!stream.gather(&[0; 5000]).unwrap(), "it is sent from where it is");
        stream.quick = Duration::ZERO;
        assert!(!stream.gather(b"late").unwrap());
        stream.quick = Duration::MAX;
        stream.flush().unwrap();
        received("gathered");
        let large = "x".repeat(5000);
        stream.send(b"five").unwrap();
        stream.send(large.as_bytes()).unwrap();
        received(&format!("five{large}"));
        stream.send(b"six").unwrap();
        stream.finish(b"!").unwrap();
        received("six!");
        stream.send(b"left").unwrap();
        drop(stream);
        received("left");
        // Whatever is still listed of a stream that is over holds nothing, and sends nothing.
        assert_eq!(Arc::strong_count(&link), 1, "only this test keeps its socket open");
        shared.corks.send();
        received("");
    }

    #[test]
    fn a_piece_that_comes_after_a_while_is_sent_at_once() {
        let (transport, mut client) = pair();
        let mut stream = Client::new(transport, fixture::shared(), Vec::new());
        stream.quick = Duration::ZERO;
        stream.send(b"event").unwrap();
        let mut here = [0; 5];
        client.read_exact(&mut here).unwrap();
        assert_eq!(&here, b"event");
    }

    #[test]
    fn that_an_earlier_upload_should_make_room_does_not_concern_the_next() {
        let (transport, mut client) = pair();
        let place = Places::new(1).take(None, &transport.link).unwrap();
        transport.link.note(OUSTED | READABLE);
        let mut exchange = arriving();
        exchange.begin_reading(Upload::new(transport.clone(), &Limits::default(), &place.holder));
        assert_arrives(&exchange, &transport, &mut client);
    }
}
