//! The part of a response that is not in the send buffer: long bytes, files, readers and streams.

use std::borrow::BorrowMut;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use hansel_proto::chunk;

use super::COPIED;
use crate::request::RequestCopy;
#[cfg(feature = "upgrade")]
use crate::response::Takeover;
use crate::response::{Done, FilePart, OnDone, Sink, StreamFn, copy, write_exactly};
#[cfg(feature = "websocket")]
use crate::socket::Opened;
use crate::topic::Push;

pub(crate) enum Payload {
    /// Bytes in memory, from `sent` on.
    Bytes {
        bytes: Box<dyn AsRef<[u8]> + Send>,
        sent: usize,
        /// True if dropping them runs code of the program.
        are_owned: bool,
        on_done: Option<Box<OnDone>>,
    },
    File(FilePart, Option<Box<OnDone>>),
    /// A source that a thread has to send; and whether in chunks.
    Source(Source, bool),
    /// The messages of a topic.
    Pushed(Box<Subscribed>),
    /// A socket, to which the connection belongs once the head is sent.
    #[cfg(feature = "websocket")]
    Socket(Box<Switched>),
    /// A function that a thread runs on the connection once the head is sent.
    #[cfg(feature = "upgrade")]
    Takeover(Box<Takeover>),
}

/// A socket whose head is made.
#[cfg(feature = "websocket")]
pub(crate) struct Switched {
    pub(crate) opened: Opened,
    /// Its line in the access log, which is written when it ends, if somebody wants to know.
    pub(crate) logged: Option<Box<Logged>>,
}

/// A subscription whose head is made.
pub(crate) struct Subscribed {
    pub(crate) push: Box<dyn Push>,
    pub(crate) is_chunked: bool,
    pub(crate) on_done: Option<Box<OnDone>>,
    /// Its line in the access log, which is written when it ends, if somebody wants to know.
    pub(crate) logged: Option<Box<Logged>>,
}

/// The line in the access log of a response that ends long after its request is forgotten.
pub(crate) struct Logged {
    pub(crate) request: RequestCopy,
    pub(crate) status: u16,
    pub(crate) since: Instant,
}

/// A source that is written while it is sent.
pub(crate) struct Source {
    pub(crate) content: Written,
    /// Who wants to know what becomes of it.
    pub(super) on_done: Option<Box<OnDone>>,
}

pub(crate) enum Written {
    Reader {
        reader: Box<dyn Read + Send>,
        len: Option<u64>,
    },
    Stream {
        write: StreamFn,
        len: Option<u64>,
    },
}

impl Source {
    pub(super) fn new(content: Written) -> Source {
        Source { content, on_done: None }
    }

    /// Returns how long it is, if that is known.
    #[cfg(feature = "tower")]
    pub(crate) fn len(&self) -> Option<u64> {
        match self.content {
            Written::Reader { len, .. } | Written::Stream { len, .. } => len,
        }
    }

    /// Returns true if the program writes it, and may never end.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.content, Written::Stream { .. })
    }
}

impl Payload {
    /// Appends a short body to `out`, and keeps a long one where it is.
    pub(super) fn of_bytes(bytes: impl AsRef<[u8]> + Send + 'static, out: &mut Vec<u8>) -> Option<Payload> {
        if bytes.as_ref().len() <= COPIED {
            out.extend_from_slice(bytes.as_ref());
            None
        } else {
            Some(Payload::of_long(Box::new(bytes), false))
        }
    }

    /// Does the same for bytes that belong to a value of the program.
    pub(super) fn of_owned(bytes: Box<dyn AsRef<[u8]> + Send>, out: &mut Vec<u8>) -> Option<Payload> {
        let content = (*bytes).as_ref();
        if content.len() <= COPIED {
            out.extend_from_slice(content);
            None
        } else {
            Some(Payload::of_long(bytes, true))
        }
    }

    fn of_long(bytes: Box<dyn AsRef<[u8]> + Send>, are_owned: bool) -> Payload {
        Payload::Bytes {
            bytes,
            sent: 0,
            are_owned,
            on_done: None,
        }
    }

    /// Has `hook` called when all of `payload` is sent, or nothing more will be.
    #[cold]
    pub(super) fn tell(payload: Option<Payload>, hook: Box<OnDone>) -> Option<Payload> {
        let Some(mut payload) = payload else {
            hook.call(Done::Sent);
            return None;
        };
        match &mut payload {
            Payload::Bytes { on_done, .. } | Payload::File(_, on_done) => *on_done = Some(hook),
            Payload::Pushed(pushed) => pushed.on_done = Some(hook),
            Payload::Source(source, _) => source.on_done = Some(hook),
            #[cfg(feature = "websocket")]
            Payload::Socket(_) => hook.call(Done::Sent),
            #[cfg(feature = "upgrade")]
            Payload::Takeover(_) => hook.call(Done::Sent),
        }
        Some(payload)
    }

    /// Notes what became of it, for what is told so when it is dropped. Returns true if dropping it runs code of the
    /// program.
    pub(crate) fn end(&mut self, outcome: Done) -> bool {
        let (on_done, is_owned) = match self {
            Payload::Bytes { on_done, are_owned, .. } => (on_done, *are_owned),
            Payload::File(_, on_done) => (on_done, false),
            Payload::Source(source, _) => (&mut source.on_done, true),
            // It may be the end of its topic, and of what the program has given to that.
            Payload::Pushed(pushed) => (&mut pushed.on_done, true),
            #[cfg(feature = "websocket")]
            Payload::Socket(_) => return true,
            #[cfg(feature = "upgrade")]
            Payload::Takeover(_) => return true,
        };
        if let Some(on_done) = on_done {
            on_done.set(outcome);
        }
        is_owned || on_done.is_some()
    }
}

/// Sends everything that `source` has, then the end of the body. After an error the body is incomplete: the connection
/// must be cut, so that the client does not take it for complete. `sent` counts the content.
pub(crate) fn pour(source: Source, chunked: bool, sink: &mut dyn Sink, sent: &mut u64) -> io::Result<()> {
    let mut framed = Framed::new(sink, sent, chunked);
    match source.content {
        Written::Stream { write, len } => write_exactly(write, len, &mut framed)?,
        Written::Reader { reader, len } => copy(reader, len, &mut framed)?,
    }
    framed.finish()?;
    if let Some(on_done) = source.on_done {
        on_done.call(Done::Sent);
    }
    Ok(())
}

/// Adds chunk framing to what is sent, if needed.
pub(super) struct Framed<S, N> {
    pub(super) sink: S,
    /// The octets of content, here or elsewhere.
    pub(super) sent: N,
    chunked: bool,
    frame: Vec<u8>,
}

impl<S: Sink, N: BorrowMut<u64>> Framed<S, N> {
    pub(super) fn new(sink: S, sent: N, chunked: bool) -> Framed<S, N> {
        Framed {
            sink,
            sent,
            chunked,
            frame: Vec::new(),
        }
    }

    /// Sends the end of the body, and all that was kept back.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.frame.clear();
        if self.chunked {
            chunk::finish(&mut self.frame);
        }
        self.sink.finish(&self.frame)
    }

    /// Returns bytes that may be sent between two pieces and mean nothing. RFC 9112 §7.1: `chunk-size = 1*HEXDIG`, so
    /// the next one may begin with a zero, and `last-chunk = 1*("0") [ chunk-ext ] CRLF` as well.
    fn filler(&self) -> &'static [u8] {
        if self.chunked { b"0" } else { b"" }
    }
}

impl<S: Sink, N: BorrowMut<u64>> Sink for Framed<S, N> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.chunked {
            self.frame.clear();
            chunk::encode(bytes, &mut self.frame);
            self.sink.send(&self.frame)?;
        } else {
            self.sink.send(bytes)?;
        }
        *self.sent.borrow_mut() += bytes.len() as u64;
        Ok(())
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let is_taken = if self.chunked {
            self.frame.clear();
            chunk::encode(bytes, &mut self.frame);
            self.sink.gather(&self.frame)?
        } else {
            self.sink.gather(bytes)?
        };
        if is_taken {
            *self.sent.borrow_mut() += bytes.len() as u64;
        }
        Ok(is_taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn is_open(&self) -> bool {
        self.sink.wait(Duration::ZERO, self.filler())
    }

    fn wait(&self, time: Duration, _: &[u8]) -> bool {
        self.sink.wait(time, self.filler())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BodyWriter;
    use std::io::Write;

    struct Client(Vec<u8>);

    impl Sink for Client {
        fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
        fn is_open(&self) -> bool {
            true
        }
    }

    fn poured(source: Source, chunked: bool) -> (String, io::Result<()>) {
        let mut client = Client(Vec::new());
        let mut sent = 0;
        let outcome = pour(source, chunked, &mut client, &mut sent);
        assert!(chunked || sent == client.0.len() as u64);
        (String::from_utf8(client.0).unwrap(), outcome)
    }

    fn written(len: Option<u64>, write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static) -> Source {
        let write = Box::new(write);
        Source::new(Written::Stream { write, len })
    }

    fn stream() -> Source {
        written(None, |client| {
            write!(client, "{}-", 1)?;
            client.write_all(b"two")
        })
    }

    #[test]
    fn a_stream_is_sent_write_by_write() {
        assert_eq!(poured(stream(), true).0, "2\r\n1-\r\n3\r\ntwo\r\n0\r\n\r\n");
        assert_eq!(poured(stream(), false).0, "1-two");
    }

    #[test]
    fn a_reader_is_sent_to_its_end_or_to_its_announced_length() {
        let reader = |len| {
            let reader = Box::new(&b"abcdef"[..]);
            Source::new(Written::Reader { reader, len })
        };
        assert_eq!(poured(reader(None), true).0, "6\r\nabcdef\r\n0\r\n\r\n");
        assert_eq!(poured(reader(Some(4)), false).0, "abcd");
        let (sent, outcome) = poured(reader(Some(9)), false);
        assert_eq!(sent, "abcdef");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_stream_of_known_length_writes_exactly_that() {
        let two = |len| {
            poured(
                written(Some(len), |client| write!(client, "one ").and(write!(client, "two"))),
                false,
            )
        };
        let (sent, outcome) = two(7);
        assert_eq!((&*sent, outcome.is_ok()), ("one two", true));
        let (sent, outcome) = two(8);
        assert_eq!(sent, "one two");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (sent, outcome) = two(6);
        assert_eq!(sent, "one ", "nothing of a piece that is too long");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let stubborn = written(Some(3), |client| {
            let _ = client.write_all(b"more");
            let _ = client.write_all(b"one");
            Ok(())
        });
        let (sent, outcome) = poured(stubborn, false);
        assert_eq!((&*sent, outcome.is_err()), ("", true), "who ignores the error, too");
    }

    #[test]
    fn a_stream_that_fails_has_no_end() {
        let failing = written(None, |client| {
            client.write_all(b"x")?;
            Err(io::Error::other("no more"))
        });
        let (sent, outcome) = poured(failing, true);
        assert_eq!(sent, "1\r\nx\r\n");
        assert!(outcome.is_err());
    }
}
