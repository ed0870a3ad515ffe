//! The types that a handler may return.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use http::StatusCode;

use super::{Body, Response, reason};
use crate::{BodyError, HeaderError};

/// Types that a handler can return.
///
/// | returned | response |
/// |---|---|
/// | `&'static str`, `String`, `Cow<'static, str>` | 200, text |
/// | `&'static [u8]`, `Vec<u8>`, `Arc<[u8]>` | 200, octets |
/// | [`Html`] | 200, a page |
/// | [`Body`] | 200 |
/// | `()` | 204 |
/// | [`StatusCode`] | that status, its name as the text |
/// | `(StatusCode, T)` | as `T`, with that status |
/// | `Option<T>` | as `T`; 404 for `None` |
/// | `Result<T, E>` | as `T` or as `E`: use `?`, with [`hansel::Result`](crate::Result) for any error |
/// | [`Response`] | itself |
///
/// ```
/// use hansel::{IntoResponse, StatusCode};
///
/// fn person(id: u32) -> Option<String> {
///     (id == 7).then(|| "Gretel".to_owned())
/// }
///
/// assert_eq!(person(7).into_response().status(), 200);
/// assert_eq!(person(8).into_response().status(), 404);
/// assert_eq!((StatusCode::CREATED, "made").into_response().status(), 201);
/// ```
///
/// [`Response::new`] makes a response of any of these, to add a header.
///
/// A type of your own can implement it:
///
/// ```
/// use hansel::{IntoResponse, Response};
///
/// struct Xml(String);
///
/// impl IntoResponse for Xml {
///     fn into_response(self) -> Response {
///         Response::new(self.0).with_header("Content-Type", "application/xml")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a response",
    label = "a handler can't return this",
    note = "a handler can return text, bytes, a `StatusCode`, `Html`, `Body`, `Response`, an `Option` or `Result` of them, or any type that implements `hansel::IntoResponse`",
    note = "to send a value as JSON, return it in a `hansel::Json`, with `#[derive(serde::Serialize)]` on its type and hansel's feature `json`",
    note = "if it is a future: a handler is not `async`, it may block"
)]
pub trait IntoResponse {
    /// What maps and trails say behind the name of a function that returns it, if it lasts: a subscription to a topic, or a
    /// socket.
    #[doc(hidden)]
    const LASTS: &'static str = "";

    /// Converts the value into a response.
    fn into_response(self) -> Response;
}

/// A page: a text that is sent as `text/html`.
///
/// ```
/// use hansel::{Html, Response};
///
/// let response = Response::new(Html("<h1>Hansel</h1>"));
/// assert_eq!(response.header("Content-Type"), Some("text/html; charset=utf-8"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is written around a text: `Html(text)`")]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        Response::of(self.0.into()).with_header("Content-Type", "text/html; charset=utf-8")
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default().with_status(StatusCode::NO_CONTENT)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(reason(self)).with_status(self)
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    const LASTS: &'static str = T::LASTS;

    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    const LASTS: &'static str = T::LASTS;

    fn into_response(self) -> Response {
        self.map_or_else(|| StatusCode::NOT_FOUND.into_response(), T::into_response)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    const LASTS: &'static str = T::LASTS;

    fn into_response(self) -> Response {
        self.map_or_else(E::into_response, T::into_response)
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        Response::new(self.to_string()).with_status(self.status())
    }
}

impl IntoResponse for HeaderError {
    fn into_response(self) -> Response {
        Response::new(self.to_string()).with_status(self.status())
    }
}

macro_rules! bodies {
    ($($body:ty),*) => {$(
        impl IntoResponse for $body {
            #[inline]
            fn into_response(self) -> Response {
                Response::of(self.into())
            }
        }
    )*};
}

bodies!(
    Body,
    &'static str,
    String,
    Cow<'static, str>,
    &'static [u8],
    Vec<u8>,
    Arc<[u8]>
);

impl<const N: usize> IntoResponse for &'static [u8; N] {
    fn into_response(self) -> Response {
        Response::of(self.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(returned: impl IntoResponse) -> (u16, Vec<u8>) {
        let response = returned.into_response();
        (response.status().as_u16(), response.body().bytes().unwrap().to_vec())
    }

    #[test]
    fn each_kind_of_response_means_what_the_table_says() {
        assert_eq!(seen("text"), (200, b"text".to_vec()));
        assert_eq!(seen(String::from("text")), (200, b"text".to_vec()));
        assert_eq!(seen(Cow::Borrowed("text")), (200, b"text".to_vec()));
        assert_eq!(seen(vec![0, 255]), (200, vec![0, 255]));
        assert_eq!(seen(b"octets"), (200, b"octets".to_vec()));
        assert_eq!(seen(()), (204, vec![]));
        assert_eq!(seen(StatusCode::IM_A_TEAPOT), (418, b"I'm a teapot".to_vec()));
        assert_eq!(
            seen(StatusCode::PAYLOAD_TOO_LARGE),
            (413, b"Content Too Large".to_vec())
        );
        assert_eq!(seen((StatusCode::ACCEPTED, "later")), (202, b"later".to_vec()));
        assert_eq!(seen(Some("here")), (200, b"here".to_vec()));
        assert_eq!(seen(None::<&str>), (404, b"Not Found".to_vec()));
        assert_eq!(seen(Ok::<_, StatusCode>("fine")), (200, b"fine".to_vec()));
        assert_eq!(seen(Err::<&str, _>(StatusCode::CONFLICT)), (409, b"Conflict".to_vec()));
        assert_eq!(seen(BodyError::TooLarge).0, 413);
    }
}
