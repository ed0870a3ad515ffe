//! The other way round: a `tower` service as an application, to be mounted or served here.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;

use bytes::Buf;
use http::StatusCode;

use super::body::Body;
use super::wait::block_on;
use crate::{Application, IntoResponse, Request, Response};

type AnyError = Box<dyn Error + Send + Sync>;

/// Bodies up to this length are taken whole; longer ones, and those that don't say, are passed on piece by
/// piece.
const WHOLE: u64 = 64 * 1024;

/// A `tower` service as an application: it can be served, and mounted beside routes.
///
/// The calling thread waits for the service, as for any handler that blocks. A service that needs a
/// runtime around it, for its timers or sockets, brings it: enter one in a layer of your own.
///
/// ```
/// use hansel::{App, Application, Request, Routes};
///
/// /// Any service will do: this one answers with the path it was asked for.
/// #[derive(Clone)]
/// struct Echo;
///
/// impl tower_service::Service<http::Request<hansel::tower::Body>> for Echo {
///     type Response = http::Response<hansel::tower::Body>;
///     type Error = std::convert::Infallible;
///     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
///
///     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
///         std::task::Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, request: http::Request<hansel::tower::Body>) -> Self::Future {
///         let path = request.uri().path().as_bytes().to_vec();
///         std::future::ready(Ok(http::Response::new(hansel::tower::Body::from(path))))
///     }
/// }
///
/// let app = App::new(Routes::new().get("/", || "ours").mount("/theirs", hansel::tower::application(Echo)));
/// let answer = app.call(&Request::get("/theirs/x"));
/// assert_eq!(answer.body().bytes(), Some(&b"/theirs/x"[..]));
/// ```
pub fn application<S, B>(service: S) -> impl Application
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<AnyError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    Hosted(service)
}

struct Hosted<S>(S);

impl<S, B> Application for Hosted<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<AnyError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    fn call(&self, request: &Request) -> Response {
        let translated = match translated(request) {
            Ok(translated) => translated,
            Err(response) => return response,
        };
        let mut service = self.0.clone();
        let answer = block_on(async {
            poll_fn(|context| service.poll_ready(context)).await?;
            service.call(translated).await
        });
        answer.map_err(Into::into).and_then(converted).unwrap_or_else(|error| {
            log::error!(
                "a tower service failed at {} {}: {error}",
                request.method(),
                request.path()
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        })
    }
}

/// The request in the other vocabulary, with its body whole.
fn translated(request: &Request) -> Result<http::Request<Body>, Response> {
    let body = request.bytes().map_err(IntoResponse::into_response)?.to_vec();
    let mut translated = http::Request::new(Body::from(body));
    *translated.method_mut() = request.method().clone();
    *translated.version_mut() = request.version();
    // What the protocol takes for a target, `http` takes for a URI; if not, the client is told.
    *translated.uri_mut() = request
        .target()
        .parse()
        .map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
    for (name, value) in request.headers() {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::from_bytes(value)) {
            translated.headers_mut().append(name, value);
        }
    }
    Ok(translated)
}

fn converted<B>(answer: http::Response<B>) -> Result<Response, AnyError>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    let (head, body) = answer.into_parts();
    let length = body.size_hint().exact();
    let mut reader = Frames {
        body: Box::pin(body),
        piece: None,
    };
    let mut response = Response::default().with_status(head.status);
    match length {
        Some(length) if length <= WHOLE => {
            let mut whole = Vec::new();
            reader.read_to_end(&mut whole)?;
            response.set_body(whole);
        }
        Some(length) => response.set_body(crate::Body::sized_reader(reader, length)),
        None => response.set_body(crate::Body::reader(reader)),
    }
    for (name, value) in &head.headers {
        // Framing and connection are this server's own business; what it refuses is left out.
        let name = name.as_str();
        let mut with_it = response.fields.clone();
        if with_it.append(name, value.as_bytes()).is_ok() {
            response.append_header(name, value.as_bytes());
        }
    }
    Ok(response)
}

/// Reads a body frame by frame, waiting for each.
struct Frames<B: http_body::Body> {
    body: Pin<Box<B>>,
    piece: Option<B::Data>,
}

impl<B> Read for Frames<B>
where
    B: http_body::Body,
    B::Error: Into<AnyError>,
{
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(piece) = &mut self.piece
                && piece.has_remaining()
            {
                let n = piece.remaining().min(into.len());
                piece.copy_to_slice(&mut into[..n]);
                return Ok(n);
            }
            let body = &mut self.body;
            match block_on(poll_fn(|context| body.as_mut().poll_frame(context))) {
                None => return Ok(0),
                Some(frame) => self.piece = frame.map_err(io::Error::other)?.into_data().ok(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Service;
    use super::*;
    use crate::test::Client;
    use std::io::Write;

    /// An application, through both translations.
    fn there_and_back<S>(application: impl crate::IntoApplication<S>) -> Client {
        Client::new(super::application(Service::new(application)))
    }

    #[test]
    fn an_application_is_the_same_through_both_translations() {
        let client = there_and_back(|request: &Request| {
            let body = request.text()?.to_owned();
            let agent = request.header("User-Agent").unwrap_or("-").to_owned();
            let text = format!("{} {} {agent} {body}", request.method(), request.target());
            Ok::<_, crate::BodyError>(
                Response::new(text)
                    .with_status(StatusCode::CREATED)
                    .with_header("X-A", "1"),
            )
        });
        let answer = client.send(
            Request::post("/a%20b?c=d")
                .with_header("User-Agent", "test")
                .with_body("ham"),
        );
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.text(), "POST /a%20b?c=d test ham");
        assert_eq!(answer.header("X-A"), Some("1"));
        assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
    }

    #[test]
    fn long_bodies_and_streams_pass_whole() {
        let client = there_and_back(|request: &Request| match request.segment(0) {
            Some("long") => crate::Body::from("x".repeat(300_000)),
            _ => crate::Body::stream(|client| (0..500).try_for_each(|n| write!(client, "{n} "))),
        });
        assert_eq!(client.get("/long").bytes().len(), 300_000);
        assert_eq!(client.get("/long").header("Content-Length"), Some("300000"));
        let stream = client.get("/stream");
        assert!(stream.is_whole());
        assert!(stream.text().starts_with("0 1 2 ") && stream.text().ends_with(" 498 499 "));
    }
}
