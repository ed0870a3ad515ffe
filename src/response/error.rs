//! Any error as a response, which makes `?` work in handlers.

use std::fmt;
use std::io;
use std::panic::Location;

use hansel_proto::FieldBlock;
use http::StatusCode;

use super::rare::Rare;
use super::{Body, IntoResponse, Response, chain, reason, status_text};
use crate::{BodyError, HeaderError};

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
/// A [`BodyError`], a [`HeaderError`], and an error from [`Error::new`] have a status of their own; then the response has
/// that status and the text of the error.
///
/// It does not implement [`std::error::Error`], because it is converted from every type that does. Where only an
/// [`io::Error`] passes, as through [`io::copy`], it can be one meanwhile, and comes back by `?` with its status.
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
    /// The response's.
    fields: FieldBlock,
    rare: Option<Box<Rare>>,
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
        Error::of(status, Source::Message(message.into()))
    }

    fn of(status: StatusCode, source: Source) -> Error {
        Error {
            status,
            source,
            fields: FieldBlock::new(),
            rare: None,
        }
    }

    /// Sets a header of the response, as [`Response::set_header`] does.
    ///
    /// ```
    /// use hansel::{Error, Response, StatusCode};
    ///
    /// fn bake() -> hansel::Result<&'static str> {
    ///     Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "the oven is full").with_header("Retry-After", "600"))
    /// }
    ///
    /// assert_eq!(Response::new(bake()).header("Retry-After"), Some("600"));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Error {
        if let Err(error) = self.fields.set(name.as_ref(), value.as_ref()) {
            Rare::note_unsendable(&mut self.rare, error.into(), Location::caller());
        }
        self
    }

    /// Adds a member to the JSON that [`problem_details`](crate::problem_details) makes of the error (RFC 9457 §3.2), for
    /// programs to read: a mistake for each field of a form, say. Where errors are sent as text, it is not sent.
    ///
    /// A later member replaces an earlier one of the same name. `type`, `title`, `detail` and `request_id` replace what is
    /// there by default; `status` is always the status of the response. A value that can't be JSON makes the response a 500,
    /// as an [invalid header](Response::set_header) does.
    ///
    /// Requires the feature `json`.
    ///
    /// ```
    /// use hansel::{App, Error, Routes, StatusCode, problem_details, test::Client};
    ///
    /// fn withdraw() -> hansel::Result {
    ///     Err(Error::new(StatusCode::CONFLICT, "not enough money")
    ///         .with_member("type", "https://bank.example/problems/no-money")
    ///         .with_member("balance", 30))
    /// }
    ///
    /// let app = App::new(Routes::new().post("/withdrawals", withdraw)).respond(problem_details());
    /// let problem: serde_json::Value = Client::new(app).post("/withdrawals", "").json();
    /// assert_eq!(problem["type"], "https://bank.example/problems/no-money");
    /// assert_eq!(problem["detail"], "not enough money");
    /// assert_eq!(problem["balance"], 30);
    /// ```
    #[cfg(feature = "json")]
    #[must_use]
    #[track_caller]
    pub fn with_member(mut self, name: impl Into<String>, value: impl serde::Serialize) -> Error {
        let name = name.into();
        match serde_json::to_vec(&value) {
            Ok(json) => {
                let members = &mut self.rare.get_or_insert_default().members;
                members.retain(|member| member.name != name);
                members.push(super::Member { name, json });
            }
            Err(error) => Rare::note_unsendable(&mut self.rare, error.into(), Location::caller()),
        }
        self
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
        if let Some(body) = body_error(&*error) {
            return Error::new(body.status(), body.to_string());
        }
        if let Some(header) = error.downcast_ref::<HeaderError>() {
            return Error::new(header.status(), header.to_string());
        }
        match carried(error) {
            Ok(error) => error,
            Err(error) => Error::of(StatusCode::INTERNAL_SERVER_ERROR, Source::Internal(error)),
        }
    }
}

/// For readers and writers of your own, whose errors have a status.
///
/// ```
/// use std::io;
///
/// use hansel::{Error, StatusCode};
///
/// fn read() -> io::Result<()> {
///     Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "not an image").into())
/// }
///
/// fn handler() -> hansel::Result {
///     Ok(read()?)
/// }
/// # assert_eq!(handler().unwrap_err().status(), 422);
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.status {
            StatusCode::PAYLOAD_TOO_LARGE => io::ErrorKind::FileTooLarge,
            status if status.is_client_error() => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, Carried(error))
    }
}

/// An error within an `io::Error`.
#[derive(Debug)]
struct Carried(Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Source::Message(_) => None,
            Source::Internal(error) => error.source(),
        }
    }
}

/// Returns the [`Error`] that an `io::Error` carries, or else what it is given.
fn carried(
    error: Box<dyn std::error::Error + Send + Sync>,
) -> std::result::Result<Error, Box<dyn std::error::Error + Send + Sync>> {
    let error = error.downcast::<io::Error>()?;
    if !error.get_ref().is_some_and(|inner| inner.is::<Carried>()) {
        return Err(error);
    }
    let inner = error.into_inner().ok_or("an error without its cause")?;
    inner.downcast::<Carried>().map(|carried| carried.0)
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
        let (body, failure) = match self.source {
            Source::Message(message) => (Body::from(message), None),
            Source::Internal(error) => (Body::from(reason(self.status)), Some(error)),
        };
        let response = Response {
            status: self.status,
            fields: self.fields,
            rare: self.rare,
            ..Response::of(body)
        };
        match failure {
            Some(error) => response.with_failure(error),
            None => response,
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
    fn an_error_keeps_its_status_and_its_cause_within_an_io_error() {
        let error = || Error::new(StatusCode::CONFLICT, "only 3 left");
        assert_eq!(io::Error::from(error()).to_string(), "only 3 left");
        let back = Error::from(io::Error::from(error()));
        assert_eq!(
            (back.status(), &*back.to_string()),
            (StatusCode::CONFLICT, "only 3 left")
        );
        let internal = Error::from(io::Error::from(Error::from("x".parse::<u8>().unwrap_err())));
        assert_eq!(internal.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let response = internal.into_response();
        assert_eq!(response.body().bytes(), Some(&b"Internal Server Error"[..]));
        let other = Error::from(io::Error::other("disk on fire"));
        assert_eq!(other.to_string(), "disk on fire");
    }

    #[test]
    fn an_error_keeps_its_headers_within_an_io_error() {
        let error = Error::new(StatusCode::SERVICE_UNAVAILABLE, "later").with_header("Retry-After", "7");
        let response = Error::from(io::Error::from(error)).into_response();
        assert_eq!(response.header("Retry-After"), Some("7"));
        let internal = Error::from("disk on fire")
            .with_header("Retry-After", "8")
            .into_response();
        assert_eq!(
            (internal.status().as_u16(), internal.header("Retry-After")),
            (500, Some("8"))
        );
        assert_eq!(internal.body().bytes(), Some(&b"Internal Server Error"[..]));
    }

    #[test]
    fn an_invalid_header_of_an_error_is_never_sent() {
        let error = Error::new(StatusCode::CONFLICT, "taken").with_header("X-Name", "a\r\nInjected: 1");
        let mut response = error.into_response();
        let logged = response.report_fault(None).unwrap();
        assert!(logged.contains("X-Name") && logged.contains("error.rs"), "{logged}");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
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
