//! Query strings as arguments.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::{FromRequest, refusal, urlencoded};
use crate::{Error, IntoResponse, Request, Response};

/// The query of a request, read as a `T`: a field is the value with its name, a `Vec` has all values with its name.
///
/// The response to a query that is not a `T` is 400 with the reason, and so it is with more than 10,000 values for one
/// `T`. Names that `T` does not have are ignored, unless it has `#[serde(deny_unknown_fields)]`. A `bool` is true for
/// `true`, `on`, `1` and for its name alone. An `Option` is `None` if the value is empty. A `Vec` of pairs gets all
/// pairs in order, and a flattened struct is read like any other.
///
/// Requires the feature `query`.
///
/// ```
/// use hansel::{Query, Routes};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Search { q: String, page: Option<u32> }
///
/// fn search(Query(search): Query<Search>) -> String {
///     format!("{} on page {}", search.q, search.page.unwrap_or(1))
/// }
///
/// let routes = Routes::new().get("/search", search);
/// # use hansel::{Application, Request};
/// # let app = hansel::App::new(routes);
/// # assert_eq!(app.call(&Request::get("/search?q=x")).body().bytes(), Some(&b"x on page 1"[..]));
/// # assert_eq!(app.call(&Request::get("/search?q=x&page=&utm=1&utm=2")).status(), 200);
/// # let wrong = app.call(&Request::get("/search?q=x&page=y"));
/// # assert_eq!(wrong.status(), 400);
/// # assert_eq!(wrong.body().bytes(), Some(&b"query: `page`: `y` is not a u32"[..]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart: `Query(value): Query<T>`"
)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<Query<T>, Error> {
        urlencoded::read(request.query_pairs())
            .map(Query)
            .map_err(|problem| refusal(StatusCode::BAD_REQUEST, "query", problem))
    }

    /// Returns `None` if the target has no `?`.
    fn optional(request: &Request) -> Result<Option<Query<T>>, Response> {
        if request.query().is_none() {
            return Ok(None);
        }
        Query::from_request(request)
            .map(Some)
            .map_err(IntoResponse::into_response)
    }
}
