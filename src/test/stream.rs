//! A response that is read while it comes into being.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::Instant;

use super::Response;
use crate::Done;
use crate::exchange::{Payload, Source, pour};
use crate::pipe::{Reader, Writer, pipe};
use crate::response::{FilePart, OnDone, Sink};
use crate::topic::Feed;

/// A response whose body is read while the application writes it: see [`Client::open`](super::Client::open).
///
/// [`Read`] and [`BufRead`] return the body without its framing. A body that is incomplete ends with an error of the kind
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). A stream of the application runs on a separate thread, at most 64 KiB
/// ahead of its reader. When this is dropped, the client has left: writing fails, and
/// [`BodyWriter::is_open`](crate::BodyWriter::is_open) is false.
pub struct Stream {
    response: Response,
    /// The content that has arrived.
    bytes: io::Cursor<Vec<u8>>,
    rest: Rest,
}

/// The rest of a body.
enum Rest {
    None,
    File(FilePart, Option<Box<OnDone>>),
    Pushed(Feed, Option<Box<OnDone>>),
    Arriving(Reader, JoinHandle<io::Result<()>>),
}

impl Stream {
    pub(super) fn new(response: Response, begun: Vec<u8>, payload: Option<Payload>) -> Stream {
        let mut bytes = begun;
        let rest = match payload {
            None => Rest::None,
            Some(mut whole @ Payload::Bytes { .. }) => {
                if let Payload::Bytes { bytes: long, .. } = &whole {
                    bytes = (**long).as_ref().to_vec();
                }
                whole.end(Done::Sent);
                Rest::None
            }
            Some(Payload::File(part, on_done)) => Rest::File(part, on_done),
            Some(Payload::Pushed(pushed)) => Rest::Pushed(pushed.push.into_feed(), pushed.on_done),
            #[cfg(feature = "websocket")]
            Some(Payload::Socket(_)) => Rest::None,
            #[cfg(feature = "upgrade")]
            Some(Payload::Takeover(_)) => Rest::None,
            Some(Payload::Source(source, _)) => {
                let (writer, reader) = pipe();
                Rest::Arriving(reader, thread::spawn(move || write(source, writer)))
            }
        };
        Stream {
            response,
            bytes: io::Cursor::new(bytes),
            rest,
        }
    }

    /// A response whose body is here, as far as there is more of it.
    pub(super) fn gathered(mut response: Response, is_whole: bool) -> Stream {
        let bytes = response.take_body();
        let rest = if is_whole {
            Rest::None
        } else {
            let (writer, reader) = pipe();
            drop(writer);
            let cut = || Err(io::Error::other("the handler has not completed the body"));
            Rest::Arriving(reader, thread::spawn(cut))
        };
        Stream {
            response,
            bytes: io::Cursor::new(bytes),
            rest,
        }
    }

    /// Returns the status, the headers and the trail. This response has no body, because the body is read from the stream.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Closes the connection, and waits until the application's stream has ended.
    ///
    /// # Errors
    /// Returns the error of the application's stream, which usually is that it could not write any more. A panic of the stream
    /// is an error as well.
    pub fn leave(self) -> io::Result<()> {
        let Rest::Arriving(reader, stream) = self.rest else {
            return Ok(());
        };
        drop(reader);
        stream.join().unwrap_or_else(|_| Err(panicked()))
    }
}

/// Writes a body, on a separate thread.
fn write(source: Source, writer: Writer) -> io::Result<()> {
    let mut client = Client(writer);
    let poured = catch_unwind(AssertUnwindSafe(|| pour(source, false, &mut client, &mut 0)));
    let outcome = poured.unwrap_or_else(|_| Err(panicked()));
    if outcome.is_ok() {
        client.0.end();
    }
    outcome
}

/// Waits for the next message of a topic. Returns nothing at the end.
fn await_message(feed: &mut Feed) -> Vec<u8> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        let now = Instant::now();
        if let Poll::Ready(bytes) = feed.poll(&mut context, now) {
            return bytes.unwrap_or_default();
        }
        match feed.next_due() {
            Some(due) => thread::park_timeout(due.saturating_duration_since(now)),
            None => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn panicked() -> io::Error {
    io::Error::other("the stream panicked")
}

struct Client(Writer);

impl Sink for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.send(bytes, || None)
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.fill_buf()?.is_empty() {
            let next = match &mut self.rest {
                Rest::None => Vec::new(),
                Rest::File(part, on_done) => {
                    let mut piece = vec![0; 32 * 1024];
                    // This fails if the file is shorter than announced.
                    let n = part.read(&mut piece)?;
                    piece.truncate(n);
                    if let Some(on_done) = on_done.take_if(|_| part.left() == 0) {
                        on_done.call(Done::Sent);
                    }
                    piece
                }
                Rest::Pushed(feed, on_done) => {
                    let message = await_message(feed);
                    if let Some(on_done) = on_done.take_if(|_| message.is_empty()) {
                        on_done.call(Done::Sent);
                    }
                    message
                }
                Rest::Arriving(reader, _) => reader.take(None)?,
            };
            self.bytes = io::Cursor::new(next);
        }
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut here = self.fill_buf()?;
        let n = here.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}
