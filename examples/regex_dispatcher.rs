//! The WSGI regex dispatcher's document, in hansel: URLs are mapped by regular expressions, "just like
//! Django uses".
//!
//! `cargo run --example regex_dispatcher --features regex`, then `curl http://127.0.0.1:8000/hello/Gretel/`.

use hansel::{Registry, Routes, Server};

/// views.py. The original imports handlers by dotted name. Here they are looked up in a [`Registry`], so a missing name
/// is an error at start-up.
mod views {
    use hansel::{Html, Request};

    pub(crate) fn index() -> Html<&'static str> {
        Html("Index")
    }

    pub(crate) fn hello(username: String) -> Html<String> {
        Html(format!("Hello {username}"))
    }

    /// Handlers that need more take the request, as the original's take `environ`.
    pub(crate) fn missing(request: &Request) -> String {
        format!("nothing at {}", request.path())
    }
}

fn registry() -> Registry {
    Registry::new()
        .add("views.index", views::index)
        .add("views.hello", views::hello)
        .add("views.missing", views::missing)
}

/// `dispatcher = Dispatcher()`
fn dispatcher() -> Routes {
    Routes::with(registry())
        .regex(r"^/$", "views.index")
        .regex(r"^/hello/(?P<username>\w+)/$", "views.hello")
}

/// `dispatcher = Dispatcher(handle404)`
fn with_own_404() -> Routes {
    dispatcher().not_found("views.missing")
}

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8000")?.serve(with_own_404())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::{Client, Response};
    use hansel::{Request, StatusCode, regex};

    fn seen(response: &Response) -> (u16, &str) {
        (response.status().as_u16(), response.text())
    }

    #[test]
    fn the_documents_urls_answer_as_its_views_say() {
        let client = Client::new(dispatcher());
        for (target, body) in [
            ("/", "Index"),
            ("/hello/Gretel/", "Hello Gretel"),
            ("/hello/x_1/?q=1", "Hello x_1"),
        ] {
            let response = client.get(target);
            assert_eq!(seen(&response), (200, body), "{target}");
            assert_eq!(response.header("Content-Type"), Some("text/html; charset=utf-8"));
        }
    }

    #[test]
    fn what_no_expression_matches_is_not_found() {
        let client = Client::new(dispatcher());
        for target in [
            "/nope",
            "/hello/",
            "/hello/Gretel",
            "/hello/a%20b/",
            "/hello/a/b/",
            "/x/hello/a/",
            "//hello/a/",
        ] {
            assert_eq!(seen(&client.get(target)), (404, "Not Found"), "{target}");
        }
    }

    #[test]
    fn a_404_of_ones_own_is_given_by_its_name_as_well() {
        let client = Client::new(with_own_404());
        assert_eq!(seen(&client.get("/nope")), (404, "nothing at /nope"));
        assert_eq!(seen(&client.get("/hello/Gretel/")), (200, "Hello Gretel"));
    }

    #[test]
    fn expressions_match_what_was_decoded() {
        // Not as recorded: Python's WSGI takes UTF-8 for Latin-1, and does not treat `é` as a letter.
        assert_eq!(seen(&Client::new(dispatcher()).get("/hello/%C3%A9/")), (200, "Hello é"));
        assert_eq!(Client::new(dispatcher()).get("/hello/a%2F/").status(), 404);
    }

    #[test]
    fn a_method_is_part_of_a_route() {
        // Not as recorded: the original accepts every method. Use `any` for that.
        let client = Client::new(dispatcher());
        assert_eq!(client.post("/", "").header("Allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(seen(&client.call("HEAD", "/")), (200, ""));
        let any = Routes::with(registry()).any(regex(r"^/$"), "views.index");
        assert_eq!(seen(&Client::new(any).post("/", "")), (200, "Index"));
    }

    #[test]
    fn groups_become_arguments_in_order_and_by_name() {
        let named = |request: &Request| request.capture("name").unwrap_or("-").to_owned();
        let routes = Routes::new()
            .regex(r"^/n/(\d+)/(\d+)$", |a: u32, b: u32| format!("{a} {b}"))
            .regex(r"^/name/(?P<name>\w+)$", named);
        let client = Client::new(routes);
        assert_eq!(seen(&client.get("/n/1/22")), (200, "1 22"));
        assert_eq!(seen(&client.get("/n/1/x")).0, 404);
        assert_eq!(seen(&client.get("/name/Ann")), (200, "Ann"));
    }

    #[test]
    fn an_expression_is_anchored_at_its_start_and_an_open_end_leaves_the_rest() {
        let routes = Routes::new()
            .regex("/prefix", |rest: Vec<String>| format!("{rest:?}"))
            .regex("/closed", || "closed");
        let client = Client::new(routes);
        assert_eq!(seen(&client.get("/prefix/any/thing")), (200, r#"["any", "thing"]"#));
        assert_eq!(seen(&client.get("/x/prefix")).0, 404);
        // Not as recorded: a rest that no handler takes is 404.
        assert_eq!(seen(&client.get("/closed/thing")).0, 404);
    }

    #[test]
    fn the_first_that_was_registered_wins() {
        // The original uses the order of a dict.
        let routes = Routes::new()
            .regex(r"^/(\w+)$", |_: &str| "first")
            .regex(r"^/([a-z]+)$", |_: &str| "second");
        assert_eq!(seen(&Client::new(routes).get("/abc")), (200, "first"));
    }

    #[test]
    fn a_view_that_fails_is_a_500() {
        let routes = Routes::new().regex("^/fail$", || -> Result<&str, StatusCode> {
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        });
        assert_eq!(seen(&Client::new(routes).get("/fail")).0, 500);
    }

    #[test]
    #[should_panic(
        expected = "there is no handler `views.goodbye`; the registry has views.hello, views.index, views.missing"
    )]
    fn a_name_that_is_missing_is_an_error_at_start_up() {
        let _ = dispatcher().regex("^/goodbye$", "views.goodbye");
    }
}
