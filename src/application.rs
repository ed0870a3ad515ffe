//! The standard interface between a server and an application, after WSGI: one method.

use std::sync::Arc;

use crate::dispatch::{LimitExtremes, Observer};
use crate::pace::Pace;
use crate::request::Segments;
use crate::scheduling::Scheduling;
use crate::sealed::Seal;
use crate::seen::ResponseHook;
use crate::{IntoResponse, Request, Response};

/// An application: a server calls it with each request, and sends the response that it returns.
///
/// Everything that can be served becomes one: a function, a set of routes, a type of your own. The same application runs
/// under [`Server`](crate::Server), under the in-process [`Client`](crate::test::Client), and under any server for the
/// `tower` traits.
///
/// It is called on many threads at once, and may block.
///
/// ```
/// use hansel::{Application, IntoResponse, Request, Response};
///
/// struct Greeter { greeting: String }
///
/// impl Application for Greeter {
///     fn call(&self, request: &Request) -> Response {
///         format!("{}, {}!", self.greeting, request.segment(0).unwrap_or("stranger")).into_response()
///     }
/// }
///
/// let greeter = Greeter { greeting: "Good morning".into() };
/// let response = greeter.call(&Request::get("/Gretel"));
/// assert_eq!(response.body().bytes(), Some(&b"Good morning, Gretel!"[..]));
/// ```
pub trait Application: Send + Sync + 'static {
    /// Returns the response to a request.
    ///
    /// If it panics, the server responds with 500 and logs the panic.
    fn call(&self, request: &Request) -> Response;

    /// Does what [`call`](Application::call) does, for a request whose path a mount has taken but for `rest`.
    #[doc(hidden)]
    fn call_mounted(&self, request: &Request, _rest: Segments<'_>) -> Response {
        self.call(request)
    }

    /// Does what [`call`](Application::call) does, and notifies `observer` of every decision of dispatch. It is for tests and
    /// tools. By default nothing is notified, which is right for an application that does not dispatch.
    fn call_watched(&self, request: &Request, _observer: &dyn Observer) -> Response {
        self.call(request)
    }

    /// Returns what can be reached, as text with a line for each place, or an empty text if that is not known. A server prints
    /// it when it starts.
    fn overview(&self) -> String {
        String::new()
    }

    /// Records the pattern of the endpoint that `request` has reached, for a line in the log: it is called after something
    /// has failed, if nobody has kept a record.
    #[doc(hidden)]
    fn note_endpoint(&self, _request: &Request) {}

    /// Returns the patterns of the endpoint whose pace has this index, for a server that ends before its handler does.
    #[doc(hidden)]
    fn patterns_of(&self, _pace: u16) -> String {
        String::new()
    }

    /// Returns the hook that is called with each response before it is sent, also with those that the server makes without
    /// the application. The default, `None`, costs nothing.
    fn response_hook(&self) -> Option<ResponseHook> {
        None
    }

    /// Returns the extremes of the limits that parts of the application have of their own. The default is that none has.
    ///
    /// A server asks once, at its start. It takes bodies up to the largest limit, which all other parts refuse, and looks
    /// for missed deadlines as often as the shortest one asks for. An application around another one returns what that
    /// returns, or the limits of the inner one are not in force.
    fn limit_extremes(&self) -> LimitExtremes {
        LimitExtremes::default()
    }

    /// Returns the part that the application takes in scheduling its calls, for handlers that share a lock. The default,
    /// `None`, costs nothing.
    ///
    /// A server asks once, at its start. An application around another one returns what that returns.
    fn scheduling(&self) -> Option<Arc<dyn Scheduling>> {
        None
    }

    /// Returns true if handlers may begin their responses before they return: see
    /// [`Request::respond_now`]. The default, `false`, costs nothing.
    ///
    /// A server asks once, at its start. An application around another one returns what that returns.
    fn responds_early(&self) -> bool {
        false
    }

    /// Returns true if each call is timed inside: all calls together would say nothing.
    #[doc(hidden)]
    fn times_itself(&self) -> bool {
        false
    }

    /// Returns true if the application takes paths that are not UTF-8 once they are decoded, such as `/%FF`. They are
    /// refused otherwise, which is the default. It reads them by [`Request::path_octets`]; in
    /// [`Request::segments`], each invalid sequence of octets is a replacement character.
    ///
    /// It is for gateways to programs that expect octets. A server asks once, at its start.
    ///
    /// ```
    /// use hansel::{Application, Request, Response, test::Client};
    ///
    /// struct Octets;
    ///
    /// impl Application for Octets {
    ///     fn call(&self, request: &Request) -> Response {
    ///         Response::new(request.path_octets().into_owned())
    ///     }
    ///
    ///     fn takes_any_path(&self) -> bool {
    ///         true
    ///     }
    /// }
    ///
    /// let received = Client::new(Octets).converse(b"GET /%FF HTTP/1.1\r\nHost: a\r\n\r\n");
    /// assert!(received.ends_with(b"/\xFF"));
    /// ```
    fn takes_any_path(&self) -> bool {
        false
    }

    /// Returns true if the application takes targets with octets that must not stand in a URI as they are: `/Jürgen` in
    /// UTF-8 or in any other encoding, as old clients send them. They are refused with 400 otherwise, which is the default.
    ///
    /// Before anything else is done with such a target, its octets from 0x80 up are percent-encoded. So a request is the
    /// same whichever way it was sent, [`Request::target`] is text, and limits count the encoded form. Only a path and a
    /// query may have such octets. Whether they must be UTF-8 is up to [`takes_any_path`](Application::takes_any_path).
    ///
    /// ```
    /// use hansel::{App, Request, test::Client};
    ///
    /// let app = App::new(|request: &Request| request.segments().collect::<String>()).takes_raw_targets();
    /// let received = Client::new(app).converse("GET /Jürgen HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes());
    /// assert!(received.ends_with("Jürgen".as_bytes()));
    /// ```
    fn takes_raw_targets(&self) -> bool {
        false
    }
}

/// Passes every call on to the application behind a pointer, those with a default as well.
macro_rules! passes_on {
    ($pointer:ident) => {
        impl<A: Application + ?Sized> Application for $pointer<A> {
            fn call(&self, request: &Request) -> Response {
                (**self).call(request)
            }

            fn call_mounted(&self, request: &Request, rest: Segments<'_>) -> Response {
                (**self).call_mounted(request, rest)
            }

            fn call_watched(&self, request: &Request, observer: &dyn Observer) -> Response {
                (**self).call_watched(request, observer)
            }

            fn overview(&self) -> String {
                (**self).overview()
            }

            fn note_endpoint(&self, request: &Request) {
                (**self).note_endpoint(request);
            }

            fn patterns_of(&self, pace: u16) -> String {
                (**self).patterns_of(pace)
            }

            fn response_hook(&self) -> Option<ResponseHook> {
                (**self).response_hook()
            }

            fn limit_extremes(&self) -> LimitExtremes {
                (**self).limit_extremes()
            }

            fn scheduling(&self) -> Option<Arc<dyn Scheduling>> {
                (**self).scheduling()
            }

            fn responds_early(&self) -> bool {
                (**self).responds_early()
            }

            fn times_itself(&self) -> bool {
                (**self).times_itself()
            }

            fn takes_any_path(&self) -> bool {
                (**self).takes_any_path()
            }

            fn takes_raw_targets(&self) -> bool {
                (**self).takes_raw_targets()
            }
        }
    };
}

passes_on!(Arc);
passes_on!(Box);

/// Types that can be served: an [`Application`], a [`Dispatch`](crate::dispatch::Dispatch), or a function of one of these
/// shapes.
///
/// | shape | handles |
/// |---|---|
/// | `Fn() -> impl IntoResponse` | GET (and HEAD, OPTIONS) on `/`; the rest is 404 and 405 |
/// | `Fn(&Request) -> impl IntoResponse` | every method and path |
/// | `Fn(&Request, &mut Response)` | every method and path, by changing a response that begins as an empty 200 |
///
/// A closure captures whatever else a handler needs. With the feature `tower`, a `tower` service can be served as well.
///
/// `Shape` distinguishes these, and never needs to be written. This trait is sealed: implement [`Application`] instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be served",
    label = "neither an application nor a function of a shape that can be served",
    note = "serve a `Dispatch` such as `Routes`, a `Fn() -> R`, a `Fn(&Request) -> R`, a `Fn(&Request, &mut Response)`, or a type that implements `hansel::Application`",
    note = "`R` must implement `hansel::IntoResponse`, and must not borrow from the request: return `String` instead of `&str`",
    note = "a handler is not `async`, it may block",
    note = "a closure's parameter needs its type written: `|request: &Request| ..`"
)]
pub trait IntoApplication<Shape> {
    #[doc(hidden)]
    const SEAL: Seal;

    /// Converts the value into an application.
    #[track_caller]
    fn into_application(self) -> impl Application;
}

impl<A: Application> IntoApplication<()> for A {
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_application(self) -> impl Application {
        self
    }
}

impl<F, R> IntoApplication<fn(&Request) -> R> for F
where
    F: Fn(&Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_application(self) -> impl Application {
        let pace = Pace::new();
        Function(move |request: &Request| pace.run(|| self(request).into_response()))
    }
}

impl<F> IntoApplication<fn(&Request, &mut Response)> for F
where
    F: Fn(&Request, &mut Response) + Send + Sync + 'static,
{
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_application(self) -> impl Application {
        let pace = Pace::new();
        Function(move |request: &Request| {
            let mut response = Response::default();
            pace.run(|| self(request, &mut response));
            response
        })
    }
}

struct Function<F>(F);

impl<F: Fn(&Request) -> Response + Send + Sync + 'static> Application for Function<F> {
    fn call(&self, request: &Request) -> Response {
        (self.0)(request)
    }

    fn times_itself(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, StatusCode};

    fn status<S>(app: impl IntoApplication<S>, method: &str, target: &str) -> u16 {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        app.into_application()
            .call(&Request::new(method, target))
            .status()
            .as_u16()
    }

    #[test]
    fn functions_of_a_request_see_every_method_and_path() {
        let by_value = |request: &Request| request.path().to_owned();
        let by_change = |request: &Request, response: &mut Response| {
            if request.segment(0).is_none() {
                response.set_status(StatusCode::IM_A_TEAPOT);
            }
        };
        assert_eq!(status(by_value, "BREW", "/a/b"), 200);
        assert_eq!(status(by_change, "BREW", "/a"), 200);
        assert_eq!(status(by_change, "GET", "/"), 418);
    }

    #[test]
    fn boxed_and_shared_applications_are_applications() {
        let shared: Arc<dyn Application> = Arc::new((|| "Hello").into_application());
        assert_eq!(status(Arc::clone(&shared), "GET", "/"), 200);
        assert_eq!(status(Box::new(shared), "GET", "/"), 200);
    }
}
