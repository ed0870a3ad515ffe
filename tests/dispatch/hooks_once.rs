//! Hooks run once for a request, however often the way is looked for; and what they refuse, nothing else tells about.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hansel::dispatch::{Dispatch, IntoDispatch, Miss, Reply, Walk};
use hansel::test::Client;
use hansel::{App, Chain, Extension, Hooks, Method, Request, Response, Routes, Slashes, StatusCode, mount};
use proptest::prelude::*;

/// A tree of what an application is made of.
#[derive(Clone, Debug)]
enum Tree {
    Route(u8, bool),
    Catch,
    Both(Box<Tree>, Box<Tree>),
    Mount(u8, Box<Tree>),
    Hooked(Box<Tree>),
}

/// How often each hook of one place has run.
#[derive(Default)]
struct Runs {
    before: AtomicUsize,
    after: AtomicUsize,
    wrap_in: AtomicUsize,
    wrap_out: AtomicUsize,
}

impl Runs {
    fn take(&self) -> [usize; 4] {
        [&self.before, &self.after, &self.wrap_in, &self.wrap_out].map(|count| count.swap(0, SeqCst))
    }
}

struct Stamp;

fn segment(name: u8) -> String {
    format!("/{}", ["a", "b", "c"][usize::from(name % 3)])
}

fn build(tree: &Tree, all: &mut Vec<Arc<Runs>>) -> Chain {
    let none = Chain::new();
    match tree {
        Tree::Route(name, true) => none.then(Routes::new().get(&*format!("{}/", segment(*name)), || "here")),
        Tree::Route(name, false) => none.then(Routes::new().post(&*segment(*name), || "here")),
        Tree::Catch => none.then(Routes::new().not_found(|| (StatusCode::NOT_FOUND, "own"))),
        Tree::Both(one, other) => none.then(build(one, all)).then(build(other, all)),
        Tree::Mount(name, inner) => {
            let inner = build(inner, all);
            none.then(mount(&segment(*name), inner))
        }
        Tree::Hooked(inner) => {
            let inner = build(inner, all);
            none.then(hooked(inner, all))
        }
    }
}

fn hooked<K>(inner: impl IntoDispatch<K>, all: &mut Vec<Arc<Runs>>) -> Hooks {
    let runs = Arc::new(Runs::default());
    all.push(Arc::clone(&runs));
    let [before, after, wrap] = [(); 3].map(|()| Arc::clone(&runs));
    Hooks::on(inner)
        .before(move |request: &Request| {
            before.before.fetch_add(1, SeqCst);
            request.set(Stamp);
        })
        .after(move |_, _| {
            after.after.fetch_add(1, SeqCst);
        })
        .wrap(move |_: &Request| {
            wrap.wrap_in.fetch_add(1, SeqCst);
            let wrap = Arc::clone(&wrap);
            move |_: &Request, _: &mut Response| {
                wrap.wrap_out.fetch_add(1, SeqCst);
            }
        })
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        3 => (any::<u8>(), any::<bool>()).prop_map(|(name, slash)| Tree::Route(name, slash)),
        1 => Just(Tree::Catch),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| Tree::Both(one, other)),
            (any::<u8>(), inner.clone()).prop_map(|(name, inner)| Tree::Mount(name, inner)),
            inner.prop_map(Tree::Hooked),
        ]
    })
}

fn slashes() -> impl Strategy<Value = Slashes> {
    prop_oneof![Just(Slashes::Strict), Just(Slashes::Redirect), Just(Slashes::Ignore)]
}

fn requests() -> impl Strategy<Value = (Method, String)> {
    let method = prop_oneof![
        Just(Method::GET),
        Just(Method::HEAD),
        Just(Method::POST),
        Just(Method::OPTIONS)
    ];
    let path = (prop::collection::vec(any::<u8>(), 1..4), any::<bool>()).prop_map(|(names, slash)| {
        let path: String = names.into_iter().map(segment).collect();
        if slash { path + "/" } else { path }
    });
    (method, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn each_hook_runs_once_at_most_on_each_way_in_and_out(
        tree in trees(),
        slashes in slashes(),
        allow_always in any::<bool>(),
        requests in prop::collection::vec(requests(), 1..6),
    ) {
        let mut all = Vec::new();
        let root = hooked(build(&tree, &mut all), &mut all);
        let client = Client::new(App::new(root).slashes(slashes).allow_always(allow_always));
        for (method, path) in requests {
            let response = client.send(Request::new(method.clone(), &path));
            for (place, runs) in all.iter().enumerate() {
                let [before, after, wrap_in, wrap_out] = runs.take();
                let told = format!("place {place}: {method} {path}: {} {tree:?}", response.status());
                prop_assert!(before <= 1 && after <= 1 && wrap_in <= 1 && wrap_out <= 1, "{}", told);
                prop_assert!(wrap_out <= wrap_in && wrap_in <= before && after <= before, "{}", told);
                // Around everything, it is part of every response but a redirection, which is nobody's inside.
                if place == all.len() - 1 && response.status() != 308 {
                    prop_assert_eq!([before, after, wrap_in, wrap_out], [1; 4], "{}", told);
                }
            }
        }
    }

    #[test]
    fn what_is_inside_of_a_refusal_changes_nothing(
        tree in trees(),
        slashes in slashes(),
        allow_always in any::<bool>(),
        (method, path) in requests(),
    ) {
        let refused = |tree: &Tree| {
            let inner = build(tree, &mut Vec::new());
            let guarded = Hooks::on(inner).before(|_: &Request| Some(StatusCode::FORBIDDEN));
            let routes = Chain::new().then(mount("/a", guarded)).then(Routes::new().get("/b", || "public"));
            let client = Client::new(App::new(routes).slashes(slashes).allow_always(allow_always));
            let response = client.send(Request::new(method.clone(), &path));
            (response.status().as_u16(), response.header("Allow").map(str::to_owned), response.text().to_owned())
        };
        let with_nothing = refused(&Tree::Route(2, false));
        if path.starts_with("/a") {
            prop_assert_eq!(with_nothing.0, 403);
        }
        prop_assert_eq!(refused(&tree), with_nothing);
    }
}

/// Goes on only along paths that end with a slash, so that the first walk along another one does not meet the guard.
struct WithSlash(Hooks);

impl Dispatch for WithSlash {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        if walk.segments().last() == Some("") {
            return self.0.dispatch(walk);
        }
        Err(Miss::NotFound)
    }
}

#[test]
fn a_redirection_tells_nobody_what_is_in_a_guarded_subtree() {
    let client = |hook: fn(&Request) -> Option<StatusCode>| {
        let guarded = Hooks::on(Routes::new().get("/secret/", || "secret"))
            .after(|_, response| response.set_header("X-Out", "yes"))
            .before(hook);
        Client::new(App::new(WithSlash(guarded)).slashes(Slashes::Redirect))
    };
    let open = client(|_| None);
    assert_eq!(open.get("/secret").header("Location"), Some("/secret/"));
    assert_eq!(open.get("/nothing").status(), 404);
    let closed = client(|_| Some(StatusCode::UNAUTHORIZED));
    for path in ["/secret", "/nothing"] {
        let response = closed.get(path);
        assert_eq!(
            (response.status(), response.header("Location")),
            (StatusCode::UNAUTHORIZED, None),
            "{path}"
        );
        assert_eq!(response.header("X-Out"), Some("yes"));
    }
}

#[test]
fn what_a_hook_set_on_the_first_walk_is_there_on_the_second() {
    struct User(&'static str);
    let routes = Routes::new().get("/me/", |user: Extension<User>| user.0.0);
    let hooked = Hooks::on(routes).before(|request: &Request| request.set(User("Gretel")));
    let client = Client::new(App::new(hooked).slashes(Slashes::Ignore));
    assert_eq!(client.get("/me").text(), "Gretel");
    assert_eq!(client.get("/me/").text(), "Gretel");
}

#[test]
fn the_end_of_a_hook_sees_what_its_subtree_reports() {
    let inner = Routes::new().get("/here", || "here");
    let hooked = Hooks::on(inner)
        .after(|_, response| response.append_header("X-Out", "inner"))
        .wrap(|_: &Request| |_: &Request, response: &mut Response| response.append_header("X-Out", "wrap"));
    let outer = Hooks::on(mount("/sub", hooked)).after(|_, response| response.append_header("X-Out", "outer"));
    let client = Client::new(App::new(outer));
    let out = |method: Method, path: &str| {
        let response = client.send(Request::new(method, path));
        let all = response
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-out"));
        let all: Vec<_> = all.map(|(_, value)| value.to_owned()).collect();
        (response.status().as_u16(), all.join(" "))
    };
    assert_eq!(out(Method::GET, "/sub/here"), (200, "wrap inner outer".into()));
    assert_eq!(out(Method::GET, "/sub/nowhere"), (404, "wrap inner outer".into()));
    assert_eq!(out(Method::POST, "/sub/here"), (405, "wrap inner outer".into()));
    assert_eq!(out(Method::OPTIONS, "/sub/here"), (204, "wrap inner outer".into()));
    assert_eq!(
        out(Method::GET, "/elsewhere"),
        (404, "outer".into()),
        "it was not asked"
    );
}
