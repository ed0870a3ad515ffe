//! Dispatch allocates nothing, from the request to the function and back to its response.
//!
//! A separate binary, because the allocator counts for the whole process. (A counting allocator cannot be written
//! without `unsafe`, which is forbidden here, so this one comes from a crate.)

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hansel::{
    App, Application, Chain, Counter, Gauge, Histogram, Methods, Metrics, Request, Routes, StatusCode, methods, mount,
    resource,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// An allocation per dispatch would show so many times.
const CALLS: usize = 100;
/// How many rows of calls are tried: the harness may allocate during some of them.
const ROWS: usize = 20;

static CALLED: AtomicUsize = AtomicUsize::new(0);

fn called() -> &'static str {
    CALLED.fetch_add(1, Relaxed);
    "called"
}

struct Calc;

impl Calc {
    fn add(&self, _: i64, _: i64) -> &'static str {
        called()
    }
}

struct Field {
    potatoes: usize,
}

struct Potato<'field>(#[expect(dead_code, reason = "it is borrowed, which is the point")] &'field Field);

resource!(Field { get } item potato);
resource!(Potato<'_> { get, plough });

impl Field {
    fn get(&self) -> &'static str {
        called()
    }

    fn potato(&self, number: usize) -> Option<Potato<'_>> {
        (number <= self.potatoes).then_some(Potato(self))
    }
}

impl Potato<'_> {
    fn get(&self) -> &'static str {
        called()
    }

    fn plough(&self) -> &'static str {
        called()
    }
}

fn routes() -> Routes {
    let neighbours = (0..100).fold(Routes::new(), |routes, n| {
        routes.get(format!("/neighbour{n}/{{x}}"), |_: u32| called())
    });
    neighbours
        .get("/", called)
        .get("/people/{id}/books/{number}", |_: u64, _: i32| called())
        .get("/text/{name}", |_: &str| called())
        .mount("/calc", methods!(Calc { add }))
        .mount("/field", Field { potatoes: 10 })
        .mount("/{tenant}/hello", Methods::new().add("world", called))
}

/// One test, since it counts for the whole process.
#[test]
fn allocations_are_counted() {
    dispatch_allocates_nothing();
    decoding_a_path_allocates_once();
    urls_and_options_cost_the_same_for_any_number_of_routes();
    recording_metrics_allocates_nothing();
}

fn recording_metrics_allocates_nothing() {
    static COUNTER: Counter<2> = Counter::labelled("a_total", "A.", [("b", &["x", "y"]), ("c", &["z"])]);
    static GAUGE: Gauge = Gauge::new("d", "D.");
    static HISTOGRAM: Histogram = Histogram::new("e", "E.", Histogram::SECONDS);
    let metrics = Metrics::new().with(&COUNTER).with(&GAUGE).with(&HISTOGRAM);
    let row = |row: usize| {
        let never_declared = format!("client {row}");
        let region = Region::new(ALLOCATOR);
        COUNTER.add_for(["y", "z"], 1);
        COUNTER.add_for(["x", &never_declared], 1);
        GAUGE.set(0.5);
        GAUGE.add(0.25);
        HISTOGRAM.observe(0.3);
        let change = region.change();
        change.allocations + change.reallocations
    };
    assert_eq!((0..ROWS).map(row).min(), Some(0));
    let text = metrics.to_string();
    assert!(
        text.contains(&format!("a_total{{b=\"x\",c=\"other\"}} {ROWS}\n")),
        "{text}"
    );
    assert!(!text.contains("client"), "{text}");
}

fn dispatch_allocates_nothing() {
    let function = App::new(called);
    let app = App::new(Chain::new().then(mount("/elsewhere", called)).then(routes()));
    for (what, app, request) in [
        ("a function", &function, Request::get("/")),
        ("a text", &app, Request::get("/")),
        (
            "a template with two typed arguments",
            &app,
            Request::get("/people/7/books/-12"),
        ),
        ("a borrowed argument", &app, Request::get("/text/Gretel")),
        ("a decoded argument", &app, Request::get("/text/J%C3%BCrgen")),
        ("a mounted method", &app, Request::get("/calc/add/1/2")),
        ("a collection", &app, Request::get("/field")),
        ("a collection's item", &app, Request::get("/field/3")),
        (
            "HEAD of an item",
            &app,
            Request::new("HEAD".parse().unwrap(), "/field/3"),
        ),
        ("a mount with a parameter", &app, Request::get("/acme/hello/world")),
    ] {
        CALLED.store(0, Relaxed);
        assert_eq!(fewest(app, &request, StatusCode::OK), 0, "{what}");
        assert_eq!(CALLED.load(Relaxed), CALLS * ROWS, "{what}");
    }
    for (what, target) in [
        ("an unknown path", "/nowhere/at/all"),
        ("an argument that does not fit", "/people/x/books/1"),
        ("an item that is not there", "/field/11"),
    ] {
        assert_eq!(fewest(&app, &Request::get(target), StatusCode::NOT_FOUND), 0, "{what}");
    }
}

/// A client may ask for `OPTIONS *` as often as it likes, and handlers for URLs.
fn urls_and_options_cost_the_same_for_any_number_of_routes() {
    let cost = |routes: usize| {
        let routes = (0..routes).fold(Routes::new(), |routes, n| {
            routes
                .get(format!("/route{n:04}/{{x}}"), |_: u32| called())
                .name(&format!("route{n:04}"))
        });
        let app = App::new(routes.get("/url", |request: &Request| request.url_for("route0001", &[&7]).unwrap()));
        let (options, url) = (Request::new("OPTIONS".parse().unwrap(), "*"), Request::get("/url"));
        assert_eq!(app.call(&url).body().bytes(), Some(&b"/route0001/7"[..]));
        [bytes(&app, &options), bytes(&app, &url)]
    };
    let (few, many) = (cost(10), cost(1000));
    assert_eq!(few, many);
    assert!(many.iter().all(|bytes| *bytes < CALLS * 4000), "{many:?}");
}

/// How many bytes calls allocate, at best of some rows of calls.
fn bytes(app: &App, request: &Request) -> usize {
    let row = |_| {
        let region = Region::new(ALLOCATOR);
        for _ in 0..CALLS {
            assert!(app.call(request).status().is_success());
        }
        region.change().bytes_allocated
    };
    (0..ROWS).map(row).min().unwrap_or(usize::MAX)
}

/// As often as a path without escapes, and once more if slashes are parts of its segments. A connection
/// keeps both buffers: `tests/allocation.rs` shows that nothing is allocated then.
fn decoding_a_path_allocates_once() {
    let count = |target: &str| {
        let row = |_| {
            let region = Region::new(ALLOCATOR);
            let request = Request::get(target);
            let change = region.change();
            drop(request);
            change.allocations + change.reallocations
        };
        (0..ROWS).map(row).min().unwrap_or(usize::MAX)
    };
    let plain = count("/a/bb/ccc/dddd/eeeee/ffffff/ggggggg/hhhhhhhh/iiiiiiiii");
    for (escaped, more) in [
        ("/%61/%62b/%63cc/ddd%64/e%65eee/ffffff/ggggggg/hhhhh", 0),
        ("/%61%C3%BC%C3%BC/%62b/%63cc/ddd%64/e%65eee/ffffff/g", 0),
        ("/%61/%62b/%63cc/ddd%64/e%65eee/ffffff/gggg%2Fg/hhhh", 1),
    ] {
        assert!(
            count(escaped) <= plain + more,
            "{escaped}: {} after {plain}",
            count(escaped)
        );
    }
}

/// How often calling allocates, at best of some rows of calls.
fn fewest(app: &App, request: &Request, status: StatusCode) -> usize {
    let row = |_| {
        let region = Region::new(ALLOCATOR);
        for _ in 0..CALLS {
            let response = app.call(request);
            assert_eq!(response.status(), status);
        }
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..ROWS).map(row).min().unwrap_or(usize::MAX)
}
