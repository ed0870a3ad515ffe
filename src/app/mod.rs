//! Where dispatch becomes an application: the one room that knows both.

mod responding;
mod slashes;

use std::fmt::{self, Display};
use std::sync::Arc;

use crate::application::{Application, IntoApplication};
use crate::dispatch::{
    Both, Dispatch, HookRuns, IntoDispatch, Life, LimitExtremes, Map, Miss, Observer, Outcome, Purpose, Recorder,
    Reply, Trail, UrlError, Walk,
};
use crate::panics::contain;
use crate::report;
use crate::root::Root;
use crate::scheduling::Scheduling;
use crate::sealed::Seal;
use crate::seen::{ResponseHook, Seen, both};
use crate::{IntoResponse, Method, Request, Response};
pub use slashes::Slashes;

/// An application made of dispatchers.
///
/// It responds with 404 or 405 if no endpoint is reached, handles HEAD and OPTIONS, and can [explain](App::explain) every
/// decision. A server makes an `App` of any dispatcher; make it yourself to ask it something, or to change a setting.
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
    root: Arc<Root>,
    /// Every response gets an `Allow` field.
    allow_always: bool,
    slashes: Slashes,
    observer: Option<Box<dyn Observer + Send + Sync>>,
    /// Answers a request in development mode, if that is on. The function is referenced only where that is switched on,
    /// so the linker drops the page from programs that never do so.
    in_development: Option<Respond>,
    response_hook: Option<ResponseHook>,
    /// While this exists, functions that are added to the routes are checked.
    _life: Life,
    /// The extremes of the limits of all routes.
    limits: LimitExtremes,
    scheduling: Option<Arc<dyn Scheduling>>,
    /// True if handlers may respond before they return.
    responds_early: bool,
    takes_raw_targets: bool,
}

type Respond = fn(&App, &Request, Option<&dyn Observer>) -> Response;

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("allow_always", &self.allow_always)
            .field("slashes", &self.slashes)
            .field("development", &self.in_development.is_some())
            .finish_non_exhaustive()
    }
}

impl App {
    /// Creates an application from a dispatcher, a resource, or a function.
    ///
    /// # Panics
    /// Panics if two routes have the same name, or if a handler takes a [`State<T>`](crate::State) that nothing around it
    /// shares. The message names the route and its line.
    #[track_caller]
    pub fn new<K>(root: impl IntoDispatch<K>) -> App {
        App::of(Box::new(root.into_dispatch()))
    }

    #[track_caller]
    fn of(root: Box<dyn Dispatch>) -> App {
        // Shows mistakes, and prepares what takes a while, before the first request.
        let life = Life::default();
        let mut map = Map::checking(&life);
        root.describe(&mut map);
        if let Some(problem) = map.unmet() {
            panic!("{problem}");
        }
        if let Some((name, first, second)) = map.same_name() {
            panic!("two routes have the name `{name}`: {first} and {second}; give one of them another name");
        }
        App {
            limits: map.extremes().clone(),
            scheduling: None,
            responds_early: map.responds_early(),
            takes_raw_targets: false,
            root: Arc::new(Root::new(root)),
            allow_always: false,
            slashes: Slashes::default(),
            observer: None,
            in_development: None,
            // First those of the parts, so that this one sees what they have made of a response.
            response_hook: map.response_hook().map(|hook| Arc::new(hook) as ResponseHook),
            _life: life,
        }
    }

    /// Adds an `Allow` header to every response of an endpoint, not only to 405 and OPTIONS: the methods that are allowed at its
    /// path. This costs a second walk. Responses of hooks and of your own 404 get none, because the methods are not known there.
    #[must_use]
    pub fn allow_always(mut self, on: bool) -> App {
        self.allow_always = on;
        self
    }

    /// Sets how to treat a slash too many, or too few, at the end of a path.
    ///
    /// ```
    /// use hansel::{App, Application, Request, Routes, Slashes};
    ///
    /// let app = App::new(Routes::new().get("/about/", || "About")).slashes(Slashes::Redirect);
    /// let response = app.call(&Request::get("/about?x=1"));
    /// assert_eq!(response.status(), 308);
    /// assert_eq!(response.header("Location"), Some("/about/?x=1"));
    /// ```
    #[must_use]
    pub fn slashes(mut self, slashes: Slashes) -> App {
        self.slashes = slashes;
        self
    }

    /// Notifies `observer` of every walk.
    #[must_use]
    pub fn observe(mut self, observer: impl Observer + Send + Sync + 'static) -> App {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Switches development mode on or off. In this mode a 404, 405 or 500 explains itself: browsers get a page, other clients
    /// get text. For a handler that panicked, it names the line.
    ///
    /// The page shows what strangers must not see: routes, headers, a few lines of source. So the mode is off by default, and
    /// nothing but this call switches it on.
    ///
    /// Requires the feature `development`, which is on by default.
    ///
    /// ```
    /// use hansel::{App, Routes};
    ///
    /// let routes = Routes::new().get("/people/{id}", |id: u32| format!("person {id}"));
    /// let app = App::new(routes).development(cfg!(debug_assertions));
    /// ```
    #[cfg(feature = "development")]
    #[must_use]
    pub fn development(mut self, on: bool) -> App {
        self.in_development = on.then_some(App::respond_in_development);
        self
    }

    /// Calls `hook` with each response exactly once, before it is sent, whoever made it: a handler or a hook, an argument that
    /// does not fit, 404 and 405, OPTIONS, redirects of slashes, a panic, a handler that takes too long, and the server itself
    /// when it refuses a request. The hook may change status, headers and body. Several hooks run in the order in which they
    /// are added.
    ///
    /// ```
    /// use hansel::{App, Routes, test::Client};
    ///
    /// let routes = Routes::new().get("/", || "Hello");
    /// let app = App::new(routes).respond(|_, response| response.set_header("X-Content-Type-Options", "nosniff"));
    ///
    /// let client = Client::new(app);
    /// assert_eq!(client.get("/nowhere").header("X-Content-Type-Options"), Some("nosniff"));
    /// ```
    ///
    /// It runs on the thread that made the response. For a [refusal](Origin::Refused) and an [overdue](Origin::Overdue)
    /// handler that is an event loop, which others wait for: the hook must be quick and never wait. It can't break the
    /// framing of a message, and where it panics the response is a plain 500. A response whose head is sent already is
    /// past it: what breaks a stream off is not seen. [`call`](Application::call) by itself does not run it: the server,
    /// the [test client](crate::test::Client) and the tower service do.
    #[must_use]
    pub fn respond(mut self, hook: impl Fn(&Seen<'_>, &mut Response) + Send + Sync + 'static) -> App {
        let root = Arc::clone(&self.root);
        let hook: ResponseHook = Arc::new(move |seen, response| {
            // It runs when `call` is over.
            let _outer = seen.request().map(|request| request.enter(&root));
            hook(seen, response);
        });
        self.response_hook = Some(match self.response_hook.take() {
            None => hook,
            Some(first) => both(first, hook),
        });
        self
    }

    /// Sets the part that this application takes in scheduling its calls: a [`Limiter`](crate::Limiter) for a lock that its
    /// handlers share, or one of your own. If it was set before, this one takes its place.
    ///
    /// It is in force where this application is served, not where it is mounted under another one.
    #[must_use]
    pub fn scheduling(mut self, scheduling: impl Scheduling) -> App {
        self.scheduling = Some(Arc::new(scheduling));
        self
    }

    /// Lets handlers begin their responses before they return: see [`Request::respond_now`].
    #[must_use]
    pub fn responds_early(mut self) -> App {
        self.responds_early = true;
        self
    }

    /// Takes targets with octets that must not stand in a URI as they are, such as `/Jürgen`, as if they were
    /// percent-encoded: see [`Application::takes_raw_targets`].
    ///
    /// It is in force where this application is served, not where it is mounted under another one.
    #[must_use]
    pub fn takes_raw_targets(mut self) -> App {
        self.takes_raw_targets = true;
        self
    }

    /// Returns everything that can be reached at this moment.
    pub fn routes(&self) -> Map {
        self.root.map()
    }

    /// Returns the path of the route with this name, with these values in the place of its parameters.
    ///
    /// It leads there, and with these values, which is checked: also where a browser takes `.` and `..` out of a path, and
    /// takes a path that begins with two slashes for another host. In handlers and hooks, there is
    /// [`Request::url_for`].
    ///
    /// ```
    /// use hansel::{App, Routes};
    ///
    /// let routes = Routes::new()
    ///     .get("/people/{id}", |id: u32| id.to_string()).name("person")
    ///     .regex(r"^/hello/(?P<username>\w+)/$", |username: String| username).name("hello");
    /// let app = App::new(Routes::new().mount("/v1", routes));
    /// assert_eq!(app.url_for("person", &[&7]).unwrap(), "/v1/people/7");
    /// assert_eq!(app.url_for("hello", &[&"Gretel"]).unwrap(), "/v1/hello/Gretel/");
    /// assert!(app.url_for("hello", &[&"two words"]).is_err());
    /// ```
    ///
    /// # Errors
    /// If there is no such name, or the values do not fit the parameters: `..` never does.
    pub fn url_for(&self, name: &str, values: &[&dyn Display]) -> Result<String, UrlError> {
        self.root.url_for(name, values)
    }

    /// Returns how a request for `target` would be dispatched. Look-ups and hooks on the way run, but the endpoint does not.
    pub fn explain(&self, method: Method, target: &str) -> Trail {
        match Request::try_new(method.clone(), target) {
            Ok(request) => self.trail(&request),
            Err(error) => Trail::invalid(method, target, &error),
        }
    }

    /// Finds out whether `request` would reach an endpoint. It does what [`trail`](App::trail) does, without recording
    /// decisions.
    ///
    /// ```
    /// use hansel::{App, Request, Routes, dispatch::Miss};
    ///
    /// let app = App::new(Routes::new().get("/people/{id}", |id: u32| id.to_string()));
    /// assert_eq!(app.reaches(&Request::get("/people/7")), Ok(()));
    /// assert_eq!(app.reaches(&Request::get("/people/gretel")), Err(Miss::NotFound));
    /// ```
    ///
    /// # Errors
    /// If no endpoint would be reached: the response would be 404 or 405.
    pub fn reaches(&self, request: &Request) -> Result<(), Miss> {
        let _outer = request.enter(&self.root);
        let mark = request.context().mark();
        let runs = HookRuns::default();
        let mut walk = Walk::new(request, request.segments(), Purpose::Explain, None, &runs);
        let reply = self.dispatch(&mut walk);
        request.context().rewind(mark);
        reply.map(|_| ())
    }

    /// Returns how `request` would be dispatched: see [`explain`](App::explain).
    pub fn trail(&self, request: &Request) -> Trail {
        let _outer = request.enter(&self.root);
        let recorder = Recorder::default();
        let mark = request.context().mark();
        let runs = HookRuns::default();
        let mut walk = Walk::new(request, request.segments(), Purpose::Explain, Some(&recorder), &runs);
        let outcome = match self.dispatch(&mut walk) {
            // Where nothing is called, only a redirection has a response.
            Ok(_) => match walk.response().and_then(|response| response.header("Location")) {
                Some(location) => Outcome::Moved(location.to_owned()),
                None => Outcome::Found,
            },
            Err(miss) => Outcome::Missed(miss),
        };
        request.context().rewind(mark);
        recorder.with_outcome(request, outcome)
    }

    /// Asks the dispatchers, and settles whether a miss is 404 or 405.
    #[inline]
    fn ask(&self, walk: &mut Walk<'_>) -> Reply {
        let reply = self.root.dispatch.dispatch(walk);
        reply.map_err(|miss| walk.settled(miss))
    }
}

impl Application for App {
    fn call(&self, request: &Request) -> Response {
        self.call_for(
            request,
            self.observer.as_deref().map(|observer| observer as &dyn Observer),
        )
    }

    fn call_watched(&self, request: &Request, observer: &dyn Observer) -> Response {
        match &self.observer {
            Some(own) => self.call_for(request, Some(&Both(&**own, observer))),
            None => self.call_for(request, Some(observer)),
        }
    }

    fn overview(&self) -> String {
        self.routes().to_string()
    }

    fn note_endpoint(&self, request: &Request) {
        if !request.endpoint_text().is_empty() {
            return;
        }
        let _outer = request.enter(&self.root);
        let (mark, captures) = (request.context().mark(), request.captures().count());
        // Looking the way up is the program's code, and something has failed already.
        let noted = contain(|| self.root.rematch(request));
        request.context().rewind(mark);
        request.captures().truncate(captures);
        if let Err(panic) = noted {
            report::debug!("looking up the endpoint of a request panicked: {panic}");
        }
    }

    fn patterns_of(&self, pace: u16) -> String {
        self.routes().patterns_of(pace)
    }

    fn response_hook(&self) -> Option<ResponseHook> {
        self.response_hook.clone()
    }

    fn limit_extremes(&self) -> LimitExtremes {
        self.limits.clone()
    }

    fn scheduling(&self) -> Option<Arc<dyn Scheduling>> {
        self.scheduling.clone()
    }

    fn responds_early(&self) -> bool {
        self.responds_early
    }

    fn takes_raw_targets(&self) -> bool {
        self.takes_raw_targets
    }

    fn times_itself(&self) -> bool {
        true
    }
}

/// The shape of a dispatcher.
#[doc(hidden)]
#[derive(Debug)]
pub struct ADispatch(());

impl<D: Dispatch + 'static> IntoApplication<ADispatch> for D {
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_application(self) -> impl Application {
        App::new(self)
    }
}

impl<F, R> IntoApplication<fn() -> R> for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: IntoResponse + 'static,
{
    #[doc(hidden)]
    const SEAL: Seal = Seal;

    fn into_application(self) -> impl Application {
        App::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Routes;
    use crate::StatusCode;

    fn response(app: &App, method: &str, target: &str) -> (u16, Option<String>) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = app.call(&Request::new(method, target));
        (response.status().as_u16(), response.header("Allow").map(str::to_owned))
    }

    #[test]
    fn an_endpoint_that_has_hidden_nothing_is_not_in_the_record() {
        let nowhere = |_: Vec<String>| (StatusCode::NOT_FOUND, "own");
        let chain = crate::Chain::new()
            .then(Routes::new().get("/people/{id}", |_: u32| "one"))
            .then(Routes::new().any("/{*rest}", nowhere))
            .then(Routes::new().post("/people/{id}", |_: u32| "other"));
        let app = App::new(chain);
        let request = Request::post("/people/7");
        request.record_endpoint();
        assert_eq!(app.call(&request).status(), 200);
        assert_eq!(request.endpoint(), "/people/{id}");
    }

    #[test]
    fn the_record_of_an_endpoint_has_a_slash_for_the_root_and_none_besides() {
        struct Shelf;
        struct Book;
        crate::resource!(Shelf { get } item book);
        crate::resource!(Book { get });
        impl Shelf {
            fn get(&self) -> &'static str {
                "shelf"
            }
            fn book(&self, _: u32) -> Option<Book> {
                Some(Book)
            }
        }
        impl Book {
            fn get(&self) -> &'static str {
                "book"
            }
        }
        let routes = Routes::new()
            .get("/", || "root")
            .mount("/a", Routes::new().get("/", || "a"));
        let app = App::new(routes.mount("/shelf", Shelf));
        for (target, endpoint) in [("/", "/"), ("/a", "/a"), ("/shelf/7", "/shelf/{book}")] {
            let request = Request::get(target);
            request.record_endpoint();
            assert_eq!(app.call(&request).status(), 200, "{target}");
            assert_eq!(request.endpoint(), endpoint);
            // Nobody records it here, and it is told all the same.
            let trail = app.explain(Method::GET, target).to_string();
            assert!(trail.contains(endpoint.rsplit_once('/').unwrap().1), "{trail}");
        }
    }

    #[test]
    fn the_record_of_an_endpoint_has_the_arguments_that_its_function_takes_of_the_path() {
        let app = App::new(crate::Methods::new().add("person", |id: u32| id.to_string()));
        let request = Request::get("/person/7");
        request.record_endpoint();
        assert_eq!(app.call(&request).status(), 200);
        assert_eq!(request.endpoint(), &*app.routes().places()[0].pattern);
        assert!(request.endpoint().contains("u32"), "{}", request.endpoint());
    }

    #[test]
    fn an_explanation_of_options_says_what_is_allowed() {
        let app = App::new(Routes::new().get("/x", || "x"));
        let trail = app.explain(Method::OPTIONS, "/x").to_string();
        assert!(trail.ends_with("204, Allow: GET, HEAD, OPTIONS\n"), "{trail}");
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
            assert_eq!(response(&app, method, target).0, expected, "{method} {target}");
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
        assert_eq!(response(&app, "GET", "/a/7"), (200, None));
        assert_eq!(
            response(&app, "PUT", "/a/7"),
            (405, Some("GET, HEAD, OPTIONS, POST".into()))
        );
        assert_eq!(response(&app, "GET", "/a/x"), (405, Some("OPTIONS, POST".into())));
        assert_eq!(response(&app, "OPTIONS", "/b"), (204, Some("DELETE, OPTIONS".into())));
        assert_eq!(response(&app, "PUT", "/c"), (404, None));
        assert_eq!(response(&app, "OPTIONS", "/c"), (404, None));
        assert_eq!(
            response(&app, "OPTIONS", "*"),
            (204, Some("DELETE, GET, HEAD, OPTIONS, POST".into()))
        );
    }

    #[test]
    fn allow_comes_with_every_response_if_asked_for() {
        let app = App::new(Routes::new().get("/", || "x").post("/", || "y")).allow_always(true);
        assert_eq!(
            response(&app, "GET", "/"),
            (200, Some("GET, HEAD, OPTIONS, POST".into()))
        );
    }

    #[test]
    fn a_slash_at_the_end_may_be_redirected_or_ignored() {
        let routes = || {
            Routes::new()
                .get("/a", || "a")
                .post("/b/", || "b")
                .get("/c%20d/", || "c")
                .get("/{x}/{y}/", |x: String, _: String| x)
                .not_found(|| "nothing")
        };
        let strict = App::new(routes());
        assert_eq!(response(&strict, "GET", "/a/").0, 404);
        let ignoring = App::new(routes()).slashes(Slashes::Ignore);
        for (method, target, expected) in [
            ("GET", "/a/", 200),
            ("POST", "/b", 200),
            ("GET", "/b", 405),
            ("GET", "/c%20d", 200),
            ("GET", "/a//", 404),
            ("GET", "/x", 404),
        ] {
            assert_eq!(response(&ignoring, method, target).0, expected, "{method} {target}");
        }
        let redirecting = App::new(routes()).slashes(Slashes::Redirect);
        let location = |method, target| {
            let response = redirecting.call(&Request::new(method, target));
            (
                response.status().as_u16(),
                response.header("Location").map(str::to_owned),
            )
        };
        assert_eq!(location(Method::GET, "/a/?q=1"), (308, Some("/a?q=1".into())));
        assert_eq!(location(Method::POST, "/b"), (308, Some("/b/".into())));
        assert_eq!(location(Method::GET, "/b"), (404, None));
        assert_eq!(location(Method::GET, "/c%20d"), (308, Some("/c%20d/".into())));
    }

    #[cfg(feature = "regex")]
    #[test]
    fn a_redirection_never_leads_to_another_host() {
        let routes = Routes::new().regex(r"^//(.*[^/])$", |host: String| host);
        let app = App::new(routes).slashes(Slashes::Redirect);
        assert_eq!(response(&app, "GET", "//evil.example").0, 200);
        assert_eq!(response(&app, "GET", "//evil.example/").0, 404);
    }

    #[test]
    #[should_panic(expected = "two routes have the name")]
    fn names_of_routes_are_told_apart() {
        let _ = App::new(Routes::new().get("/a", || ()).name("x").get("/b", || ()).name("x"));
    }

    #[test]
    fn urls_are_built_through_mounts_and_hooks() {
        let inner = crate::Hooks::on(
            Routes::new()
                .get("/{a}/{b}", |a: u8, _: &str| a.to_string())
                .name("pair"),
        )
        .before(|_: &Request| Some(StatusCode::UNAUTHORIZED));
        let app = App::new(Routes::new().mount("/x/{y}", inner));
        assert_eq!(app.url_for("pair", &[&"é", &7, &"c/d"]).unwrap(), "/x/%C3%A9/7/c%2Fd");
        assert!(matches!(
            app.url_for("pair", &[&"é", &777, &"c"]),
            Err(UrlError::LeadsElsewhere { .. })
        ));
        assert!(matches!(app.url_for("no", &[]), Err(UrlError::UnknownName(_))));
    }
}
