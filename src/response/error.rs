//! Any error as a response, which makes `?` work in handlers.

use std::fmt;
use std::io;

use http::StatusCode;

use super::{IntoResponse, Response, chain, status_text};
use crate::BodyError;

/// The result of a handler that can fail, which can use `?` with any error.
///
/// ```
/// fn total(numbers: &str) -> hansel::Result<String> {
///     let mut total = 0;
///     for number in numbers.split('+') {
///         total += number.parse::<i64>()?;
///     }
///     Ok(total.to_string())
/// }
/// # assert_eq!(total("1+2").unwrap(), "3");
/// ```
///
/// It is what `main` returns, too: an error is printed as a sentence, which says for example that another program listens
/// at the address.
///
/// ```no_run
/// use hansel::Server;
///
/// fn main() -> hansel::Result {
///     Ok(Server::bind("127.0.0.1:8080")?.serve(|| "Hello, world!")?)
/// }
/// ```
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error that a handler passes on with `?`. The response is 500, and the error is logged, not sent.
///
/// A [`BodyError`], and an error from [`Error::new`], have a status of their own; then the response has that status and the
/// text of the error.
///
/// It does not implement [`std::error::Error`], because it is converted from every type that does.
///
/// ```
/// use hansel::{Error, IntoResponse, StatusCode};
///
/// fn withdraw(balance: u32, amount: u32) -> hansel::Result<String> {
///     let left = balance.checked_sub(amount).ok_or_else(|| Error::new(StatusCode::CONFLICT, "not enough money"))?;
///     Ok(left.to_string())
/// }
///
/// assert_eq!(withdraw(5, 7).into_response().status(), 409);
/// ```
pub struct Error {
    status: StatusCode,
    source: Source,
}

enum Source {
    /// A message for the client.
    Message(String),
    /// An error for the log.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Creates an error with a status and a text for the client.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Error {
        Error {
            status,
            source: Source::Message(message.into()),
        }
    }

    /// Returns the status of the response that it becomes.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Message(message) => f.write_str(message),
            Source::Internal(error) => error.fmt(f),
        }
    }
}

/// Shows the text and, if the client does not see it, its causes; otherwise, the status. `main` prints the error that it
/// returns so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Message(message) => write!(f, "{}: {message}", status_text(self.status)),
            Source::Internal(error) => f.write_str(&chain(&**error)),
        }
    }
}

/// Any error: of a library, a boxed one, one of `anyhow`, or a text.
impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Error {
    fn from(error: E) -> Error {
        let error = error.into();
        match body_error(&*error) {
            Some(body) => Error::new(body.status(), body.to_string()),
            None => Error {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                source: Source::Internal(error),
            },
        }
    }
}

/// Returns the [`BodyError`] that `error` is, or that an `io::Error` of a body's reader contains.
fn body_error(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<BodyError> {
    let inner = || {
        error
            .downcast_ref::<io::Error>()?
            .get_ref()?
            .downcast_ref::<BodyError>()
    };
    error.downcast_ref::<BodyError>().or_else(inner).copied()
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self.source {
            Source::Message(message) => Response::new(message).with_status(self.status),
            Source::Internal(error) => self.status.into_response().with_failure(error),
        }
    }
}

impl IntoResponse for io::Error {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_is_not_shown_to_the_client() {
        let error = Error::from("x".parse::<u8>().unwrap_err());
        assert_eq!(error.to_string(), "invalid digit found in string");
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.body().bytes(), Some(&b"Internal Server Error"[..]));
    }

    #[test]
    fn an_error_is_printed_with_its_causes_and_no_type() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("can't read the settings")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Error::from(Outer(io::Error::other("disk on fire")));
        assert_eq!(format!("{error:?}"), "can't read the settings; caused by: disk on fire");
        let error = Error::new(StatusCode::CONFLICT, "only 3 left");
        assert_eq!(format!("{error:?}"), "409 Conflict: only 3 left");
        assert_eq!(format!("{:?}", Error::from("plain text")), "plain text");
    }

    #[test]
    fn a_body_that_could_not_be_read_keeps_its_status_through_any_wrapping() {
        assert_eq!(Error::from(BodyError::TooLarge).status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            Error::from(io::Error::from(BodyError::TimedOut)).status(),
            StatusCode::REQUEST_TIMEOUT
        );
        assert_eq!(
            io::Error::from(BodyError::TimedOut).into_response().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}
