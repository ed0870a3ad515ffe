//! The laws of dispatch, for any tree of dispatchers and any path.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use hansel::dispatch::{Crumb, Decision, Dispatch, Map, MethodSet, Miss, Observer, Reply, Step, Walk};
use hansel::test::Client;
use hansel::{App, Application, Chain, Hooks, Method, Request, Routes, Slashes, mount};
use proptest::prelude::*;

use super::tree::{Mark, Outcome, Tree, method, request, target, tree_and_path};

fn answered(app: &App, request: &Request) -> (u16, Option<String>, String) {
    let response = app.call(request);
    let text = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
    (
        response.status().as_u16(),
        response.header("Allow").map(str::to_owned),
        text,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Chains, mounts, 404 before 405, merged methods, HEAD and OPTIONS: all as the plainest code says.
    #[test]
    fn dispatch_is_what_the_model_says((tree, path) in tree_and_path(), method in method()) {
        let (status, allow, text) = answered(&App::new(tree.build()), &request(&method, &path));
        let expected = tree.expect(&method, &path);
        prop_assert_eq!(status, expected.status(&method), "{}", text);
        prop_assert_eq!(allow, expected.allow());
        if let Outcome::Found(number) = expected {
            prop_assert_eq!(text, number.to_string());
        }
    }

    /// Explaining comes to what answering comes to, and neither changes for being listened to.
    #[test]
    fn the_trail_cannot_lie((tree, path) in tree_and_path(), method in method()) {
        let app = App::new(tree.build());
        let trail = app.explain(method.clone(), &target(&path));
        let (status, allow, text) = answered(&app, &request(&method, &path));
        prop_assert_eq!(trail.status(), status, "{}", &trail);
        prop_assert_eq!(trail.is_found(), trail.endpoint().is_some());
        prop_assert_eq!(app.reaches(&request(&method, &path)).is_ok(), trail.is_found());
        let client = Client::new(App::new(tree.build()));
        let response = client.send(request(&method, &path));
        prop_assert_eq!(response.trail(), Some(&trail), "that of the call is that of the explanation");
        let heard = Arc::new(Ledger::default());
        let app = App::new(tree.build()).observe(Shared(Arc::clone(&heard)));
        prop_assert_eq!(answered(&app, &request(&method, &path)), (status, allow, text));
        prop_assert_eq!(heard.arrivals.load(Relaxed), usize::from(trail.is_found()));
        prop_assert_eq!((heard.begun.load(Relaxed), heard.ended.load(Relaxed)), (1, 1));
    }

    /// What was consumed and what is left make up the path, wherever one looks; and after a miss, the
    /// cursor and the context are what they were.
    #[test]
    fn only_descending_moves_the_cursor((tree, path) in tree_and_path(), method in method()) {
        let ledger = Arc::new(Ledger::default());
        let spies = with_spies(&tree, &ledger);
        let app = App::new(spies).observe(Shared(Arc::clone(&ledger)));
        let request = request(&method, &path);
        request.set(Mark(1_000_000));
        let _ = app.call(&request);
        let problems = ledger.problems.lock().unwrap();
        prop_assert!(problems.is_empty(), "{:?}", problems);
        prop_assert!(ledger.looks.load(Relaxed) > 0);
    }

    /// `Allow` names exactly the methods that are not answered with 405.
    #[test]
    fn allow_is_exactly_what_is_answered((tree, path) in tree_and_path()) {
        let app = App::new(tree.build());
        let brew = Method::from_bytes(b"BREW").unwrap();
        let (status, allow, _) = answered(&app, &request(&brew, &path));
        let listed: Vec<&str> = allow.as_deref().map_or(Vec::new(), |allow| allow.split(", ").collect());
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let (other, ..) = answered(&app, &request(&method, &path));
            match status {
                404 => prop_assert_eq!(other, 404, "{}", method),
                _ => prop_assert_eq!(other != 405, listed.contains(&method.as_str()), "{} of {:?}", method, listed),
            }
        }
    }

    /// Misses merge in any order, and nothing is nothing.
    #[test]
    fn misses_merge_in_any_order(a in miss(), b in miss(), c in miss()) {
        prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
        prop_assert_eq!(
            a.clone().merge(b.clone()).merge(c.clone()).allowed(),
            a.clone().merge(b.merge(c)).allowed()
        );
        prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
        prop_assert_eq!(a.clone().merge(Miss::NotFound), a);
    }

    /// A mount is the same as its path written out.
    #[test]
    fn mounting_is_prefixing((tree, path) in tree_and_path(), method in method()) {
        let plain = App::new(tree.build());
        for app in [
            App::new(mount("/p/q", tree.build())),
            App::new(Routes::new().mount("/p/q", tree.build())),
            App::new(Chain::new().then(mount("/p", mount("/q", tree.build())))),
            App::new(mount("/p/q", Hooks::on(tree.build()))),
        ] {
            let below: Vec<String> = ["p", "q"].into_iter().map(str::to_owned).chain(path.clone()).collect();
            prop_assert_eq!(answered(&app, &request(&method, &below)), answered(&plain, &request(&method, &path)));
            prop_assert_eq!(answered(&app, &request(&method, &["p".to_owned()])).0, 404);
        }
    }
}

fn miss() -> impl Strategy<Value = Miss> {
    let set = prop::collection::vec(method(), 1..4)
        .prop_map(|methods| Miss::MethodNotAllowed(methods.into_iter().fold(MethodSet::empty(), MethodSet::with)));
    prop_oneof![1 => Just(Miss::NotFound), 3 => set]
}

/// What happened on a walk, by what the observer was told.
#[derive(Default)]
struct Ledger {
    /// What each step that is not undone has taken.
    taken: Mutex<Vec<String>>,
    problems: Mutex<Vec<String>>,
    looks: AtomicUsize,
    arrivals: AtomicUsize,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

struct Shared(Arc<Ledger>);

impl Observer for Shared {
    fn begins(&self, _: &Request) {
        self.0.begun.fetch_add(1, Relaxed);
    }

    fn crumb(&self, crumb: &Crumb<'_>) {
        let mut taken = self.0.taken.lock().unwrap();
        taken.truncate(crumb.depth);
        match crumb.decision {
            Decision::Descend => taken.push(crumb.taken.to_owned()),
            Decision::Arrive(_) => {
                self.0.arrivals.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }

    fn ends(&self, _: &Request, _: Result<(), &Miss>) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// Looks at the walk before and after what it stands before.
struct Spy {
    inner: Box<dyn Dispatch>,
    ledger: Arc<Ledger>,
}

impl Dispatch for Spy {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        walk.descend(Step::new("Spy", "spy"), |walk| {
            self.look(walk);
            let before = seen(walk);
            let reply = self.inner.dispatch(walk);
            if reply.is_err() && seen(walk) != before {
                let problem = format!("{before:?} became {:?} by a miss", seen(walk));
                self.ledger.problems.lock().unwrap().push(problem);
            }
            reply
        })
    }

    fn describe(&self, map: &mut Map) {
        self.inner.describe(map);
    }
}

impl Spy {
    fn look(&self, walk: &Walk<'_>) {
        let whole: String = walk.request().segments().map(|segment| format!("/{segment}")).collect();
        let rest: String = walk.segments().map(|segment| format!("/{segment}")).collect();
        let taken = self.ledger.taken.lock().unwrap().concat();
        self.ledger.looks.fetch_add(1, Relaxed);
        if taken.clone() + &rest != whole {
            self.ledger
                .problems
                .lock()
                .unwrap()
                .push(format!("{taken} and {rest} are not {whole}"));
        }
    }
}

/// All of a walk that a dispatcher below could have changed.
fn seen(walk: &Walk<'_>) -> (Vec<String>, Option<u32>, Option<String>) {
    (
        walk.segments().map(str::to_owned).collect(),
        walk.request().value::<Mark>().map(|mark| mark.0),
        walk.request().capture("one").map(str::to_owned),
    )
}

/// The tree with a spy before each of its parts.
fn with_spies(tree: &Tree, ledger: &Arc<Ledger>) -> Box<dyn Dispatch> {
    let spied = |inner: &Tree| with_spies(inner, ledger);
    let inner: Box<dyn Dispatch> = match tree {
        Tree::Chain(links) => Box::new(links.iter().fold(Chain::new(), |chain, link| chain.then(spied(link)))),
        Tree::Mount(path, inner) => Box::new(mount(&format!("/{}", path.join("/")), spied(inner))),
        Tree::Hooked(value, inner) => {
            let value = *value;
            let below = Routes::new().mount("/{one}", spied(inner));
            Box::new(Hooks::on(below).before(move |request: &Request| request.set(Mark(value))))
        }
        Tree::Routes { mounted, inner, .. } => Box::new(Routes::new().mount(&format!("/{mounted}"), spied(inner))),
        Tree::Leaf { .. } | Tree::Methods(_) => tree.build(),
    };
    Box::new(Spy {
        inner,
        ledger: Arc::clone(ledger),
    })
}

#[test]
fn no_path_exhausts_the_stack() {
    let depth = 10 * Walk::MAX_DEPTH;
    let mut deep: Box<dyn Dispatch> = Tree::Leaf {
        takes: 0,
        methods: vec![Method::GET],
        number: 7,
    }
    .build();
    for _ in 0..depth {
        deep = Box::new(mount("/a", deep));
    }
    let app = App::new(deep);
    let path = "/a".repeat(depth);
    assert_eq!(app.call(&Request::get(&path)).status(), 404);
    let trail = app.explain(Method::GET, &path).to_string();
    assert!(trail.contains("too deep"), "{trail}");
}

/// Matched by trying all ways, this would last longer than anybody waits.
#[cfg(feature = "regex")]
#[test]
fn no_path_makes_an_expression_run_away() {
    let path = format!("/{}!", "a".repeat(8000));
    for expression in ["^/(a+)+$", "^/(a|a)*$", "^/(a*)*b$", r"^/(\w+)*\d$"] {
        let app = App::new(Routes::new().regex(expression, |_: Vec<String>| "found"));
        assert_eq!(app.call(&Request::get(&path)).status(), 404, "{expression}");
    }
}

#[test]
fn a_response_outlives_a_miss_that_follows_and_goes_with_its_own() {
    /// Arrives inside, looks elsewhere as well, and says that it found nothing if it is told to.
    fn looks_twice(walk: &mut Walk<'_>, inner: &dyn Dispatch) -> Reply {
        let arrived = inner.dispatch(walk)?;
        assert!(mount("/elsewhere", || "elsewhere").dispatch(walk).is_err());
        let nothing = walk.descend(Step::new("Test", "nothing"), |walk| {
            Err(walk.decline("Test", "", || "no".into()))
        });
        assert!(nothing.is_err());
        if walk.request().query() == Some("deny") {
            return Err(Miss::NotFound);
        }
        Ok(arrived)
    }
    let first = Hooks::on(Routes::new().get("/a", || "first")).around(looks_twice);
    let app = App::new(
        Chain::new()
            .then(first)
            .then(|request: &Request| format!("second at {}", request.path())),
    );
    assert_eq!(answered(&app, &Request::get("/a")).2, "first");
    assert_eq!(answered(&app, &Request::get("/a?deny")).2, "second at /a");
}

#[test]
fn explaining_runs_look_ups_and_hooks_and_never_an_endpoint() {
    static HOOKS: AtomicUsize = AtomicUsize::new(0);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let endpoint = || {
        CALLS.fetch_add(1, Relaxed);
    };
    let hook = |_: &Request| {
        HOOKS.fetch_add(1, Relaxed);
    };
    let app = App::new(Hooks::on(Routes::new().get("/x", endpoint)).before(hook));
    assert_eq!(app.explain(Method::GET, "/x").status(), 200);
    assert_eq!((HOOKS.load(Relaxed), CALLS.load(Relaxed)), (1, 0));
    let _ = app.call(&Request::get("/x"));
    assert_eq!((HOOKS.load(Relaxed), CALLS.load(Relaxed)), (2, 1));
}

/// A property that hardly ever has anything to do proves nothing.
#[test]
fn the_trees_are_worth_their_while() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..2000 {
        let ((tree, path), method) = (tree_and_path(), method()).new_tree(&mut runner).unwrap().current();
        *statuses.entry(tree.expect(&method, &path).status(&method)).or_insert(0) += 1;
    }
    for status in [200, 204, 404, 405] {
        assert!(statuses.get(&status).is_some_and(|&count| count > 200), "{statuses:?}");
    }
}

#[test]
fn the_trail_knows_what_becomes_of_a_slash_at_the_end() {
    for (slashes, status, end) in [
        (Slashes::Strict, 404, "404 Not Found\n"),
        (Slashes::Redirect, 308, "308 Permanent Redirect to /a\n"),
        (Slashes::Ignore, 200, "found\n"),
    ] {
        let app = App::new(Routes::new().get("/a", || "")).slashes(slashes);
        assert_eq!(answered(&app, &Request::get("/a/")).0, status);
        let trail = app.explain(Method::GET, "/a/");
        assert_eq!(trail.status(), status, "{slashes:?}: {trail}");
        assert!(trail.to_string().ends_with(end), "{slashes:?}: {trail}");
    }
}
