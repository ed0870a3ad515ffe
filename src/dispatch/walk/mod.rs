//! The walk along the path of a request. Only a walk moves the cursor, and only a walk calls an endpoint.

mod endpoint;
mod in_force;
mod limited;
mod purpose;
mod rivals;
mod step;

use std::borrow::Cow;
use std::fmt;

use http::Method;

use super::hook_runs::HookRuns;
use super::{Arrived, Crumb, Decision, Dispatch, MethodSet, Miss, Observer, Reply, RouteLimits, Why};
use crate::Response;
use crate::request::{Mark, Request, Segments};

pub use endpoint::Endpoint;
use in_force::InForce;
pub(crate) use purpose::Purpose;
pub use step::Step;
use step::Taken;

/// A walk along the path of a request.
///
/// A dispatcher looks at the rest of the path ([`segments`](Walk::segments)), goes on with
/// [`descend`](Walk::descend), and ends with [`arrive`](Walk::arrive). These laws hold, because nothing
/// else can move a walk:
///
/// - the part that has been taken and the part that is left make up the path;
/// - an endpoint is called at the end of the path only, and with a method that it takes;
/// - after a [`Miss`], the walk is where it was, and captures and context values are what they were.
pub struct Walk<'r> {
    request: &'r Request,
    method: &'r Method,
    rest: Segments<'r>,
    depth: usize,
    purpose: Purpose,
    observer: Option<&'r dyn Observer>,
    /// The hooks that have run for the request, on this walk and on earlier ones.
    runs: &'r HookRuns,
    /// There may be another walk for the request, which hooks do not run for again.
    may_come_again: bool,
    is_last_resort: bool,
    /// True if a handler for what is not found was passed over, because this was not the last resort.
    is_awaited: bool,
    /// True if others than the handler may ask for captures by name.
    keeps_captures: bool,
    /// True if an earlier dispatcher has missed, so this one is asked next.
    follows_miss: bool,
    /// True if the endpoint that was called takes any method.
    has_taken_any: bool,
    /// True if an endpoint that takes the method has nothing at the path.
    has_found_nothing: bool,
    /// The bounds on concurrency that the walk is inside of, if any.
    in_force: Option<Box<InForce>>,
    /// The endpoint's response. It stays here while the reply is returned through all dispatchers.
    response: Option<Response>,
}

impl fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk")
            .field("method", self.method)
            .field("path", &self.request.path())
            .field("left", &self.rest)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

#[cold]
fn leave(in_force: Box<InForce>) {
    drop(in_force);
}

/// The state of a walk that a miss restores.
struct Position<'r> {
    rest: Segments<'r>,
    values: Mark,
    captures: usize,
    /// The length of the endpoint's pattern, if that is recorded.
    pattern: Option<usize>,
}

impl<'r> Walk<'r> {
    /// The most steps that a walk may take, so no path exhausts the stack.
    pub const MAX_DEPTH: usize = 64;

    #[inline]
    pub(crate) fn new(
        request: &'r Request,
        segments: Segments<'r>,
        purpose: Purpose,
        observer: Option<&'r dyn Observer>,
        runs: &'r HookRuns,
    ) -> Walk<'r> {
        Walk {
            request,
            method: request.method(),
            rest: segments,
            depth: 0,
            purpose,
            observer,
            runs,
            may_come_again: false,
            is_last_resort: true,
            is_awaited: false,
            // An observer may ask for captures, and so does `App::url_for`.
            keeps_captures: observer.is_some() || purpose == Purpose::Rematch,
            follows_miss: false,
            has_taken_any: false,
            has_found_nothing: false,
            in_force: None,
            response: None,
        }
    }

    /// Starts a new walk for the same request along another path.
    pub(crate) fn along<'s>(&self, segments: Segments<'s>, purpose: Purpose) -> Walk<'s>
    where
        'r: 's,
    {
        let mut walk = Walk::new(self.request, segments, purpose, self.observer, self.runs);
        walk.may_come_again = self.may_come_again;
        walk
    }

    /// Ends the walk with the response that another walk has found.
    pub(crate) fn end_with(&mut self, response: Option<Response>) -> Arrived {
        self.response = response;
        Arrived::new()
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(crate) fn observer(&self) -> Option<&'r dyn Observer> {
        self.observer
    }

    /// There may be another walk for the request.
    pub(crate) fn expect_another(&mut self) {
        self.may_come_again = true;
    }

    /// Returns true if another walk for the request may come, or has come before.
    pub(super) fn is_one_of_several(&self) -> bool {
        self.may_come_again
    }

    pub(super) fn runs(&self) -> &'r HookRuns {
        self.runs
    }

    /// Returns the request.
    pub fn request(&self) -> &'r Request {
        self.request
    }

    /// Returns the method of the request.
    pub fn method(&self) -> &'r Method {
        self.method
    }

    /// Returns the segments that are left.
    pub fn segments(&self) -> Segments<'r> {
        self.rest
    }

    /// Returns the methods that `inner` takes at the rest of the path, or `None` if nothing is there.
    ///
    /// No endpoint is called. Hooks inside that may refuse the request do not run, so this tells what is there even to clients
    /// that may not enter. That is what the preflight of a browser asks for, which never has credentials.
    ///
    /// ```
    /// use hansel::dispatch::{Dispatch, Reply, Walk};
    /// use hansel::{App, Hooks, IntoResponse, Method, Routes, StatusCode};
    ///
    /// /// Tells anybody the methods.
    /// fn open_options(walk: &mut Walk<'_>, inner: &dyn Dispatch) -> Reply {
    ///     match walk.methods_of(inner) {
    ///         Some(methods) if walk.method() == Method::OPTIONS => {
    ///             let response = StatusCode::NO_CONTENT.into_response().with_header("Allow", methods.allow().to_string());
    ///             walk.stop("Options", "open_options", response)
    ///         }
    ///         _ => inner.dispatch(walk),
    ///     }
    /// }
    ///
    /// let closed = Hooks::on(Routes::new().get("/", || "")).before(|_: &hansel::Request| Some(StatusCode::UNAUTHORIZED));
    /// let client = hansel::test::Client::new(App::new(Hooks::on(closed).around(open_options)));
    /// assert_eq!(client.get("/").status(), 401);
    /// assert_eq!(client.call("OPTIONS", "/").header("Allow"), Some("GET, HEAD, OPTIONS"));
    /// ```
    pub fn methods_of(&self, inner: &dyn Dispatch) -> Option<MethodSet> {
        let mut walk = Walk::new(self.request, self.rest, Purpose::Preflight, None, self.runs);
        walk.depth = self.depth;
        match inner.dispatch(&mut walk) {
            Err(Miss::MethodNotAllowed(methods)) => Some(methods),
            Ok(_) | Err(Miss::NotFound) => None,
        }
    }

    /// Returns whether there is an observer, so it is worth finding out reasons.
    pub fn is_watched(&self) -> bool {
        self.observer.is_some()
    }

    /// Returns the name that `name` makes if it will be seen, else an empty one.
    pub(super) fn named(&self, name: impl FnOnce() -> String) -> String {
        if self.is_watched() || self.request.endpoint_record().is_some() {
            name()
        } else {
            String::new()
        }
    }

    /// Takes `step` and runs `inner` with the rest of the path. If that misses, the walk returns to where it was.
    // Inlined: between a table and its handler there is little else, and a call more is a tenth of a dispatch.
    #[inline(always)]
    pub fn descend(&mut self, step: Step<'_>, inner: impl FnOnce(&mut Walk<'r>) -> Reply) -> Reply {
        let Some(rest) = self.behind(step.taken) else {
            return Err(self.decline(step.dispatcher, step.name, || "the path ends before it".into()));
        };
        if self.depth == Self::MAX_DEPTH {
            return Err(self.decline(step.dispatcher, step.name, || Why::TooDeep));
        }
        if self.observer.is_some() {
            self.tell(step.dispatcher, self.rest.until(&rest), step.name, Decision::Descend);
        }
        let before = self.position(self.record(step));
        // A hook that has arrived and tries another way may still return to the first response.
        let earlier = if self.response.is_some() {
            self.response.take()
        } else {
            None
        };
        self.rest = rest;
        self.depth += 1;
        let reply = inner(self);
        self.depth -= 1;
        if reply.is_err() {
            self.response = earlier;
            self.go_back(before);
        }
        reply
    }

    #[inline(always)]
    fn position(&self, pattern: Option<usize>) -> Position<'r> {
        let request = self.request;
        Position {
            rest: self.rest,
            values: request.context().mark(),
            captures: request.captures().count(),
            pattern,
        }
    }

    /// Undoes what has been taken, set and captured since `before`.
    #[inline(always)]
    fn go_back(&mut self, before: Position<'r>) {
        let request = self.request;
        self.rest = before.rest;
        request.context().rewind(before.values);
        request.captures().truncate(before.captures);
        if let (Some(record), Some(len)) = (request.endpoint_record(), before.pattern) {
            let mut record = record.borrow_mut();
            record.truncate(len);
            if len == 1 {
                // What was behind a mount at `/` stood in its place.
                record.replace_range(.., "/");
            }
        }
    }

    /// Ends the walk at `endpoint`, if the path is used up and the endpoint takes the method. Then `call` makes the
    /// response, unless the walk only looks for the way.
    ///
    /// # Errors
    /// Returns [`Miss::NotFound`] if a part of the path is left, and [`Miss::MethodNotAllowed`] if the endpoint does
    /// not take the method.
    #[inline(always)]
    pub fn arrive(&mut self, endpoint: Endpoint<'_>, call: impl FnOnce(&'r Request) -> Response) -> Reply {
        self.arrive_by(endpoint, true, call)
    }

    /// Arrives as [`arrive`](Walk::arrive) does. An application that limits the bodies of its parts checks them itself, so
    /// then the body is not checked here.
    #[inline(always)]
    pub(crate) fn arrive_by(
        &mut self,
        endpoint: Endpoint<'_>,
        checks_body: bool,
        call: impl FnOnce(&'r Request) -> Response,
    ) -> Reply {
        let Endpoint {
            dispatcher,
            name,
            methods,
            pace,
        } = endpoint;
        // 404 comes before 405: a path that leads nowhere has no methods.
        if !self.rest.is_empty() {
            let rest = self.rest.text();
            return Err(self.decline(dispatcher, name, || Why::Leftover(rest.into())));
        }
        if self.purpose.is_survey() || !methods.allows(self.method) {
            let method = self.method;
            let _ = self.decline(dispatcher, name, || Why::Method {
                method: Cow::Borrowed(method),
                allowed: Cow::Borrowed(methods),
            });
            return Err(Miss::MethodNotAllowed(methods.clone()));
        }
        if self.observer.is_some() {
            self.tell(dispatcher, "", name, Decision::Arrive(methods));
        }
        let needs_check = (checks_body && self.request.body.needs_check()) || self.in_force.is_some();
        if needs_check && !self.admits(dispatcher, name, checks_body) {
            return Ok(Arrived::new());
        }
        if self.purpose == Purpose::Respond {
            if self.follows_miss {
                self.note_any(methods);
            }
            self.response = Some(pace.run(|| call(self.request)));
            if self.in_force.is_some() {
                self.leave();
            }
        }
        Ok(Arrived::new())
    }

    /// Runs `inner` with limits for the endpoints that it reaches. They are checked in [`arrive`](Walk::arrive): what is
    /// too much gets 413 or 503, and the endpoint is not called.
    ///
    /// [`Hooks`](crate::Hooks) and [`Routes`](crate::Routes) do so. A dispatcher of your own that does so as well says so
    /// in its map, by [`Map::limited`](super::Map::limited): a server takes no larger bodies than the map knows of, and
    /// looks for missed deadlines as often as it does.
    ///
    /// ```
    /// use hansel::dispatch::{Dispatch, Map, Reply, Walk};
    /// use hansel::{App, Request, RouteLimits, Routes, test::Client};
    ///
    /// /// Takes larger bodies from those who have a key.
    /// struct Members { limits: RouteLimits, inner: Routes }
    ///
    /// impl Dispatch for Members {
    ///     fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
    ///         match walk.request().header("X-Key") {
    ///             Some("secret") => walk.limited(&self.limits, |walk| self.inner.dispatch(walk)),
    ///             _ => self.inner.dispatch(walk),
    ///         }
    ///     }
    ///
    ///     fn describe(&self, map: &mut Map) {
    ///         map.limited(&self.limits, |map| self.inner.describe(map));
    ///     }
    /// }
    ///
    /// let inner = Routes::new().post("/", |request: &Request| request.bytes().map(|body| body.len().to_string()));
    /// let client = Client::new(App::new(Members { limits: RouteLimits::new().body(5_000_000), inner }));
    /// let large = || Request::post("/").with_body(vec![0; 3_000_000]);
    /// assert_eq!(client.send(large()).status(), 413);
    /// assert_eq!(client.send(large().with_header("X-Key", "secret")).text(), "3000000");
    /// ```
    pub fn limited(&mut self, limits: &RouteLimits, inner: impl FnOnce(&mut Walk<'r>) -> Reply) -> Reply {
        let before = self.enter(limits);
        let reply = inner(self);
        self.exit(before, reply.is_ok());
        reply
    }

    /// Returns the response of the endpoint that was called. There is none before, and none if the walk only looks for
    /// the way.
    pub fn response(&self) -> Option<&Response> {
        self.response.as_ref()
    }

    /// Returns the response, to be changed.
    ///
    /// ```
    /// use hansel::dispatch::{Dispatch, Reply, Walk};
    /// use hansel::{Hooks, Routes};
    ///
    /// fn signed(walk: &mut Walk<'_>, inner: &dyn Dispatch) -> Reply {
    ///     let arrived = inner.dispatch(walk)?;
    ///     if let Some(response) = walk.response_mut() {
    ///         response.set_header("X-Signed-By", "Gretel");
    ///     }
    ///     Ok(arrived)
    /// }
    ///
    /// let app = hansel::App::new(Hooks::on(Routes::new().get("/", || "Hello")).around(signed));
    /// # use hansel::{Application, Request};
    /// assert_eq!(app.call(&Request::get("/")).header("X-Signed-By"), Some("Gretel"));
    /// ```
    pub fn response_mut(&mut self) -> Option<&mut Response> {
        self.response.as_mut()
    }

    /// Takes the refusal of a hook, where nothing else has a response.
    pub(crate) fn take_refusal(&mut self) -> Option<Response> {
        self.response.take()
    }

    /// Returns the response of the walk that has ended, if its endpoint was called.
    // Taken apart, so that what few walks have costs the others one test.
    #[inline]
    pub(crate) fn into_response(self, _: Arrived) -> Option<Response> {
        if let Some(in_force) = self.in_force {
            leave(in_force);
        }
        self.response
    }

    /// Leaves a crumb that says why a way is not taken, and returns the miss to reply with.
    ///
    /// `why` is called only if there is an observer.
    pub fn decline<'w>(&self, dispatcher: &str, name: &str, why: impl FnOnce() -> Why<'w>) -> Miss {
        if self.observer.is_some() {
            self.tell(dispatcher, "", name, Decision::Decline(why()));
        }
        Miss::NotFound
    }

    /// Leaves a crumb that says why `endpoint` has nothing at this path now, as where a file is missing, and returns the miss
    /// to reply with.
    ///
    /// Other dispatchers are asked, as after [`decline`](Walk::decline). If they have the path for PUT, PATCH or DELETE, and
    /// `endpoint` takes the method of the request, the response is 404 and not their 405: the path is one that could be read
    /// if something were there.
    ///
    /// ```
    /// use hansel::dispatch::{Dispatch, Endpoint, Map, MethodSet, Reply, Step, Walk};
    /// use hansel::{Chain, Method, Routes, test::Client};
    ///
    /// /// Has nothing at any path yet.
    /// struct Empty;
    ///
    /// impl Dispatch for Empty {
    ///     fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
    ///         let get = MethodSet::of(Method::GET);
    ///         Err(walk.decline_empty(Endpoint::new("Empty", "get", &get), || "nothing has been put there".into()))
    ///     }
    ///
    ///     fn describe(&self, _: &mut Map) {}
    /// }
    ///
    /// let client = Client::new(Chain::new().then(Empty).then(Routes::new().put("/notes/{name}", |_: &str| ())));
    /// assert_eq!(client.get("/notes/a").status(), 404);
    /// assert_eq!(client.post("/notes/a", "").header("Allow"), Some("OPTIONS, PUT"));
    /// ```
    pub fn decline_empty<'w>(&mut self, endpoint: Endpoint<'_>, why: impl FnOnce() -> Why<'w>) -> Miss {
        self.has_found_nothing |= !self.purpose.is_survey() && endpoint.methods.allows(self.method);
        self.decline(endpoint.dispatcher, endpoint.name, why)
    }

    /// Ends the walk before any endpoint, with a response for everything below. `dispatcher` is the kind of dispatcher that
    /// decided, and `name` says what for; both are shown in the trail.
    ///
    /// A walk that only looks for the way has no response: `response` is dropped then.
    pub fn stop(&mut self, dispatcher: &str, name: &str, response: Response) -> Reply {
        if self.observer.is_some() {
            self.tell(dispatcher, "", name, Decision::Arrive(&MethodSet::any()));
        }
        if self.purpose.keeps_refusals() {
            self.has_taken_any = false;
            self.response = Some(response);
        }
        Ok(Arrived::new())
    }

    /// Keeps a part of the path under a name, for [`Request::capture`]. `None` is a group that took no part in the
    /// match.
    pub(super) fn capture(&self, name: &std::sync::Arc<str>, text: Option<&'r str>) {
        // Both are parts of one text, so the difference of their addresses is that of their positions.
        let whole = self.rest.whole();
        let place = text.and_then(|text| {
            let start = (text.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
            Some(start..start.checked_add(text.len())?)
        });
        self.request.captures().add(name, place);
    }

    /// Returns whether others than the handler may ask for captures by name.
    #[inline]
    pub(super) fn keeps_captures(&self) -> bool {
        self.keeps_captures
    }

    /// Lets others than the handler ask for captures by name.
    pub(super) fn keep_captures(&mut self) {
        self.keeps_captures = true;
    }

    #[inline]
    fn behind(&self, taken: Taken) -> Option<Segments<'r>> {
        match taken {
            Taken::Segments(count) => self.rest.behind(count),
            Taken::Text(octets) => self.rest.behind_text(octets),
        }
    }

    /// Adds the step to the endpoint's pattern, and returns how long that was before.
    #[inline]
    fn record(&self, step: Step<'_>) -> Option<usize> {
        let mut record = self.request.endpoint_record()?.borrow_mut();
        let before = record.len();
        // An inner `/` is the outer path itself. Expressions that are no template begin with `^`.
        if matches!(step.name.as_bytes().first(), Some(b'/' | b'^')) && (step.name != "/" || before == 0) {
            if *record == "/" {
                record.clear();
            }
            record.push_str(step.name);
        }
        Some(before)
    }

    #[cold]
    fn tell(&self, dispatcher: &str, taken: &str, handler: &str, decision: Decision<'_>) {
        if let Some(observer) = self.observer {
            observer.crumb(&Crumb {
                depth: self.depth,
                dispatcher,
                taken,
                handler,
                decision,
            });
        }
    }
}
