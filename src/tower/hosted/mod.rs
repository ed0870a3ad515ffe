//! The other direction: a `tower` service as an application, to be mounted or served here.

mod http_request;
mod http_response;
mod runtime;
#[cfg(test)]
mod tests;
mod wait;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;

use http::{Method, StatusCode};

use super::body::Body;
use super::feed::Feeder;
use crate::dispatch::{Dispatch, IntoDispatch};
use crate::mounted::AnApplication;
use crate::panics::contain;
use crate::request::Segments;
use crate::response::Origin;
use crate::sealed::Seal;
use crate::{Application, IntoApplication, IntoResponse, Request, Response, pace, report};
use http_request::{http_request, next_piece};
use runtime::Runtime;
use wait::unparking;

pub use http_request::Original;
pub use runtime::Enter;
#[cfg(test)]
pub(super) use wait::block_on;

type AnyError = Box<dyn Error + Send + Sync>;

/// Returns a `tower` service as an application, for one that needs a [runtime](Hosted::runtime), or where an [`Application`]
/// is expected. Otherwise there is no need to call this: a service can be mounted and served as it is.
///
/// Requires the feature `tower`.
///
/// ```
/// use axum::{Router, http::Uri, routing::get};
/// use hansel::{Application, Request, Routes, test::Client, tower};
///
/// let router: Router = Router::new().fallback(get(|uri: Uri| async move { uri.to_string() }));
/// let client = Client::new(Routes::new().get("/", || "ours").mount("/theirs", router.clone()));
/// assert_eq!(client.get("/theirs/x").text(), "/x");
///
/// let application: Box<dyn Application> = Box::new(tower::application(router));
/// assert_eq!(Client::new(application).get("/theirs/x").text(), "/theirs/x");
/// ```
pub fn application<S>(service: S) -> Hosted<S> {
    Hosted {
        service,
        runtime: Runtime::default(),
    }
}

/// A `tower` service as an [`Application`]: see [`application`].
///
/// Every service of `http` requests will do that is `Clone + Send + Sync`, such as an `axum::Router`: for each request a clone
/// of it is made ready, and called. The calling thread waits for it as for any handler that blocks, as long as
/// [`Limits::handler`](field@crate::Limits::handler) allows.
///
/// | | |
/// |---|---|
/// | the path | that below the mount: `/api/a?b` is `/a?b` for a service that is mounted at `/api`, and `/api` and `/api/` are `/`. An extension of the request, [`Original`], has the target as it was sent, and the client's address |
/// | a request's body | is complete up to [`Limits::body_buffer`](field@crate::Limits::body_buffer). The rest is read when the service asks for it, until it has responded. While that waits for the client, the service's timers wait as well, within [`Limits::transfer_time`](field@crate::Limits::transfer_time) |
/// | a response's body | is sent while it is made, on a thread, unless it is known to be short. If it fails, the response breaks off. Trailers are left out |
/// | an error, a panic | of the service is 500, and logged with the request |
/// | an upgrade | is not possible |
///
/// Requires the feature `tower`.
#[derive(Clone)]
pub struct Hosted<S> {
    service: S,
    runtime: Runtime,
}

impl<S> Hosted<S> {
    /// Sets the runtime of a service whose timers, sockets or tasks need one: `enter` is called with `runtime`, and the guard
    /// that it returns lives while the service runs.
    ///
    /// The runtime must run by itself: of tokio's, that is a multi-threaded one. It may be given itself, or by a handle.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use hansel::{Routes, test::Client, tower};
    /// use std::time::Duration;
    /// use tokio::{runtime::{Handle, Runtime}, time::sleep};
    ///
    /// let slow = || async {
    ///     sleep(Duration::from_millis(1)).await;
    ///     "at last"
    /// };
    /// let router: Router = Router::new().route("/", get(slow));
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle().clone();
    /// let routes = Routes::new()
    ///     .mount("/one", tower::application(router.clone()).runtime(handle, Handle::enter))
    ///     .mount("/other", tower::application(router).runtime(runtime, Runtime::enter));
    /// let client = Client::new(routes);
    /// assert_eq!(client.get("/one").text(), "at last");
    /// assert_eq!(client.get("/other").text(), "at last");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn runtime<R, E>(self, runtime: R, enter: E) -> Hosted<S>
    where
        R: Send + Sync + 'static,
        E: for<'r> Enter<'r, R> + Send + Sync + 'static,
    {
        Hosted {
            runtime: Runtime::new(runtime, enter),
            ..self
        }
    }
}

impl<S> fmt::Debug for Hosted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted")
            .field("service", &std::any::type_name::<S>())
            .field("runtime", &self.runtime)
            .finish()
    }
}

impl<S, B> Application for Hosted<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<AnyError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    fn call(&self, request: &Request) -> Response {
        self.respond(request, None)
    }

    fn call_mounted(&self, request: &Request, rest: Segments<'_>) -> Response {
        self.respond(request, Some(rest))
    }
}

/// The kind of a `tower` service.
#[doc(hidden)]
#[derive(Debug)]
pub struct AService(());

impl<S, B> IntoDispatch<AService> for S
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<AnyError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        IntoDispatch::<AnApplication>::into_dispatch(application(self))
    }
}

impl<S, B> IntoApplication<AService> for S
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<AnyError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    const SEAL: Seal = Seal;

    fn into_application(self) -> impl Application {
        application(self)
    }
}

impl<S, B> Hosted<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<B>> + Clone,
    S::Error: Into<AnyError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    /// `rest` is what a mount has left of the path, if there is one.
    fn respond(&self, request: &Request, rest: Option<Segments<'_>>) -> Response {
        let (translated, feeder) = match http_request(request, rest, unparking()) {
            Ok(translated) => translated,
            Err(error) => return error.into_response(),
        };
        let called = contain(|| {
            let _entered = self.runtime.enter();
            let mut service = self.service.clone();
            let called = call(request, feeder, async {
                poll_fn(|context| service.poll_ready(context)).await?;
                service.call(translated).await
            });
            let is_head = request.method() == Method::HEAD;
            called
                .map_err(Into::into)
                .and_then(|made| http_response::response(made, is_head, self.runtime.clone()))
        });
        match called {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => crate::Error::from(error).into_response(),
            Err(panic) => {
                self.report(request, &panic);
                StatusCode::INTERNAL_SERVER_ERROR
                    .into_response()
                    .with_origin(Origin::Panicked)
            }
        }
    }

    fn report(&self, request: &Request, panic: &str) {
        let hint = if self.runtime.is_none() {
            "; if it needs a runtime, mount `hansel::tower::application(service).runtime(handle, Handle::enter)`"
        } else {
            ""
        };
        report::error!("a tower service panicked at {}: {panic}{hint}", request.described());
    }
}

/// Waits for a service on the calling thread, which reads the body of the request meanwhile, as the service asks for it.
fn call<T>(request: &Request, feeder: Option<Feeder>, called: impl Future<Output = T>) -> T {
    let waker = unparking();
    let mut context = Context::from_waker(&waker);
    let mut called = pin!(called);
    loop {
        if let Poll::Ready(result) = called.as_mut().poll(&mut context) {
            return result;
        }
        match &feeder {
            Some(feeder) if feeder.is_asked() => feeder.give(next_piece(request)),
            _ => {
                pace::about_to_block();
                thread::park();
            }
        }
    }
}
