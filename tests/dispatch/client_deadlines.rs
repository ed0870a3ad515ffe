//! Deadlines that clients set: which header counts where, and what is malformed. `tests/server/client_deadlines.rs` has what
//! becomes of handlers that miss them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hansel::dispatch::Outcome;
use hansel::test::Client;
use hansel::{App, ClientDeadline, Hooks, Request, RouteLimits, Routes, StatusCode};

fn seconds(name: &str) -> RouteLimits {
    RouteLimits::new().client_deadline(ClientDeadline::seconds(name))
}

fn status(client: &Client, path: &str, headers: &[(&str, &str)]) -> u16 {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| {
        request.with_header(name, value)
    });
    client.send(request).status().as_u16()
}

#[test]
fn a_malformed_deadline_is_400_and_the_handler_is_not_called() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let count = move || {
        counter.fetch_add(1, SeqCst);
    };
    let client = Client::new(App::new(Routes::new().get("/", count).route_limits(seconds("X-Wait"))));
    for value in ["", "soon", "-1", "1s", "1e9", "NaN"] {
        let response = client.send(Request::get("/").with_header("X-Wait", value));
        let expected = "400 Bad Request: the header `X-Wait` must be a number of seconds\n";
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (400, expected),
            "{value}"
        );
        assert_eq!(response.header("Connection"), None, "nothing is wrong with it");
    }
    assert_eq!(status(&client, "/", &[("X-Wait", "1"), ("x-wait", "1")]), 400);
    assert_eq!(calls.load(SeqCst), 0);
    for headers in [
        &[][..],
        &[("X-Wait", "1.5")],
        &[("x-wait", "0")],
        &[("X-Waits", "soon")],
    ] {
        assert_eq!(status(&client, "/", headers), 204, "{headers:?}");
    }
    assert_eq!(calls.load(SeqCst), 4);
}

#[test]
fn a_malformed_deadline_is_refused_behind_hooks_and_only_where_path_and_method_fit() {
    let refusing = Hooks::on(Routes::new().get("/", || "")).before(|_: &Request| Some(StatusCode::UNAUTHORIZED));
    let inside = Routes::new().get("/", || "").mount("/closed", refusing);
    let routes = Routes::new()
        .mount("/in", Hooks::on(inside).limits(seconds("X-Wait")))
        .get("/out", || "");
    let client = Client::new(App::new(routes));
    let malformed = [("X-Wait", "soon")];
    for (path, expected) in [("/in", 400), ("/in/closed", 401), ("/in/nothing", 404), ("/out", 200)] {
        assert_eq!(status(&client, path, &malformed), expected, "{path}");
    }
    let post = Request::post("/in").with_header("X-Wait", "soon");
    assert_eq!(client.send(post).status(), 405);
}

#[test]
fn the_header_of_the_innermost_level_counts_and_a_way_that_is_not_taken_leaves_none() {
    let inner = Routes::new()
        .get("/own", || "")
        .route_limits(seconds("X-Inner"))
        .get("/outer", || "")
        .mount(
            "/a",
            Hooks::on(Routes::new().get("/x", || "")).limits(seconds("X-Missing")),
        )
        .get("/{*rest}", |_: String| "")
        .route_concurrency(1);
    let client = Client::new(App::new(Hooks::on(inner).limits(seconds("X-Outer"))));
    for (path, name, expected) in [
        ("/own", "X-Inner", 400),
        ("/own", "X-Outer", 200),
        ("/outer", "X-Outer", 400),
        ("/outer", "X-Inner", 200),
        ("/a/x", "X-Missing", 400),
        ("/a/y", "X-Missing", 200),
        ("/a/y", "X-Outer", 400),
    ] {
        for _ in 0..2 {
            assert_eq!(status(&client, path, &[(name, "soon")]), expected, "{path} {name}");
        }
    }
}

#[test]
fn a_whole_application_takes_deadlines_in_milliseconds() {
    let limits = RouteLimits::new().client_deadline(ClientDeadline::milliseconds("X-Ms"));
    let client = Client::new(App::new(Hooks::on(|| "").limits(limits)));
    assert_eq!(status(&client, "/", &[("X-Ms", "soon")]), 400);
    assert_eq!(status(&client, "/", &[("X-Ms", "1")]), 200);
}

#[test]
fn the_map_and_the_trail_show_the_header_and_what_is_wrong_with_it() {
    let routes = Routes::new()
        .get("/report", || "")
        .route_limits(seconds("X-Wait").body(7));
    let app = App::new(routes);
    let map = app.routes().to_string();
    assert!(map.contains("(body 7 bytes, within `X-Wait`)"), "{map}");
    let trail = app.trail(&Request::get("/report").with_header("X-Wait", "soon"));
    assert_eq!(trail.outcome, Outcome::Refused(StatusCode::BAD_REQUEST));
    let text = trail.to_string();
    assert!(
        text.contains("the header `X-Wait` must be a number of seconds"),
        "{text}"
    );
}
