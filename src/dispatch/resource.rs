//! Dispatch by resource and verb: the functions of a resource are named after the methods that they answer.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use http::Method;

use super::arguments::{PathArguments, Tail};
use super::handler::{MethodHandler, MethodShape, Signature};
use super::method_set::standard;
use super::segment::{plain, short_name, type_name};
use super::{
    Dispatch, Endpoint, FromSegment, IntoDispatch, Map, MethodSet, Miss, Needs, Reply, Step, Walk, Why, notation,
};
use crate::Request;
use crate::pace::Pace;
use crate::sealed::Seal;

/// A resource: something that responds to verbs, and may have items and nested resources.
///
/// [`verbs`](Resource::verbs) lists everything that can be reached. A resource with an [item](Verbs::item) look-up is a
/// collection. Its items are resources too, and may borrow it.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
/// use hansel::{Resource, Verbs};
///
/// struct Field { potatoes: AtomicUsize }
///
/// impl Resource for Field {
///     fn verbs(verbs: &mut Verbs<Self>) {
///         verbs.get(Self::get).post(Self::post).item(Self::potato);
///     }
/// }
///
/// impl Field {
///     fn get(&self) -> String {
///         format!("{} potatoes in the field.", self.potatoes.load(Relaxed))
///     }
///
///     fn post(&self) -> String {
///         format!("There are now {} potatoes in the field.", self.potatoes.fetch_add(1, Relaxed) + 1)
///     }
///
///     fn potato(&self, number: usize) -> Option<Potato<'_>> {
///         (1..=self.potatoes.load(Relaxed)).contains(&number).then_some(Potato { field: self })
///     }
/// }
///
/// /// Borrows the field it lies in.
/// struct Potato<'f> { field: &'f Field }
///
/// hansel::resource!(Potato<'_> { get, plough });
///
/// impl Potato<'_> {
///     fn get(&self) -> String {
///         format!("One of {} beautiful potatoes.", self.field.potatoes.load(Relaxed))
///     }
///
///     /// Answers the method PLOUGH.
///     fn plough(&self) -> &'static str {
///         "Turned over."
///     }
/// }
/// # use hansel::{Application, Request};
/// # let app = hansel::App::new(Field { potatoes: AtomicUsize::new(10) });
/// # assert_eq!(app.call(&Request::get("/3")).body().bytes(), Some(&b"One of 10 beautiful potatoes."[..]));
/// ```
///
/// If a part of the path is left, nested resources come first, then items: an item that does not exist is 404 for every
/// verb. Then come the verbs, which may take the rest of the path as arguments. HEAD and OPTIONS are answered unless
/// they are defined. A path never names a verb.
pub trait Resource {
    /// Lists the verbs, items, and nested resources.
    ///
    /// It runs for each request, and without a request for the map, so it should do nothing else.
    fn verbs(verbs: &mut Verbs<'_, '_, Self>)
    where
        Self: Sized;
}

/// Implements [`Resource`] for a type whose functions have the names of their verbs. An item look-up
/// may follow.
///
/// ```
/// struct Shelf;
/// struct Book(u32);
///
/// hansel::resource!(Shelf { get, post } item book);
/// hansel::resource!(Book { get });
///
/// impl Shelf {
///     fn get(&self) -> &'static str { "a shelf" }
///     fn post(&self) -> &'static str { "one more" }
///     fn book(&self, number: u32) -> Option<Book> { (number < 3).then_some(Book(number)) }
/// }
///
/// impl Book {
///     fn get(&self) -> String { format!("book {}", self.0) }
/// }
/// # assert_eq!(hansel::App::new(Shelf).explain(hansel::Method::GET, "/2").status(), 200);
/// # assert_eq!(hansel::App::new(Shelf).explain(hansel::Method::POST, "/2").status(), 405);
/// # assert_eq!(hansel::App::new(Shelf).explain(hansel::Method::POST, "/3").status(), 404);
/// ```
#[macro_export]
macro_rules! resource {
    ($type:ty { $($verb:ident),* $(,)? } $(item $item:ident)?) => {
        impl $crate::Resource for $type {
            fn verbs(verbs: &mut $crate::Verbs<'_, '_, Self>) {
                verbs$(.verb(stringify!($verb), Self::$verb))*$(.item(Self::$item))?;
            }
        }
    };
}

/// The list of the verbs, items and nested resources of a [`Resource`].
pub struct Verbs<'v, 'r, S> {
    resource: Option<&'v S>,
    listed_for: ListedFor<'v, 'r>,
    /// The reply so far.
    reply: Option<Reply>,
    /// True if the reply is final.
    is_decided: bool,
}

impl<S> fmt::Debug for Verbs<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verbs")
            .field("resource", &type_name::<S>())
            .finish_non_exhaustive()
    }
}

/// The reason why the verbs are listed.
enum ListedFor<'v, 'r> {
    /// For the map. The methods are those that have been listed already.
    Describe(&'v mut Map, Vec<Method>),
    Dispatch(Stage, &'v mut Walk<'r>),
}

/// The parts of a resource that a dispatch looks at, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nested,
    Items,
    /// The verb of the request's method.
    Exact,
    /// Other verbs: GET, which answers HEAD as well, and the rest for `Allow`.
    Others,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident $name:literal),*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $verb<F: MethodHandler<S, H>, H: MethodShape<S, F>>(&mut self, function: F) -> &mut Self {
            self.verb($name, function)
        }
    )*};
}

impl<'v, 'r, S> Verbs<'v, 'r, S> {
    verbs!(
        /// Answers GET, and HEAD unless that is defined.
        get "GET",
        /// Answers POST.
        post "POST",
        /// Answers PUT.
        put "PUT",
        /// Answers PATCH.
        patch "PATCH",
        /// Answers DELETE.
        delete "DELETE",
        /// Answers HEAD in its own way.
        head "HEAD",
        /// Answers OPTIONS in its own way.
        options "OPTIONS"
    );

    /// Answers the method of this name, in upper case: `plough` is PLOUGH, and so is `r#plough`.
    ///
    /// # Panics
    /// Panics if this is not the name of a method, or if the verb is listed twice. This happens when an application is
    /// created from the resource.
    #[track_caller]
    pub fn verb<F: MethodHandler<S, H>, H: MethodShape<S, F>>(&mut self, name: &str, function: F) -> &mut Self {
        let full_name = std::any::type_name::<F>();
        let name = plain(name);
        match &mut self.listed_for {
            ListedFor::Describe(map, listed) => {
                let method = method(name);
                if listed.contains(&method) {
                    panic!("{} lists {method} twice", std::any::type_name::<S>());
                }
                let signature = Signature::new(full_name, H::arguments(), H::needs(), H::lasts());
                let methods = MethodSet::of(method.clone());
                map.endpoint("Resource", &methods, &signature.pattern, &signature.text());
                map.timed_by(Pace::of_key(full_name));
                map.check(&signature.needs, Location::caller());
                listed.push(method);
            }
            ListedFor::Dispatch(stage, walk) => {
                let is_due = stage.is_for(name, walk.method()) && !self.is_decided;
                if let Some(resource) = self.resource.filter(|_| is_due) {
                    let reply = call::<S, F, H>(name, full_name, &function, resource, walk);
                    self.is_decided = reply.is_ok();
                    self.reply = Some(match (self.reply.take(), reply) {
                        (Some(Err(before)), Err(miss)) => Err(before.merge(miss)),
                        (_, reply) => reply,
                    });
                }
            }
        }
        self
    }

    /// Nests a resource under a name: its verbs are at `/name` below the path of this resource.
    ///
    /// It may borrow this resource, as items do.
    pub fn nested<N: Resource>(&mut self, name: &str, nested: impl FnOnce(&'v S) -> N) -> &mut Self {
        let name = plain(name);
        match &mut self.listed_for {
            ListedFor::Describe(map, _) => {
                map.items(type_name::<N>(), |map| map.below(&nested_part(name), describe::<N>));
            }
            ListedFor::Dispatch(Stage::Nested, walk) => {
                let is_due = !self.is_decided && walk.segments().next() == Some(name);
                if let Some(resource) = self.resource.filter(|_| is_due) {
                    let part = walk.named(|| nested_part(name));
                    let step = Step::taking("Resource", &part, 1);
                    self.is_decided = true;
                    self.reply = Some(walk.descend(step, |walk| dispatch(&nested(resource), walk)));
                }
            }
            ListedFor::Dispatch(..) => {}
        }
        self
    }

    /// Looks up the next segment among the items of this resource. `None` is 404 for every verb.
    ///
    /// An item may borrow the collection. With several look-ups, the first whose key fits the segment decides.
    pub fn item<K: FromSegment, I: Resource>(&mut self, find: impl FnOnce(&'v S, K) -> Option<I>) -> &mut Self {
        self.item_of(|collection, _, key| find(collection, key))
    }

    /// Like [`item`](Verbs::item), for a look-up that takes the request.
    pub fn item_of<K: FromSegment, I: Resource>(
        &mut self,
        find: impl FnOnce(&'v S, &'r Request, K) -> Option<I>,
    ) -> &mut Self {
        match &mut self.listed_for {
            ListedFor::Describe(map, _) => {
                let name = type_name::<I>();
                map.items(name, |map| map.below(&part::<I>(), describe::<I>));
            }
            ListedFor::Dispatch(Stage::Items, walk) => {
                let undecided = self.resource.filter(|_| !self.is_decided);
                if let (Some(resource), Some(segment)) = (undecided, walk.segments().next()) {
                    self.reply = Some(match key(segment) {
                        Some(key) => {
                            self.is_decided = true;
                            enter(find(resource, walk.request(), key), segment, walk)
                        }
                        None => Err(walk.decline("Resource", type_name::<I>(), || Why::Argument {
                            segment: segment.into(),
                            expected: K::expected().into(),
                        })),
                    });
                }
            }
            ListedFor::Dispatch(..) => {}
        }
        self
    }
}

impl Stage {
    /// Returns whether a verb with this name belongs to the stage.
    fn is_for(self, name: &str, method: &Method) -> bool {
        match self {
            Stage::Nested | Stage::Items => false,
            Stage::Exact => is_name_of(name, method),
            Stage::Others => !is_name_of(name, method),
        }
    }
}

fn is_name_of(name: &str, method: &Method) -> bool {
    let upper = name.bytes().map(|octet| octet.to_ascii_uppercase());
    upper.eq(method.as_str().bytes())
}

fn method(name: &str) -> Method {
    if let Some(method) = standard(name) {
        return method.clone();
    }
    match Method::from_bytes(name.to_ascii_uppercase().as_bytes()) {
        Ok(method) => method,
        Err(_) => panic!("`{name}` can't be the name of a method"),
    }
}

fn key<K: FromSegment>(segment: &str) -> Option<K> {
    // As with a parameter of a pattern, an empty segment is not a key.
    (!segment.is_empty()).then(|| K::from_segment(segment)).flatten()
}

/// Dispatches to the item, if it exists.
fn enter<I: Resource>(item: Option<I>, segment: &str, walk: &mut Walk<'_>) -> Reply {
    let Some(item) = item else {
        let name = type_name::<I>();
        return Err(walk.decline("Resource", name, || Why::NoItem(segment.into())));
    };
    let part = walk.named(part::<I>);
    walk.descend(Step::taking("Resource", &part, 1), |walk| dispatch(&item, walk))
}

/// Returns the part of a pattern for a nested resource, such as `/barn`.
fn nested_part(name: &str) -> String {
    format!("/{}", notation::encoded(name))
}

/// Returns the part of a pattern for an item, such as `/{potato}`.
fn part<I>() -> String {
    format!("/{{{}}}", type_name::<I>().to_lowercase())
}

/// Calls the function of a verb.
fn call<S, F: MethodHandler<S, H>, H: MethodShape<S, F>>(
    verb: &str,
    full_name: &'static str,
    function: &F,
    resource: &S,
    walk: &mut Walk<'_>,
) -> Reply {
    let methods = MethodSet::of(method(verb));
    let endpoint = Endpoint {
        dispatcher: "Resource",
        name: if walk.is_watched() {
            short_name(full_name)
        } else {
            full_name
        },
        methods: &methods,
        pace: Pace::of_key(full_name),
    };
    let pattern = walk.named(|| Signature::new(full_name, H::arguments(), Needs::new(), "").pattern);
    let mut arguments = PathArguments::new(&[], walk.segments(), Tail::Segments);
    H::call(function, resource, walk, &mut arguments, &pattern, endpoint)
}

/// Dispatches to a resource.
fn dispatch<S: Resource>(resource: &S, walk: &mut Walk<'_>) -> Reply {
    let is_used_up = walk.segments().is_empty();
    let stages = [Stage::Nested, Stage::Items, Stage::Exact, Stage::Others];
    let mut missed = Miss::NotFound;
    for stage in stages.into_iter().skip(if is_used_up { 2 } else { 0 }) {
        let mut verbs = Verbs {
            resource: Some(resource),
            listed_for: ListedFor::Dispatch(stage, walk),
            reply: None,
            is_decided: false,
        };
        S::verbs(&mut verbs);
        match (verbs.reply, stage) {
            (Some(Ok(arrived)), _) => return Ok(arrived),
            // Neither an item nor a nested resource: verbs are not asked.
            (Some(Err(miss)), Stage::Nested | Stage::Items) => return Err(miss),
            (Some(Err(miss)), _) => missed = missed.merge(miss),
            (None, _) => {}
        }
    }
    Err(missed)
}

fn describe<S: Resource>(map: &mut Map) {
    S::verbs(&mut Verbs {
        resource: None,
        listed_for: ListedFor::Describe(map, Vec::new()),
        reply: None,
        is_decided: false,
    });
}

/// A resource at the root or under a mount, as a dispatcher.
struct Root<R>(Arc<R>);

impl<R: Resource + Send + Sync> Dispatch for Root<R> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        dispatch(&*self.0, walk)
    }

    fn describe(&self, map: &mut Map) {
        map.items(type_name::<R>(), describe::<R>);
    }
}

/// The kind of resources.
#[doc(hidden)]
#[derive(Debug)]
pub struct AResource(());

impl<R: Resource + Send + Sync + 'static> IntoDispatch<AResource> for R {
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        Root(Arc::new(self))
    }
}

/// The kind of shared resources.
#[doc(hidden)]
#[derive(Debug)]
pub struct ASharedResource(());

impl<R: Resource + Send + Sync + 'static> IntoDispatch<ASharedResource> for Arc<R> {
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        Root(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::{App, Application, Routes};

    /// The document's field, with what the farm of the vectors adds.
    struct Field {
        potatoes: AtomicUsize,
    }

    struct Potato<'f> {
        field: &'f Field,
        number: usize,
    }

    struct Barn<'f>(&'f Field);

    impl Resource for Field {
        fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
            verbs
                .item(Self::potato)
                .nested("barn", Barn)
                .get(Self::get)
                .post(Self::post)
                .delete(Self::delete)
                .verb("plough", |_: &Field, rows: Vec<u32>| format!("ploughed {rows:?}"));
        }
    }

    impl Field {
        fn count(&self) -> usize {
            self.potatoes.load(Relaxed)
        }
        fn get(&self) -> String {
            format!("{} potatoes in the field.", self.count())
        }
        fn post(&self) -> String {
            let before = self.potatoes.fetch_add(1, Relaxed);
            format!("There are now {} potatoes in the field.", before + 1)
        }
        fn delete(&self) -> &'static str {
            self.potatoes.store(0, Relaxed);
            "You monster."
        }
        fn potato(&self, number: usize) -> Option<Potato<'_>> {
            (number > 0 && number <= self.count()).then_some(Potato { field: self, number })
        }
    }

    crate::resource!(Potato<'_> { get, delete, head });

    impl Potato<'_> {
        fn get(&self) -> String {
            format!("One of {} beautiful potatoes.", self.field.count())
        }
        fn delete(&self) -> &'static str {
            self.field.potatoes.fetch_sub(1, Relaxed);
            "You monster."
        }
        fn head(&self) -> String {
            format!("own head of {}", self.number)
        }
    }

    crate::resource!(Barn<'_> { get });

    impl Barn<'_> {
        fn get(&self, request: &Request) -> String {
            format!("barn of {} at {}", self.0.count(), request.path())
        }
    }

    fn response(app: &App, method: &str, target: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = app.call(&Request::new(method, target));
        let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
        match response.status().as_u16() {
            200 => text,
            204 | 405 => format!(
                "{} {}",
                response.status().as_u16(),
                response.header("Allow").unwrap_or("")
            ),
            status => status.to_string(),
        }
    }

    #[test]
    fn the_potato_field_works_as_its_document_says() {
        let app = App::new(Field {
            potatoes: AtomicUsize::new(10),
        });
        for (method, target, expected) in [
            ("GET", "/", "10 potatoes in the field."),
            ("GET", "/3", "One of 10 beautiful potatoes."),
            ("GET", "/0", "404"),
            ("GET", "/11", "404"),
            ("GET", "/nope", "404"),
            ("DELETE", "/nope", "404"),
            ("BREW", "/11", "404"),
            ("POST", "/", "There are now 11 potatoes in the field."),
            ("GET", "/11", "One of 11 beautiful potatoes."),
            ("DELETE", "/11", "You monster."),
            ("GET", "/", "10 potatoes in the field."),
            ("PATCH", "/", "405 DELETE, GET, HEAD, OPTIONS, PLOUGH, POST"),
            ("PATCH", "/3", "405 DELETE, GET, HEAD, OPTIONS"),
            ("OPTIONS", "/3", "204 DELETE, GET, HEAD, OPTIONS"),
            ("HEAD", "/", "10 potatoes in the field."),
            ("HEAD", "/3", "own head of 3"),
            ("DELETE", "/", "You monster."),
            ("GET", "/", "0 potatoes in the field."),
            ("GET", "/1", "404"),
        ] {
            assert_eq!(response(&app, method, target), expected, "{method} {target}");
        }
    }

    #[test]
    fn accidents_of_the_original_are_not_copied() {
        let app = App::new(Field {
            potatoes: AtomicUsize::new(10),
        });
        for target in [
            "/get",
            "/delete",
            "/3/delete",
            "/3/",
            "/3/4",
            "//",
            "/potatoes",
            "/%2F",
            "/barn/",
        ] {
            assert_eq!(response(&app, "GET", target), "404", "{target}");
        }
        assert_eq!(response(&app, "get", "/").split(' ').next(), Some("405"));
        assert_eq!(response(&app, "GET", "/"), "10 potatoes in the field.");
    }

    #[test]
    fn nested_resources_come_before_items_and_custom_verbs_are_verbs() {
        let app = App::new(Routes::new().mount(
            "/farm",
            Arc::new(Field {
                potatoes: AtomicUsize::new(2),
            }),
        ));
        assert_eq!(response(&app, "GET", "/farm/barn"), "barn of 2 at /farm/barn");
        assert_eq!(response(&app, "POST", "/farm/barn"), "405 GET, HEAD, OPTIONS");
        assert_eq!(response(&app, "PLOUGH", "/farm"), "ploughed []");
        assert_eq!(response(&app, "plough", "/farm").split(' ').next(), Some("405"));
        assert_eq!(response(&app, "GET", "/farm/plough"), "404");
    }

    #[test]
    fn the_map_shows_items_without_one() {
        let map = App::new(Field {
            potatoes: AtomicUsize::new(0),
        })
        .routes();
        let lines: Vec<_> = map
            .places()
            .iter()
            .map(|place| format!("{} {}", place.methods, place.pattern))
            .collect();
        assert_eq!(
            lines,
            [
                "GET /{potato}",
                "DELETE /{potato}",
                "HEAD /{potato}",
                "GET /barn",
                "GET /",
                "POST /",
                "DELETE /",
                "PLOUGH /{*u32}"
            ]
        );
    }

    #[test]
    #[should_panic(expected = "lists GET twice")]
    fn a_verb_is_listed_once() {
        struct Twice;
        impl Resource for Twice {
            fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
                verbs.get(|_: &Twice| "1").verb("get", |_: &Twice| "2");
            }
        }
        let _ = App::new(Twice);
    }
}
