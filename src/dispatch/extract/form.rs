//! Forms as arguments.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::{FromRequest, is_bodiless, refusal, urlencoded};
use crate::{Error, IntoResponse, Pairs, Request, Response};

/// The body of a request, a form (`application/x-www-form-urlencoded`), read as a `T`.
///
/// The response is 415 to a body of another content type, and 422 with the reason to a form that is not a `T`. Fields
/// are read like those of a `Query`. The response to more than 10,000 values for one `T` is 413; fields that `T` does
/// not name do not count.
///
/// Requires the feature `form`.
///
/// ```
/// use hansel::{Form, Routes};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Comment { author: String, text: String }
///
/// fn comment(Form(comment): Form<Comment>) -> String {
///     format!("{} says {}", comment.author, comment.text)
/// }
///
/// let routes = Routes::new().post("/comments", comment);
/// # use hansel::{Application, Request};
/// # let app = hansel::App::new(routes);
/// # let form = |kind: &str, body: &str| {
/// #     app.call(&Request::post("/comments").with_header("Content-Type", kind).with_body(body))
/// # };
/// # let urlencoded = "application/x-www-form-urlencoded";
/// # assert_eq!(form(urlencoded, "author=a&text=b").body().bytes(), Some(&b"a says b"[..]));
/// # assert_eq!(form(urlencoded, "author=a").status(), 422);
/// # assert_eq!(form("text/plain", "author=a&text=b").status(), 415);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart: `Form(value): Form<T>`"
)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<Form<T>, Error> {
        const KIND: &str = "application/x-www-form-urlencoded";
        let sent = request.header("Content-Type").unwrap_or("");
        let essence = sent.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case(KIND) {
            let reason = format!("expected {KIND}, not `{essence}`");
            return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "form", reason));
        }
        urlencoded::read(Pairs::of(request.text()?))
            .map(Form)
            .map_err(|problem| {
                let status = match problem {
                    urlencoded::Problem::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                refusal(status, "form", problem)
            })
    }

    /// Returns `None` if the request has neither a Content-Type nor a body.
    fn optional(request: &Request) -> Result<Option<Form<T>>, Response> {
        if is_bodiless(request)? {
            return Ok(None);
        }
        Form::from_request(request)
            .map(Some)
            .map_err(IntoResponse::into_response)
    }
}
