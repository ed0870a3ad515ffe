//! The writer of the body of a response that has begun before its handler has returned.

use std::fmt;
use std::io::{self, Write};

use super::sink::send_formatted;

/// Writes the body of a response that has begun while its handler runs: see
/// [`Request::respond_now`](crate::Request::respond_now).
///
/// It belongs to the call. It may be given to another thread, but once the handler has returned it writes nothing more.
/// [`finish`](ResponseWriter::finish) completes the body; if it is dropped instead, or the handler returns first, the
/// connection is closed early, so that the client does not mistake a part for the whole.
#[must_use = "without `finish` the response is incomplete"]
pub struct ResponseWriter {
    answer: Box<dyn Answer>,
    /// Collects the pieces of one `write!`.
    line: Vec<u8>,
}

/// The way of a body from its writer to its client.
pub(crate) trait Answer: Send {
    /// Sends all of `bytes`, waiting for the client.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Keeps all of `bytes` if that is possible without waiting. Returns false if nothing was taken.
    fn gather(&mut self, bytes: &[u8]) -> io::Result<bool>;
    /// Sends what was gathered, the head for one.
    fn flush(&mut self) -> io::Result<()>;
    /// Completes the body.
    fn finish(&mut self) -> io::Result<()>;
    /// Returns true if sending could still succeed.
    fn is_open(&self) -> bool;
}

impl ResponseWriter {
    pub(crate) fn new(answer: impl Answer + 'static) -> ResponseWriter {
        ResponseWriter {
            answer: Box::new(answer),
            line: Vec::new(),
        }
    }

    /// Writes all of `bytes` if that needs no waiting: pieces that come quickly are gathered, and leave together soon.
    /// Returns false if nothing was written; then `write_all` does it, and may wait for the client. For whoever holds a lock
    /// that should not be held over such a wait.
    ///
    /// ```
    /// use std::io::Write;
    /// use std::sync::Mutex;
    ///
    /// use hansel::{App, Request, Response};
    /// use hansel::test::Client;
    ///
    /// let names = Mutex::new(vec!["Hansel", "Gretel"]);
    /// let app = App::new(move |request: &Request| {
    ///     let mut body = request.respond_now(Response::default(), None)?;
    ///     for index in 0.. {
    ///         let names = names.lock().unwrap();
    ///         let Some(name) = names.get(index).copied() else { break };
    ///         if !body.try_write(name.as_bytes())? {
    ///             drop(names);
    ///             body.write_all(name.as_bytes())?;
    ///         }
    ///     }
    ///     body.finish()
    /// });
    /// assert_eq!(Client::new(app.responds_early()).get("/").text(), "HanselGretel");
    /// ```
    ///
    /// # Errors
    /// Returns an error where `write` would: if the client is gone, the server stops, or the handler has returned.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Ok(true);
        }
        self.answer.gather(bytes)
    }

    /// Completes the response. What the handler returns after that is dropped.
    ///
    /// # Errors
    /// Returns an error if the client is gone or too slow, if fewer bytes were written than announced, if a write has
    /// failed before, or if the handler has returned.
    pub fn finish(mut self) -> io::Result<()> {
        self.answer.finish()
    }

    /// Returns true if the client is still connected, as far as is known, and the call is not over: see
    /// [`BodyWriter::is_open`](crate::BodyWriter::is_open).
    pub fn is_open(&self) -> bool {
        self.answer.is_open()
    }
}

impl Write for ResponseWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.answer.send(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Sends what was gathered. Without this call it is sent soon, too.
    fn flush(&mut self) -> io::Result<()> {
        self.answer.flush()
    }

    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
        send_formatted(&mut self.line, arguments, |line| self.answer.send(line))
    }
}

impl fmt::Debug for ResponseWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseWriter")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}
