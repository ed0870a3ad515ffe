//! A capture equals the argument.

use hansel::test::Client;
use hansel::{Hooks, Request, Response, Routes};

fn both(request: &Request, name: &str, argument: Option<&str>) -> String {
    let captured = request.capture(name);
    assert_eq!(captured, argument, "{name} of {}", request.path());
    format!("{captured:?}")
}

fn one(request: &Request, x: String) -> String {
    both(request, "x", Some(&x))
}

#[cfg(feature = "regex")]
fn maybe(request: &Request, x: Option<String>) -> String {
    both(request, "x", x.as_deref())
}

#[test]
fn templates_capture_what_is_decoded_once() {
    let client = Client::new(Routes::new().get("/a/{x}", one).get("/b/{x}/c", one).get("/{x}", one));
    for (path, text) in [
        ("/a/caf%C3%A9", "café"),
        ("/a/b%2Fc", "b/c"),
        ("/a/%252F", "%2F"),
        ("/b/%2F/c", "/"),
        ("/a|b[0]", "a|b[0]"),
    ] {
        assert_eq!(client.get(path).text(), format!("{:?}", Some(text)), "{path}");
    }
}

#[test]
fn a_rest_is_captured_like_any_other() {
    let client = Client::new(
        Routes::new()
            .get("/a/{*x}", one)
            .mount("/m/{y}", Routes::new().get("/{*x}", one))
            .get("/b/{z}/{*x}", |request: &Request| {
                request.capture("x").unwrap_or("-").to_owned()
            })
            .get("/{*x}", one),
    );
    for (path, rest) in [
        ("/a/b/c", "b/c"),
        ("/a/", ""),
        ("/a//", "/"),
        ("/m/1/b%20c/d", "b c/d"),
        ("/m/1", ""),
        ("/", ""),
        ("/c/d", "c/d"),
    ] {
        assert_eq!(client.get(path).text(), format!("{:?}", Some(rest)), "{path}");
    }
    assert_eq!(
        client.get("/b/1/c/d").text(),
        "c/d",
        "a handler that takes the request only reads it by name"
    );
}

#[test]
fn a_rest_that_may_be_absent_is_never_absent() {
    let client = Client::new(Routes::new().get("/a/{*x}", |x: Option<String>| format!("{x:?}")));
    assert_eq!(client.get("/a/b/c").text(), "Some(\"b/c\")");
    assert_eq!(client.get("/a/").text(), "Some(\"\")");
}

#[cfg(feature = "regex")]
#[test]
fn groups_capture_what_they_match_or_nothing() {
    let client = Client::new(
        Routes::new()
            .regex(r"^(?P<x>/)$", one)
            .regex(r"^/a(?P<x>\d+)?$", maybe)
            .regex(r"^/b(?P<x>\d*)$", one)
            .regex(r"^/c/(?P<x>(?:\w|é| )+)$", one)
            .regex(r"^/d/(?:(?P<x>\d+)|\w+)$", maybe)
            .mount(
                "/m/{x}",
                Routes::new().regex(r"^/d/(?P<x>\d+)?$", maybe).regex("^(?P<x>)$", one),
            ),
    );
    for (path, text) in [
        ("/", Some("/")),
        ("/a7", Some("7")),
        ("/a", None),
        ("/b", Some("")),
        ("/b1", Some("1")),
        ("/c/%C3%A9%20b", Some("é b")),
        ("/d/7", Some("7")),
        ("/d/e", None),
        ("/m/1/d/2", Some("2")),
        // The inner one hides the outer one, also where it took no part.
        ("/m/1/d/", None),
        ("/m/1", Some("")),
    ] {
        assert_eq!(client.get(path).text(), format!("{text:?}"), "{path}");
    }
}

#[cfg(feature = "regex")]
#[test]
fn nested_groups_are_captured_each() {
    let nested = |request: &Request, y: String, x: String| both(request, "y", Some(&y)) + &both(request, "x", Some(&x));
    let client = Client::new(Routes::new().regex(r"^/(?P<y>a-(?P<x>\d+))-\d$", nested));
    assert_eq!(client.get("/a-7-1").text(), r#"Some("a-7")Some("7")"#);
    let unnamed = |request: &Request, _: String| format!("{:?}", request.capture(""));
    assert_eq!(
        Client::new(Routes::new().regex(r"^/(\d)$", unnamed)).get("/7").text(),
        "None"
    );
}

#[cfg(feature = "regex")]
#[test]
fn a_capture_of_the_other_slash_is_what_has_matched() {
    let routes = Routes::new()
        .regex(r"^(?P<x>/a/)$", one)
        .get("/b/{x}/", one)
        .get("/c/{*x}", one)
        .regex(r"^(?P<x>/d)$", one);
    let client = Client::new(hansel::App::new(routes).slashes(hansel::Slashes::Ignore));
    for (path, text) in [
        ("/a", "/a/"),
        ("/a/", "/a/"),
        ("/b/c%20d", "c d"),
        ("/c", ""),
        ("/d/", "/d"),
    ] {
        assert_eq!(client.get(path).text(), format!("{:?}", Some(text)), "{path}");
    }
}

#[test]
fn hooks_that_run_after_a_handler_see_what_it_was_given() {
    let stamp = |request: &Request, response: &mut Response| {
        response.set_header("X-Capture", request.capture("x").unwrap_or("-"));
    };
    let routes = Routes::new().get("/{x}", |x: String| x).mount("/m/{x}", || "");
    let client = Client::new(Hooks::on(routes).after(stamp));
    assert_eq!(client.get("/7").header("X-Capture"), Some("7"));
    assert_eq!(client.get("/m/8").header("X-Capture"), Some("8"));
    // Nobody watches this walk, so the capture is kept for the hook alone.
    let received = client.converse(b"GET /7 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(String::from_utf8_lossy(&received).contains("X-Capture: 7\r\n"));
}
