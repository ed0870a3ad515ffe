//! Things that can be mounted besides dispatchers: functions, and complete applications of any kind.

use hansel::test::Client;
use hansel::{App, Application, Chain, Hooks, IntoResponse, Methods, Request, Response, Routes, StatusCode, mount};

/// An application that is no dispatcher: all paths and methods are its own.
struct Echo;

impl Application for Echo {
    fn call(&self, request: &Request) -> Response {
        format!("{} {}", request.method(), request.target()).into_response()
    }
}

fn seen(client: &Client, method: &str, target: &str) -> (u16, String) {
    let response = client.call(method, target);
    (response.status().as_u16(), response.text().to_owned())
}

/// All that can be put at `/x`, beside something at `/x/known` that comes first.
fn everywhere<A: Application>(make: impl Fn() -> A) -> Vec<(&'static str, Client)> {
    let first = || Routes::new().get("/x/known", || "known");
    vec![
        ("routes", Client::new(first().mount("/x", make()))),
        (
            "a chain",
            Client::new(Chain::new().then(first()).then(mount("/x", make()))),
        ),
        (
            "hooks",
            Client::new(Chain::new().then(first()).then(Hooks::on(mount("/x", make())))),
        ),
        (
            "a mount in a mount",
            Client::new(Routes::new().mount("/x", Chain::new().then(mount("/known", || "known")).then(make()))),
        ),
    ]
}

#[test]
fn a_mount_at_the_root_is_asked_once_and_after_the_others() {
    let inner = Routes::new().get("/b", || "b").get("/a", || "hidden");
    let app = App::new(Routes::new().mount("/", inner).get("/a", || "a"));
    let trail = app.explain(hansel::Method::GET, "/c").to_string();
    assert_eq!(trail.matches("nothing matches `/c`").count(), 1, "{trail}");
    let client = Client::new(app);
    assert_eq!((client.get("/a").text(), client.get("/b").text()), ("a", "b"));
}

#[test]
fn an_application_answers_all_that_is_below_it() {
    for (place, client) in everywhere(|| Echo) {
        assert_eq!(seen(&client, "GET", "/x/known"), (200, "known".into()), "{place}");
        assert_eq!(seen(&client, "GET", "/x"), (200, "GET /x".into()), "{place}");
        assert_eq!(
            seen(&client, "BREW", "/x/a/b?c"),
            (200, "BREW /x/a/b?c".into()),
            "{place}"
        );
        assert_eq!(seen(&client, "GET", "/y").0, 404, "{place}");
        let response = client.get("/x/a/b");
        assert_eq!(
            response.trail().unwrap().endpoint().unwrap().dispatcher,
            "Application",
            "{place}"
        );
    }
}

/// It knows only the whole path, and says itself what is not found.
#[test]
fn a_whole_app_can_be_mounted() {
    let inner = || {
        App::new(
            Routes::new()
                .get("/x/people/{id}", |id: u32| format!("person {id}"))
                .not_found(|| (StatusCode::NOT_FOUND, "not here")),
        )
    };
    for (place, client) in everywhere(inner) {
        assert_eq!(seen(&client, "GET", "/x/known"), (200, "known".into()), "{place}");
        assert_eq!(seen(&client, "GET", "/x/people/7"), (200, "person 7".into()), "{place}");
        assert_eq!(seen(&client, "PUT", "/x/people/7").0, 405, "{place}");
        assert_eq!(seen(&client, "GET", "/x/people/x"), (404, "not here".into()), "{place}");
    }
}

#[test]
fn a_function_takes_what_its_arguments_say() {
    let sum = |a: u32, b: Option<u32>| (a + b.unwrap_or(0)).to_string();
    let client = Client::new(
        Chain::new()
            .then(mount("/sum", sum))
            .then(mount("/all", |request: &Request| request.path().to_owned()))
            .then(mount("/pico", |request: &Request, response: &mut Response| {
                response.set_body(request.method().to_string());
            }))
            .then(Methods::new().add("named", || "named")),
    );
    assert_eq!(seen(&client, "GET", "/sum/1/2"), (200, "3".into()));
    assert_eq!(seen(&client, "GET", "/sum/1"), (200, "1".into()));
    assert_eq!(seen(&client, "GET", "/sum").0, 404);
    assert_eq!(seen(&client, "POST", "/sum/1").0, 405);
    assert_eq!(seen(&client, "POST", "/all/a/b"), (200, "/all/a/b".into()));
    assert_eq!(seen(&client, "BREW", "/pico/tea"), (200, "BREW".into()));
    assert_eq!(seen(&client, "GET", "/named"), (200, "named".into()));
}

#[cfg(feature = "tower")]
#[test]
fn a_tower_service_can_be_mounted() {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::task::{Context, Poll};

    #[derive(Clone)]
    struct Service;

    impl tower_service::Service<http::Request<hansel::tower::Body>> for Service {
        type Response = http::Response<hansel::tower::Body>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<hansel::tower::Body>) -> Self::Future {
            ready(Ok(http::Response::new(request.into_body())))
        }
    }

    for (place, client) in everywhere(|| hansel::tower::application(Service)) {
        assert_eq!(client.post("/x/a", "echo").text(), "echo", "{place}");
        assert_eq!(client.get("/x/known").text(), "known", "{place}");
        assert_eq!(client.get("/y").status(), 404, "{place}");
    }
}
