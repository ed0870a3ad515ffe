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

use crate::server::connection::link::{DRAINING, FINISHED, OUSTED, Transport};
use crate::server::connection::places::Holder;
use crate::server::connection::work::Work;
use crate::server::limits::Limits;
use crate::server::net::socket::is;
use crate::server::shared::Shared;

/// The body of a request, as it arrives on a connection.
pub(crate) struct Upload {
    /// What must be sent before the response.
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
    let mut before = work.take_out();
    let sent = work.exchange.answered.as_mut().map(|answered| &mut answered.content);
    let outcome = send(
        source,
        chunked,
        &before,
        transport.clone(),
        shared,
        sent.unwrap_or(&mut 0),
    );
    outcome.map_err(|broken| broken.report(&work.exchange.request, shared))?;
    before.clear();
    work.out = before;
    Ok(())
}

pub(super) fn missed_deadline() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the handler missed its deadline (`Limits::handler`)",
    )
}

/// Sends `before`, then all that `source` has, waiting for the client as long as the limits allow. `sent` counts the
/// content.
fn send(
    source: Source,
    chunked: bool,
    before: &[u8],
    mut transport: Transport,
    shared: &Arc<Shared>,
    sent: &mut u64,
) -> Result<(), Broken> {
    let deadline = shared.limits.transfer_deadline(Instant::now(), before.len() as u64);
    transport.write_by(before, deadline).map_err(Broken::ByClient)?;
    if source.is_stream() {
        // A stream may be endless, so a draining server ends it.
        transport.interrupts |= DRAINING;
    }
    let mut client = Client::new(transport, Arc::clone(shared));
    pour(source, chunked, &mut client, sent).map_err(|error| match client.has_failed {
        true => Broken::ByClient(error),
        false => Broken::ByProgram(error),
    })
}

/// Why a body is not sent whole.
enum Broken {
    /// Its client does not take it, or the server stops.
    ByClient(io::Error),
    /// What makes it has failed.
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

pub(super) struct Client {
    transport: Transport,
    shared: Arc<Shared>,
    /// What is to be sent before the next piece.
    first: Vec<u8>,
    /// True if a handler writes: what the application keeps meanwhile is its own business.
    is_within_call: bool,
    /// The system finds out by itself when the client has left.
    is_probed: Cell<bool>,
    /// A client that has finished sending was sent something, to find out whether it is there.
    is_asked: Cell<bool>,
    /// It could not be sent something.
    has_failed: bool,
}

impl Client {
    fn new(transport: Transport, shared: Arc<Shared>) -> Client {
        Client {
            transport,
            shared,
            first: Vec::new(),
            is_within_call: false,
            is_probed: Cell::new(false),
            is_asked: Cell::new(false),
            has_failed: false,
        }
    }

    /// For a handler that writes while it runs. `first` is sent before the first piece.
    pub(super) fn within_call(transport: Transport, shared: Arc<Shared>, first: Vec<u8>) -> Client {
        Client {
            first,
            is_within_call: true,
            ..Client::new(transport, shared)
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The clock runs only while the client is waited for, not between two writes.
        let deadline = self.shared.limits.transfer_deadline(Instant::now(), bytes.len() as u64);
        let outcome = self.transport.write_by(bytes, deadline);
        self.has_failed |= outcome.is_err();
        outcome
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
        if self.transport.is_interrupted() {
            self.has_failed = true;
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server is stopping",
            ));
        }
        if !self.is_within_call {
            // What makes the body may keep something that others need, and the client may be slow.
            self.shared.rest();
        }
        if !self.first.is_empty() {
            let mut first = std::mem::take(&mut self.first);
            first.extend_from_slice(bytes);
            return self.write(&first);
        }
        self.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.first.is_empty() { Ok(()) } else { self.send(&[]) }
    }

    fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What has ended by itself while the server began to drain is complete.
        self.transport.interrupts &= !DRAINING;
        if bytes.is_empty() {
            self.flush()
        } else {
            self.send(bytes)
        }
    }

    fn is_open(&self) -> bool {
        self.probe();
        !self.transport.is_interrupted() && !self.transport.is_gone()
    }

    fn wait(&self, time: Duration, filler: &[u8]) -> bool {
        self.probe();
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
            let deadline = self
                .shared
                .limits
                .transfer_deadline(Instant::now(), filler.len() as u64);
            if self.transport.clone().write_by(filler, deadline).is_err() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::date::Date;
    use crate::exchange::{Exchange, Pool, Step};
    use crate::server::connection::link::READABLE;
    use crate::server::connection::places::Places;
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
    fn that_an_earlier_upload_should_make_room_does_not_concern_the_next() {
        let (transport, mut client) = pair();
        let place = Places::new(1).take(None, &transport.link).unwrap();
        transport.link.note(OUSTED | READABLE);
        let mut exchange = arriving();
        exchange.begin_reading(Upload::new(transport.clone(), &Limits::default(), &place.holder));
        assert_arrives(&exchange, &transport, &mut client);
    }
}
