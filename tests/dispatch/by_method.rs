//! Several handlers at one path: the one that suits the method best responds.

use hansel::test::Client;
use hansel::{App, Method, Response, Routes};

/// Adds a handler that says which one it is, also without a body.
type Add = fn(Routes) -> Routes;

const ANY: Add = |routes| routes.any("/", || Response::new("").with_header("X-By", "any"));
const GET: Add = |routes| routes.get("/", || Response::new("").with_header("X-By", "get"));
const HEAD: Add = |routes| routes.on(Method::HEAD, "/", || Response::new("").with_header("X-By", "head"));
const POST: Add = |routes| routes.post("/", || Response::new("").with_header("X-By", "post"));

fn routes(added: &[Add]) -> Routes {
    added.iter().fold(Routes::new(), |routes, add| add(routes))
}

#[track_caller]
fn assert_by(added: &[Add], expected: &[(&str, &str)]) {
    let client = Client::new(routes(added));
    for (method, by) in expected {
        assert_eq!(client.call(method, "/").header("X-By"), Some(*by), "{method}");
    }
}

#[test]
fn the_handler_of_the_very_method_responds_then_get_for_head_then_one_for_any() {
    let all = [("GET", "get"), ("HEAD", "head"), ("POST", "post"), ("PUT", "any")];
    assert_by(&[ANY, GET, HEAD, POST], &all);
    assert_by(&[POST, HEAD, GET, ANY], &all);
    assert_by(&[GET, ANY, POST, HEAD], &all);
    let without_head = [("GET", "get"), ("HEAD", "get"), ("POST", "post"), ("PUT", "any")];
    assert_by(&[ANY, POST, GET], &without_head);
    assert_by(&[GET, POST, ANY], &without_head);
}

#[test]
fn a_handler_that_does_not_take_the_method_is_not_asked_if_another_does() {
    let trail = App::new(routes(&[GET, ANY])).explain(Method::PUT, "/").to_string();
    assert!(trail.ends_with("found\n") && !trail.contains('✗'), "{trail}");
}
