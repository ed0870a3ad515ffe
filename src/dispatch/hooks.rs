//! Hooks around a dispatcher: before, after, around, and shared state.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::hook_runs::{After, AfterOnce, HookId, Out};
use super::needs::SharedState;
use super::segment::short_name;
use super::{Dispatch, IntoDispatch, Map, Reply, RouteLimits, Step, Walk};
use crate::request::{Shared, Subtree};
use crate::sealed::Seal;
use crate::seen::{Seen, subtree};
use crate::{IntoResponse, Request, Response};

/// Hooks around a dispatcher, in the order in which they are added: the first is the outermost.
///
/// ```
/// use hansel::{App, Extension, Hooks, Request, Response, Routes, StatusCode};
///
/// struct User(String);
///
/// fn login(request: &Request) -> Result<(), StatusCode> {
///     let user = request.header("X-User").ok_or(StatusCode::UNAUTHORIZED)?;
///     request.set(User(user.to_owned()));
///     Ok(())
/// }
///
/// fn stamp(_: &Request, response: &mut Response) {
///     response.set_header("X-Stamp", "hansel");
/// }
///
/// fn whoami(user: Extension<User>) -> String {
///     user.0.0.clone()
/// }
///
/// let app = App::new(Hooks::on(Routes::new().get("/whoami", whoami)).after(stamp).before(login));
/// # use hansel::Application;
/// let response = app.call(&Request::get("/whoami").with_header("X-User", "gretel"));
/// assert_eq!(response.body().bytes(), Some(&b"gretel"[..]));
/// assert_eq!(response.header("X-Stamp"), Some("hansel"));
/// assert_eq!(app.call(&Request::get("/whoami")).status(), 401);
/// ```
///
/// Hooks run when a walk enters the dispatcher that they are around. So they also run for paths without an endpoint
/// there, and when a way is [explained](crate::App::explain). Each hook runs once for a request, however often the way
/// is looked for. If a hook refuses a request, no 404, 405, `Allow` or redirect reveals what is inside. Values that
/// hooks [set](Request::set) on the request are removed if no endpoint is found.
#[must_use = "hooks do nothing until they are served or mounted"]
pub struct Hooks {
    hooks: Vec<Hook>,
    /// The state that is shared with the inner dispatcher, for the check of what its handlers take.
    shared: Vec<SharedState>,
    /// The limits of what is inside, hooks included.
    limits: Option<Box<RouteLimits>>,
    inner: Box<dyn Dispatch>,
}

enum Hook {
    Before(HookId, &'static str, Box<Before>),
    After(HookId, Arc<After>),
    Wrap(HookId, Box<Wrap>),
    Around(Box<Around>),
    State(Box<Share>),
    Respond(Subtree),
}

type Before = dyn Fn(&Request) -> Option<Response> + Send + Sync;
type Wrap = dyn Fn(&Request) -> AfterOnce + Send + Sync;
type Around = dyn Fn(&mut Walk<'_>, &dyn Dispatch) -> Reply + Send + Sync;
type Share = dyn Fn(&Request) + Send + Sync;

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("hooks", &self.hooks.len())
            .finish_non_exhaustive()
    }
}

impl Hooks {
    /// Creates hooks on a dispatcher, application, resource or function: none yet.
    #[track_caller]
    pub fn on<K>(inner: impl IntoDispatch<K>) -> Hooks {
        Hooks {
            hooks: Vec::new(),
            shared: Vec::new(),
            limits: None,
            inner: Box::new(inner.into_dispatch()),
        }
    }

    /// Runs `hook` before the endpoint. If it returns a response, the endpoint is not called.
    pub fn before<V: Verdict>(mut self, hook: impl Fn(&Request) -> V + Send + Sync + 'static) -> Hooks {
        let name = name_of(&hook);
        let hook = move |request: &Request| hook(request).verdict();
        self.hooks.push(Hook::Before(HookId::new(), name, Box::new(hook)));
        self
    }

    /// Runs `hook` after the endpoint, with the response. If there is no endpoint, neither inside nor elsewhere, the
    /// hook gets the 404, the 405 or the response to OPTIONS.
    pub fn after(mut self, hook: impl Fn(&Request, &mut Response) + Send + Sync + 'static) -> Hooks {
        self.hooks.push(Hook::After(HookId::new(), Arc::new(hook)));
        self
    }

    /// Runs `hook` before the endpoint, and the function that it returns after it, as [`after`](Hooks::after) does.
    ///
    /// ```
    /// use hansel::{Hooks, Request, Response, Routes};
    /// use std::time::Instant;
    ///
    /// let timed = Hooks::on(Routes::new().get("/", || "Hello")).wrap(|_: &Request| {
    ///     let begun = Instant::now();
    ///     move |_: &Request, response: &mut Response| {
    ///         response.set_header("Server-Timing", format!("app;dur={}", begun.elapsed().as_millis()));
    ///     }
    /// });
    /// # use hansel::Application;
    /// let response = hansel::App::new(timed).call(&Request::get("/"));
    /// assert!(response.header("Server-Timing").is_some());
    /// ```
    pub fn wrap<A>(mut self, hook: impl Fn(&Request) -> A + Send + Sync + 'static) -> Hooks
    where
        A: FnOnce(&Request, &mut Response) + 'static,
    {
        let hook = move |request: &Request| -> AfterOnce { Box::new(hook(request)) };
        self.hooks.push(Hook::Wrap(HookId::new(), Box::new(hook)));
        self
    }

    /// Calls `hook` with each response to a request that was dispatched here, before the response is sent, whoever made it:
    /// also with what [`after`](Hooks::after) does not see, such as a panic, an overdue handler, and what the server makes of
    /// a response that can't be sent. It is [`App::respond`](crate::App::respond) for a part of an application, and what is
    /// said there applies. If there is no endpoint, neither inside nor elsewhere, the hook gets the 404, the 405 or the
    /// response to OPTIONS.
    ///
    /// What the server refuses before dispatch was never here. If several parts have a hook, the innermost runs first, and
    /// that of the application last. A dispatcher of your own in which it is used must [describe](Dispatch::describe) it, so
    /// that it is found.
    ///
    /// ```
    /// use hansel::{App, Hooks, Routes, problem_details, test::Client};
    ///
    /// let api = Hooks::on(Routes::new().get("/people", || -> String { panic!("no people") })).respond(problem_details());
    /// let client = Client::new(App::new(Routes::new().mount("/api", api)));
    /// assert_eq!(client.get("/api/people").header("Content-Type"), Some("application/problem+json"));
    /// assert_ne!(client.get("/nowhere").header("Content-Type"), Some("application/problem+json"));
    /// ```
    pub fn respond(mut self, hook: impl Fn(&Seen<'_>, &mut Response) + Send + Sync + 'static) -> Hooks {
        self.hooks.push(Hook::Respond(subtree(Arc::new(hook))));
        self
    }

    /// Runs `hook` around the inner dispatcher, which it calls by [`dispatch`](Dispatch::dispatch): once, not at all,
    /// or several times.
    ///
    /// ```
    /// use hansel::dispatch::{Dispatch, Miss, Reply, Walk};
    /// use hansel::{Hooks, Routes};
    ///
    /// /// Hides what is inside from everybody but the neighbours.
    /// fn neighbours_only(walk: &mut Walk<'_>, inner: &dyn Dispatch) -> Reply {
    ///     match walk.request().peer() {
    ///         Some(peer) if !peer.ip().is_loopback() => Err(Miss::NotFound),
    ///         _ => inner.dispatch(walk),
    ///     }
    /// }
    ///
    /// let hooked = Hooks::on(Routes::new().get("/status", || "fine")).around(neighbours_only);
    /// # assert!(hansel::App::new(hooked).explain(hansel::Method::GET, "/status").is_found());
    /// ```
    pub fn around(mut self, hook: impl Fn(&mut Walk<'_>, &dyn Dispatch) -> Reply + Send + Sync + 'static) -> Hooks {
        self.hooks.push(Hook::Around(Box::new(hook)));
        self
    }

    /// Shares a value with all inner handlers, which take it as [`State<T>`](crate::State). One that is in an [`Arc`]
    /// already is shared as it is.
    ///
    /// An [`App`](crate::App) checks when it is created that each `State<T>` is shared around the handler that takes it.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use hansel::{App, Hooks, Routes, State};
    ///
    /// trait Store: Send + Sync { fn count(&self) -> usize; }
    /// # struct InMemory(Vec<String>);
    /// # impl Store for InMemory { fn count(&self) -> usize { self.0.len() } }
    ///
    /// fn count(store: State<dyn Store>) -> String { store.count().to_string() }
    ///
    /// let store: Arc<dyn Store> = Arc::new(InMemory(vec!["a muffin".into()]));
    /// let app = App::new(Hooks::on(Routes::new().get("/count", count)).state(store));
    /// # use hansel::{Application, Request};
    /// # assert_eq!(app.call(&Request::get("/count")).body().bytes(), Some(&b"1"[..]));
    /// ```
    #[track_caller]
    pub fn state<T: Any + Send + Sync>(mut self, value: T) -> Hooks {
        let value = Shared::new(value);
        let hook = move |request: &Request| request.context().share(&value);
        self.hooks.push(Hook::State(Box::new(hook)));
        self.shared.push(SharedState::of::<T>());
        self
    }

    /// Declares that a [`State<T>`](crate::State) is shared by what this will be mounted in, for an
    /// [`App`](crate::App) that is created before it is mounted there. Nothing checks this: if nobody shares it, the
    /// response is 500.
    ///
    /// ```
    /// use hansel::{App, Hooks, Routes, State};
    ///
    /// struct Site { name: &'static str }
    ///
    /// /// An application by itself, which others mount.
    /// fn about() -> App {
    ///     App::new(Hooks::on(Routes::new().get("/", |site: State<Site>| site.name)).expects_state::<Site>())
    /// }
    ///
    /// let app = App::new(Hooks::on(about()).state(Site { name: "hansel.example" }));
    /// # use hansel::{Application, Request};
    /// # assert_eq!(app.call(&Request::get("/")).body().bytes(), Some(&b"hansel.example"[..]));
    /// ```
    #[track_caller]
    pub fn expects_state<T: ?Sized + Send + Sync + 'static>(mut self) -> Hooks {
        self.shared.push(SharedState::of::<T>());
        self
    }

    /// Limits what is inside; see [`RouteLimits`]. A route or other hooks inside may have limits of their own, which
    /// count there.
    ///
    /// The order of hooks and limits does not matter: all hooks here may read a body of that size, and what is too much
    /// is refused after they have run, where an endpoint is reached.
    ///
    /// ```
    /// use hansel::{App, Hooks, Request, Resource, RouteLimits, StatusCode, test::Client};
    ///
    /// struct Shelf;
    /// hansel::resource!(Shelf { put });
    ///
    /// impl Shelf {
    ///     fn put(&self) -> &'static str { "thank you" }
    /// }
    ///
    /// let known = |request: &Request| request.header("X-Key").is_none().then_some(StatusCode::UNAUTHORIZED);
    /// let client = Client::new(App::new(Hooks::on(Shelf).limits(RouteLimits::new().body(100)).before(known)));
    /// let put = |size| Request::new("PUT".parse().unwrap(), "/").with_body(vec![b'x'; size]);
    /// assert_eq!(client.send(put(101)).status(), 401);
    /// assert_eq!(client.send(put(101).with_header("X-Key", "secret")).status(), 413);
    /// assert_eq!(client.send(put(100).with_header("X-Key", "secret")).text(), "thank you");
    /// ```
    pub fn limits(mut self, limits: RouteLimits) -> Hooks {
        self.limits.get_or_insert_default().set(limits);
        self
    }

    /// Limits the body of each request inside, in bytes: see [`RouteLimits::body`].
    pub fn body_limit(self, bytes: u64) -> Hooks {
        self.limits(RouteLimits::new().body(bytes))
    }

    /// Limits the time that each handler inside may take: see [`RouteLimits::deadline`].
    pub fn deadline(self, time: impl Into<Option<Duration>>) -> Hooks {
        self.limits(RouteLimits::new().deadline(time))
    }

    /// Limits how many requests are handled inside at once: see [`RouteLimits::concurrency`].
    pub fn concurrency(self, most: usize) -> Hooks {
        self.limits(RouteLimits::new().concurrency(most))
    }
}

fn name_of<F>(_: &F) -> &'static str {
    short_name(std::any::type_name::<F>())
}

/// The result of a [`Hooks::before`] hook.
///
/// | returned | means |
/// |---|---|
/// | `()` | go on |
/// | `Option<R>` | `None`: go on; `Some`: the response |
/// | `Result<(), E>` | `Ok`: go on; `Err`: the response |
///
/// This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no verdict of a hook",
    note = "a hook that runs before returns `()`, an `Option` of a response, or a `Result` whose error is a response"
)]
pub trait Verdict {
    #[doc(hidden)]
    const SEAL: Seal;

    /// Returns the response, if the hook refuses the request.
    fn verdict(self) -> Option<Response>;
}

impl Verdict for () {
    const SEAL: Seal = Seal;

    fn verdict(self) -> Option<Response> {
        None
    }
}

impl<R: IntoResponse> Verdict for Option<R> {
    const SEAL: Seal = Seal;

    fn verdict(self) -> Option<Response> {
        self.map(R::into_response)
    }
}

impl<E: IntoResponse> Verdict for Result<(), E> {
    const SEAL: Seal = Seal;

    fn verdict(self) -> Option<Response> {
        self.err().map(E::into_response)
    }
}

impl Dispatch for Hooks {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        if self
            .hooks
            .iter()
            .any(|hook| matches!(hook, Hook::After(..) | Hook::Wrap(..) | Hook::Around(_)))
        {
            walk.keep_captures();
        }
        // A step, so that a miss removes what hooks have set.
        walk.descend(Step::new("Hooks", ""), |walk| match &self.limits {
            None => self.inside(0).dispatch(walk),
            Some(limits) => walk.limited(limits, |walk| self.inside(0).dispatch(walk)),
        })
    }

    fn describe(&self, map: &mut Map) {
        if self.hooks.iter().any(|hook| matches!(hook, Hook::Respond(_))) {
            map.note_response_hook();
        }
        map.sharing(&self.shared, |map| match &self.limits {
            None => self.inner.describe(map),
            Some(limits) => map.limited(limits, |map| self.inner.describe(map)),
        });
    }
}

impl Hooks {
    fn inside(&self, from: usize) -> Inside<'_> {
        Inside {
            hooks: self.hooks.get(from..).unwrap_or(&[]),
            inner: &*self.inner,
        }
    }
}

/// Runs a hook before the endpoint, and returns its result. If the hook has let this request pass before, it does not
/// run: the values that it has set are set again.
fn run_once(id: HookId, walk: &mut Walk<'_>, hook: impl FnOnce(&Request) -> Option<Response>) -> Option<Response> {
    let context = walk.request().context();
    if !walk.is_one_of_several() {
        return hook(walk.request());
    }
    if let Some(set) = walk.runs().passed(id) {
        context.set_again(set);
        return None;
    }
    let mark = context.mark();
    let refusal = hook(walk.request());
    if refusal.is_none() {
        walk.runs().note_passed(id, context.since(mark));
    }
    refusal
}

/// Runs a hook after the endpoint: now if there is a response, else once it is known that there is no endpoint.
fn leave(id: HookId, out: Out, reply: Reply, walk: &mut Walk<'_>) -> Reply {
    let request = walk.request();
    if reply.is_ok() {
        if let Some(response) = walk.response_mut() {
            out.run(request, response);
        }
    } else if walk.purpose().keeps_refusals() {
        walk.runs().defer(id, out);
    }
    reply
}

/// The hooks that have not run yet, and the inner dispatcher.
struct Inside<'a> {
    hooks: &'a [Hook],
    inner: &'a dyn Dispatch,
}

impl Dispatch for Inside<'_> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let Some((hook, hooks)) = self.hooks.split_first() else {
            return self.inner.dispatch(walk);
        };
        let inside = Inside { hooks, ..*self };
        match hook {
            Hook::Before(..) | Hook::Wrap(..) if !walk.purpose().runs_hooks() => inside.dispatch(walk),
            Hook::Before(id, name, hook) => match run_once(*id, walk, |request| hook(request)) {
                Some(response) => walk.stop("Hooks", name, response),
                None => inside.dispatch(walk),
            },
            Hook::State(set) => {
                set(walk.request());
                inside.dispatch(walk)
            }
            Hook::After(id, hook) => {
                let reply = inside.dispatch(walk);
                leave(*id, Out::Every(Arc::clone(hook)), reply, walk)
            }
            // A survey only collects methods: there is no response to run it with.
            Hook::Wrap(id, _) if walk.purpose().is_survey() && walk.runs().passed(*id).is_none() => {
                inside.dispatch(walk)
            }
            Hook::Wrap(id, hook) => {
                let mut out = None;
                let _: Option<Response> = run_once(*id, walk, |request| {
                    out = Some(Out::Once(hook(request)));
                    None
                });
                // An earlier walk may have deferred it.
                let out = out.or_else(|| walk.runs().recall(*id));
                let reply = inside.dispatch(walk);
                match out {
                    Some(out) => leave(*id, out, reply, walk),
                    None => reply,
                }
            }
            Hook::Around(hook) => hook(walk, &inside),
            Hook::Respond(_) if !walk.purpose().keeps_refusals() => inside.dispatch(walk),
            Hook::Respond(subtree) => {
                walk.request().enter_subtree(subtree);
                let reply = inside.dispatch(walk);
                if reply.is_err() {
                    walk.request().entered().miss(subtree);
                }
                reply
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{App, Application, Chain, Method, Routes, StatusCode};

    #[test]
    fn the_first_hook_is_the_outermost() {
        let note =
            |text: &'static str| move |_: &Request, response: &mut Response| response.append_header("X-Order", text);
        let app = App::new(Hooks::on(|| "x").after(note("outer")).after(note("inner")));
        let response = app.call(&Request::get("/"));
        let order: Vec<_> = response.headers().map(|(_, value)| value).collect();
        assert_eq!(order, [b"inner", b"outer"]);
    }

    #[test]
    fn what_a_hook_has_set_is_gone_after_a_miss() {
        let first = Hooks::on(Routes::new().get("/a", || "a")).before(|request: &Request| request.set(7_u8));
        let second = |request: &Request| format!("{:?}", request.value::<u8>());
        let app = App::new(Chain::new().then(first).then(second));
        let response = app.call(&Request::get("/b"));
        assert_eq!(response.body().bytes(), Some(&b"None"[..]));
    }

    #[test]
    fn a_hook_that_returns_an_error_refuses_and_no_other() {
        let check = |request: &Request| match request.header("X-Key") {
            Some(_) => Ok(()),
            None => Err(StatusCode::FORBIDDEN),
        };
        let app = App::new(Hooks::on(|| "x").before(check));
        assert_eq!(app.call(&Request::get("/")).status(), 403);
        assert_eq!(app.call(&Request::get("/").with_header("X-Key", "7")).status(), 200);
    }

    #[test]
    fn a_hook_around_what_is_only_asked_for_its_methods_does_not_run() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let wrap = move |_: &Request| {
            count.fetch_add(1, Relaxed);
            |_: &Request, _: &mut Response| {}
        };
        let nowhere = |_: &Request| StatusCode::NOT_FOUND;
        let count = Arc::clone(&runs);
        let after = move |_: &Request, _: &mut Response| {
            count.fetch_add(1, Relaxed);
        };
        let behind = Hooks::on(Routes::new().post("/x", || "x")).wrap(wrap).after(after);
        let app = App::new(Chain::new().then(nowhere).then(behind)).allow_always(true);
        let response = app.call(&Request::get("/x"));
        assert!(response.header("Allow").is_some_and(|allow| allow.contains("POST")));
        assert_eq!(runs.load(Relaxed), 0, "the function before it has responded");
    }

    #[test]
    fn explaining_runs_hooks_and_shows_the_one_that_answers() {
        fn closed(_: &Request) -> Option<StatusCode> {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
        let app = App::new(Hooks::on(|| "x").before(closed));
        assert_eq!(app.call(&Request::get("/x")).status(), 503);
        let trail = app.explain(Method::GET, "/x");
        assert_eq!(trail.endpoint().map(|crumb| &*crumb.handler), Some("closed"));
    }
}
