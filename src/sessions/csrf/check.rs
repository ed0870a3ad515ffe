//! The decision about a request that may be forged.

use super::origin::{Origin, Source};
use super::token::{FIELD, Tokens};
use crate::{Error, IntoResponse, Method, Pairs, Request, Response, Result, StatusCode};

/// The header that has a token.
const HEADER: &str = "X-CSRF-Token";

/// Refuses a request that may be forged.
pub(super) fn check(trusted: &[Origin], request: &Request) -> Result<(), Response> {
    // RFC 9110 §9.2.1: these methods are safe, and do nothing that could be forged.
    if [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(request.method()) {
        return Ok(());
    }
    let source = Source::of(request, trusted);
    if source == Source::Elsewhere {
        return Err(refused("it comes from a page of another origin"));
    }
    match sent_token(request).map_err(IntoResponse::into_response)? {
        Some(token) => match Tokens::admit(request, &token).map_err(IntoResponse::into_response)? {
            true => Ok(()),
            false => Err(refused(
                "its token is not right, or not any more: load the page again, and send it again",
            )),
        },
        None if source == Source::Here && !needs_token(request) => Ok(()),
        None => Err(refused(
            "it has no token, neither in the form field `csrf_token` nor in the header `X-CSRF-Token`",
        )),
    }
}

fn refused(why: &str) -> Response {
    let text = format!("This request was refused because it may be forged (CSRF): {why}.\n");
    Error::new(StatusCode::FORBIDDEN, text).into_response()
}

/// Returns true for a form: what a browser sends by itself, without a script, from whatever page. Uploads are left out,
/// because they would have to be read before they may be.
fn needs_token(request: &Request) -> bool {
    let media_type = media_type(request);
    if media_type == "multipart/form-data" {
        return false;
    }
    match request.header("Sec-Fetch-Mode") {
        Some(mode) => mode == "navigate",
        // The types that a form can have, and a script of another origin without being asked for its permission.
        None => ["", "application/x-www-form-urlencoded", "text/plain"].contains(&&*media_type),
    }
}

/// Returns the token that was sent.
fn sent_token(request: &Request) -> Result<Option<String>> {
    if let Some(token) = request.header(HEADER) {
        return Ok(Some(token.to_owned()));
    }
    if media_type(request) != "application/x-www-form-urlencoded" {
        return Ok(None);
    }
    let mut fields = Pairs::of(request.text()?);
    Ok(fields
        .find(|(name, _)| name == FIELD)
        .map(|(_, token)| token.into_owned()))
}

fn media_type(request: &Request) -> String {
    let sent = request.header("Content-Type").unwrap_or("");
    sent.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}
