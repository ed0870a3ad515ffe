//! The end of a socket.

use std::fmt;

use hansel_proto::websocket::{CloseCode, Failure};

/// How a socket ended: what its handler for closing is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    cause: CloseCause,
    code: Option<CloseCode>,
    reason: Box<str>,
}

/// Who or what closed a socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseCause {
    /// The client has closed it, in order.
    Client,
    /// The program has, by [`Socket::close`](super::Socket::close).
    Program,
    /// The connection ended without a word, or the client no longer answers.
    Lost,
    /// The client has broken the protocol or a limit.
    Failure,
    /// The client does not take what it is sent.
    Slow,
    /// A handler has failed, panicked, or taken too long.
    Error,
    /// The server stops.
    Drain,
}

impl Closed {
    pub(crate) fn new(cause: CloseCause, code: Option<CloseCode>, reason: &str) -> Closed {
        Closed {
            cause,
            code,
            reason: reason.into(),
        }
    }

    pub(crate) fn lost(reason: &str) -> Closed {
        Closed::new(CloseCause::Lost, None, reason)
    }

    pub(crate) fn failure(failure: Failure) -> Closed {
        Closed::new(CloseCause::Failure, Some(failure.code()), failure.reason())
    }

    pub(crate) fn error(reason: &str) -> Closed {
        Closed::new(CloseCause::Error, Some(CloseCode::ERROR), reason)
    }

    pub(crate) fn slow(reason: &str) -> Closed {
        Closed::new(CloseCause::Slow, Some(CloseCode::TRY_AGAIN), reason)
    }

    pub(crate) fn drain() -> Closed {
        Closed::new(CloseCause::Drain, Some(CloseCode::GOING_AWAY), "the server stops")
    }

    /// Returns who or what closed it.
    pub fn cause(&self) -> CloseCause {
        self.cause
    }

    /// Returns the code of the frame by which it was closed: the client's, or the one that the client was sent. `None` if
    /// the frame had none, or the connection was lost.
    pub fn code(&self) -> Option<CloseCode> {
        self.code
    }

    /// Returns the reason in words, which may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            CloseCause::Client => "closed by the client",
            CloseCause::Program => "closed by the program",
            CloseCause::Lost => "lost",
            CloseCause::Failure => "closed for a mistake of the client",
            CloseCause::Slow => "closed for a client that is too slow",
            CloseCause::Error => "closed for an error of the program",
            CloseCause::Drain => "closed because the server stops",
        })?;
        if let Some(code) = self.code {
            write!(f, ", {code}")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}
