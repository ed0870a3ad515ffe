//! An application as a `tower` service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::body::Body;
use super::host::Host;
use crate::{Application, IntoApplication, Limits};

/// The number of threads that a service has, unless it is told.
const THREADS: usize = 256;

/// An application as a `tower` service. Clones share the application, its threads and its queue.
///
/// It treats requests as [`Server`](crate::Server) does: they are parsed by the same protocol code and refused for the same
/// reasons, and the heads of responses are the same.
///
/// # Threads
/// Handlers may block: they run on the service's own threads, never on the caller's. So do streams of responses, on at most
/// half of the threads. A file needs a thread only while a piece of it is read. Threads start when they are needed. They end
/// after 10 s without work, or when all clones of the service are dropped.
///
/// # Limits
/// | of [`Limits`] | here |
/// |---|---|
/// | `head`, `target`, `fields`, `body` | as on a connection: 431, 414, 431, 413. The server around may have smaller ones of its own |
/// | `body_buffer`, `body_memory` | as on a connection: what is larger is read while the handler runs |
/// | `transfer_time`, `rate` | of a request's body (408), and of what streams: a client that does not take it in time is given up |
/// | `handler` | 503. The thread counts as lost until the handler returns; lost threads are replaced up to half of all |
/// | `stream` | as on a connection: the response breaks off |
/// | `queue`, `queue_time` | of requests that wait for a thread, or for a place among those that stream: 503, with Retry-After |
/// | `head_time`, `idle`, `linger`, `connections`, `connections_per_peer`, `pipelined` | mean nothing: connections are the business of the server around |
///
/// # What is around it
/// The extensions that layers around the service have put into a request are the request's value of the type
/// `http::Extensions`: `request.value::<http::Extensions>()`.
///
/// Below `axum::Router::nest_service`, the application sees the path without the prefix, as every nested service does. So
/// redirects of slashes and [`App::url_for`](crate::App::url_for) do not know the prefix. An application that makes links is
/// better routed with its whole path, and its routes mounted below that:
///
/// ```
/// use axum::Router;
/// use hansel::{Routes, tower::Service};
///
/// let nested = Service::new(Routes::new().get("/users", || "everybody"));
/// let router: Router = Router::new().nest_service("/admin", nested);
///
/// let whole = Service::new(Routes::new().mount("/admin", Routes::new().get("/users", || "everybody")));
/// let router: Router = Router::new().route_service("/admin/{*rest}", whole);
/// ```
///
/// A body that breaks off ends in an error, and a server makes the client see that. A client that leaves is noticed when
/// the server around drops the response's body: then writing fails, as on a connection.
///
/// `examples/on_hyper.rs` serves one on hyper.
#[derive(Clone)]
pub struct Service {
    application: Arc<dyn Application>,
    limits: Limits,
    threads: usize,
    pub(super) host: Arc<Host>,
}

impl Service {
    /// Creates a service with the default limits that runs up to 256 handlers at once.
    ///
    /// ```
    /// use hansel::{Limits, Routes, tower::Service};
    ///
    /// let routes = Routes::new().get("/", || "Hello");
    /// let service = Service::new(routes).with_limits(Limits::new().body(1024)).with_threads(16);
    /// # drop(service);
    /// ```
    ///
    /// # Panics
    /// If it creates an [`App`](crate::App), and [`App::new`](crate::App::new) panics.
    #[track_caller]
    pub fn new<S>(application: impl IntoApplication<S>) -> Service {
        let limits = Limits::default();
        let application: Arc<dyn Application> = Arc::new(application.into_application());
        Service {
            host: Host::new(&limits, THREADS, &*application),
            application,
            limits,
            threads: THREADS,
        }
    }

    /// Sets the limits. The service gets new threads, so clones made before keep theirs.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Service {
        self.limits = limits;
        self.host = Host::new(&self.limits, self.threads, &*self.application);
        self
    }

    /// Sets how many handlers run at once: at least 1. The service gets new threads, so clones made before keep theirs.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Service {
        self.threads = threads;
        self.host = Host::new(&self.limits, self.threads, &*self.application);
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("limits", &self.limits)
            .field("threads", &self.threads)
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
        let (application, host) = (Arc::clone(&self.application), Arc::clone(&self.host));
        Box::pin(async move { Ok(host.respond(application, request).await) })
    }
}
