//! A connection that its handler takes over, as a blocking stream.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use http::StatusCode;

use super::body::Kind;
use super::{Body, Response};

/// A connection that no longer speaks HTTP: see [`Response::upgrade`] and [`Response::tunnel`].
///
/// Reading and writing wait for the client. Clones are the same connection, so that one thread can read while another one
/// writes. When the function that was given it returns, the connection is closed, and clones can do nothing any more.
///
/// When the server drains, reading ends with an error of the kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted),
/// and what is written is sent until the grace is over.
pub struct Upgraded(Box<dyn Duplex>);

/// The two directions of a connection.
pub(crate) trait Duplex: Send {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn finish(&mut self) -> io::Result<()>;
    fn set_patience(&mut self, time: Option<Duration>);
    fn another(&self) -> Box<dyn Duplex>;
}

/// What runs on the connection.
pub(crate) type RunFn = Box<dyn FnOnce(Upgraded) -> io::Result<()> + Send>;

/// What a handler has returned to take its connection over.
pub(crate) struct Takeover {
    pub(crate) run: RunFn,
}

impl Upgraded {
    pub(crate) fn new(duplex: Box<dyn Duplex>) -> Upgraded {
        Upgraded(duplex)
    }

    /// Tells the client that nothing more will be sent. It may go on sending.
    ///
    /// # Errors
    /// Returns an error if the client is gone.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.0.finish()
    }

    /// Sets how long reading waits for the client; `None`, as at first, means as long as it takes.
    pub fn set_read_timeout(&mut self, time: impl Into<Option<Duration>>) {
        self.0.set_patience(time.into());
    }
}

impl Read for Upgraded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Upgraded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Does nothing: what is written is sent at once.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Clone for Upgraded {
    fn clone(&self) -> Upgraded {
        Upgraded(self.0.another())
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}

impl Response {
    /// Creates the response that switches to another protocol (RFC 9110 §7.8): when its head, a 101, is sent, `run` has the
    /// connection, on a thread that may block. It needs a place among those that stream, as [`Body::stream`] does, and its
    /// connection is closed when it returns.
    ///
    /// A client that does not ask for this protocol in its Upgrade header gets 426. For WebSockets, use the module
    /// `websocket`: they need no thread.
    ///
    /// Requires the feature `upgrade`.
    ///
    /// ```
    /// use hansel::{Request, Response, Routes, test::Client};
    /// use std::io::{Read, Write};
    ///
    /// fn echo() -> Response {
    ///     Response::upgrade("echo", |mut stream| {
    ///         let mut buffer = [0; 1024];
    ///         loop {
    ///             match stream.read(&mut buffer)? {
    ///                 0 => return Ok(()),
    ///                 n => stream.write_all(&buffer[..n])?,
    ///             }
    ///         }
    ///     })
    /// }
    ///
    /// let client = Client::new(Routes::new().get("/echo", echo));
    /// assert_eq!(client.get("/echo").status(), 426);
    /// let mut stream = client.upgrade(Request::get("/echo").with_header("Upgrade", "echo")).expect("it switches");
    /// stream.write_all(b"hello")?;
    /// let mut back = [0; 5];
    /// stream.read_exact(&mut back)?;
    /// assert_eq!(&back, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn upgrade(protocol: &str, run: impl FnOnce(Upgraded) -> io::Result<()> + Send + 'static) -> Response {
        Response::taking_over(run)
            .with_status(StatusCode::SWITCHING_PROTOCOLS)
            .with_header("Upgrade", protocol)
    }

    /// Creates the response to CONNECT that opens a tunnel (RFC 9110 §9.3.6): when its head, a 200, is sent, `run` has the
    /// connection as that of [`upgrade`](Response::upgrade) does. The response to another method is a 500.
    ///
    /// A handler that takes every method gets CONNECT as well; [`Request::target`](crate::Request::target) is where the
    /// client wants to go. Think twice about where it may.
    ///
    /// Requires the feature `upgrade`.
    pub fn tunnel(run: impl FnOnce(Upgraded) -> io::Result<()> + Send + 'static) -> Response {
        Response::taking_over(run)
    }

    fn taking_over(run: impl FnOnce(Upgraded) -> io::Result<()> + Send + 'static) -> Response {
        Response::new(Body {
            kind: Kind::Takeover(Box::new(Takeover { run: Box::new(run) })),
            content_type: None,
            on_done: None,
        })
    }
}
