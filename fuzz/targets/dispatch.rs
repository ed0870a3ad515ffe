//! Whole applications: any bytes get well-formed responses, and no request causes a server error.
#![no_main]

use std::sync::LazyLock;

use hansel::test::Client;
use hansel::{Request, Routes};
use libfuzzer_sys::fuzz_target;

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let routes = Routes::new()
        .get("/people/{id}", |id: u32| id.to_string())
        .get("/people/{id}/{name}", |id: i8, name: String| format!("{id} {name}"))
        .post("/people", |request: &Request| -> hansel::Result<String> {
            Ok(request.text()?.to_owned())
        })
        .get("/", || "root")
        .regex(r"^/hello/(?P<username>\w+)/$", |name: String| name);
    Client::new(hansel::App::new(routes))
});

fuzz_target!(|bytes: &[u8]| {
    let received = CLIENT.converse(bytes);
    assert!(received.is_empty() || received.starts_with(b"HTTP/1.1 "));
    assert!(!received.starts_with(b"HTTP/1.1 500 "));
});
