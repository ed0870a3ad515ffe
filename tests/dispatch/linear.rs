//! The cost of a path grows linearly: operations are counted while the path doubles.

use std::cell::Cell;

use hansel::dispatch::FromSegment;
use hansel::{App, Chain, Method, Methods, Request, Resource, Routes, Verbs};

thread_local! {
    /// How many segments were read as arguments or keys.
    static READ: Cell<usize> = const { Cell::new(0) };
}

struct Counted;

impl FromSegment for Counted {
    fn from_segment(_: &str) -> Option<Counted> {
        READ.set(READ.get() + 1);
        Some(Counted)
    }
}

/// A collection whose items are collections: the path decides how deep it is.
struct Nested;

impl Resource for Nested {
    fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
        verbs
            .get(|_: &Nested| "here")
            .nested("a", |_| Nested)
            .item(|_: &Nested, _: Counted| Some(Nested));
    }
}

fn app() -> App {
    let all = |_: Vec<Counted>| "all";
    let routes = Routes::new()
        .get("/rest/{*rest}", all)
        .post("/rest/{*rest}", all)
        .mount("/name", Methods::new().add("f", all))
        .mount(
            "/chain",
            Chain::new()
                .then(Routes::new().get("/{*rest}", all))
                .then(Routes::new().post("/{*rest}", all)),
        )
        .mount("/nested", Nested);
    #[cfg(feature = "regex")]
    let routes = routes.regex("^/expression", all).regex("^/expression/(?:a+/?)*", all);
    App::new(routes)
}

/// What a request for so many segments behind `start` reads.
fn reads(app: &App, method: &Method, start: &str, segments: usize) -> usize {
    let request = Request::new(method.clone(), &(start.to_owned() + &"/b".repeat(segments)));
    let before = READ.get();
    let _ = app.reaches(&request);
    let _ = app.trail(&request);
    READ.get() - before
}

#[test]
fn a_path_of_twice_the_segments_is_read_twice() {
    let app = app();
    let starts = ["/rest", "/name/f", "/chain", "/expression", "/nowhere"];
    for start in starts
        .into_iter()
        .filter(|start| cfg!(feature = "regex") || *start != "/expression")
    {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let [once, twice, four] = [500, 1000, 2000].map(|segments| reads(&app, &method, start, segments));
            assert_eq!(twice, 2 * once, "{method} {start}");
            assert_eq!(four, 4 * once, "{method} {start}");
        }
    }
    // Nobody goes deeper than a walk may.
    for method in [Method::GET, Method::POST] {
        let [little, much] = [200, 2000].map(|segments| reads(&app, &method, "/nested", segments));
        assert_eq!(little, much);
    }
}

/// What is told of a 404 is as long as its path, and no longer.
#[test]
fn a_trail_is_as_long_as_its_path() {
    let app = app();
    for start in [
        "/rest",
        "/name/f",
        "/name/g",
        "/chain",
        "/nested",
        "/nowhere",
        "/nowhere/%2F",
        "/nowhere//",
    ] {
        let length = |segments: usize| {
            let target = start.to_owned() + &"/b".repeat(segments);
            app.explain(Method::DELETE, &target).to_string().len()
        };
        let [once, twice, four] = [500, 1000, 2000].map(length);
        assert!(
            four - twice <= 2 * (twice - once) + 16,
            "{start}: {once}, {twice}, {four}"
        );
    }
}

#[cfg(feature = "development")]
#[test]
fn a_page_is_as_long_as_its_path() {
    use hansel::Application;
    let app = app().development(true);
    for start in ["/rest", "/name/g", "/nested", "/nowhere", "/nowhere/%2F", "/nowhere//"] {
        for accept in ["text/html", "text/plain"] {
            let length = |segments: usize| {
                let request = Request::get(&(start.to_owned() + &"/b".repeat(segments))).with_header("Accept", accept);
                app.call(&request).body().bytes().map_or(0, <[u8]>::len)
            };
            let [once, twice, four] = [500, 1000, 2000].map(length);
            assert!(
                four <= 2 * twice + 64 && twice <= 2 * once + 64,
                "{start}: {once}, {twice}, {four}"
            );
        }
    }
}
