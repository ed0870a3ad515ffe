//! A request in the vocabulary of `http`.

use std::fmt;
use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};

use super::super::body::Body;
use super::super::feed::{Feeder, Piece, feed};
use crate::request::Segments;
use crate::{BodyError, Error, Request};

/// The most that is read of a body at once.
const PIECE: usize = 64 * 1024;

/// The request of a mounted service as hansel has it: an extension of each `http::Request` that a service gets.
///
/// The service itself sees the path without the part that its mount has taken. A layer of [axum] can make its own
/// `OriginalUri` of this:
///
/// ```
/// use axum::extract::{OriginalUri, Request};
/// use axum::{Router, middleware::map_request, routing::get};
/// use hansel::{Routes, test::Client, tower::Original};
///
/// let router: Router = Router::new()
///     .route("/where", get(|OriginalUri(uri): OriginalUri| async move { uri.to_string() }))
///     .layer(map_request(|mut request: Request| async move {
///         if let Some(original) = request.extensions().get::<Original>() {
///             let uri = OriginalUri(original.uri().clone());
///             request.extensions_mut().insert(uri);
///         }
///         request
///     }));
/// let client = Client::new(Routes::new().mount("/api", router));
/// assert_eq!(client.get("/api/where").text(), "/api/where");
/// ```
///
/// Requires the feature `tower`.
///
/// [axum]: https://docs.rs/axum
#[derive(Clone)]
pub struct Original {
    uri: Uri,
    peer: Option<SocketAddr>,
    client: Option<IpAddr>,
    scheme: &'static str,
}

impl Original {
    /// Returns the target as the client sent it.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the address at the other end of the connection: see [`Request::peer`].
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the address of the client: see [`Request::client`].
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Returns `https` if the client's connection is encrypted, else `http`: see [`Request::scheme`].
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }
}

/// Shows the path but no query, which may contain secrets.
impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Original")
            .field("path", &self.uri.path())
            .field("peer", &self.peer)
            .field("client", &self.client)
            .field("scheme", &self.scheme)
            .finish()
    }
}

/// Returns the request for a service. `rest` is what a mount has left of its path, if there is one. If its body is still
/// arriving, the feeder is returned too; `asked` is woken when the service asks it for a piece.
pub(super) fn http_request(
    request: &Request,
    rest: Option<Segments<'_>>,
    asked: Waker,
) -> Result<(http::Request<Body>, Option<Feeder>), Error> {
    let uri = uri(request.target())?;
    let (body, feeder) = body(request, asked)?;
    let mut made = http::Request::new(body);
    *made.method_mut() = request.method().clone();
    *made.version_mut() = request.version();
    *made.uri_mut() = match rest {
        Some(rest) => below(&uri, rest_of(uri.path(), rest))?,
        None => uri.clone(),
    };
    for (name, value) in request.headers() {
        if request.has_replaced_body() && is_of_body_as_sent(name) {
            continue;
        }
        // What the protocol takes for a field, `http` takes as well.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            // It fails where there are more than `http` has room for.
            let appended = made.headers_mut().try_append(name, value);
            appended.map_err(|_| Error::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers"))?;
        }
    }
    made.extensions_mut().insert(Original {
        uri,
        peer: request.peer(),
        client: request.client(),
        scheme: request.scheme(),
    });
    Ok((made, feeder))
}

/// Returns true for the headers that say how a body was sent, which do not hold for one that a hook has replaced.
fn is_of_body_as_sent(name: &str) -> bool {
    ["Content-Encoding", "Content-Length"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Returns a target as a URI.
fn uri(target: &str) -> Result<Uri, Error> {
    target.parse().map_err(|error| {
        // Some shorter targets are not URIs; longer ones never are, for `http`.
        let is_too_long = target.len() >= usize::from(u16::MAX);
        let status = if is_too_long {
            StatusCode::URI_TOO_LONG
        } else {
            StatusCode::BAD_REQUEST
        };
        Error::new(status, format!("the target is no URI to the service: {error}"))
    })
}

/// Returns the end of a path, as it was sent, that begins where `rest` does.
fn rest_of<'p>(path: &'p str, rest: Segments<'_>) -> &'p str {
    let mut slashes = path.match_indices('/');
    let start = slashes.nth(rest.taken()).map(|(start, _)| start);
    // Nothing is left of `/api`, and a URI has a path.
    start.and_then(|start| path.get(start..)).unwrap_or("/")
}

/// Returns `uri` with another path.
fn below(uri: &Uri, path: &str) -> Result<Uri, Error> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target)?);
    Ok(Uri::from_parts(parts)?)
}

/// Returns the body for a service: all of it, or the end that is fed.
fn body(request: &Request, asked: Waker) -> Result<(Body, Option<Feeder>), BodyError> {
    if !request.body_is_here() {
        let length = request.header("Content-Length").and_then(|length| length.parse().ok());
        let (feeder, fed) = feed(asked);
        return Ok((Body::fed(fed, length), Some(feeder)));
    }
    let content = Bytes::copy_from_slice(request.bytes()?);
    Ok((Body::whole(content).with_trailers(trailers(request)), None))
}

/// Waits for the next piece of a body.
pub(super) fn next_piece(request: &Request) -> io::Result<Piece> {
    let mut body = request.body();
    let content = body.fill_buf()?;
    if content.is_empty() {
        drop(body);
        return Ok(Piece::End(trailers(request)));
    }
    let piece = Bytes::copy_from_slice(content.get(..PIECE).unwrap_or(content));
    body.consume(piece.len());
    Ok(Piece::Data(piece))
}

fn trailers(request: &Request) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for (name, value) in request.trailers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            // A trailer section is never so long that there is no room.
            let _ = trailers.try_append(name, value);
        }
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_path_is_cut_where_its_segments_begin() {
        for (path, taken, expected) in [
            ("/api/a/b", 1, "/a/b"),
            ("/api/a%2Fb/c", 2, "/c"),
            ("/api/a%2Fb/c", 1, "/a%2Fb/c"),
            ("/api", 1, "/"),
            ("/api/", 1, "/"),
            ("/api//", 1, "//"),
            ("/%61pi/%C3%A9", 1, "/%C3%A9"),
            ("/", 0, "/"),
            ("//", 0, "//"),
        ] {
            let request = Request::get(path);
            let mut rest = request.segments();
            rest.by_ref().take(taken).for_each(drop);
            assert_eq!(rest_of(path, rest), expected, "{path} without {taken}");
        }
    }

    #[test]
    fn a_body_that_a_hook_has_replaced_comes_without_the_headers_of_the_one_that_was_sent() {
        let request = Request::post("/")
            .with_header("Content-Encoding", "gzip")
            .with_header("content-length", "3");
        let request = request.with_header("X-A", "1").with_body("zip");
        let names = |request: &Request| -> Vec<String> {
            let (made, _) = http_request(request, None, Waker::noop().clone()).unwrap();
            let mut names: Vec<_> = made.headers().keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&request), ["content-encoding", "content-length", "host", "x-a"]);
        request.replace_body("unzipped").unwrap();
        assert_eq!(names(&request), ["host", "x-a"]);
        assert_eq!(request.replace_body("again"), Err(BodyError::InUse));
    }

    #[test]
    fn what_debug_shows_of_the_original_is_no_query() {
        let (made, _) = http_request(&Request::get("/a?token=secret"), None, Waker::noop().clone()).unwrap();
        let original = made.extensions().get::<Original>().unwrap();
        assert_eq!(original.uri(), "/a?token=secret");
        assert!(!format!("{original:?}").contains("secret"));
    }
}
