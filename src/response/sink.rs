//! The receiver of the bytes that a stream writes.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

/// The receiver of a stream's bytes.
pub(crate) trait Sink {
    /// Sends all of `bytes`, waiting for the client.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Keeps `bytes`, to be sent with what follows, if that is possible without waiting. Returns false if nothing was taken.
    fn gather(&mut self, _bytes: &[u8]) -> io::Result<bool> {
        Ok(false)
    }
    /// Does what [`send`](Sink::send) does, for what ends a complete body, which may be nothing. It is sent even if no further
    /// piece would be.
    fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.send(bytes) }
    }
    /// Sends what was kept back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Returns true if sending could still succeed.
    fn is_open(&self) -> bool;
    /// Waits up to `time`, as long as sending could still succeed. Returns whether it still could. To find out, it may
    /// send `filler`, which means nothing, once.
    fn wait(&self, time: Duration, _filler: &[u8]) -> bool {
        std::thread::sleep(time);
        self.is_open()
    }
}

/// Sends what one `write!` formats as one piece, by `send`. `line` is the buffer for it.
pub(super) fn send_formatted(
    line: &mut Vec<u8>,
    arguments: fmt::Arguments<'_>,
    send: impl FnOnce(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    line.clear();
    line.write_fmt(arguments)?;
    if line.is_empty() { Ok(()) } else { send(line) }
}

macro_rules! passes_on {
    ($($kind:ty),*) => {$(
        impl<S: Sink + ?std::marker::Sized> Sink for $kind {
            fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
                (**self).send(bytes)
            }

            fn gather(&mut self, bytes: &[u8]) -> io::Result<bool> {
                (**self).gather(bytes)
            }

            fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
                (**self).finish(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                (**self).flush()
            }

            fn is_open(&self) -> bool {
                (**self).is_open()
            }

            fn wait(&self, time: Duration, filler: &[u8]) -> bool {
                (**self).wait(time, filler)
            }
        }
    )*};
}

passes_on!(&mut S, Box<S>);

/// Sends everything that `reader` returns, or exactly `len` bytes of it.
pub(crate) fn copy(mut reader: Box<dyn Read + Send>, len: Option<u64>, sink: &mut dyn Sink) -> io::Result<()> {
    let mut left = len.unwrap_or(u64::MAX);
    let mut piece = vec![0; 32 * 1024];
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match reader.read(&mut piece[..most]) {
            Ok(0) if len.is_some() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(n) => {
                sink.send(&piece[..n])?;
                left -= n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
