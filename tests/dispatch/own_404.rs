//! A custom 404, wherever it is and however it is made, hides neither a 405 nor the response to OPTIONS.

use hansel::test::{Client, Response};
use hansel::{App, Chain, Hooks, IntoApplication, Methods, Request, Routes, Slashes, StatusCode, mount};

fn people() -> Routes {
    Routes::new().get("/people/{id}", |id: u32| id.to_string())
}

fn own() -> &'static str {
    "own"
}

fn by_hand(_: &Request) -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "own")
}

fn seen(response: &Response) -> (u16, &str, Option<&str>) {
    (response.status().as_u16(), response.text(), response.header("Allow"))
}

/// Each way to have a 404 of one's own beside `/people/{id}`.
fn ways() -> Vec<(&'static str, App)> {
    let app = |name, app: App| (name, app);
    vec![
        app("not_found", App::new(people().not_found(own))),
        app(
            "first of a chain",
            App::new(Chain::new().then(Routes::new().not_found(own)).then(people())),
        ),
        app(
            "last of a chain",
            App::new(Chain::new().then(people()).then(Routes::new().not_found(own))),
        ),
        app("a function", App::new(Chain::new().then(people()).then(by_hand))),
        app(
            "an application",
            App::new(Chain::new().then(people()).then(App::new(Routes::new().not_found(own)))),
        ),
        app(
            "in hooks",
            App::new(
                Hooks::on(
                    Chain::new()
                        .then(Hooks::on(Routes::new().not_found(own)))
                        .then(people()),
                )
                .before(|_: &Request| ()),
            ),
        ),
        app(
            "a mount",
            App::new(people().mount("/people", Routes::new().not_found(own)).not_found(own)),
        ),
        app(
            "a mount at the root",
            App::new(people().mount("/", Routes::new().not_found(own))),
        ),
        app("a mounted function", App::new(people().mount("/", by_hand))),
        app(
            "mount",
            App::new(
                Chain::new()
                    .then(mount("/people", Routes::new().not_found(own)))
                    .then(people())
                    .then(by_hand),
            ),
        ),
        app(
            "a rest",
            App::new(people().any("/{*rest}", |_: Vec<String>| (StatusCode::NOT_FOUND, "own"))),
        ),
        #[cfg(feature = "regex")]
        app(
            "an expression",
            App::new(people().any(hansel::regex("^/"), |_: Vec<String>| (StatusCode::NOT_FOUND, "own"))),
        ),
        app(
            "slashes ignored",
            App::new(Chain::new().then(Routes::new().not_found(own)).then(people())).slashes(Slashes::Ignore),
        ),
        app(
            "slashes redirected",
            App::new(Chain::new().then(people()).then(Routes::new().not_found(own))).slashes(Slashes::Redirect),
        ),
    ]
}

#[test]
fn an_own_404_never_hides_a_405_or_options() {
    for (way, app) in ways() {
        let client = Client::new(app);
        assert_eq!(seen(&client.get("/people/7")), (200, "7", None), "{way}");
        let refused = client.post("/people/7", "");
        assert_eq!(
            seen(&refused),
            (405, "Method Not Allowed", Some("GET, HEAD, OPTIONS")),
            "{way}"
        );
        let options = client.call("OPTIONS", "/people/7");
        assert_eq!(seen(&options), (204, "", Some("GET, HEAD, OPTIONS")), "{way}");
        for nowhere in ["/people/gretel", "/people/7/x", "/nowhere"] {
            let response = client.get(nowhere);
            assert_eq!(seen(&response), (404, "own", None), "{way} {nowhere}");
        }
    }
}

#[test]
fn an_own_404_never_hides_what_another_finds() {
    let client = Client::new(
        Routes::new()
            .mount("/a", Routes::new().get("/x", || "inner").not_found(own))
            .get("/a/{*rest}", |rest: String| rest),
    );
    assert_eq!(client.get("/a/x").text(), "inner");
    assert_eq!(client.get("/a/y").text(), "y");
    assert_eq!(client.get("/b").text(), "Not Found");
}

#[test]
fn the_innermost_own_404_answers() {
    let client = Client::new(
        Routes::new()
            .mount(
                "/a",
                Chain::new()
                    .then(Methods::new())
                    .then(Routes::new().not_found(|| "inner")),
            )
            .not_found(|| "outer"),
    );
    assert_eq!(seen(&client.get("/a/x")), (404, "inner", None));
    assert_eq!(seen(&client.get("/b")), (404, "outer", None));
}

#[test]
fn a_404_of_a_handler_for_this_method_is_its_response() {
    let missing = |_: &str| StatusCode::NOT_FOUND;
    let client = Client::new(
        Chain::new()
            .then(people())
            .then(Routes::new().post("/people/{id}", missing)),
    );
    assert_eq!(client.post("/people/7", "").status(), 404);
    assert_eq!(
        client.call("PUT", "/people/7").header("Allow"),
        Some("GET, HEAD, OPTIONS, POST")
    );
    // And what answers with something is no 404.
    let client = Client::new(Chain::new().then(people()).then(|_: &Request| "page"));
    assert_eq!(seen(&client.post("/people/7", "")), (200, "page", None));
}

#[test]
fn what_has_hidden_nothing_leaves_nothing() {
    let note = |request: &Request| request.set(7_u8);
    let chain = || Chain::new().then(people()).then(Hooks::on(by_hand).before(note));
    let after = |request: &Request, response: &mut hansel::Response| {
        response.set_header("X-Noted", if request.value::<u8>().is_some() { "yes" } else { "no" });
    };
    let client = Client::new(
        Chain::new()
            .then(chain())
            .then(Hooks::on(Routes::new().post("/people/{id}", |_: u32| "")).after(after)),
    );
    assert_eq!(client.post("/people/7", "").header("X-Noted"), Some("no"));
}

#[test]
fn what_has_hidden_nothing_leaves_no_captures() {
    let chain = Chain::new()
        .then(people())
        .then(Routes::new().any("/{*rest}", |_: Vec<String>| (StatusCode::NOT_FOUND, "own")))
        .then(Routes::new().post("/people/{id}", |id: u32| id.to_string()));
    let after = |request: &Request, response: &mut hansel::Response| {
        response.set_header("X-Rest", request.capture("rest").unwrap_or("none"));
        response.set_header("X-Id", request.capture("id").unwrap_or("none"));
    };
    let client = Client::new(Hooks::on(chain).after(after));
    let response = client.post("/people/7", "");
    assert_eq!(response.header("X-Rest"), Some("none"));
    assert_eq!(response.header("X-Id"), Some("7"));
}

#[test]
fn a_404_by_which_a_hook_forbids_the_way_is_no_404_of_ones_own() {
    let forbid = |_: &Request| Some((StatusCode::NOT_FOUND, "hidden"));
    let chain = Chain::new()
        .then(people())
        .then(by_hand)
        .then(Hooks::on(Routes::new().post("/people/{id}", |_: u32| "")).before(forbid));
    assert_eq!(seen(&Client::new(chain).post("/people/7", "")), (404, "hidden", None));
}

#[test]
fn hooks_run_once_where_nobody_else_may_answer() {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let count = |_: &Request| {
        RUNS.fetch_add(1, Relaxed);
    };
    let client = Client::new(Hooks::on(people().not_found(own)).before(count).into_application());
    assert_eq!(client.get("/nowhere").text(), "own");
    assert_eq!(RUNS.load(Relaxed), 1);
}
