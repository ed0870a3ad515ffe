//! axum both ways: a router below hansel's routes, and hansel's routes below a router.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, OriginalUri, Path, Request as AxumRequest};
use axum::http::{HeaderMap, Uri};
use axum::middleware::map_request;
use axum::response::Response as AxumResponse;
use axum::routing::{get, post};
use hansel::test::Client;
use hansel::tower::{self, Original};
use hansel::{App, Handle, Hooks, Limits, Request, Routes, Server, Slashes, StatusCode};
use tokio::runtime::{self, Runtime};

use crate::servers::{Hyper, asked};

/// A router that tells what it sees.
fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "the root" }))
        .route("/items/{name}", get(|Path(name): Path<String>| async move { name }))
        .route("/uri", get(|uri: Uri| async move { uri.to_string() }))
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/original",
            get(
                |uri: Uri, OriginalUri(original): OriginalUri, Extension(ours): Extension<Original>| async move {
                    format!("{uri} {original} {}", ours.uri())
                },
            ),
        )
        .route(
            "/cookies",
            get(|headers: HeaderMap| async move { format!("{:?}", headers.get("cookie")) }),
        )
        .fallback(|uri: Uri| async move { (StatusCode::NOT_FOUND, format!("nothing at {}", uri.path())) })
}

fn get_text(client: &Client, target: &str) -> (u16, String) {
    let response = client.get(target);
    (response.status().as_u16(), response.text().to_owned())
}

#[test]
fn a_router_that_is_mounted_sees_the_path_below_its_mount() {
    let client = Client::new(
        Routes::new()
            .get("/", || "ours")
            .get("/api/ours", || "ours as well")
            .mount("/api", router())
            .mount("/users/{user}/api", router()),
    );
    for (target, expected) in [
        ("/", (200, "ours")),
        ("/api/ours", (200, "ours as well")),
        ("/api", (200, "the root")),
        ("/api/", (200, "the root")),
        ("/api?x", (200, "the root")),
        ("/api/uri", (200, "/uri")),
        ("/api/uri?a=b&c", (200, "/uri?a=b&c")),
        ("/api/items/a%20b%2Fc", (200, "a b/c")),
        ("/users/a%2Fb/api/items/7", (200, "7")),
        ("/api//items/7", (404, "nothing at //items/7")),
        ("/api/items/7/", (404, "nothing at /items/7/")),
        ("/api/none", (404, "nothing at /none")),
        ("http://a.test/api/uri?x", (200, "http://a.test/uri?x")),
    ] {
        let (status, text) = expected;
        assert_eq!(get_text(&client, target), (status, text.to_owned()), "{target}");
    }
    assert_eq!(client.post("/api/echo", "x".repeat(100_000)).text().len(), 100_000);
    assert_eq!(client.post("/api/items/7", "").header("Allow"), Some("GET,HEAD"));
    let head = client.call("HEAD", "/api/items/seven");
    assert_eq!((head.header("Content-Length"), head.bytes()), (Some("5"), &b""[..]));
}

#[test]
fn a_router_sees_the_slash_that_was_sent_whatever_the_policy_for_slashes() {
    let app = App::new(Routes::new().mount("/api", router()).get("/ours/", || "ours")).slashes(Slashes::Ignore);
    let client = Client::new(app);
    for (target, expected) in [
        ("/ours", (200, "ours")),
        ("/api", (200, "the root")),
        ("/api/", (200, "the root")),
        ("/api/uri", (200, "/uri")),
        ("/api/uri/", (404, "nothing at /uri/")),
    ] {
        let (status, text) = expected;
        assert_eq!(get_text(&client, target), (status, text.to_owned()), "{target}");
    }
}

#[test]
fn a_router_is_served_and_wrapped_in_hooks_as_anything_else() {
    let hooks = Hooks::on(Routes::new().mount("/api", router())).after(|_, response| {
        response.set_header("X-Hook", "ran");
    });
    let response = Client::new(hooks).get("/api/uri");
    assert_eq!((response.text(), response.header("X-Hook")), ("/uri", Some("ran")));
    let own = Server::bind("127.0.0.1:0").unwrap().spawn(router()).unwrap();
    let received = ask(own.local_addr(), "/uri?q");
    assert_eq!(received, (200, "/uri?q".to_owned()));
    end(own);
}

#[test]
fn the_original_target_is_an_extension_and_a_layer_makes_axums_own_of_it() {
    let layered = router().layer(map_request(|mut request: AxumRequest| async move {
        if let Some(original) = request.extensions().get::<Original>() {
            let uri = OriginalUri(original.uri().clone());
            request.extensions_mut().insert(uri);
        }
        request
    }));
    let client = Client::new(Routes::new().mount("/plain", router()).mount("/layered", layered));
    assert_eq!(
        client.get("/plain/original?q").text(),
        "/original?q /original?q /plain/original?q"
    );
    assert_eq!(
        client.get("/layered/original?q").text(),
        "/original?q /layered/original?q /layered/original?q"
    );
}

/// Handlers that need a runtime.
fn sleepy() -> Router {
    Router::new()
        .route(
            "/sleep",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                "slept"
            }),
        )
        .route(
            "/spawn",
            get(|| async { tokio::spawn(async { "spawned" }).await.unwrap() }),
        )
        .route("/stream", get(|| async { axum::body::Body::new(Ticks(3, None)) }))
}

/// A body that waits for a timer of tokio's before each frame.
struct Ticks(u8, Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

impl http_body::Body for Ticks {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
        if self.0 == 0 {
            return None.into();
        }
        let sleep = self
            .1
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(1))));
        std::task::ready!(Future::poll(sleep.as_mut(), context));
        self.1 = None;
        self.0 -= 1;
        Some(Ok(http_body::Frame::data("tick ".into()))).into()
    }
}

#[test]
fn a_router_with_timers_and_tasks_runs_in_the_runtime_that_it_is_given() {
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let routes = Routes::new()
        .mount("/bare", sleepy())
        .mount(
            "/handle",
            tower::application(sleepy()).runtime(handle, runtime::Handle::enter),
        )
        .mount(
            "/own",
            tower::application(sleepy()).runtime(Runtime::new().unwrap(), Runtime::enter),
        );
    let own = Server::bind("127.0.0.1:0").unwrap().spawn(routes).unwrap();
    for (path, expected) in [("sleep", "slept"), ("spawn", "spawned"), ("stream", "tick tick tick ")] {
        for mount in ["handle", "own"] {
            let received = ask(own.local_addr(), &format!("/{mount}/{path}"));
            assert_eq!(received, (200, expected.to_owned()), "{mount} {path}");
        }
        let bare = asked(own.local_addr(), &asking(&format!("/bare/{path}")));
        if path == "stream" {
            assert!(!bare.is_whole, "{bare:?}");
        } else {
            assert_eq!(bare.status, 500, "{path}");
        }
    }
    end(own);
}

/// Hansel's routes, to be nested.
fn admin() -> Routes {
    Routes::new()
        .get("/", || "the root")
        .get("/items/{name}", |name: String| name)
        .get("/folder/", || "a folder")
        .get("/path", |request: &Request| request.target().to_owned())
        .post("/length", |request: &Request| -> hansel::Result<String> {
            Ok(request.bytes()?.len().to_string())
        })
}

#[test]
fn routes_below_a_router_see_the_path_below_its_nest() {
    let router = Router::new().route("/", get(|| async { "theirs" })).nest_service(
        "/admin",
        tower::Service::new(App::new(admin()).slashes(Slashes::Redirect)),
    );
    let hyper = Hyper::serve(router, false);
    for (target, expected) in [
        ("/", (200, "theirs")),
        ("/admin", (200, "the root")),
        ("/admin/", (200, "the root")),
        ("/admin/path?a=b", (200, "/path?a=b")),
        ("/admin/items/a%20b%2Fc", (200, "a b/c")),
        ("/admin/none", (404, "Not Found")),
    ] {
        let (status, text) = expected;
        assert_eq!(ask(hyper.address, target), (status, text.to_owned()), "{target}");
    }
    let received = asked(hyper.address, &asking("/admin/folder"));
    assert_eq!((received.status, received.header("location")), (308, Some("/folder/")));
}

#[test]
fn routes_that_link_to_themselves_are_routed_with_their_whole_path() {
    let service = tower::Service::new(App::new(Routes::new().mount("/admin", admin())).slashes(Slashes::Redirect));
    let router = Router::new()
        .route_service("/admin", service.clone())
        .route_service("/admin/{*rest}", service);
    let hyper = Hyper::serve(router, false);
    assert_eq!(ask(hyper.address, "/admin/path"), (200, "/admin/path".to_owned()));
    let received = asked(hyper.address, &asking("/admin/folder"));
    assert_eq!(
        (received.status, received.header("location")),
        (308, Some("/admin/folder/"))
    );
}

#[test]
fn routes_below_a_router_have_what_its_layers_know() {
    #[derive(Clone)]
    struct User(&'static str);
    let routes = Routes::new().get("/user", |request: &Request| {
        let extensions = request.value::<http::Extensions>()?;
        Some(extensions.get::<User>()?.0)
    });
    let router = Router::new()
        .nest_service("/admin", tower::Service::new(routes))
        .layer(Extension(User("gretel")));
    let hyper = Hyper::serve(router, false);
    assert_eq!(ask(hyper.address, "/admin/user"), (200, "gretel".to_owned()));
}

#[test]
fn a_handler_that_blocks_keeps_no_task_of_its_runtime_waiting() {
    let (release, released) = channel::<()>();
    let released = std::sync::Mutex::new(released);
    let routes = Routes::new()
        .get("/wait", move || {
            let _ = released.lock().unwrap().recv();
            "waited"
        })
        .get("/go", move || {
            release.send(()).unwrap();
            "gone"
        });
    let router = Router::new().nest_service("/blocking", tower::Service::new(routes));
    // One thread for everything: if a handler blocked that, nothing would end the wait.
    let hyper = Hyper::serve(router, true);
    let address = hyper.address;
    let waiting = std::thread::spawn(move || ask(address, "/blocking/wait"));
    assert_eq!(ask(address, "/blocking/go"), (200, "gone".to_owned()));
    assert_eq!(waiting.join().unwrap(), (200, "waited".to_owned()));
}

#[test]
fn the_body_of_a_request_can_be_read_until_its_service_has_responded() {
    let limits = Limits::new().body_buffer(1000).body_memory(0);
    // The one reads the body and responds, the other responds with what it reads.
    let router = Router::new()
        .route(
            "/count",
            post(|body: axum::body::Bytes| async move { body.len().to_string() }),
        )
        .route("/ignore", post(|| async { "ignored" }))
        .route(
            "/echo",
            post(|request: AxumRequest| async move { AxumResponse::new(request.into_body()) }),
        );
    let client = Client::new(Routes::new().mount("/api", router)).with_limits(limits);
    assert_eq!(client.post("/api/count", vec![b'x'; 1_000_000]).text(), "1000000");
    assert_eq!(client.post("/api/ignore", vec![b'x'; 1_000_000]).text(), "ignored");
    assert!(client.post("/api/echo", vec![b'x'; 900]).is_whole());
    assert!(!client.post("/api/echo", vec![b'x'; 1_000_000]).is_whole());
}

fn asking(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

fn ask(address: SocketAddr, target: &str) -> (u16, String) {
    let received = asked(address, &asking(target));
    assert!(received.is_whole, "{received:?}");
    (received.status, String::from_utf8(received.body).unwrap())
}

fn end(own: Handle) {
    own.shutdown(Duration::from_secs(10));
    own.wait();
}
