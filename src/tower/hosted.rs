//! The other direction: a `tower` service as an application, to be mounted or served here.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::time::Duration;

use bytes::Buf;
use http::StatusCode;

use super::body::Body;
use super::wait::{block_on, block_on_while};
use crate::panics::contain;
use crate::report;
use crate::{Application, IntoResponse, Request, Response};

type AnyError = Box<dyn Error + Send + Sync>;

/// Bodies up to this length are read completely. Longer ones, and those of unknown length, are passed on piece by
/// piece.
const WHOLE: u64 = 64 * 1024;

/// Returns a `tower` service as an application, which can be served, and mounted beside routes.
///
/// The calling thread waits for the service as for any handler that blocks, as long as
/// [`Limits::handler`](field@crate::Limits::handler) allows. If the service needs a runtime for its timers or sockets, enter
/// that in a layer around it. Without its runtime it panics: the response is 500, and the panic is logged.
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
/// let response = app.call(&Request::get("/theirs/x"));
/// assert_eq!(response.body().bytes(), Some(&b"/theirs/x"[..]));
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
        let called = contain(|| {
            block_on(async {
                poll_fn(|context| service.poll_ready(context)).await?;
                service.call(translated).await
            })
        });
        let response = match called {
            Ok(response) => response,
            Err(panic) => {
                report::error!(
                    "a tower service panicked at {} {}: {panic} (if it needs a runtime, enter the runtime in a layer around it)",
                    request.method(),
                    request.path()
                );
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let is_head = request.method() == http::Method::HEAD;
        let response = response
            .map_err(Into::into)
            .and_then(|response| converted(response, is_head));
        response.unwrap_or_else(|error| {
            report::error!(
                "a tower service failed at {} {}: {error}",
                request.method(),
                request.path()
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        })
    }
}

/// Returns the request in the other vocabulary, with its complete body.
fn translated(request: &Request) -> Result<http::Request<Body>, Response> {
    let body = request.bytes().map_err(IntoResponse::into_response)?.to_vec();
    let mut translated = http::Request::new(Body::from(body));
    *translated.method_mut() = request.method().clone();
    *translated.version_mut() = request.version();
    // A target of the protocol is a URI of `http`; if not, the client gets an error.
    *translated.uri_mut() = uri(request.target())?;
    for (name, value) in request.headers() {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::from_bytes(value)) {
            // It fails where there are more than `http` has room for.
            let appended = translated.headers_mut().try_append(name, value);
            appended.map_err(|_| StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response())?;
        }
    }
    Ok(translated)
}

/// Returns a target as a URI.
fn uri(target: &str) -> Result<http::Uri, Response> {
    target.parse().map_err(|_| {
        // Some shorter targets are not URIs; longer ones never are, for `http`.
        let is_too_long = target.len() >= usize::from(u16::MAX);
        let status = if is_too_long {
            StatusCode::URI_TOO_LONG
        } else {
            StatusCode::BAD_REQUEST
        };
        status.into_response()
    })
}

fn converted<B>(response: http::Response<B>, is_head: bool) -> Result<Response, AnyError>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    let (head, body) = response.into_parts();
    let length = body.size_hint().exact();
    if is_head && length == Some(0) {
        // RFC 9110 §9.3.2: there is no content, and the fields are those that GET would have got.
        let announced = head.headers.get(http::header::CONTENT_LENGTH);
        let announced = announced.and_then(|announced| announced.to_str().ok()?.parse().ok());
        let mut response = fields(&head);
        response.set_body(match announced {
            Some(length) => crate::Body::sized_reader(io::empty(), length),
            None => crate::Body::reader(io::empty()),
        });
        return Ok(response);
    }
    let mut reader = Frames {
        body: Box::pin(body),
        piece: None,
    };
    let mut response = fields(&head);
    match length {
        Some(length) if length <= WHOLE => {
            let mut whole = Vec::new();
            reader.read_to_end(&mut whole)?;
            response.set_body(whole);
        }
        Some(length) => response.set_body(crate::Body::sized_reader(reader, length)),
        None => response.set_body(crate::Body::stream(move |client| reader.write_to(client))),
    }
    Ok(response)
}

/// Returns a response with this status and these fields.
fn fields(head: &http::response::Parts) -> Response {
    let mut response = Response::default().with_status(head.status);
    for (name, value) in &head.headers {
        // Framing and connection belong to this server; refused fields are left out.
        let _ = response.fields.append(name.as_str(), value.as_bytes());
    }
    response
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
            if let Some(piece) = self.piece.as_mut().filter(|piece| piece.has_remaining()) {
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

/// How often is checked whether the client is there while its service has nothing to send.
const LOOK: Duration = Duration::from_secs(1);

impl<B> Frames<B>
where
    B: http_body::Body,
    B::Error: Into<AnyError>,
{
    /// Writes all frames as they come, until the client has left.
    fn write_to(mut self, client: &mut crate::BodyWriter<'_>) -> io::Result<()> {
        loop {
            let body = &mut self.body;
            let next = poll_fn(|context| body.as_mut().poll_frame(context));
            let Some(next) = block_on_while(next, LOOK, || client.is_open()) else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            let Some(frame) = next else { return Ok(()) };
            let Ok(mut data) = frame.map_err(io::Error::other)?.into_data() else {
                continue;
            };
            while data.has_remaining() {
                let n = data.chunk().len();
                client.write_all(data.chunk())?;
                data.advance(n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Service;
    use super::*;
    use crate::test::Client;
    use std::task::{Context, Poll};

    /// Returns an application behind both translations.
    fn there_and_back<S>(application: impl crate::IntoApplication<S>) -> Client {
        Client::new(super::application(Service::new(application)))
    }

    /// A service that is a function.
    #[derive(Clone)]
    struct Function<F>(F);

    impl<F, B> tower_service::Service<http::Request<Body>> for Function<F>
    where
        F: Fn(http::Request<Body>) -> Result<http::Response<B>, &'static str>,
    {
        type Response = http::Response<B>;
        type Error = AnyError;
        type Future = std::future::Ready<Result<http::Response<B>, AnyError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            std::future::ready((self.0)(request).map_err(Into::into))
        }
    }

    /// A body of that many frames, of which the last is an error, or never comes.
    struct Pieces {
        frames: Vec<&'static str>,
        then: Poll<Option<&'static str>>,
        length: Option<u64>,
    }

    impl http_body::Body for Pieces {
        type Data = &'static [u8];
        type Error = AnyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Self::Data>, AnyError>>> {
            if self.frames.is_empty() {
                return self.then.map(|last| Some(Err(last?.into())));
            }
            let frame = match self.frames.remove(0) {
                "trailers" => http_body::Frame::trailers(http::HeaderMap::new()),
                data => http_body::Frame::data(data.as_bytes()),
            };
            Poll::Ready(Some(Ok(frame)))
        }

        fn size_hint(&self) -> http_body::SizeHint {
            self.length.map(http_body::SizeHint::with_exact).unwrap_or_default()
        }
    }

    fn hosted<B>(
        service: impl Fn(http::Request<Body>) -> Result<http::Response<B>, &'static str> + Clone + Send + Sync + 'static,
    ) -> Client
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<AnyError>,
    {
        Client::new(application(Function(service)))
    }

    fn empty_with(fields: &[(&str, &str)]) -> http::Response<Body> {
        let mut response = http::Response::new(Body::from(Vec::new()));
        for (name, value) in fields {
            let name = http::HeaderName::try_from(*name).unwrap();
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response
    }

    #[test]
    fn head_has_the_length_that_a_service_gives_and_none_where_it_gives_none() {
        let client = hosted(|request| {
            let fields: &[_] = match request.uri().path() {
                "/known" => &[("content-length", "1234567")],
                _ => &[],
            };
            Ok(empty_with(fields))
        });
        let known = client.call("HEAD", "/known");
        assert_eq!(known.header("Content-Length"), Some("1234567"));
        assert_eq!((known.status().as_u16(), known.bytes()), (200, &b""[..]));
        // Whether GET would have got content is unknown.
        assert_eq!(client.call("HEAD", "/unknown").header("Content-Length"), None);
        assert_eq!(client.get("/unknown").header("Content-Length"), Some("0"));
    }

    #[test]
    fn a_target_that_is_no_uri_to_http_is_told_from_one_that_is_too_long() {
        let client = hosted(|request| {
            Ok(http::Response::new(Body::from(
                request.uri().path().as_bytes().to_vec(),
            )))
        })
        .with_limits(crate::Limits::new().target(100_000).head(200_000));
        let longest = usize::from(u16::MAX) - 1;
        let of_length = |length: usize| client.get(&format!("/{}", "a".repeat(length - 1)));
        assert_eq!(of_length(longest).bytes().len(), longest);
        assert_eq!(of_length(longest + 1).status(), StatusCode::URI_TOO_LONG);
        assert_eq!(client.get("/a`b").status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn more_fields_than_http_has_room_for_are_told() {
        let client = hosted(|request| Ok(http::Response::new(Body::from(vec![b'x'; request.headers().len()]))))
            .with_limits(crate::Limits::new().fields(50_000).head(1_000_000));
        let answered = |count: usize| {
            let fields: String = (0..count).map(|n| format!("x{n}: y\r\n")).collect();
            let received = client.converse(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
            String::from_utf8(received).unwrap()
        };
        assert!(answered(1000).ends_with(&"x".repeat(1001)));
        assert!(answered(40_000).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn a_service_that_has_nothing_to_send_is_left_when_its_client_has_gone() {
        let client = hosted(|_| {
            Ok(http::Response::new(Pieces {
                frames: vec!["begun"],
                then: Poll::Pending,
                length: None,
            }))
        });
        let mut stream = client.open(Request::get("/"));
        let mut begun = [0; 5];
        stream.read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"begun");
        assert_eq!(stream.leave().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
        for (length, then, expected) in [
            (Some(4), None, (200, true)),
            (None, None, (200, true)),
            (Some(4), Some("broken"), (500, true)),
            (None, Some("broken"), (200, false)),
            (Some(1 + WHOLE), Some("broken"), (200, false)),
            (Some(1 + WHOLE), None, (200, false)),
        ] {
            let client = hosted(move |_| {
                Ok(http::Response::new(Pieces {
                    frames: vec!["ab", "", "cd", "trailers"],
                    then: Poll::Ready(then),
                    length,
                }))
            });
            let response = client.get("/");
            assert_eq!(
                (response.status().as_u16(), response.is_whole()),
                expected,
                "{length:?} {then:?}"
            );
            assert!(expected != (200, true) || response.text() == "abcd");
        }
    }

    #[test]
    fn a_service_that_fails_or_panics_is_a_500() {
        let client = hosted(|request| match request.uri().path() {
            "/fails" => Err("on purpose"),
            "/panics" => panic!("on purpose"),
            _ => Ok(empty_with(&[])),
        });
        let status = |path| client.get(path).status().as_u16();
        assert_eq!([status("/fails"), status("/panics"), status("/")], [500, 500, 200]);
    }

    #[test]
    fn the_fields_of_a_service_pass_but_those_of_the_connection() {
        let client = hosted(|_| {
            Ok(empty_with(&[
                ("set-cookie", "a=1"),
                ("connection", "x-a"),
                ("set-cookie", "b=2"),
                ("transfer-encoding", "gzip"),
                ("x-a", "1"),
            ]))
        });
        let response = client.get("/");
        let all = |name| {
            response
                .headers()
                .filter(|field| field.0.eq_ignore_ascii_case(name))
                .map(|field| field.1)
                .collect::<Vec<_>>()
        };
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(
            (all("x-a"), all("transfer-encoding"), all("connection")),
            (vec!["1"], vec![], vec![])
        );
        assert_eq!(all("content-length"), ["0"]);
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
        let response = client.send(
            Request::post("/a%20b?c=d")
                .with_header("User-Agent", "test")
                .with_body("ham"),
        );
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.text(), "POST /a%20b?c=d test ham");
        assert_eq!(response.header("X-A"), Some("1"));
        assert_eq!(response.header("Content-Type"), Some("text/plain; charset=utf-8"));
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
