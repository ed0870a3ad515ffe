//! JSON, as argument and as response.

use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{extractor, refusal};
use crate::{Body, Error, IntoResponse, Request, Response};

/// As an argument, the body of a request, JSON, read as a `T`. As a response, the JSON of a `T`.
///
/// A body of another content type is answered with 415, one that is no JSON with 400, and JSON that is no
/// `T` with 422, with the reason.
///
/// Requires the feature `json`.
///
/// ```
/// use hansel::{Json, Routes};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize)]
/// struct Point { x: i32, y: i32 }
///
/// fn mirror(Json(point): Json<Point>) -> Json<Point> {
///     Json(Point { x: point.y, y: point.x })
/// }
///
/// let routes = Routes::new().post("/mirror", mirror);
/// # use hansel::{Application, Request};
/// # let app = hansel::App::new(routes);
/// # let send = |kind: &str, body: &str| {
/// #     app.call(&Request::post("/mirror").with_header("Content-Type", kind).with_body(body))
/// # };
/// # let response = send("application/json; charset=utf-8", r#"{"x":1,"y":2}"#);
/// # assert_eq!(response.body().bytes(), Some(&br#"{"x":2,"y":1}"#[..]));
/// # assert_eq!(send("application/vnd.api+json", r#"{"x":1,"y":2}"#).status(), 200);
/// # assert_eq!(send("application/json", "\u{feff}{\"x\":1,\"y\":2}").status(), 200);
/// # assert_eq!(send("application/json", "{").status(), 400);
/// # assert_eq!(send("application/json", r#"{"x":1}"#).status(), 422);
/// # assert_eq!(send("text/plain", r#"{"x":1,"y":2}"#).status(), 415);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

extractor!([T: DeserializeOwned] Json<T>, json);

fn json<T: DeserializeOwned>(request: &Request) -> Result<Json<T>, Response> {
    let sent = request.header("Content-Type").unwrap_or("");
    if !is_json(sent) {
        let reason = format!("expected application/json, not `{sent}`");
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON", reason));
    }
    let bytes = request.bytes().map_err(IntoResponse::into_response)?;
    // RFC 8259 §8.1: "implementations that parse JSON texts MAY ignore the presence of a byte order mark rather than
    // treating it as an error". Editors and proxies of Windows send one.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map(Json).map_err(|error| {
        let status = match error.classify() {
            Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
        };
        refusal(status, "JSON", error)
    })
}

/// `application/json`, and what ends in `+json` (RFC 6839 §3.1).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => Response::new(Body::json(json)),
            Err(error) => Error::from(error).into_response(),
        }
    }
}
