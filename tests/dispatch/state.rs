//! State that is shared: what nobody shares is an error before the first request, at the user's lines.

use std::panic::Location;
use std::sync::{Arc, Mutex};

use hansel::dispatch::{Dispatch, Map, MethodSet, Reply, Walk};
use hansel::test::Client;
use hansel::{
    App, Application, Chain, Extension, Hooks, Method, Methods, Registry, Request, Routes, Server, State, Verbs, mount,
};

use super::panics::refused;

struct Shop(&'static str);

fn sign(shop: State<Shop>) -> &'static str {
    shop.0.0
}

fn get(app: &App, target: &str) -> String {
    let response = app.call(&Request::get(target));
    match response.status().as_u16() {
        200 => String::from_utf8_lossy(response.body().bytes().unwrap()).into_owned(),
        status => status.to_string(),
    }
}

/// Checks that `create` panics at the line of its caller, and says each of `words`.
#[track_caller]
fn refuses<R>(create: impl FnOnce() -> R, words: &[&str]) {
    let refusal = refused(create);
    for words in words {
        assert!(
            refusal.message.contains(words),
            "{}\n    does not say\n{words}",
            refusal.message
        );
    }
    assert_eq!(refusal.file, file!(), "blamed on another file: {}", refusal.message);
    let behind = refusal.line.abs_diff(Location::caller().line());
    assert!(behind < 12, "blamed on line {}: {}", refusal.line, refusal.message);
}

#[test]
fn state_that_nobody_shares_is_refused_in_every_style() {
    const TAKES: &str = "takes a `State<dispatch::state::Shop>`, and nothing around it shares one";
    let here = line!() + 1;
    let routes = || Routes::new().get("/sign", sign);
    let at_route = format!("sign() of `GET /sign`, at {}:{here}:", file!());
    refuses(|| App::new(routes()), &[TAKES, &at_route]);
    refuses(
        || App::new(Routes::new().mount("/a/{b}", routes())),
        &["`GET /a/{b}/sign`"],
    );
    refuses(
        || App::new(Routes::new().not_found(sign)),
        &[TAKES, "sign() (not found) of `any /{*}`"],
    );
    let registry = || Registry::new().add("views.sign", sign);
    refuses(
        || App::new(Routes::with(registry()).post("/sign", "views.sign")),
        &[TAKES, "`POST /sign`"],
    );
    refuses(
        || App::new(Methods::new().add("sign", sign)),
        &[TAKES, "`GET /sign`", "state.rs:"],
    );
    refuses(|| App::new(Field), &[TAKES, "weigh() of `GET /`", "state.rs:"]);
    refuses(
        || App::new(Methods::of(Field).method("weigh", Field::weigh)),
        &[TAKES, "`GET /weigh`"],
    );
    for mounted in [
        (|| App::new(sign)) as fn() -> App,
        || App::new(Hooks::on(sign)),
        || App::new(Chain::new().then(sign)),
        || App::new(mount("/", sign)),
        || App::new(Routes::new().mount("/", sign)),
    ] {
        let refusal = refused(mounted);
        assert!(refusal.message.contains(TAKES), "{}", refusal.message);
        assert!(
            refusal.message.contains("tests/dispatch/state.rs:"),
            "{}",
            refusal.message
        );
    }
}

struct Field;

impl hansel::Resource for Field {
    fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
        verbs.get(Self::weigh);
    }
}

impl Field {
    fn weigh(&self, _: State<Shop>) -> &'static str {
        "heavy"
    }
}

#[test]
fn whatever_makes_an_application_refuses() {
    let routes = || Routes::new().get("/sign", sign);
    refuses(|| Client::new(routes()), &["`State<dispatch::state::Shop>`"]);
    let server = || Server::bind("127.0.0.1:0").unwrap().quiet();
    refuses(|| server().spawn(routes()), &["`State<dispatch::state::Shop>`"]);
    refuses(|| server().serve(routes()), &["`State<dispatch::state::Shop>`"]);
}

#[test]
fn a_line_for_each_that_misses_something() {
    let routes = || {
        Routes::new()
            .get("/a", sign)
            .get("/b", |_: State<u8>, _: State<Shop>| "")
            .get("/c", || "")
    };
    let message = refused(|| App::new(routes())).message;
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 3, "{message}");
    assert!(lines[0].contains("`GET /a`") && lines[0].contains("Shop"), "{message}");
    assert!(
        lines[1].contains("`GET /b`") && lines[1].contains("State<u8>"),
        "{message}"
    );
    assert!(lines[2].contains("`GET /b`") && lines[2].contains("Shop"), "{message}");
}

#[test]
fn state_is_shared_with_everything_inside() {
    let inner = Chain::new()
        .then(mount("/a", sign))
        .then(Methods::new().add("b", sign))
        .then(mount("/c", Field));
    let app = App::new(Hooks::on(Routes::new().mount("/in", inner)).state(Shop("Crumbs")));
    assert_eq!(get(&app, "/in/a"), "Crumbs");
    assert_eq!(get(&app, "/in/b"), "Crumbs");
    assert_eq!(get(&app, "/in/c"), "heavy");
    let nested = Hooks::on(Hooks::on(sign).state(Shop("inner"))).state(Shop("outer"));
    assert_eq!(get(&App::new(nested), "/"), "inner");
}

#[test]
fn what_is_near_is_named() {
    let beside = line!() + 3;
    refuses(
        || {
            let other = Hooks::on(|| "").state(Shop("Crumbs"));
            App::new(Routes::new().get("/sign", sign).mount("/other", other))
        },
        &[
            &format!("the one that is shared at {}:{beside}:", file!()),
            "is around other handlers",
        ],
    );
    refuses(
        || App::new(Hooks::on(|_: State<Arc<Shop>>| "").state(Shop("Crumbs"))),
        &[
            "a `State<dispatch::state::Shop>` is shared at tests/dispatch/state.rs:",
            "is in an `Arc` already",
        ],
    );
    refuses(
        || App::new(Hooks::on(sign).state(Mutex::new(Shop("Crumbs")))),
        &[
            "what is shared, at tests/dispatch/state.rs:",
            "is a `State<std::sync::",
            "Mutex<dispatch::state::Shop>>`",
        ],
    );
    mod other {
        pub(super) struct Shop;
    }
    refuses(
        || App::new(Hooks::on(sign).state(other::Shop)),
        &["is a `State<dispatch::state::what_is_near_is_named::other::Shop>`"],
    );
}

#[test]
fn what_hooks_set_is_no_state() {
    refuses(
        || App::new(Hooks::on(sign).before(|request: &Request| request.set(Shop("set")))),
        &["if a hook sets it for each request, take `Extension<dispatch::state::Shop>`"],
    );
    fn both(state: State<Shop>, set: Extension<Shop>) -> String {
        format!("{} {}", state.0.0, set.0.0)
    }
    let hooked = Hooks::on(both)
        .before(|request: &Request| request.set(Shop("set")))
        .state(Shop("shared"));
    assert_eq!(get(&App::new(hooked), "/"), "shared set");
    // What hooks set is known only once they run.
    let unset = App::new(|_: Extension<Shop>| "");
    assert_eq!(get(&unset, "/"), "500");
    let maybe = App::new(|shop: Option<Extension<Shop>>| shop.map_or("none", |shop| shop.0.0));
    assert_eq!(get(&maybe, "/"), "none");
}

#[test]
fn state_in_an_arc_is_shared_as_it_is() {
    trait Weight: Send + Sync {
        fn grams(&self) -> u32;
    }
    impl Weight for Field {
        fn grams(&self) -> u32 {
            7
        }
    }
    let shop = Arc::new(Shop("Crumbs"));
    let theirs = Arc::downgrade(&shop);
    let app = App::new(Hooks::on(Routes::new().get("/", sign)).state(shop));
    assert_eq!(get(&app, "/"), "Crumbs");
    assert_eq!(theirs.strong_count(), 1, "the value itself, and not a copy");
    let in_arc = App::new(Hooks::on(|shop: State<Arc<Shop>>| shop.0.0).state(Arc::new(Shop("Crumbs"))));
    assert_eq!(get(&in_arc, "/"), "Crumbs");
    let weight: Arc<dyn Weight> = Arc::new(Field);
    let dynamic = App::new(Hooks::on(|weight: State<dyn Weight>| weight.grams().to_string()).state(weight));
    assert_eq!(get(&dynamic, "/"), "7");
    let text = App::new(Hooks::on(|text: State<str>| text.to_string()).state(Arc::<str>::from("text")));
    assert_eq!(get(&text, "/"), "text");
    let plain = App::new(Hooks::on(|text: State<String>| text.to_string()).state(String::from("plain")));
    assert_eq!(get(&plain, "/"), "plain");
}

#[test]
fn a_function_that_comes_later_is_checked_when_it_comes() {
    let methods = Methods::new();
    methods.insert("early", |_: State<u8>| "");
    assert!(methods.remove("early"), "no application yet");
    let app = App::new(Hooks::on(methods.clone()).state(Shop("Crumbs")));
    methods.insert("sign", sign);
    assert_eq!(get(&app, "/sign"), "Crumbs");
    let words = [
        "the function `sign`, at tests/dispatch/state.rs:",
        "takes a `State<u8>`, and nothing around it shares one",
    ];
    refuses(|| methods.insert("sign", |_: State<u8>| ""), &words);
    refuses(|| methods.clone().add("sign", |_: State<u8>| ""), &words);
    assert_eq!(get(&app, "/sign"), "Crumbs", "nothing has changed");
}

#[test]
fn functions_that_two_applications_have_must_suit_both_while_they_live() {
    let methods = Methods::new();
    let _both = App::new(Hooks::on(methods.clone()).state(7_u8).state(Shop("Crumbs")));
    methods.insert("number", |number: State<u8>| number.to_string());
    methods.remove("number");
    let one = App::new(Hooks::on(methods.clone()).state(Shop("Crumbs")));
    methods.insert("sign", sign);
    refuses(|| methods.insert("number", |_: State<u8>| ""), &["`State<u8>`"]);
    drop(one);
    methods.insert("number", |number: State<u8>| number.to_string());
}

#[test]
fn maps_that_are_made_for_other_reasons_check_nothing() {
    let methods = Methods::new();
    methods.describe(&mut Map::new());
    methods.insert("sign", sign);
    let app = App::new(Hooks::on(methods.clone()).state(Shop("Crumbs")));
    assert_eq!(app.routes().places().len(), 1);
    methods.insert("again", sign);
}

/// Passes everything on.
struct Through<D>(D);

impl<D: Dispatch> Dispatch for Through<D> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        self.0.dispatch(walk)
    }

    fn describe(&self, map: &mut Map) {
        self.0.describe(map);
    }
}

/// Does not describe what is inside.
struct Opaque<D>(D);

impl<D: Dispatch> Dispatch for Opaque<D> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        self.0.dispatch(walk)
    }
}

/// Describes what is inside in its own words.
struct Retold<D>(D);

impl<D: Dispatch> Dispatch for Retold<D> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        self.0.dispatch(walk)
    }

    fn describe(&self, map: &mut Map) {
        let mut inner = Map::new();
        self.0.describe(&mut inner);
        for place in inner.places() {
            map.endpoint("Retold", &place.methods, &place.pattern, &place.handler);
        }
    }
}

#[test]
fn dispatchers_of_ones_own_are_checked_as_far_as_they_describe_themselves() {
    let routes = || Routes::new().get("/sign", sign);
    refuses(|| App::new(Through(routes())), &["`GET /sign`"]);
    let app = App::new(Hooks::on(Through(routes())).state(Shop("Crumbs")));
    assert_eq!(get(&app, "/sign"), "Crumbs");
    for unknown in [App::new(Opaque(routes())), App::new(Retold(routes()))] {
        assert_eq!(get(&unknown, "/sign"), "500");
    }
    for known in [
        App::new(Hooks::on(Opaque(routes())).state(Shop("Crumbs"))),
        App::new(Retold(Hooks::on(routes()).state(Shop("Crumbs")))),
    ] {
        assert_eq!(get(&known, "/sign"), "Crumbs");
    }
}

#[test]
fn a_place_of_ones_own_can_say_what_it_needs() {
    struct Own;
    impl Dispatch for Own {
        fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
            Err(walk.decline("Own", "own", || "it is not reached here".into()))
        }

        fn describe(&self, map: &mut Map) {
            map.endpoint("Own", &MethodSet::of(Method::GET), "/own", "own");
            map.needs(|needs| needs.state::<Shop>());
        }
    }
    refuses(|| App::new(Own), &["own of `GET /own`", "tests/dispatch/state.rs:"]);
    let _ = App::new(Hooks::on(Own).state(Shop("Crumbs")));
}

#[test]
fn a_hook_around_may_set_what_handlers_take() {
    let hooked = Hooks::on(|shop: Extension<Shop>| shop.0.0).around(|walk: &mut Walk<'_>, inner: &dyn Dispatch| {
        walk.request().set(Shop("around"));
        inner.dispatch(walk)
    });
    assert_eq!(get(&App::new(hooked), "/"), "around");
}

#[test]
fn an_application_that_is_mounted_has_the_state_around_it() {
    let routes = || Routes::new().get("/", sign);
    refuses(
        || App::new(Hooks::on(App::new(routes())).state(Shop("outer"))),
        &["`GET /`", "expects_state::<dispatch::state::Shop>()"],
    );
    let expecting = || App::new(Hooks::on(routes()).expects_state::<Shop>());
    assert_eq!(
        get(&App::new(Hooks::on(expecting()).state(Shop("outer"))), "/"),
        "outer"
    );
    assert_eq!(
        get(&expecting(), "/"),
        "500",
        "nobody shares it, against the word of the program"
    );
}
