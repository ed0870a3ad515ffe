//! The body of a request: whole before the handler starts, or read as it arrives.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io::{self, Read};

use hansel_proto::Span;
use http::StatusCode;

/// Where the content of a request is.
#[derive(Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    /// In the connection's buffer, right behind the head.
    Buffered(Span),
    /// Collected elsewhere: it came chunked, or from no connection at all.
    Collected,
    /// Still arriving.
    Live(RefCell<Box<dyn LiveBody>>),
}

/// A body that is read from its connection while the handler runs.
pub(crate) trait LiveBody: Send {
    /// Waits for content and moves it into `into`; 0 is the end of the body.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyError>;

    /// The trailer section, once the end has been read.
    fn trailers(&mut self) -> Vec<u8>;
}

/// All that a request knows about its body.
#[derive(Default)]
pub(crate) struct RequestBody {
    pub(crate) content: Content,
    /// What [`Content::Collected`] means; its capacity serves the connection's next requests.
    pub(crate) collected: Vec<u8>,
    /// Where the trailer section is in the connection's buffer.
    pub(crate) trailers: Span,
    /// How far readers have come in content that is already here.
    position: Cell<usize>,
    /// A live body that somebody asked for as a whole.
    whole: OnceCell<Vec<u8>>,
    /// The trailer section of a live body that was read to its end.
    late_trailers: OnceCell<Vec<u8>>,
}

impl RequestBody {
    pub(crate) fn clear(&mut self) {
        self.content = Content::Empty;
        self.collected.clear();
        self.position.set(0);
        self.whole.take();
        self.trailers = Span::default();
        self.late_trailers.take();
    }

    /// The trailer section, as far as the body has been read to its end.
    pub(super) fn trailers<'r>(&'r self, head_and_body: &'r [u8]) -> &'r [u8] {
        match self.late_trailers.get() {
            Some(late) => late,
            None => self.trailers.of(head_and_body),
        }
    }

    fn read_live(&self, live: &RefCell<Box<dyn LiveBody>>, into: &mut [u8]) -> Result<usize, BodyError> {
        let mut live = live.try_borrow_mut().map_err(|_| BodyError::InUse)?;
        let n = live.read(into)?;
        if n == 0 && !into.is_empty() {
            self.late_trailers.get_or_init(|| live.trailers());
        }
        Ok(n)
    }

    /// The whole content, waiting for it if need be.
    pub(super) fn bytes<'r>(&'r self, head_and_body: &'r [u8]) -> Result<&'r [u8], BodyError> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        match &self.content {
            Content::Empty => Ok(&[]),
            Content::Buffered(span) => Ok(span.of(head_and_body)),
            Content::Collected => Ok(&self.collected),
            Content::Live(live) => {
                let mut whole = Vec::new();
                let mut piece = [0; 16 * 1024];
                loop {
                    match self.read_live(live, &mut piece)? {
                        0 => break,
                        n => whole.extend_from_slice(&piece[..n]),
                    }
                }
                Ok(self.whole.get_or_init(|| whole))
            }
        }
    }

    pub(super) fn read(&self, head_and_body: &[u8], into: &mut [u8]) -> Result<usize, BodyError> {
        let here = match (&self.content, self.whole.get()) {
            (_, Some(whole)) => whole,
            (Content::Live(live), None) => return self.read_live(live, into),
            (Content::Empty, None) => return Ok(0),
            (Content::Buffered(span), None) => span.of(head_and_body),
            (Content::Collected, None) => &self.collected[..],
        };
        let left = here.get(self.position.get()..).unwrap_or(&[]);
        let n = left.len().min(into.len());
        into[..n].copy_from_slice(&left[..n]);
        self.position.set(self.position.get() + n);
        Ok(n)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.content {
            Content::Empty => "empty",
            Content::Buffered(_) | Content::Collected => "whole",
            Content::Live(_) => "still arriving",
        })
    }
}

/// Why a body could not be read. As an answer it is the status in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than the server takes (413).
    TooLarge,
    /// It did not arrive in time (408).
    TimedOut,
    /// The client went away before all of it had arrived (400).
    Disconnected,
    /// Its framing is broken (400); the text names the rule.
    Malformed(hansel_proto::Refusal),
    /// It is not UTF-8, where text was asked for (400).
    NotText,
    /// A reader of this body is at work further up the stack (500): a mistake in the handler.
    InUse,
    /// The server is about to stop (503).
    Stopping,
}

impl BodyError {
    /// The status that tells the client.
    pub fn status(self) -> StatusCode {
        match self {
            // RFC 9110 §15.5.14.
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            // RFC 9110 §15.5.9.
            BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
            BodyError::Disconnected | BodyError::NotText => StatusCode::BAD_REQUEST,
            BodyError::Malformed(refusal) => StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST),
            BodyError::InUse => StatusCode::INTERNAL_SERVER_ERROR,
            BodyError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => f.write_str("the body is larger than this server takes"),
            BodyError::TimedOut => f.write_str("the body did not arrive in time"),
            BodyError::Disconnected => f.write_str("the client went away before its body was whole"),
            BodyError::Malformed(refusal) => refusal.fmt(f),
            BodyError::NotText => f.write_str("the body is not UTF-8"),
            BodyError::InUse => f.write_str("the body is being read by another reader"),
            BodyError::Stopping => f.write_str("the server is stopping"),
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
            BodyError::Stopping => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}

/// Reads the body of a request from its beginning, as it arrives; see
/// [`Request::body`](crate::Request::body).
#[derive(Debug)]
pub struct BodyReader<'r> {
    pub(super) body: &'r RequestBody,
    pub(super) head_and_body: &'r [u8],
}

impl Read for BodyReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.body.read(self.head_and_body, into)?)
    }
}
