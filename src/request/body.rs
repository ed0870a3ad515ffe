//! The body of a request: complete before the handler starts, or read as it arrives.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use hansel_proto::Span;
use http::StatusCode;

use crate::lock::try_lock;

/// The place where the content of a request is.
#[derive(Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    /// In the connection's buffer, right after the head.
    Buffered(Span),
    /// Collected elsewhere: it was chunked, or came from no connection.
    Collected,
    /// Still arriving. An owned body has it as well.
    Live(Arc<Mutex<Box<dyn LiveBody>>>),
}

/// A body that is read from its connection while the handler runs.
pub(crate) trait LiveBody: Send + 'static {
    /// Waits for content, unless some is available. If there is none afterwards, the body is over. A body of more than
    /// `most` bytes is too large, for this call.
    fn await_content(&mut self, most: u64) -> Result<(), BodyError>;

    /// Returns how many bytes the body has at least: those that are announced, or that have arrived.
    fn len_at_least(&self) -> u64;

    /// Returns true if all of it has arrived and was consumed.
    fn is_at_end(&mut self) -> bool;

    /// Returns the available content.
    fn content(&self) -> &[u8];

    /// Consumes that many bytes of the available content.
    fn consume(&mut self, amount: usize);

    /// Returns the trailer section, once the end was reached.
    fn trailers(&mut self) -> Vec<u8>;

    /// Returns this as what it was before it was a body.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Everything that a request knows about its body.
#[derive(Default)]
pub(crate) struct RequestBody {
    pub(crate) content: Content,
    /// The content of [`Content::Collected`]. Its memory is reused by the connection's next requests.
    pub(crate) collected: Vec<u8>,
    /// Where the trailer section is in the connection's buffer.
    pub(crate) trailers: Span,
    /// The position of readers in content that has arrived.
    position: Cell<usize>,
    /// A live body that was read as a whole, or what has replaced the body.
    whole: OnceCell<Vec<u8>>,
    is_replaced: Cell<bool>,
    /// The trailer section of a live body that was read to its end.
    late_trailers: OnceCell<Vec<u8>>,
    /// The largest body that may be read.
    pub(crate) limit: BodyLimit,
}

/// The limit of the body of a request: that of the server, or of the route that is being taken.
pub(crate) struct BodyLimit {
    most: Cell<u64>,
    /// True if the body may be larger than that, so an endpoint must check it before it is called.
    is_open: Cell<bool>,
    of_server: u64,
}

impl Default for BodyLimit {
    fn default() -> BodyLimit {
        BodyLimit::of_server(u64::MAX)
    }
}

impl BodyLimit {
    pub(crate) fn of_server(most: u64) -> BodyLimit {
        BodyLimit {
            most: Cell::new(most),
            is_open: Cell::new(false),
            of_server: most,
        }
    }

    pub(crate) fn of_server_bytes(&self) -> u64 {
        self.of_server
    }

    /// Notes that the body may be larger than the limit.
    pub(crate) fn open(&self) {
        self.is_open.set(true);
    }

    /// Sets the limit of a route. Returns what [`restore`](BodyLimit::restore) sets again.
    pub(crate) fn set(&self, most: u64) -> (u64, bool) {
        (self.most.replace(most), self.is_open.replace(true))
    }

    pub(crate) fn restore(&self, (most, is_open): (u64, bool)) {
        self.most.set(most);
        self.is_open.set(is_open);
    }

    fn reset(&self) {
        self.restore((self.of_server, false));
    }
}

impl RequestBody {
    pub(crate) fn clear(&mut self) {
        self.content = Content::Empty;
        self.collected.clear();
        self.position.set(0);
        self.whole.take();
        self.is_replaced.set(false);
        self.trailers = Span::default();
        self.late_trailers.take();
        self.limit.reset();
    }

    /// Returns true if the body may be larger than its limit.
    #[inline]
    pub(crate) fn needs_check(&self) -> bool {
        self.limit.is_open.get()
    }

    /// Returns the length of the body as far as it is known, and the limit, if it is known to be larger than that.
    pub(crate) fn exceeded(&self) -> Option<(u64, u64)> {
        let len = match &self.content {
            Content::Empty => 0,
            Content::Buffered(span) => span.len() as u64,
            Content::Collected => self.collected.len() as u64,
            // While it is being read, its reader finds out.
            Content::Live(live) => try_lock(live).map_or(0, |live| live.len_at_least()),
        };
        let most = self.limit.most.get();
        (len > most).then_some((len, most))
    }

    /// Returns the trailer section, if the body was read to its end.
    pub(super) fn trailers<'r>(&'r self, head_and_body: &'r [u8]) -> &'r [u8] {
        match self.late_trailers.get() {
            Some(late) => late,
            None => self.trailers.of(head_and_body),
        }
    }

    /// Returns the whole content, waiting for it if needed.
    pub(super) fn bytes<'r>(&'r self, head_and_body: &'r [u8]) -> Result<&'r [u8], BodyError> {
        if let Some(here) = self.here(head_and_body) {
            return Ok(here);
        }
        let mut live = self.live()?;
        let mut whole = Vec::new();
        loop {
            self.await_content(&mut live)?;
            let content = live.content();
            if content.is_empty() {
                break;
            }
            whole.extend_from_slice(content);
            let taken = content.len();
            live.consume(taken);
        }
        Ok(self.whole.get_or_init(|| whole))
    }

    /// Returns the whole content, unless it is still arriving.
    pub(super) fn here<'r>(&'r self, head_and_body: &'r [u8]) -> Option<&'r [u8]> {
        match (&self.content, self.whole.get()) {
            (_, Some(whole)) => Some(whole),
            (Content::Empty, None) => Some(&[]),
            (Content::Buffered(span), None) => Some(span.of(head_and_body)),
            (Content::Collected, None) => Some(&self.collected),
            (Content::Live(_), None) => None,
        }
    }

    /// Makes `content` the body, which readers read from its beginning.
    pub(super) fn replace(&self, content: Vec<u8>) -> Result<(), BodyError> {
        if let Content::Live(live) = &self.content {
            let _unused = try_lock(live).ok_or(BodyError::InUse)?;
        }
        self.whole.set(content).map_err(|_| BodyError::InUse)?;
        self.position.set(0);
        self.is_replaced.set(true);
        Ok(())
    }

    #[cfg(feature = "tower")]
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced.get()
    }

    /// Returns the live body, which has one reader at a time.
    fn live(&self) -> Result<MutexGuard<'_, Box<dyn LiveBody>>, BodyError> {
        match &self.content {
            Content::Live(live) => try_lock(live).ok_or(BodyError::InUse),
            _ => Err(BodyError::InUse),
        }
    }

    /// Returns the content that has arrived and is not read, unless it is still arriving.
    pub(super) fn unread<'r>(&'r self, head_and_body: &'r [u8]) -> Option<&'r [u8]> {
        let here = self.here(head_and_body)?;
        Some(here.get(self.position.get()..).unwrap_or(&[]))
    }

    /// Returns the largest body that may be read.
    pub(super) fn most(&self) -> u64 {
        self.limit.most.get()
    }

    /// Returns true if all of it has arrived, and was read if it had to be.
    pub(super) fn is_whole(&self) -> bool {
        match &self.content {
            Content::Live(live) => try_lock(live).is_some_and(|mut live| live.is_at_end()),
            _ => true,
        }
    }

    fn await_content(&self, live: &mut Box<dyn LiveBody>) -> Result<(), BodyError> {
        live.await_content(self.limit.most.get())?;
        if live.content().is_empty() {
            self.late_trailers.get_or_init(|| live.trailers());
        }
        Ok(())
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Empty => f.write_str("empty"),
            Content::Buffered(span) => write!(f, "{} bytes", span.len()),
            Content::Collected => write!(f, "{} bytes", self.collected.len()),
            Content::Live(_) => f.write_str("still arriving"),
        }
    }
}

/// The error for a body that could not be read. Each variant names the status of the response that it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is larger than [`Limits::body`](field@crate::Limits::body), or than the
    /// [limit](crate::RouteLimits::body) of the route (413).
    TooLarge,
    /// The body did not arrive in time (408).
    TimedOut,
    /// The client closed the connection before the body was complete (400).
    Disconnected,
    /// The framing of the body is invalid (400); the refusal names the rule.
    Malformed(hansel_proto::Refusal),
    /// The body is not UTF-8, and text was asked for (400).
    NotText,
    /// Another reader of this body is in use further up the stack (500), which is a mistake in the handler.
    InUse,
    /// The server is stopping (503).
    Stopping,
    /// The handler has returned, and this body belongs to its call (500).
    Over,
}

impl BodyError {
    /// Returns the error for the reader of a body that the protocol refuses.
    pub(crate) fn refused(refusal: hansel_proto::Refusal) -> BodyError {
        // RFC 9110 §15.5.14.
        if refusal.status() == 413 {
            BodyError::TooLarge
        } else {
            BodyError::Malformed(refusal)
        }
    }

    /// Returns the status of the response that the error becomes.
    pub fn status(self) -> StatusCode {
        match self {
            // RFC 9110 §15.5.14.
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            // RFC 9110 §15.5.9.
            BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
            BodyError::Disconnected | BodyError::NotText => StatusCode::BAD_REQUEST,
            BodyError::Malformed(refusal) => StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST),
            BodyError::InUse | BodyError::Over => StatusCode::INTERNAL_SERVER_ERROR,
            BodyError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => f.write_str("the body is larger than the server accepts"),
            BodyError::TimedOut => f.write_str("the body did not arrive in time"),
            BodyError::Disconnected => f.write_str("the client left before its body was complete"),
            BodyError::Malformed(refusal) => refusal.fmt(f),
            BodyError::NotText => f.write_str("the body is not UTF-8"),
            BodyError::InUse => f.write_str("the body is being read by another reader"),
            BodyError::Stopping => f.write_str("the server is stopping"),
            BodyError::Over => f.write_str("the handler has returned"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        let kind = match error {
            BodyError::TimedOut => io::ErrorKind::TimedOut,
            BodyError::Disconnected => io::ErrorKind::UnexpectedEof,
            BodyError::TooLarge => io::ErrorKind::FileTooLarge,
            BodyError::Malformed(_) | BodyError::NotText => io::ErrorKind::InvalidData,
            BodyError::InUse => io::ErrorKind::ResourceBusy,
            BodyError::Stopping | BodyError::Over => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}

/// Reads the body of a request as it arrives: see [`Request::body`](crate::Request::body).
///
/// It is buffered, so lines can be read without a [`BufReader`](io::BufReader) around it, and
/// [`fill_buf`](BufRead::fill_buf) copies nothing. While content of a body that is still arriving is looked at, no other
/// reader can read it ([`BodyError::InUse`]): until the content is [consumed](BufRead::consume) or this reader is dropped.
pub struct BodyReader<'r> {
    body: &'r RequestBody,
    head_and_body: &'r [u8],
    /// The live body, while a reader looks at its content.
    live: Option<MutexGuard<'r, Box<dyn LiveBody>>>,
}

impl<'r> BodyReader<'r> {
    pub(super) fn new(body: &'r RequestBody, head_and_body: &'r [u8]) -> BodyReader<'r> {
        BodyReader {
            body,
            head_and_body,
            live: None,
        }
    }

    /// Writes everything that is left of the body to `writer`, and returns the number of bytes.
    ///
    /// It does what [`io::copy`] does, with writes of up to 256 KiB instead of 8 KiB, and without a copy in between: an upload
    /// of 200 MB to a file takes half the processor time.
    ///
    /// ```
    /// use hansel::{Request, Routes, test::Client};
    ///
    /// fn upload(request: &Request) -> hansel::Result<String> {
    ///     let mut store = Vec::new(); // or a file
    ///     Ok(format!("{} bytes", request.body().save_to(&mut store)?))
    /// }
    ///
    /// let client = Client::new(Routes::new().post("/", upload));
    /// assert_eq!(client.post("/", vec![0; 300_000]).text(), "300000 bytes");
    /// ```
    ///
    /// # Errors
    /// Returns an error if the body does not arrive as a whole, which is a [`BodyError`] inside, or if writing fails.
    pub fn save_to(&mut self, mut writer: impl Write) -> io::Result<u64> {
        let mut written = 0;
        loop {
            let content = self.fill_buf()?;
            if content.is_empty() {
                return Ok(written);
            }
            writer.write_all(content)?;
            let n = content.len();
            written += n as u64;
            self.consume(n);
        }
    }
}

impl BufRead for BodyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(here) = self.body.here(self.head_and_body) {
            return Ok(here.get(self.body.position.get()..).unwrap_or(&[]));
        }
        self.live = None;
        let mut live = self.body.live()?;
        self.body.await_content(&mut live)?;
        Ok(self.live.insert(live).content())
    }

    fn consume(&mut self, amount: usize) {
        let live = self.live.take();
        if let Some(here) = self.body.here(self.head_and_body) {
            let position = &self.body.position;
            position.set(here.len().min(position.get().saturating_add(amount)));
        } else if let Some(mut live) = live.or_else(|| self.body.live().ok()) {
            live.consume(amount);
        }
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let content = self.fill_buf()?;
        let n = content.len().min(into.len());
        into[..n].copy_from_slice(&content[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl fmt::Debug for BodyReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BodyReader").field(self.body).finish()
    }
}
