//! The `tower` traits, both ways: the same application on any server that speaks them, such as hyper, for
//! HTTP/2 or in a program that is async already; and any of their services [as an application](application).

mod body;
mod hosted;
mod pool;
mod wait;

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE};

use crate::exchange::{Source, pour};
use crate::response::body::Kind;
use crate::{Application, IntoApplication, IntoResponse, Limits, Request, Response};

pub use body::Body;
use body::channel;
pub use hosted::application;
use pool::Pool;

/// An application as a `tower` service. Clones share the application and its threads.
///
/// Handlers may block here too: they run on threads of the service's own, never on the caller's. Of
/// the [`Limits`] those of the body apply; the rest is the server's business.
///
/// `examples/on_hyper.rs` serves one on hyper.
#[derive(Clone)]
pub struct Service {
    application: Arc<dyn Application>,
    limits: Limits,
    pool: Arc<Pool>,
}

impl Service {
    /// A service that runs up to 256 handlers at once.
    pub fn new<S>(application: impl IntoApplication<S>) -> Service {
        Service {
            application: Arc::new(application.into_application()),
            limits: Limits::default(),
            pool: Arc::new(Pool::new(256)),
        }
    }

    /// The same service with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Service {
        self.limits = limits;
        self
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<http::Request<B>> for Service
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

impl Service {
    async fn answer<B: http_body::Body>(&self, request: http::Request<B>) -> http::Response<Body> {
        let (head, body) = request.into_parts();
        let content = match collect(body, self.limits.body).await {
            Ok(content) => content,
            Err(status) => return self.converted(status.into_response()),
        };
        let request = match translated(&head, content) {
            Ok(request) => request,
            Err(text) => return self.converted((StatusCode::BAD_REQUEST, text).into_response()),
        };
        let application = Arc::clone(&self.application);
        let called = self.pool.run(move || {
            let called = catch_unwind(AssertUnwindSafe(|| application.call(&request)));
            called.unwrap_or_else(|_| {
                log::error!("handler panicked at {} {}", request.method(), request.path());
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            })
        });
        self.converted(called.await)
    }

    /// Turns a response into the other vocabulary. What takes a thread to be written gets one.
    fn converted(&self, mut response: Response) -> http::Response<Body> {
        response.make_sendable();
        let mut converted = http::Response::new(Body::empty());
        *converted.status_mut() = response.status();
        for (name, value) in response.headers() {
            // What may be sent is a name and a value for `http` as well.
            if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::from_bytes(value)) {
                converted.headers_mut().append(name, value);
            }
        }
        if let (Some(content_type), false) = (
            response.body.content_type,
            converted.headers().contains_key(CONTENT_TYPE),
        ) {
            // What is a value for us is one for `http` as well.
            if let Ok(value) = http::HeaderValue::from_bytes(content_type.bytes()) {
                converted.headers_mut().insert(CONTENT_TYPE, value);
            }
        }
        *converted.body_mut() = self.converted_body(response.body.kind);
        converted
    }

    fn converted_body(&self, kind: Kind) -> Body {
        let source = match kind {
            Kind::Empty => return Body::empty(),
            Kind::Static(bytes) => return Body::from(bytes.to_vec()),
            Kind::Bytes(bytes) => return Body::from(bytes),
            Kind::Shared(bytes) => return Body::from(bytes.to_vec()),
            Kind::File { file, len } => Source::file(file, len),
            Kind::Reader { reader, len } => Source::Reader { reader, len },
            Kind::Stream(write) => Source::Stream(write),
        };
        let (mut sender, receiver) = channel();
        self.pool.start(move || {
            let poured = catch_unwind(AssertUnwindSafe(|| pour(source, false, &mut sender, &mut 0)));
            sender.end(matches!(poured, Ok(Ok(()))));
        });
        receiver
    }
}

/// All of a body, unless it is too large or breaks off.
async fn collect<B: http_body::Body>(body: B, most: u64) -> Result<Vec<u8>, StatusCode> {
    let mut body = std::pin::pin!(body);
    let mut content = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Ok(mut data) = frame.into_data() else { continue };
        while data.has_remaining() {
            let chunk = data.chunk();
            if (content.len() + chunk.len()) as u64 > most {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            content.extend_from_slice(chunk);
            let n = chunk.len();
            data.advance(n);
        }
    }
    Ok(content)
}

/// Writes the head as HTTP/1.1 and reads it back: what does not pass here can't come over a connection
/// of our own either.
fn translated(head: &http::request::Parts, content: Vec<u8>) -> Result<Request, String> {
    let target = match head.uri.path_and_query() {
        Some(target) => target.as_str(),
        // RFC 9112 §3.2.3: only CONNECT has an authority and nothing else.
        None => head.uri.authority().map_or("/", |authority| authority.as_str()),
    };
    // HTTP/2 has the host in its target, HTTP/1.1 in a field (RFC 9113 §8.3.1).
    let host = head.uri.authority().map_or("", |authority| authority.as_str());
    let missing_host = (!head.headers.contains_key(HOST)).then_some(("host", host.as_bytes()));
    // Those that belong to the connection have done their work.
    let of_connection = [CONNECTION, TRANSFER_ENCODING, UPGRADE];
    let fields = head.headers.iter().filter(|(name, _)| !of_connection.contains(name));
    let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
    Request::assemble(&head.method, target, head.version, fields.chain(missing_host), content)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_service::Service as _;

    /// A body that is there at once.
    struct Whole(Option<&'static [u8]>);

    impl http_body::Body for Whole {
        type Data = &'static [u8];
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
            Poll::Ready(self.0.take().map(|data| Ok(http_body::Frame::data(data))))
        }
    }

    fn wait_for<T>(future: impl Future<Output = T>) -> T {
        wait::block_on(future)
    }

    fn answered(service: &mut Service, request: http::Request<Whole>) -> (StatusCode, Vec<u8>) {
        let response = wait_for(service.call(request)).unwrap_or_else(|never| match never {});
        let status = response.status();
        (status, wait_for(collect(response.into_body(), u64::MAX)).unwrap())
    }

    #[test]
    fn a_service_answers_as_the_application_does() {
        let mut service = Service::new(|request: &Request| {
            let host = request.host().unwrap_or("-");
            request
                .text()
                .map(|body| format!("{} {} {host} {body}", request.method(), request.path()))
        });
        let request = http::Request::post("http://example.org/a%20b?c")
            .body(Whole(Some(b"ham")))
            .unwrap();
        assert_eq!(
            answered(&mut service, request),
            (StatusCode::OK, b"POST /a%20b example.org ham".to_vec())
        );
    }

    #[test]
    fn streams_come_whole_and_in_order() {
        let mut service = Service::new(|_: &Request| {
            crate::Body::stream(|client| {
                use std::io::Write;
                (0..1000).try_for_each(|n| write!(client, "{n} "))
            })
        });
        let (_, body) = answered(&mut service, http::Request::new(Whole(None)));
        let expected: String = (0..1000).map(|n| format!("{n} ")).collect();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn limits_and_panics_are_answered() {
        let limits = Limits {
            body: 2,
            ..Limits::default()
        };
        let mut service = Service::new(|request: &Request| {
            if request.path() == "/panic" {
                panic!("on purpose")
            }
        })
        .with_limits(limits);
        let large = http::Request::new(Whole(Some(b"ham")));
        assert_eq!(answered(&mut service, large).0, StatusCode::PAYLOAD_TOO_LARGE);
        let panics = http::Request::get("/panic").body(Whole(None)).unwrap();
        assert_eq!(answered(&mut service, panics).0, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
