//! The part of a response that is not in the send buffer: long bytes, files, readers and streams.

use std::io::{self, Read};
use std::time::Duration;

use hansel_proto::chunk;

use super::COPIED;
use crate::response::{BodyWriter, FilePart, Sink, StreamFn, copy};
use crate::topic::Subscription;

pub(crate) enum Payload {
    None,
    /// Bytes in memory, from `sent` on.
    Bytes {
        bytes: Box<dyn AsRef<[u8]> + Send>,
        sent: usize,
    },
    File(FilePart),
    /// A source that a thread has to send; and whether in chunks.
    Source(Source, bool),
    /// What is sent to a topic; and whether in chunks.
    Pushed(Box<Subscription>, bool),
}

/// A source that is written while it is sent.
pub(crate) enum Source {
    Reader {
        reader: Box<dyn Read + Send>,
        len: Option<u64>,
    },
    Stream(StreamFn),
}

impl Payload {
    /// Appends a short body to `out`, and keeps a long one where it is.
    pub(super) fn of_bytes(bytes: impl AsRef<[u8]> + Send + 'static, out: &mut Vec<u8>) -> Payload {
        if bytes.as_ref().len() <= COPIED {
            out.extend_from_slice(bytes.as_ref());
            Payload::None
        } else {
            Payload::Bytes {
                bytes: Box::new(bytes),
                sent: 0,
            }
        }
    }
}

/// Sends everything that `source` has, then the end of the body. After an error the body is incomplete: the connection
/// must be cut, so that the client does not take it for complete. `sent` counts the content.
pub(crate) fn pour(source: Source, chunked: bool, sink: &mut dyn Sink, sent: &mut u64) -> io::Result<()> {
    let mut framed = Framed {
        sink,
        sent,
        chunked,
        frame: Vec::new(),
    };
    match source {
        Source::Stream(write) => write(&mut BodyWriter::new(&mut framed))?,
        Source::Reader { reader, len } => copy(reader, len, &mut framed)?,
    }
    framed.finish()
}

/// Adds chunk framing to what is sent, if needed.
struct Framed<'s> {
    sink: &'s mut dyn Sink,
    sent: &'s mut u64,
    chunked: bool,
    frame: Vec<u8>,
}

impl Framed<'_> {
    /// Returns bytes that may be sent between two pieces and mean nothing. RFC 9112 §7.1: `chunk-size = 1*HEXDIG`, so
    /// the next one may begin with a zero, and `last-chunk = 1*("0") [ chunk-ext ] CRLF` as well.
    fn filler(&self) -> &'static [u8] {
        if self.chunked { b"0" } else { b"" }
    }

    fn finish(self) -> io::Result<()> {
        if self.chunked {
            let mut last = self.frame;
            last.clear();
            chunk::finish(&mut last);
            self.sink.finish(&last)?;
        }
        Ok(())
    }
}

impl Sink for Framed<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.chunked {
            self.frame.clear();
            chunk::encode(bytes, &mut self.frame);
            self.sink.send(&self.frame)?;
        } else {
            self.sink.send(bytes)?;
        }
        *self.sent += bytes.len() as u64;
        Ok(())
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

    fn stream() -> Source {
        Source::Stream(Box::new(|client| {
            write!(client, "{}-", 1)?;
            client.write_all(b"two")
        }))
    }

    #[test]
    fn a_stream_is_sent_write_by_write() {
        assert_eq!(poured(stream(), true).0, "2\r\n1-\r\n3\r\ntwo\r\n0\r\n\r\n");
        assert_eq!(poured(stream(), false).0, "1-two");
    }

    #[test]
    fn a_reader_is_sent_to_its_end_or_to_its_announced_length() {
        let reader = |len| Source::Reader {
            reader: Box::new(&b"abcdef"[..]),
            len,
        };
        assert_eq!(poured(reader(None), true).0, "6\r\nabcdef\r\n0\r\n\r\n");
        assert_eq!(poured(reader(Some(4)), false).0, "abcd");
        let (sent, outcome) = poured(reader(Some(9)), false);
        assert_eq!(sent, "abcdef");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_stream_that_fails_has_no_end() {
        let failing = Source::Stream(Box::new(|client| {
            client.write_all(b"x")?;
            Err(io::Error::other("no more"))
        }));
        let (sent, outcome) = poured(failing, true);
        assert_eq!(sent, "1\r\nx\r\n");
        assert!(outcome.is_err());
    }
}
