//! The behaviour of every dispatcher, whatever it is mounted under.

use hansel::dispatch::{Dispatch, Endpoint, IntoDispatch, Map, MethodSet, Reply, Step, Trail, Walk};
use hansel::test::{Client, Response};
use hansel::{App, Chain, Hooks, IntoResponse, Method, Methods, Request, Routes, methods, mount, resource};

/// A dispatcher, where it has something, and what that takes.
struct Subject {
    name: String,
    dispatcher: Box<dyn Dispatch>,
    /// A path of two segments or more that leads to an endpoint, which answers "found".
    path: String,
    allow: &'static str,
}

fn subject<K>(name: &str, path: &str, allow: &'static str, dispatcher: impl IntoDispatch<K>) -> Subject {
    Subject {
        name: name.to_owned(),
        dispatcher: Box::new(dispatcher.into_dispatch()),
        path: path.to_owned(),
        allow,
    }
}

const GET: &str = "GET, HEAD, OPTIONS";
const BOTH: &str = "GET, HEAD, OPTIONS, POST";

fn found() -> &'static str {
    "found"
}

struct Calc;

impl Calc {
    fn add(&self, _: i32, _: i32) -> &'static str {
        "found"
    }
}

struct Shelf;
struct Book;
struct Page;

resource!(Shelf { get } item book);
resource!(Book { get, post } item page);
resource!(Page { get, plough });

impl Shelf {
    fn get(&self) -> &'static str {
        "a shelf"
    }
    fn book(&self, number: u32) -> Option<Book> {
        (number < 10).then_some(Book)
    }
}

impl Book {
    fn get(&self) -> &'static str {
        "found"
    }
    fn post(&self) -> &'static str {
        "found"
    }
    fn page(&self, number: u32) -> Option<Page> {
        (number < 10).then_some(Page)
    }
}

impl Page {
    fn get(&self) -> &'static str {
        "found"
    }
    fn plough(&self) -> &'static str {
        "found"
    }
}

/// A dispatcher of one's own: two segments, the first of which is known.
struct Own;

impl Dispatch for Own {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        if walk.segments().next() != Some("own") {
            return Err(walk.decline("Own", "own", || "it is not mine".into()));
        }
        let get = MethodSet::of(Method::GET);
        walk.descend(Step::taking("Own", "/own/{key}", 2), |walk| {
            match walk.request().segments().any(|segment| segment == "key") {
                true => walk.arrive(Endpoint::new("Own", "own", &get), |_| "found".into_response()),
                false => Err(walk.decline("Own", "own", || "it is no key".into())),
            }
        })
    }

    fn describe(&self, map: &mut Map) {
        map.endpoint("Own", &MethodSet::of(Method::GET), "/own/{key}", "own");
    }
}

/// Every dispatcher there is.
fn subjects() -> Vec<Subject> {
    let pair = |_: u32, _: Option<u32>| "found";
    #[cfg_attr(not(feature = "regex"), expect(unused_mut, reason = "only expressions come on top"))]
    let mut subjects = vec![
        subject(
            "Routes, a text",
            "/some/text",
            GET,
            Routes::new().get("/some/text", found),
        ),
        subject(
            "Routes, a template",
            "/people/7",
            BOTH,
            Routes::new()
                .get("/people/{id}", |_: u32| "found")
                .post("/people/{id}", |_: u32| "found"),
        ),
        subject(
            "Methods, a function",
            "/add/1/2",
            GET,
            Methods::new().add("add", |_: u32, _: u32| "found"),
        ),
        subject("Methods, a method", "/add/1/-2", GET, methods!(Calc { add })),
        subject("a resource's item", "/shelf/7", BOTH, mount("/shelf", Shelf)),
        subject("an item's item", "/7/7", "GET, HEAD, OPTIONS, PLOUGH", Shelf),
        subject("a function", "/function/7/8", GET, mount("/function", pair)),
        subject("a mount", "/some/mount", GET, mount("/some/mount", found)),
        subject("a chain", "/some/chain", BOTH, {
            let post = Routes::new().post("/some/chain", found);
            Chain::new()
                .then(mount("/other", found))
                .then(post)
                .then(mount("/some", mount("/chain", found)))
        }),
        subject(
            "hooks",
            "/some/hooks",
            GET,
            Hooks::on(mount("/some/hooks", found)).before(|_: &Request| ()),
        ),
        subject("a dispatcher of one's own", "/own/key", GET, Own),
    ];
    #[cfg(feature = "regex")]
    subjects.push(subject(
        "Routes, an expression",
        "/hello/7",
        BOTH,
        Routes::new()
            .regex(r"^/hello/(?P<number>\d+)$", |_: u32| "found")
            .post(hansel::regex(r"^/hello/(\d+)$"), found_number),
    ));
    subjects
}

#[cfg(feature = "regex")]
fn found_number(_: u32) -> &'static str {
    "found"
}

/// The same under everything that others can be put under.
fn everywhere() -> Vec<Subject> {
    let mut all = subjects();
    let under = |how: &str, prefix: &str, wrap: &dyn Fn(Box<dyn Dispatch>) -> Box<dyn Dispatch>| -> Vec<Subject> {
        let wrapped = subjects().into_iter().map(|subject| Subject {
            name: format!("{} under {how}", subject.name),
            dispatcher: wrap(subject.dispatcher),
            path: format!("{prefix}{}", subject.path),
            allow: subject.allow,
        });
        wrapped.collect()
    };
    all.extend(under("a mount", "/m", &|inner| Box::new(mount("/m", inner))));
    all.extend(under("Routes", "/r", &|inner| {
        Box::new(Routes::new().get("/r", found).mount("/r", inner))
    }));
    all.extend(under("Routes with a parameter", "/x", &|inner| {
        Box::new(Routes::new().mount("/{any}", inner))
    }));
    all.extend(under("Routes at their root", "", &|inner| {
        Box::new(Routes::new().get("/elsewhere", found).mount("/", inner))
    }));
    all.extend(under("a chain", "", &|inner| {
        Box::new(Chain::new().then(mount("/elsewhere", found)).then(inner))
    }));
    all.extend(under("hooks", "", &|inner| {
        Box::new(Hooks::on(inner).before(|request: &Request| request.set(7_u8)))
    }));
    all.extend(under("three mounts", "/a/b/c", &|inner| {
        Box::new(mount(
            "/a",
            Routes::new().mount("/b", Chain::new().then(mount("/c", inner))),
        ))
    }));
    all
}

const VERBS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW", "get"];

/// Checks one thing about every dispatcher, everywhere.
fn every(check: impl Fn(&Client, &Subject)) {
    for mut subject in everywhere() {
        let dispatcher = std::mem::replace(&mut subject.dispatcher, Box::new(Chain::new()));
        check(&Client::new(App::new(dispatcher)), &subject);
    }
}

#[track_caller]
fn is_nowhere(client: &Client, subject: &Subject, target: &str) {
    for verb in VERBS {
        let response = client.call(verb, target);
        assert_eq!(response.status(), 404, "{}: {verb} {target}", subject.name);
        assert_eq!(response.header("Allow"), None, "{}: {verb} {target}", subject.name);
    }
}

fn seen(response: &Response) -> (u16, &str) {
    (response.status().as_u16(), response.text())
}

#[test]
fn what_is_there_is_found() {
    every(|client, subject| {
        assert_eq!(seen(&client.get(&subject.path)), (200, "found"), "{}", subject.name);
        let with_query = format!("{}?a=/b", subject.path);
        assert_eq!(seen(&client.get(&with_query)), (200, "found"), "{}", subject.name);
    });
}

#[test]
fn a_letter_may_be_encoded() {
    every(|client, subject| {
        let encoded: String = subject
            .path
            .bytes()
            .map(|octet| {
                if octet == b'/' {
                    "/".to_owned()
                } else {
                    format!("%{octet:02x}")
                }
            })
            .collect();
        assert_eq!(
            seen(&client.get(&encoded)),
            (200, "found"),
            "{}: {encoded}",
            subject.name
        );
    });
}

#[test]
fn the_unknown_is_nowhere() {
    every(|client, subject| {
        is_nowhere(client, subject, "/unknown/unknown/unknown/unknown/unknown/unknown");
        let (before, _) = subject.path.rsplit_once('/').unwrap();
        is_nowhere(client, subject, &format!("{before}/unknown"));
        is_nowhere(client, subject, &format!("{}x", subject.path));
    });
}

#[test]
fn what_is_left_over_is_nowhere_and_comes_before_a_wrong_verb() {
    every(|client, subject| {
        is_nowhere(client, subject, &format!("{}/left", subject.path));
        is_nowhere(client, subject, &format!("{}/left/over", subject.path));
    });
}

#[test]
fn a_slash_at_the_end_makes_another_path() {
    every(|client, subject| {
        is_nowhere(client, subject, &format!("{}/", subject.path));
        is_nowhere(client, subject, &format!("{}//", subject.path));
    });
}

#[test]
fn an_empty_segment_is_a_segment() {
    every(|client, subject| {
        is_nowhere(client, subject, &format!("/{}", subject.path));
        let (before, last) = subject.path.rsplit_once('/').unwrap();
        is_nowhere(client, subject, &format!("{before}//{last}"));
    });
}

#[test]
fn an_encoded_slash_separates_nothing() {
    every(|client, subject| {
        let (before, last) = subject.path.rsplit_once('/').unwrap();
        is_nowhere(client, subject, &format!("{before}%2F{last}"));
        is_nowhere(client, subject, &format!("{before}%2f{last}"));
        is_nowhere(client, subject, &format!("{}%2F", subject.path));
    });
}

#[test]
fn dots_lead_nowhere() {
    every(|client, subject| {
        is_nowhere(client, subject, &format!("/x/..{}", subject.path));
        is_nowhere(client, subject, &format!("/.{}", subject.path));
        is_nowhere(client, subject, &format!("/%2e%2e{}", subject.path));
    });
}

#[test]
fn what_is_no_text_is_refused() {
    every(|client, subject| {
        for bad in ["%FF", "%C3", "%00", "%", "%4"] {
            let head = format!("GET {}{bad} HTTP/1.1\r\nHost: a\r\n\r\n", subject.path);
            let received = client.converse(head.as_bytes());
            assert!(received.starts_with(b"HTTP/1.1 400 "), "{}: {bad}", subject.name);
        }
    });
}

#[test]
fn head_is_get_without_the_body() {
    every(|client, subject| {
        let (get, head) = (client.get(&subject.path), client.call("HEAD", &subject.path));
        assert_eq!(
            (head.status(), head.bytes()),
            (get.status(), &b""[..]),
            "{}",
            subject.name
        );
        assert_eq!(
            head.header("Content-Length"),
            get.header("Content-Length"),
            "{}",
            subject.name
        );
        assert_eq!(
            head.header("Content-Type"),
            get.header("Content-Type"),
            "{}",
            subject.name
        );
    });
}

#[test]
fn options_says_what_is_taken() {
    every(|client, subject| {
        let response = client.call("OPTIONS", &subject.path);
        assert_eq!(
            (response.status().as_u16(), response.bytes()),
            (204, &b""[..]),
            "{}",
            subject.name
        );
        assert_eq!(response.header("Allow"), Some(subject.allow), "{}", subject.name);
    });
}

#[test]
fn a_verb_that_is_not_taken_is_told_which_are() {
    every(|client, subject| {
        for verb in ["PUT", "DELETE", "BREW", "get", "Get"] {
            let response = client.call(verb, &subject.path);
            assert_eq!(response.status(), 405, "{}: {verb}", subject.name);
            assert_eq!(
                response.header("Allow"),
                Some(subject.allow),
                "{}: {verb}",
                subject.name
            );
        }
    });
}

#[test]
fn allow_is_what_is_answered() {
    every(|client, subject| {
        for verb in VERBS.into_iter().chain(["PLOUGH"]) {
            let is_listed = subject.allow.split(", ").any(|listed| listed == verb);
            let is_answered = client.call(verb, &subject.path).status() != 405;
            assert_eq!(is_answered, is_listed, "{}: {verb}", subject.name);
        }
    });
}

#[test]
fn a_path_never_names_a_verb() {
    every(|client, subject| {
        for verb in ["get", "GET", "post", "head", "options", "plough"] {
            is_nowhere(client, subject, &format!("{}/{verb}", subject.path));
        }
    });
}

#[test]
fn the_trail_agrees_and_says_why() {
    for subject in everywhere() {
        let (name, path) = (subject.name, subject.path);
        let app = App::new(subject.dispatcher);
        let found = app.explain(Method::GET, &path);
        assert!(found.is_found(), "{name}: {found}");
        assert_eq!(taken(&found), path, "{name}: {found}");
        for (verb, target, status) in [
            (Method::PUT, path.clone(), 405),
            (Method::GET, format!("{path}/left"), 404),
            (Method::GET, format!("{path}/"), 404),
            (Method::GET, "/unknown/unknown".to_owned(), 404),
        ] {
            let trail = app.explain(verb, &target);
            assert_eq!(trail.status(), status, "{name}: {trail}");
            assert!(
                trail.crumbs.iter().any(|crumb| crumb.declined.is_some()),
                "{name}: {trail}"
            );
        }
        assert_eq!(app.explain(Method::GET, &format!("{path}%FF")).status(), 400, "{name}");
    }
}

/// What the steps to the endpoint have taken.
fn taken(trail: &Trail) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for crumb in trail
        .crumbs
        .iter()
        .filter(|crumb| crumb.declined.is_none() && !crumb.is_endpoint)
    {
        steps.truncate(crumb.depth);
        steps.push(crumb.taken.as_deref().unwrap_or(""));
    }
    steps.concat()
}

#[test]
fn it_is_on_the_map() {
    for subject in everywhere() {
        let map = App::new(subject.dispatcher).routes();
        let depth = subject.path.matches('/').count();
        let is_there = map.places().iter().any(|place| {
            place.methods.allows(&Method::GET)
                && place.pattern.trim_start_matches('/').matches('/').count() + 1 >= depth
        });
        assert!(is_there, "{}: {map}", subject.name);
    }
}
