//! Headers that come at most once: RFC 9110 §5.3.

use std::fmt;

use http::StatusCode;

use super::{Request, lists};

/// The error of a header that does not have one value, or not one that is text. Its response is 400.
///
/// ```
/// use hansel::{App, HeaderError, Request, Routes, test::Client};
///
/// fn tenant(request: &Request) -> Result<String, HeaderError> {
///     Ok(request.single_header("X-Tenant")?.unwrap_or("nobody").to_owned())
/// }
///
/// let client = Client::new(App::new(Routes::new().get("/", tenant)));
/// let request = Request::get("/").with_header("X-Tenant", "hansel");
/// assert_eq!(client.send(request).text(), "hansel");
///
/// let request = Request::get("/").with_header("X-Tenant", "hansel").with_header("X-Tenant", "gretel");
/// let response = client.send(request);
/// assert_eq!((response.status().as_u16(), response.text()), (400, "the header `X-Tenant` comes more than once"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderError {
    name: Box<str>,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Problem {
    Repeated,
    NotText,
}

impl HeaderError {
    fn new(name: &str, problem: Problem) -> HeaderError {
        HeaderError {
            name: name.into(),
            problem,
        }
    }

    /// Returns the name of the header, as it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if the header comes more than once, and false if its value is not UTF-8.
    pub fn is_repeated(&self) -> bool {
        self.problem == Problem::Repeated
    }

    /// Returns the status of the response that the error becomes.
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.problem {
            Problem::Repeated => write!(f, "the header `{name}` comes more than once"),
            Problem::NotText => write!(f, "the value of the header `{name}` is not UTF-8"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// Returns the value of a header that comes at most once.
pub(super) fn single<'r>(request: &'r Request, name: &str) -> Result<Option<&'r [u8]>, HeaderError> {
    let mut lines = lists::lines(request, name);
    match (lines.next(), lines.next()) {
        (value, None) => Ok(value),
        // RFC 9110 §5.3: "a sender MUST NOT generate multiple field lines with the same name in a message [..] unless
        // that field's definition allows multiple field line values to be recombined as a comma-separated list".
        (_, Some(_)) => Err(HeaderError::new(name, Problem::Repeated)),
    }
}

/// Returns the same as text.
pub(super) fn single_text<'r>(request: &'r Request, name: &str) -> Result<Option<&'r str>, HeaderError> {
    let text = single(request, name)?.map(std::str::from_utf8).transpose();
    text.map_err(|_| HeaderError::new(name, Problem::NotText))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_one_value_or_none_and_two_are_an_error_even_if_they_are_the_same() {
        let none = Request::get("/");
        assert_eq!(none.single_header("X-Id"), Ok(None));
        let one = none.with_header("x-id", "").with_header("X-Ids", "7");
        assert_eq!(one.single_header("X-Id"), Ok(Some("")));
        let two = one.with_header("X-ID", "");
        let error = two.single_header("X-Id").unwrap_err();
        assert!(error.is_repeated() && error.name() == "X-Id");
        assert_eq!(two.single_header_bytes("X-Id"), Err(error));
        assert_eq!(two.header("X-Id"), Some(""), "the first");
    }

    #[test]
    fn octets_that_are_no_text_are_a_value_of_octets_only() {
        let request = Request::get("/").with_header("X-Name", b"H\xE4nsel");
        assert_eq!(request.single_header_bytes("X-Name"), Ok(Some(&b"H\xE4nsel"[..])));
        let error = request.single_header("X-Name").unwrap_err();
        assert!(!error.is_repeated());
        assert_eq!(error.to_string(), "the value of the header `X-Name` is not UTF-8");
    }

    #[test]
    fn a_handler_that_passes_the_error_on_responds_with_400() {
        let error = HeaderError::new("X-Id", Problem::Repeated);
        let passed_on = crate::Error::from(error.clone());
        assert_eq!(
            (passed_on.status(), passed_on.to_string()),
            (error.status(), error.to_string())
        );
    }
}
