//! The writer that a streamed body is given.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::sink::{Sink, send_formatted};

/// A function that writes a body while it is sent.
pub(crate) type StreamFn = Box<dyn FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send>;

/// Writes the body of a response while it is sent: see [`Body::stream`](crate::Body::stream).
///
/// Each `write` and each `write!` is one chunk, and is sent at once or, if several come quickly, together with the next ones, about
/// a millisecond later at most. [`flush`](Write::flush) sends what was gathered. Put it into a [`BufWriter`](io::BufWriter) to
/// make many small pieces one chunk.
pub struct BodyWriter<'c> {
    sink: &'c mut dyn Sink,
    /// Collects the pieces of one `write!`.
    line: Vec<u8>,
}

impl<'c> BodyWriter<'c> {
    pub(crate) fn new(sink: &'c mut dyn Sink) -> BodyWriter<'c> {
        BodyWriter { sink, line: Vec::new() }
    }

    /// Returns where everything goes.
    pub(super) fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }

    /// Returns true if the client is still connected, as far as is known, and the server is not stopping. It is for loops that
    /// wait long between two writes.
    ///
    /// A client that closes its connection is noticed at once, by this call or the next. Three kinds of clients are noticed only
    /// by TCP keep-alive, within some minutes, or when something is written: those that first announced that they send no more,
    /// as HTTP allows, those of HTTP/1.0, and those that vanish silently. To notice them earlier, write something now and then,
    /// such as a comment line among events.
    pub fn is_open(&self) -> bool {
        self.sink.is_open()
    }

    /// Waits for `time`, or until [`is_open`](BodyWriter::is_open) becomes false, and returns its value then.
    ///
    /// ```
    /// use hansel::Body;
    /// use std::{io::Write, time::Duration};
    ///
    /// let ticks = Body::stream(|client| {
    ///     while client.wait(Duration::from_secs(1)) {
    ///         write!(client, "data: tick\n\n")?;
    ///     }
    ///     Ok(())
    /// });
    /// # let _ = ticks;
    /// ```
    pub fn wait(&self, time: Duration) -> bool {
        self.sink.wait(time, &[])
    }
}

impl Write for BodyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.sink.send(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Sends what was gathered. Without this call it is sent soon, too.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
        send_formatted(&mut self.line, arguments, |line| self.sink.send(line))
    }
}

impl fmt::Debug for BodyWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// Sends what `write` writes, which must be `len` bytes if that is known.
pub(crate) fn write_exactly(write: StreamFn, len: Option<u64>, sink: &mut dyn Sink) -> io::Result<()> {
    let Some(len) = len else {
        return write(&mut BodyWriter::new(sink));
    };
    let mut sized = Sized { sink, left: Some(len) };
    write(&mut BodyWriter::new(&mut sized))?;
    match sized.left {
        Some(0) => Ok(()),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(beyond()),
    }
}

/// The receiver of a stream whose length is known.
struct Sized<'s> {
    sink: &'s mut dyn Sink,
    /// `None` once somebody has tried to write more.
    left: Option<u64>,
}

impl Sink for Sized<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.and_then(|left| left.checked_sub(bytes.len() as u64));
        match self.left {
            Some(_) => self.sink.send(bytes),
            None => Err(beyond()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn is_open(&self) -> bool {
        self.sink.is_open()
    }

    fn wait(&self, time: Duration, filler: &[u8]) -> bool {
        self.sink.wait(time, filler)
    }
}

fn beyond() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the stream has written more than the length that it was made with",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_write_macro_is_sent_as_one() {
        struct Pieces(Vec<Vec<u8>>);
        impl Sink for Pieces {
            fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
                self.0.push(bytes.to_vec());
                Ok(())
            }
            fn is_open(&self) -> bool {
                true
            }
        }
        let mut pieces = Pieces(Vec::new());
        let mut writer = BodyWriter::new(&mut pieces);
        write!(writer, "{} and {}", 1, 2).unwrap();
        write!(writer, "").unwrap();
        writer.write_all(b"three").unwrap();
        assert_eq!(pieces.0, [&b"1 and 2"[..], b"three"]);
    }
}
