//! Requests and their responses, but for bodies.

use super::*;

#[test]
fn a_service_answers_as_the_application_does() {
    let mut service = Service::new(|request: &Request| {
        let host = request.host().unwrap_or("-");
        request
            .text()
            .map(|body| format!("{} {} {host} {body}", request.method(), request.path()))
    });
    let request = http::Request::post("http://example.org/a%20b?c")
        .header("host", "example.org")
        .body(Whole(Some(b"ham")))
        .unwrap();
    assert_eq!(
        answered(&mut service, request),
        (StatusCode::OK, b"POST /a%20b example.org ham".to_vec())
    );
}

#[test]
fn the_application_runs_around_each_thread_and_is_told_to_rest_after_each_call() {
    #[derive(Default)]
    struct Counts {
        threads: AtomicUsize,
        rests: AtomicUsize,
    }
    impl Scheduling for Counts {
        fn run_thread(&self, run: &mut dyn FnMut()) {
            self.threads.fetch_add(1, SeqCst);
            run();
        }
        fn rest(&self) {
            self.rests.fetch_add(1, SeqCst);
        }
    }
    let counts = Arc::new(Counts::default());
    let seen = Arc::clone(&counts);
    let app = App::new(move || format!("{} {}", seen.threads.load(SeqCst) > 0, seen.rests.load(SeqCst) > 0));
    let mut service = Service::new(app.scheduling(Arc::clone(&counts)));
    for expected in ["true false", "true true"] {
        let request = http::Request::get("http://a.test/").header("host", "a.test");
        let (_, body) = answered(&mut service, request.body(Whole(None)).unwrap());
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}

#[test]
fn a_request_is_for_the_host_of_its_target() {
    let mut service = Service::new(|request: &Request| {
        let host = request.header("Host").map(str::to_owned);
        format!("{:?} {host:?}", request.host().unwrap_or("-"))
    });
    for (version, target, host, seen, field) in [
        (
            Version::HTTP_2,
            "http://good.example/",
            None,
            "good.example",
            "good.example",
        ),
        (
            Version::HTTP_2,
            "http://good.example/",
            Some("Good.example:80"),
            "good.example",
            "good.example",
        ),
        (
            Version::HTTP_2,
            "/",
            Some("good.example"),
            "good.example",
            "good.example",
        ),
        (Version::HTTP_2, "/", None, "", ""),
        // As on a connection: the field is what was sent, and does not count.
        (
            Version::HTTP_11,
            "http://good.example/",
            Some("evil.example"),
            "good.example",
            "evil.example",
        ),
    ] {
        let request = http::Request::get(target).version(version);
        let request = host
            .into_iter()
            .fold(request, |request, host| request.header("host", host));
        let expected = format!("{seen:?} {:?}", Some(field));
        let answered = answered(&mut service, request.body(Whole(None)).unwrap());
        assert_eq!(answered, (StatusCode::OK, expected.into_bytes()), "{target} {host:?}");
    }
    let request = http::Request::get("http://good.example/").version(Version::HTTP_2);
    let request = request.header("host", "evil.example").body(Whole(None)).unwrap();
    let (status, text) = answered(&mut service, request);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(text, b"400 Bad Request: the Host field differs from :authority\n");
}

#[test]
fn head_has_the_fields_of_get_and_runs_nothing() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut service = Service::new(move |request: &Request| {
        let counted = Arc::clone(&counted);
        match request.path() {
            "/file" => crate::Body::file(std::fs::File::open("Cargo.toml").unwrap()).unwrap(),
            "/sized" => crate::Body::sized_reader(io::repeat(b'x'), 1_000_000),
            "/bytes" => "bytes".into(),
            "/long" => "x".repeat(1_000_000).into(),
            _ => crate::Body::stream(move |client| {
                counted.fetch_add(1, SeqCst);
                io::Write::write_all(client, b"streamed")
            }),
        }
    });
    let of_file = std::fs::metadata("Cargo.toml").unwrap().len();
    for (path, length) in [
        ("/file", Some(of_file)),
        ("/sized", Some(1_000_000)),
        ("/bytes", Some(5)),
        ("/long", Some(1_000_000)),
        ("/stream", None),
    ] {
        let (got, body) = reply(&mut service, get(path)).into_parts();
        assert_eq!(http_body::Body::size_hint(&body).exact(), length, "{path}");
        let body = collect(body).unwrap();
        assert!(length.is_none_or(|length| body.len() as u64 == length), "{path}");
        assert_eq!(runs.swap(0, SeqCst), usize::from(path == "/stream"));
        let mut head = get(path);
        *head.method_mut() = http::Method::HEAD;
        let head = reply(&mut service, head);
        let without_date = |mut headers: http::HeaderMap| {
            headers.remove("date");
            headers
        };
        assert_eq!(
            without_date(got.headers.clone()),
            without_date(head.headers().clone()),
            "{path}"
        );
        let announced = got.headers.get("content-length");
        let announced = announced.map(|length| length.to_str().unwrap().parse().unwrap());
        assert_eq!(announced, length, "{path}");
        assert!(http_body::Body::is_end_stream(head.body()), "{path}");
        assert_eq!(runs.load(SeqCst), 0, "{path}");
    }
}

#[test]
fn a_reply_says_of_its_connection_what_its_version_has_room_for() {
    let mut service = Service::new(|| {
        let mut bye = Response::new("bye").with_header("Connection", "close");
        bye.set_version(Version::HTTP_10);
        bye
    });
    for (version, replied, says) in [
        (Version::HTTP_11, Version::HTTP_10, true),
        // There it is the connection's, and the server around says it.
        (Version::HTTP_2, Version::HTTP_11, false),
    ] {
        let mut request = get("/");
        *request.version_mut() = version;
        let reply = reply(&mut service, request);
        assert_eq!(reply.version(), replied, "{version:?}");
        assert_eq!(reply.headers().contains_key("connection"), says, "{version:?}");
    }
}

#[test]
fn a_refusal_of_head_has_the_fields_of_get_and_no_body() {
    let limits = Limits::new().target(10);
    let mut service = Service::new(|| "unused").with_limits(limits);
    // The one is read and refused, the other is not even read.
    for (target, host, status) in [
        ("/longer-than-that", "a", StatusCode::URI_TOO_LONG),
        ("http://a/", "b", StatusCode::BAD_REQUEST),
    ] {
        let mut refused = |method| {
            let request = http::Request::get(target).version(Version::HTTP_2);
            let mut request = request.header("host", host).body(Whole(None)).unwrap();
            *request.method_mut() = method;
            let reply = reply(&mut service, request);
            assert_eq!(reply.status(), status);
            let length = reply.headers().get("content-length").cloned();
            (length, collect(reply.into_body()).unwrap().len())
        };
        let (length, sent) = refused(http::Method::GET);
        assert!(sent > 0);
        assert_eq!(refused(http::Method::HEAD), (length, 0), "{target}");
    }
}

#[test]
fn limits_and_panics_are_answered() {
    let limits = Limits::new().body(2);
    let mut service = Service::new(|request: &Request| {
        if request.path() == "/panic" {
            panic!("on purpose")
        }
    })
    .with_limits(limits);
    let large = post("/").body(Whole(Some(b"ham"))).unwrap();
    assert_eq!(answered(&mut service, large).0, StatusCode::PAYLOAD_TOO_LARGE);
    let panics = get("/panic");
    assert_eq!(answered(&mut service, panics).0, StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn no_limit_strikes_before_the_one_that_is_set() {
    let limits = Limits::new().target(9_000).fields(101).body(3_000_000);
    let mut service = Service::new(|request: &Request| request.bytes().map(|body| body.len().to_string()));
    service = service.with_limits(limits);
    let mut post = |announced: Option<usize>, size: usize| {
        let request = post("/");
        let request = announced
            .into_iter()
            .fold(request, |request, len| request.header("content-length", len));
        let pieces = vec![b'x'; size];
        let pieces: Vec<&[u8]> = pieces.chunks(100_000).collect();
        status(&mut service, request.body(frames(&pieces)).unwrap())
    };
    assert_eq!(post(Some(3_000_000), 3_000_000), 200);
    assert_eq!(post(None, 3_000_000), 200);
    assert_eq!(post(Some(3_000_001), 0), 413);
    assert_eq!(post(None, 3_000_001), 413);
    assert_eq!(post(Some(4), 3), 400, "shorter than it says");
    assert_eq!(post(Some(3), 4), 400, "longer than it says");
    let target = |len: usize| get(&format!("/{}", "a".repeat(len - 1)));
    assert_eq!(status(&mut service, target(9_000)), 200);
    assert_eq!(status(&mut service, target(9_001)), 414);
    let fields = |count: usize| {
        let request = http::Request::get("/").header("host", "a");
        let request = (1..count).fold(request, |request, n| request.header(format!("x-{n}"), ""));
        request.body(frames(&[])).unwrap()
    };
    let of_http2 = |mut request: http::Request<Frames>| {
        request.headers_mut().remove("host");
        *request.uri_mut() = "http://a/".parse().unwrap();
        *request.version_mut() = Version::HTTP_2;
        request
    };
    // Its framing is one of them.
    assert_eq!(status(&mut service, fields(100)), 200);
    assert_eq!(status(&mut service, fields(102)), 431);
    assert_eq!(status(&mut service, of_http2(fields(100))), 200);
    assert_eq!(status(&mut service, of_http2(fields(102))), 431);
}

#[test]
fn a_panic_where_nothing_catches_it_is_a_500() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose")
        }
    }
    let mut service = Service::new(|request: &Request| {
        if request.path() == "/payload" {
            std::panic::panic_any(Bomb);
        }
        request.set(Bomb);
    });
    service = service.with_threads(1);
    assert_eq!(status(&mut service, get("/payload")), 500);
    assert_eq!(status(&mut service, get("/value")), 204, "the response was made before");
    assert_eq!(status(&mut service, get("/payload")), 500, "and the thread goes on");
}
