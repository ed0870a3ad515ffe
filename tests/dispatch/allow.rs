//! `Allow` is that of the path that responds.

use hansel::test::Client;
use hansel::{App, Application, Chain, Hooks, Method, Request, Routes, Slashes, StatusCode};
use proptest::prelude::*;

const METHODS: [Method; 7] = [
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];

#[test]
fn allow_always_is_that_of_the_path_that_answers() {
    let routes = || {
        Routes::new()
            .get("/a/", || "a")
            .post("/a/", || "b")
            .put("/b", || "c")
            .not_found(|| "own")
    };
    let app = |slashes| Client::new(App::new(routes()).allow_always(true).slashes(slashes));
    let ignoring = app(Slashes::Ignore);
    assert_eq!(ignoring.get("/a").header("Allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(ignoring.get("/a/").header("Allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(ignoring.call("PUT", "/b/").header("Allow"), Some("OPTIONS, PUT"));
    assert_eq!(
        ignoring.call("OPTIONS", "/a").header("Allow"),
        Some("GET, HEAD, OPTIONS, POST")
    );
    let redirecting = app(Slashes::Redirect);
    assert_eq!(redirecting.get("/a").status(), 308);
    // Of what no endpoint has answered nothing is known.
    assert_eq!(redirecting.get("/a").header("Allow"), None);
    assert_eq!(redirecting.get("/c").header("Allow"), None);
    let closed = Hooks::on(routes()).before(|_: &Request| Some(StatusCode::FORBIDDEN));
    let closed = Client::new(App::new(closed).allow_always(true));
    assert_eq!(closed.get("/a/").header("Allow"), None);
}

/// Routes of one letter, below a mount or not, with a slash at the end or not.
fn routes() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..PATTERNS.len(), 0..METHODS.len()), 1..8)
}

const PATTERNS: [&str; 8] = ["/a", "/a/", "/{x}", "/{x}/", "/b", "/m/a", "/{*rest}", "/m/{x}/"];

fn app(routes: &[(usize, usize)], slashes: Slashes, is_chain: bool) -> App {
    let mut known = std::collections::HashSet::new();
    let (mut outer, mut inner) = (Routes::new(), Routes::new());
    for (i, &(pattern, method)) in routes.iter().enumerate() {
        if !known.insert((pattern, method)) {
            continue;
        }
        // HEAD and OPTIONS of one's own are routes as well.
        let (pattern, method) = (PATTERNS[pattern], METHODS[method].clone());
        let handler = |_: &Request, _: Vec<String>| "here";
        match pattern.strip_prefix("/m") {
            Some(below) if i % 2 == 0 => inner = inner.on(method, below, handler),
            _ => outer = outer.on(method, pattern, handler),
        }
    }
    let app = match is_chain {
        true => App::new(
            Chain::new()
                .then(outer)
                .then(Routes::new().mount("/m", inner).not_found(|| "own")),
        ),
        false => App::new(outer.mount("/m", inner).not_found(|| "own")),
    };
    app.slashes(slashes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn what_allow_says_is_answered_and_nothing_else(routes in routes(), ignores in any::<bool>(), is_chain in any::<bool>()) {
        let slashes = if ignores { Slashes::Ignore } else { Slashes::Strict };
        let app = app(&routes, slashes, is_chain);
        let brew = Method::from_bytes(b"BREW").unwrap();
        for path in ["/a", "/a/", "/b", "/b/", "/m", "/m/a", "/m/a/", "/m/b/c", "/"] {
            let refusal = app.call(&Request::new(brew.clone(), path));
            let allowed: Vec<&str> = refusal.header("Allow").map(|all| all.split(", ").collect()).unwrap_or_default();
            let is_there = refusal.status() == 405;
            prop_assert!(is_there || refusal.status() == 404);
            prop_assert_eq!(is_there, !allowed.is_empty());
            for method in METHODS {
                let response = app.call(&Request::new(method.clone(), path));
                let is_answered = response.status().is_success();
                prop_assert_eq!(is_answered, allowed.contains(&method.as_str()), "{} {}: {:?}", method, path, allowed);
                if !is_answered {
                    let status = if is_there { 405 } else { 404 };
                    prop_assert_eq!(response.status().as_u16(), status);
                    prop_assert_eq!(response.header("Allow"), refusal.header("Allow"));
                }
            }
        }
    }
}
