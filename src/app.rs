//! Where dispatch becomes an application: the one file that knows both.

use crate::application::{Application, IntoApplication};
use crate::dispatch::{
    Dispatch, IntoDispatch, Listener, Map, MethodSet, Miss, Outcome, Purpose, Recorder, Trail, Walk,
};
use crate::page;
use crate::{IntoResponse, Method, Request, Response, StatusCode};

/// An application made of dispatchers: settles what no single one of them can.
///
/// What misses becomes 404 or 405, HEAD and OPTIONS are answered, and every decision can be
/// [explained](App::explain). Serving a dispatcher makes one; make it yourself to ask it, or to set
/// something.
///
/// ```
/// use hansel::{App, Method, Routes};
///
/// fn person(id: u32) -> String { format!("person {id}") }
///
/// let app = App::new(Routes::new().get("/people/{id}", person));
/// print!("{}", app.routes());
/// print!("{}", app.explain(Method::POST, "/people/7"));
/// # assert_eq!(app.explain(Method::POST, "/people/7").status(), 405);
/// ```
pub struct App {
    root: Box<dyn Dispatch>,
    allow_always: bool,
    listener: Option<Box<dyn Listener + Send + Sync>>,
    in_development: bool,
}

impl App {
    /// The application that `root` makes: a dispatcher, a resource, or a function.
    #[track_caller]
    pub fn new<K>(root: impl IntoDispatch<K>) -> App {
        let root = Box::new(root.into_dispatch());
        // Shows mistakes, and prepares what takes a while, before the first request.
        root.describe(&mut Map::new());
        App {
            root,
            allow_always: false,
            listener: None,
            in_development: false,
        }
    }

    /// Puts an `Allow` header field on every answer of an endpoint, not only on 405 and OPTIONS. It
    /// costs a second walk.
    #[must_use]
    pub fn allow_always(mut self, on: bool) -> App {
        self.allow_always = on;
        self
    }

    /// Tells `listener` of every walk.
    #[must_use]
    pub fn listen(mut self, listener: impl Listener + Send + Sync + 'static) -> App {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Switches development mode on: a 404, 405 or 500 then tells how it came to that, in a browser on a
    /// page of its own. Handlers that panic are named with the line.
    ///
    /// The page shows what is nobody else's business: routes, header fields, a few lines of source. So
    /// it is off unless this is called, and nothing else switches it on.
    ///
    /// ```
    /// use hansel::{App, Routes};
    ///
    /// let routes = Routes::new().get("/people/{id}", |id: u32| format!("person {id}"));
    /// let app = App::new(routes).development(cfg!(debug_assertions));
    /// ```
    #[must_use]
    pub fn development(mut self, on: bool) -> App {
        self.in_development = on;
        self
    }

    /// All that can be reached, at this moment.
    pub fn routes(&self) -> Map {
        let mut map = Map::new();
        self.root.describe(&mut map);
        map
    }

    /// How a request for `target` would be dispatched. Look-ups and hooks on the way are run, the
    /// endpoint is not.
    pub fn explain(&self, method: Method, target: &str) -> Trail {
        match Request::try_new(method.clone(), target) {
            Ok(request) => self.trail(&request),
            Err(error) => {
                Recorder::default().into_trail(method, target.to_owned(), Outcome::Invalid(error.to_string()))
            }
        }
    }

    /// How `request` would be dispatched; see [`explain`](App::explain).
    pub fn trail(&self, request: &Request) -> Trail {
        let recorder = Recorder::default();
        let mut walk = Walk::new(request, request.segments(), Purpose::Explain, Some(&recorder));
        let mark = request.context().mark();
        let outcome = match self.root.dispatch(&mut walk) {
            Ok(_) => Outcome::Found,
            Err(miss) => Outcome::Missed(miss),
        };
        request.context().rewind(mark);
        recorder.into_trail(request.method().clone(), request.path().to_owned(), outcome)
    }

    fn answer(&self, request: &Request, listener: Option<&dyn Listener>) -> Response {
        // RFC 9110 §9.3.7: "An OPTIONS request with an asterisk ("*") as the request target applies to
        // the server in general rather than to a specific resource."
        if request.path() == "*" {
            return options(&self.everywhere());
        }
        if let Some(listener) = listener {
            listener.begins(request);
        }
        let mut walk = Walk::new(request, request.segments(), Purpose::Answer, listener);
        let reply = self.root.dispatch(&mut walk);
        if let Some(listener) = listener {
            listener.ends(request, reply.as_ref().map(|_| ()));
        }
        match reply {
            Ok(arrived) => {
                let mut response = arrived.into_response().unwrap_or_default();
                if self.allow_always && response.header("Allow").is_none() {
                    let allowed = self.survey(request).allow();
                    response.set_header("Allow", allowed.to_string());
                }
                response
            }
            Err(Miss::NotFound) => StatusCode::NOT_FOUND.into_response(),
            Err(Miss::MethodNotAllowed(allowed)) if *request.method() == Method::OPTIONS => options(&allowed),
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
            Err(Miss::MethodNotAllowed(allowed)) => StatusCode::METHOD_NOT_ALLOWED
                .into_response()
                .with_header("Allow", allowed.allow().to_string()),
        }
    }

    /// The methods that are answered at the path of a request.
    fn survey(&self, request: &Request) -> MethodSet {
        let mut walk = Walk::new(request, request.segments(), Purpose::Survey, None);
        self.root
            .dispatch(&mut walk)
            .map_or_else(|miss| miss.allowed(), |_| MethodSet::any())
    }

    /// The methods that are answered at some path.
    fn everywhere(&self) -> MethodSet {
        let mut all = MethodSet::empty();
        for place in self.routes().places() {
            all.merge(&place.methods);
        }
        all
    }
}

fn options(allowed: &MethodSet) -> Response {
    ().into_response().with_header("Allow", allowed.allow().to_string())
}

impl Application for App {
    fn call(&self, request: &Request) -> Response {
        let listener = self.listener.as_deref().map(|listener| listener as &dyn Listener);
        if self.in_development {
            let answer = |witness: &dyn Listener| self.answer(request, Some(witness));
            return page::answer(request, listener, answer, || self.routes());
        }
        self.answer(request, listener)
    }
}

/// The shape of a dispatcher.
#[doc(hidden)]
pub struct ADispatch(());

impl<D: Dispatch + 'static> IntoApplication<ADispatch> for D {
    fn into_application(self) -> impl Application {
        App::new(self)
    }
}

impl<F, R> IntoApplication<fn() -> R> for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: IntoResponse + 'static,
{
    fn into_application(self) -> impl Application {
        App::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Routes;

    fn answer(app: &App, method: &str, target: &str) -> (u16, Option<String>) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = app.call(&Request::new(method, target));
        (response.status().as_u16(), response.header("Allow").map(str::to_owned))
    }

    #[test]
    fn a_function_without_arguments_is_get_on_the_root() {
        let app = App::new(|| "Hello");
        for (method, target, expected) in [
            ("GET", "/", 200),
            ("HEAD", "/?x", 200),
            ("OPTIONS", "/", 204),
            ("OPTIONS", "*", 204),
            ("POST", "/", 405),
            ("BREW", "/", 405),
            ("GET", "/x", 404),
            ("POST", "/x", 404),
            ("GET", "//", 404),
        ] {
            assert_eq!(answer(&app, method, target).0, expected, "{method} {target}");
        }
    }

    #[test]
    fn a_404_comes_before_a_405_and_allow_says_what_is_answered() {
        let app = App::new(
            Routes::new()
                .get("/a/{x}", |x: u32| x.to_string())
                .post("/a/{x}", |x: String| x)
                .delete("/b", || ()),
        );
        assert_eq!(answer(&app, "GET", "/a/7"), (200, None));
        assert_eq!(
            answer(&app, "PUT", "/a/7"),
            (405, Some("GET, HEAD, OPTIONS, POST".into()))
        );
        assert_eq!(answer(&app, "GET", "/a/x"), (405, Some("OPTIONS, POST".into())));
        assert_eq!(answer(&app, "OPTIONS", "/b"), (204, Some("DELETE, OPTIONS".into())));
        assert_eq!(answer(&app, "PUT", "/c"), (404, None));
        assert_eq!(answer(&app, "OPTIONS", "/c"), (404, None));
        assert_eq!(
            answer(&app, "OPTIONS", "*"),
            (204, Some("DELETE, GET, HEAD, OPTIONS, POST".into()))
        );
    }

    #[test]
    fn allow_comes_with_every_answer_if_asked_for() {
        let app = App::new(Routes::new().get("/", || "x").post("/", || "y")).allow_always(true);
        assert_eq!(answer(&app, "GET", "/"), (200, Some("GET, HEAD, OPTIONS, POST".into())));
    }
}
