//! `Request::url_for` in handlers and hooks, and `OPTIONS *`: as `App::url_for`, from what is made once.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use hansel::dispatch::{Dispatch, Map, MethodSet, Reply, UrlError, Walk, routes_changed};
use hansel::test::Client;
use hansel::{App, Application, Hooks, Method, Methods, Request, Response, Routes, mount};

/// What `url_for` says of `/people/{id}` with 7, or that there is no such name.
fn url(request: &Request, name: &str) -> String {
    request.url_for(name, &[&7]).unwrap_or_else(|error| error.to_string())
}

fn people() -> Routes {
    Routes::new()
        .get("/people/{id}", |id: u32| id.to_string())
        .name("person")
}

#[test]
fn handlers_and_hooks_get_the_urls_of_the_application() {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let noted = Arc::clone(&noted);
        move |request: &Request| noted.lock().unwrap().push((what, url(request, "person")))
    };
    let (before, after, response_hook) = (note("before"), note("after"), note("response hook"));
    let routes = people()
        .get("/", |request: &Request| url(request, "person"))
        .not_found(|request: &Request| url(request, "person"));
    let hooks = Hooks::on(Routes::new().mount("/v1", routes))
        .before(move |request: &Request| before(request))
        .after(move |request, _: &mut Response| after(request));
    let app = App::new(hooks).respond(move |seen, _| response_hook(seen.request().unwrap()));
    let client = Client::new(app);
    let expected = "/v1/people/7";
    assert_eq!(client.get("/v1").text(), expected);
    assert_eq!(client.get("/v1/nothing/here").text(), expected);
    assert_eq!(client.get("/nowhere").status(), 404);
    let noted = noted.lock().unwrap();
    for what in ["before", "after", "response hook"] {
        let urls: Vec<_> = noted.iter().filter(|(at, _)| *at == what).collect();
        assert!(urls.len() >= 2, "{what}: {noted:?}");
        assert!(urls.iter().all(|(_, url)| url == expected), "{what}: {noted:?}");
    }
}

#[test]
fn a_hook_for_responses_gets_urls_also_where_no_handler_ran() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let app = App::new(people().post("/panic", || -> () { panic!("on purpose") })).respond(move |seen, _| {
        assert_eq!(url(seen.request().unwrap(), "person"), "/people/7");
        counted.fetch_add(1, SeqCst);
    });
    let client = Client::new(app);
    let malformed = b"POST /people/7 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n";
    assert!(client.converse(malformed).starts_with(b"HTTP/1.1 400"));
    assert_eq!(client.post("/panic", "").status(), 500);
    assert_eq!(client.get("/people/7").text(), "7");
    assert_eq!(seen.load(SeqCst), 3);
}

#[test]
fn a_hook_for_the_responses_of_a_part_gets_the_urls_of_the_app_that_it_is_a_part_of() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let seen = Arc::clone(&seen);
        move |about: &hansel::Seen<'_>, _: &mut Response| {
            let request = about.request().unwrap();
            seen.lock()
                .unwrap()
                .push((what, url(request, "place"), url(request, "person")));
        }
    };
    let place = Routes::new()
        .get("/in/here/{id}", |id: u32| id.to_string())
        .name("place");
    let inner = App::new(Hooks::on(place).respond(note("inner part"))).respond(note("inner"));
    let outer = Hooks::on(people().mount("/in", inner)).respond(note("outer part"));
    let client = Client::new(App::new(outer).respond(note("outer")));
    for _ in 0..2 {
        seen.lock().unwrap().clear();
        assert_eq!(client.get("/in/here/1").text(), "1");
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        let no = |name: &str| format!("no route is named `{name}`");
        let (place, person) = (|| "/in/here/7".to_owned(), || "/people/7".to_owned());
        assert_eq!(
            seen,
            [
                ("inner", place(), no("person")),
                ("inner part", place(), no("person")),
                ("outer", no("place"), person()),
                ("outer part", no("place"), person()),
            ]
        );
    }
}

#[test]
fn explaining_runs_hooks_that_get_urls() {
    let is_right = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_right);
    let app = App::new(Hooks::on(people()).before(move |request: &Request| {
        told.store(url(request, "person") == "/people/7", SeqCst);
    }));
    assert_eq!(app.explain(Method::GET, "/people/7").status(), 200);
    assert!(is_right.swap(false, SeqCst));
    assert_eq!(app.reaches(&Request::get("/people/7")), Ok(()));
    assert!(is_right.load(SeqCst));
}

#[test]
fn each_app_knows_its_own_names_and_those_of_what_is_mounted_in_it_without_an_app() {
    let inner = App::new(
        Routes::new()
            .get("/in/here/{id}", |request: &Request, _: u32| {
                format!("{} {}", url(request, "place"), url(request, "person"))
            })
            .name("place")
            .get("/in/panic", || -> () { panic!("on purpose") }),
    );
    let plain = |request: &Request| url(request, "person");
    let routes = people().mount("/in", inner).mount("/function", plain).mount(
        "/routes",
        Routes::new().get("/", |request: &Request| url(request, "person")),
    );
    let after = |request: &Request, response: &mut Response| {
        response.set_header("X-Outer", url(request, "person"));
        response.set_header("X-Inner", url(request, "place"));
    };
    let client = Client::new(App::new(Hooks::on(routes).after(after)));
    for _ in 0..2 {
        let response = client.get("/in/here/1");
        assert_eq!(response.text(), "/in/here/7 no route is named `person`");
        assert_eq!(response.header("X-Outer"), Some("/people/7"));
        assert_eq!(response.header("X-Inner"), Some("no route is named `place`"));
        assert_eq!(client.get("/in/panic").status(), 500);
        for whole in ["/function", "/routes"] {
            assert_eq!(client.get(whole).text(), "/people/7", "{whole}");
        }
    }
    // By the same connection, where the request is the same one.
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let sent = get("/in/here/1", "") + &get("/function", "") + &get("/in/here/2", "Connection: close\r\n");
    let received = String::from_utf8(client.converse(sent.as_bytes())).unwrap();
    let bodies: Vec<_> = received.split("\r\n\r\n").skip(1).collect();
    assert!(
        bodies[0].starts_with("/in/here/7 no route is named `person`"),
        "{received}"
    );
    assert!(bodies[1].starts_with("/people/7"), "{received}");
    assert!(
        bodies[2].starts_with("/in/here/7 no route is named `person`"),
        "{received}"
    );
}

#[test]
fn without_an_app_there_are_no_names_and_the_error_says_so() {
    let request = Request::get("/people/7");
    assert_eq!(request.url_for("person", &[&7]), Err(UrlError::NoApp));
    let text = UrlError::NoApp.to_string();
    assert!(text.contains("no `App` handles this request"), "{text}");
    let app = App::new(people());
    assert_eq!(app.call(&request).status(), 200);
    assert_eq!(request.url_for("person", &[&7]), Err(UrlError::NoApp), "it was left");
    let client = Client::new(|request: &Request| url(request, "person"));
    assert_eq!(client.get("/").text(), text);
}

#[test]
fn they_are_checked_as_those_of_the_application() {
    let routes = || people().get("/files/{*path}", |path: String| path).name("file");
    let app = App::new(routes());
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let ask = move |request: &Request| {
        let values: [&dyn Display; 7] = [&7, &"x", &"..", &"a/../b", &"/evil", &"\\evil", &"ü ?#"];
        for name in ["person", "file", "none"] {
            for value in values {
                assert_eq!(
                    request.url_for(name, &[value]),
                    app.url_for(name, &[value]),
                    "{name} {value}"
                );
                counted.fetch_add(1, SeqCst);
            }
            assert_eq!(request.url_for(name, &[]), app.url_for(name, &[]));
        }
    };
    let client = Client::new(App::new(Hooks::on(routes()).before(ask)));
    assert_eq!(client.get("/people/7").text(), "7");
    assert_eq!(seen.load(SeqCst), 21);
}

/// Describes itself as it is told, and counts how often.
#[derive(Default)]
struct Changing {
    described: AtomicUsize,
    has_moved: AtomicBool,
}

impl Changing {
    fn place(&self) -> &'static str {
        if self.has_moved.load(SeqCst) { "/new" } else { "/old" }
    }
}

impl Dispatch for Changing {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        Routes::new().get(self.place(), || "here").dispatch(walk)
    }

    fn describe(&self, map: &mut Map) {
        self.described.fetch_add(1, SeqCst);
        map.endpoint("Changing", &MethodSet::of(Method::GET), self.place(), "here");
        map.name("here");
    }
}

#[test]
fn a_map_is_made_once_and_again_after_a_change() {
    let changing = Arc::new(Changing::default());
    let app = App::new(Arc::clone(&changing));
    // Tests beside this one change maps, too; none of them does so a thousand times.
    let asked = || {
        let before = changing.described.load(SeqCst);
        for _ in 0..1000 {
            app.url_for("here", &[]).unwrap();
            assert_eq!(app.call(&Request::new(Method::OPTIONS, "*")).status(), 204);
        }
        changing.described.load(SeqCst) - before
    };
    assert_eq!(app.url_for("here", &[]).as_deref(), Ok("/old"));
    assert!(asked() < 500);
    changing.has_moved.store(true, SeqCst);
    routes_changed();
    assert_eq!(app.url_for("here", &[]).as_deref(), Ok("/new"));
    assert!(asked() < 500);
}

#[test]
fn the_methods_of_everything_follow_functions_that_come_and_go() {
    let methods = Methods::new()
        .add("look", || "look")
        .on(Method::POST, "buy", || "bought");
    let running = methods.clone();
    let client = Client::new(App::new(mount("/shop", methods)));
    let allowed = || client.call("OPTIONS", "*").header("Allow").map(str::to_owned);
    assert_eq!(allowed().as_deref(), Some("GET, HEAD, OPTIONS, POST"));
    running.remove("buy");
    assert_eq!(allowed().as_deref(), Some("GET, HEAD, OPTIONS"));
    running.remove("look");
    assert_eq!(allowed().as_deref(), Some("OPTIONS"));
    running.insert("look", || "again");
    assert_eq!(allowed().as_deref(), Some("GET, HEAD, OPTIONS"));
}
