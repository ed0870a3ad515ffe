//! Bodies in memory.

use hansel::test::{self, Client};
use hansel::{App, Body, Compression, ETags, Method, Request, Response, Routes, StatusCode};

use super::{decoded, text};

fn client_of(compression: Compression, response: impl Fn() -> Response + Send + Sync + 'static) -> Client {
    Client::new(App::new(compression.on(Routes::new().get("/", response))))
}

fn accepting(codings: &str) -> Request {
    Request::get("/").with_header("Accept-Encoding", codings)
}

/// The response to a client that takes gzip.
fn sent(response: impl Fn() -> Response + Send + Sync + 'static) -> test::Response {
    client_of(Compression::new(), response).send(accepting("gzip"))
}

fn coding(response: &test::Response) -> Option<&str> {
    response.header("Content-Encoding")
}

#[test]
fn s12_5_3_a_client_gets_the_coding_that_it_likes_best() {
    let client = client_of(Compression::new(), || Response::new(text()));
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip", Some("gzip")),
        ("x-gzip", Some("gzip")),
        ("br;q=0.5, gzip;q=0.6", Some("gzip")),
        ("*", Some("br")),
        ("br;q=0, *", Some("gzip")),
        ("identity", None),
        ("gzip;q=0", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("deflate, zstd", None),
        ("", None),
    ] {
        let response = client.send(accepting(accepted));
        assert_eq!(coding(&response), expected, "{accepted}");
        assert_eq!(response.header("Vary"), Some("Accept-Encoding"), "{accepted}");
        assert_eq!(response.header("Content-Type"), Some("text/plain; charset=utf-8"));
        assert_eq!(
            response.header("Content-Length"),
            Some(&*response.bytes().len().to_string())
        );
        assert!(decoded(&response) == text().as_bytes(), "{accepted}");
        assert_eq!(response.bytes().len() < 2000, expected.is_some());
    }
    let unasked = client.get("/");
    assert_eq!(
        (coding(&unasked), unasked.header("Vary")),
        (None, Some("Accept-Encoding"))
    );
}

#[test]
fn s9_3_2_head_gets_the_headers_of_get() {
    for response in [
        || Response::new(text()),
        || Response::new("short"),
        || Response::new(Body::reader(std::io::empty())).with_header("Content-Type", "text/plain"),
    ] {
        let client = client_of(Compression::new(), response);
        let of = |method: &str| {
            let request = Request::new(method.parse().unwrap(), "/").with_header("Accept-Encoding", "br");
            let response = client.send(request);
            let names = ["Content-Encoding", "Content-Length", "Content-Type", "Vary", "ETag"];
            names.map(|name| response.header(name).map(str::to_owned))
        };
        assert_eq!(of("GET"), of("HEAD"));
    }
}

#[test]
fn s9_3_2_head_depends_on_the_coding_also_where_an_endpoint_makes_no_body_for_it() {
    let page = || Response::new(Body::empty()).with_header("Content-Type", "text/html");
    let routes = Routes::new().on(Method::HEAD, "/", page);
    let client = Client::new(App::new(Compression::new().on(routes)));
    let response = client.send(Request::new("HEAD".parse().unwrap(), "/").with_header("Accept-Encoding", "br"));
    assert_eq!(
        (coding(&response), response.header("Vary")),
        (None, Some("Accept-Encoding"))
    );
}

#[test]
fn what_is_short_or_does_not_become_smaller_is_sent_as_it_is() {
    let short = sent(|| Response::new("x".repeat(1023)));
    assert_eq!(
        (coding(&short), short.header("Vary")),
        (None, None),
        "it depends on nothing"
    );
    assert_eq!(coding(&sent(|| Response::new("x".repeat(1024)))), Some("gzip"));
    let least = client_of(Compression::new().least(10), || Response::new("x".repeat(100)));
    assert_eq!(coding(&least.send(accepting("gzip"))), Some("gzip"));

    // Numbers that look random.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(2000)
    .collect();
    let expected = noise.clone();
    let response = sent(move || Response::new(noise.clone()).with_header("Content-Type", "text/plain"));
    assert_eq!(coding(&response), None);
    assert!(response.bytes() == expected);
}

#[test]
fn what_compression_would_harm_is_sent_as_it_is() {
    let with = |name: &'static str, value: &'static str| sent(move || Response::new(text()).with_header(name, value));
    for (name, value) in [
        ("Content-Encoding", "br"),
        ("Content-Range", "bytes 0-9/20"),
        ("Cache-Control", "private, No-Transform"),
        ("Content-Digest", "sha-256=:AA==:"),
        ("Repr-Digest", "sha-256=:AA==:"),
        ("Content-Type", "image/png"),
        ("Content-Type", "application/octet-stream"),
    ] {
        let response = with(name, value);
        assert_eq!(response.header("Vary"), None, "{name}: {value}");
        assert!(response.bytes() == text().as_bytes(), "{name}: {value}");
        assert_eq!(response.header(name), Some(value));
    }
    let part = sent(|| Response::new(text()).with_status(StatusCode::PARTIAL_CONTENT));
    assert_eq!(coding(&part), None);
    assert_eq!(coding(&with("Content-Type", "application/problem+json")), Some("gzip"));
    let file = sent(|| {
        let file = Body::file(std::fs::File::open("Cargo.lock").unwrap()).unwrap();
        Response::new(file).with_header("Content-Type", "text/plain")
    });
    assert_eq!(
        (coding(&file), file.header("Vary")),
        (None, None),
        "files are sent as they are"
    );
}

#[test]
fn errors_are_compressed_as_well() {
    let response = sent(|| Response::new(text()).with_status(StatusCode::NOT_FOUND));
    assert_eq!((response.status().as_u16(), coding(&response)), (404, Some("gzip")));
}

#[test]
fn s8_8_3_3_a_strong_tag_becomes_weak_and_ranges_of_it_are_not_offered() {
    for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
        let response = sent(move || {
            let response = Response::new(text()).with_header("ETag", tag);
            response.with_header("Accept-Ranges", "bytes")
        });
        assert_eq!(response.header("ETag"), Some(expected));
        assert_eq!(response.header("Accept-Ranges"), None);
    }
    let client = client_of(Compression::new(), || {
        Response::new(text()).with_header("ETag", "\"a\"")
    });
    assert_eq!(client.get("/").header("ETag"), Some("\"a\""), "these are the bytes");
}

#[test]
fn s15_4_5_a_304_has_the_vary_and_the_tag_of_the_200() {
    let app = |outer: bool| {
        let routes = Routes::new().get("/", text);
        App::new(if outer {
            Compression::new().on(ETags::new().on(routes))
        } else {
            ETags::new().on(Compression::new().on(routes))
        })
    };
    for outer in [true, false] {
        let client = Client::new(app(outer));
        let first = client.send(accepting("gzip"));
        let tag = first.header("ETag").unwrap();
        assert_eq!(
            tag.starts_with("W/"),
            outer,
            "a hash of compressed bytes is a strong one"
        );
        let again = client.send(accepting("gzip").with_header("If-None-Match", tag));
        assert_eq!((again.status().as_u16(), again.bytes().len()), (304, 0));
        assert_eq!(
            (again.header("ETag"), again.header("Vary")),
            (Some(tag), Some("Accept-Encoding"))
        );
        assert_eq!((coding(&again), again.header("Content-Type")), (None, None));
    }
}

#[test]
fn what_another_site_asks_for_as_the_user_is_not_compressed_so_that_its_length_tells_no_secret() {
    let asked_by = |site: &str, credentials: Option<(&str, &str)>| {
        let request = accepting("gzip").with_header("Sec-Fetch-Site", site);
        match credentials {
            Some((name, value)) => request.with_header(name, value),
            None => request,
        }
    };
    let cookie = Some(("Cookie", "session=1"));
    let client = client_of(Compression::new(), || Response::new(text()));
    let allowed = client_of(Compression::new().cross_site(), || Response::new(text()));
    for (request, expected) in [
        (asked_by("cross-site", cookie), None),
        (asked_by("cross-site", Some(("Authorization", "Basic eA=="))), None),
        (asked_by("cross-site", None), Some("gzip")),
        (asked_by("same-origin", cookie), Some("gzip")),
        (asked_by("none", cookie), Some("gzip")),
    ] {
        let again = request
            .headers()
            .fold(Request::get("/"), |again, (name, value)| again.with_header(name, value));
        assert_eq!(coding(&allowed.send(again)), Some("gzip"));
        let response = client.send(request);
        assert_eq!(
            (coding(&response), response.header("Vary")),
            (expected, Some("Accept-Encoding"))
        );
    }
}

#[test]
fn a_whole_application_is_compressed_by_one_line() {
    let app = App::new(Routes::new().get("/", text)).respond(Compression::new().responses());
    let client = Client::new(app);
    assert_eq!(coding(&client.send(accepting("gzip"))), Some("gzip"));
    // Without a request there is nothing to negotiate.
    let refused = String::from_utf8(client.converse(b"GET / HTTP/1.1\r\n\r\n")).unwrap();
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
}
