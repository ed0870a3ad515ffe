//! Why a message was not sent.

use std::error::Error;
use std::fmt;

/// Why a message was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendError {
    why: Why,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Why {
    Closed,
    Slow,
    #[cfg(feature = "json")]
    NoJson(String),
}

impl SendError {
    pub(super) fn closed() -> SendError {
        SendError { why: Why::Closed }
    }

    pub(super) fn slow() -> SendError {
        SendError { why: Why::Slow }
    }

    #[cfg(feature = "json")]
    pub(super) fn no_json(error: &serde_json::Error) -> SendError {
        SendError {
            why: Why::NoJson(error.to_string()),
        }
    }

    /// Returns true if the client has not taken what was sent before, so that its socket is closed now.
    pub fn is_slow(&self) -> bool {
        self.why == Why::Slow
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Closed => f.write_str("the socket is closed"),
            Why::Slow => f.write_str("the client is too slow: its socket is closed"),
            #[cfg(feature = "json")]
            Why::NoJson(error) => write!(f, "the value has no JSON: {error}"),
        }
    }
}

impl Error for SendError {}
