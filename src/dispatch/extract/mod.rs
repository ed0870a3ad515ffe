//! Arguments that are read from the request, once the endpoint is final.

mod extension;
#[cfg(feature = "form")]
mod form;
mod from_request;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "query")]
mod query;
mod state;
#[cfg(any(feature = "query", feature = "form"))]
mod urlencoded;

pub use extension::Extension;
#[cfg(feature = "form")]
pub use form::Form;
pub use from_request::FromRequest;
pub(super) use from_request::rejected;
#[cfg(feature = "json")]
pub use json::Json;
#[cfg(feature = "query")]
pub use query::Query;
pub use state::State;

/// Returns the error for a request whose query or body the handler can't take.
#[cfg(any(feature = "query", feature = "form", feature = "json"))]
fn refusal(status: http::StatusCode, what: &str, reason: impl std::fmt::Display) -> crate::Error {
    crate::Error::new(status, format!("{what}: {reason}"))
}

/// Returns whether the request has neither a Content-Type nor a body.
#[cfg(any(feature = "form", feature = "json"))]
fn is_bodiless(request: &crate::Request) -> Result<bool, crate::Response> {
    if request.header_bytes("Content-Type").is_some() {
        return Ok(false);
    }
    let body = request.bytes().map_err(crate::IntoResponse::into_response)?;
    Ok(body.is_empty())
}
