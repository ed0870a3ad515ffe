//! JSON as argument and as response.

use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{FromRequest, is_bodiless, refusal};
use crate::{Body, Error, IntoResponse, Request, Response};

/// As an argument, the body of a request, JSON, read as a `T`. As a response, the JSON of a `T`.
///
/// The response is 415 to a body of another content type, 400 to a body that is not JSON, and 422 to JSON that is not a
/// `T`. It says the reason.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart: `Json(value): Json<T>`"
)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<Json<T>, Error> {
        let sent = request.header("Content-Type").unwrap_or("");
        if !is_json(sent) {
            let reason = format!("expected application/json, not `{sent}`");
            return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON", reason));
        }
        let bytes = request.bytes()?;
        // RFC 8259 §8.1: "implementations that parse JSON texts MAY ignore the presence of a byte order mark rather than
        // treating it as an error". Editors and proxies of Windows send one.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(bytes).map(Json).map_err(|error| {
            let status = match error.classify() {
                Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
                Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
            };
            refusal(status, "JSON", without_type_names(&error.to_string()))
        })
    }

    /// Returns `None` if the request has neither a Content-Type nor a body.
    fn optional(request: &Request) -> Result<Option<Json<T>>, Response> {
        if is_bodiless(request)? {
            return Ok(None);
        }
        Json::from_request(request)
            .map(Some)
            .map_err(IntoResponse::into_response)
    }
}

/// Returns what `serde` says of a mistake, without the names of the program's types: they are no business of a client's.
fn without_type_names(text: &str) -> String {
    const KINDS: [(&str, &str); 6] = [
        ("tuple struct ", "an array"),
        ("unit struct ", "null"),
        ("newtype struct ", "another value"),
        ("struct variant ", "an object"),
        ("struct ", "an object"),
        ("enum ", "a variant"),
    ];
    let Some((before, expected)) = text.split_once("expected ") else {
        return text.to_owned();
    };
    let Some((kind, plain)) = KINDS.iter().find(|(kind, _)| expected.starts_with(kind)) else {
        return text.to_owned();
    };
    let name = &expected[kind.len()..];
    let behind = name.find([' ', ',']).map_or("", |end| &name[end..]);
    format!("{before}expected {plain}{behind}")
}

/// Returns whether the type is `application/json`, or ends in `+json` (RFC 6839 §3.1).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_says_so() {
        for kind in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "application/problem+json",
        ] {
            assert!(is_json(kind), "{kind}");
        }
        for kind in [
            "",
            "json",
            "application/xml",
            "image/x+json",
            "application/jsonx",
            "text/json",
        ] {
            assert!(!is_json(kind), "{kind}");
        }
    }

    #[test]
    fn a_mistake_is_told_without_the_names_of_types() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Secret {
            x: u8,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct SecretPair(u8, u8);
        #[derive(Debug, serde::Deserialize)]
        enum SecretKind {
            Known,
        }
        fn told<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
            without_type_names(&serde_json::from_str::<T>(json).unwrap_err().to_string())
        }
        assert_eq!(
            told::<Secret>("3"),
            "invalid type: integer `3`, expected an object at line 1 column 1"
        );
        assert_eq!(
            told::<Secret>("[]"),
            "invalid length 0, expected an object with 1 element at line 1 column 2"
        );
        assert_eq!(told::<Secret>("{}"), "missing field `x` at line 1 column 2");
        assert_eq!(
            told::<SecretPair>("{}"),
            "invalid type: map, expected an array at line 1 column 0"
        );
        for told in [told::<SecretKind>("3"), told::<SecretKind>("\"other\"")] {
            assert!(!told.contains("Secret"), "{told}");
        }
        assert!(matches!(serde_json::from_str("\"Known\""), Ok(SecretKind::Known)));
    }
}
