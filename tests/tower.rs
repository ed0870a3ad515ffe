//! The same requests to hansel's own server, to hyper with `tower::Service`, and in the test client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use hansel::test::Client;
use hansel::{
    App, Application, Body, Handle, Hooks, IntoApplication, IntoResponse, Limits, Request, Response, Routes, Server,
    StatusCode,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;

static STREAMS_RUN: AtomicUsize = AtomicUsize::new(0);

fn app() -> impl Application {
    let handler = |request: &Request| -> hansel::Result<Response> {
        Ok(match request.path() {
            "/upload" => Response::new(request.bytes()?.len().to_string()),
            "/file" => Response::new(Body::file(std::fs::File::open("Cargo.lock")?)?),
            "/sized" => Response::new(Body::sized_reader(std::io::repeat(b'x'), 1_000_000)),
            "/long" => Response::new("x".repeat(1_000_000)),
            "/stream" => Response::new(Body::stream(|client| {
                STREAMS_RUN.fetch_add(1, SeqCst);
                (0..1000).try_for_each(|n| write!(client, "{n} "))
            })),
            "/none" => StatusCode::NO_CONTENT.into_response(),
            "/unchanged" => StatusCode::NOT_MODIFIED.into_response().with_header("ETag", "\"a\""),
            "/reset" => StatusCode::RESET_CONTENT.into_response(),
            "/panic" => panic!("on purpose"),
            "/close" => Response::new("bye").with_header("Connection", "close"),
            "/interim" => StatusCode::CONTINUE.into_response(),
            _ => (StatusCode::NOT_FOUND, "not here\n")
                .into_response()
                .with_header("X-Path", request.path()),
        })
    };
    handler.into_application()
}

/// The three, with the same limits.
struct Three {
    own: Handle,
    hyper: SocketAddr,
    client: Client,
    _runtime: tokio::runtime::Runtime,
}

impl Three {
    fn new(limits: Limits) -> Three {
        Three::of(app, limits)
    }

    fn of<A: Application>(app: fn() -> A, limits: Limits) -> Three {
        let own = Server::bind("127.0.0.1:0")
            .unwrap()
            .limits(limits.clone())
            .spawn(app())
            .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let hyper = listener.local_addr().unwrap();
        let service = hansel::tower::Service::new(app()).with_limits(limits.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let mut connection = auto::Builder::new(TokioExecutor::new());
                connection.http1().half_close(true).max_headers(1000);
                tokio::spawn(async move {
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Three {
            own,
            hyper,
            client: Client::new(app()).with_limits(limits),
            _runtime: runtime,
        }
    }

    /// What comes back for the same bytes: from our own server, from hyper, in the test client.
    fn responses(&self, request: &[u8]) -> [Received; 3] {
        [
            Received::read(&exchanged(self.own.local_addr(), request)),
            Received::read(&exchanged(self.hyper, request)),
            Received::read(&self.client.converse(request)),
        ]
    }
}

impl Drop for Three {
    fn drop(&mut self) {
        self.own.shutdown(Duration::from_secs(10));
    }
}

fn exchanged(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    // A request that is refused need not be read to its end.
    let _ = stream.write_all(request);
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    received
}

#[derive(Debug, PartialEq, Eq)]
struct Received {
    status: String,
    /// Those that are not the connection's, nor of the moment.
    fields: Vec<String>,
    is_chunked: bool,
    body: Vec<u8>,
}

impl Received {
    fn read(received: &[u8]) -> Received {
        let end = received
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or_else(|| {
                panic!("no head: {:?}", String::from_utf8_lossy(received));
            });
        let head = String::from_utf8_lossy(&received[..end]);
        let mut lines = head.split("\r\n").map(str::to_owned);
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let lower = |line: String| {
            let (name, value) = line.split_once(": ").unwrap();
            format!("{}: {value}", name.to_lowercase())
        };
        let mut fields: Vec<_> = lines.map(lower).collect();
        let is_chunked = fields.contains(&"transfer-encoding: chunked".to_owned());
        let other = ["date:", "connection:", "transfer-encoding:"];
        fields.retain(|field| !other.iter().any(|name| field.starts_with(name)));
        fields.sort();
        let body = &received[end + 4..];
        let body = if is_chunked { content(body) } else { body.to_vec() };
        Received {
            status,
            fields,
            is_chunked,
            body,
        }
    }
}

/// The content of a chunked body.
fn content(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        content.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    content
}

fn request(line: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn chunked(content: &[u8]) -> Vec<u8> {
    let mut body = format!("{:x}\r\n", content.len()).into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    body
}

#[test]
fn the_same_request_gets_the_same_response() {
    let three = Three::new(Limits::default());
    let paths = [
        "/file",
        "/sized",
        "/long",
        "/stream",
        "/none",
        "/unchanged",
        "/reset",
        "/panic",
        "/close",
        "/interim",
        "/else",
        "/%C3%A9?a=b",
        "/%FF",
    ];
    for path in paths {
        let before = STREAMS_RUN.load(SeqCst);
        for method in ["HEAD", "GET", "POST", "OPTIONS"] {
            let [own, hyper, client] = three.responses(&request(&format!("{method} {path}"), "", b""));
            assert!(
                own == hyper,
                "{method} {path}:\n{:?}\n{:?}",
                (&own.status, &own.fields),
                (&hyper.status, &hyper.fields)
            );
            assert!(
                own == client,
                "{method} {path}:\n{:?}\n{:?}",
                (&own.status, &own.fields),
                (&client.status, &client.fields)
            );
            if method == "HEAD" {
                assert_eq!(own.body, b"", "{path}");
                assert_eq!(STREAMS_RUN.load(SeqCst), before, "no stream runs for HEAD");
            }
        }
    }
}

#[test]
fn a_limit_is_the_same_one_everywhere() {
    let limits = Limits::new().target(9_000).fields(103).body(3_000_000).head(100_000);
    let three = Three::new(limits);
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: x\r\n")).collect::<String>();
    let target = |len: usize| format!("GET /{}", "a".repeat(len - 1));
    let mut requests = vec![
        ("200", request("GET /long", &many(101), b"")),
        ("431", request("GET /long", &many(102), b"")),
        ("404", request(&target(9_000), "", b"")),
        ("414", request(&target(9_001), "", b"")),
        ("404", request("GET /", &format!("X: {}\r\n", "x".repeat(90_000)), b"")),
    ];
    for (status, size) in [("200", 1_048_577), ("200", 3_000_000), ("413", 3_000_001)] {
        let body = vec![b'x'; size];
        let announced = format!("Content-Length: {size}\r\n");
        requests.push((status, request("POST /upload", &announced, &body)));
        requests.push((
            status,
            request("POST /upload", "Transfer-Encoding: chunked\r\n", &chunked(&body)),
        ));
    }
    for (status, bytes) in requests {
        let [own, hyper, client] = three.responses(&bytes);
        let statuses = [&own.status, &hyper.status, &client.status];
        assert_eq!(statuses, [status; 3], "{}", String::from_utf8_lossy(&bytes[..80]));
        if status != "413" {
            // A client that has not sent all may find the connection reset before it has read why.
            assert!(own == hyper && own == client, "{own:?} {hyper:?} {client:?}");
        }
    }
}

#[test]
fn a_request_that_names_no_host_gets_the_same_response_everywhere() {
    let three = Three::new(Limits::default());
    for (status, line) in [
        ("400", "GET /none HTTP/1.1"),
        ("400", "GET http://a.test/none HTTP/1.1"),
        ("204", "GET /none HTTP/1.0"),
        ("204", "GET http://a.test/none HTTP/1.0"),
    ] {
        let responses = three.responses(format!("{line}\r\nConnection: close\r\n\r\n").as_bytes());
        assert_eq!(responses[0].status, status, "{line}");
        assert!(
            responses.iter().all(|response| *response == responses[0]),
            "{line}: {responses:?}"
        );
    }
}

/// An application that shapes all its responses in one place.
#[cfg(feature = "json")]
fn shaped() -> impl Application {
    struct Missing;
    let routes = Routes::new()
        .get("/", || "Hello")
        .post("/number", |hansel::Json(number): hansel::Json<u8>| number.to_string())
        .post("/upload", |request: &Request| -> hansel::Result<String> {
            Ok(request.bytes()?.len().to_string())
        })
        .get("/panic", || -> &str { panic!("on purpose") })
        .get("/error", || -> hansel::Result<&str> {
            Err(std::io::Error::other("on purpose").into())
        })
        .get("/extension", |_: hansel::Extension<Missing>| "")
        .get("/header", || Response::new("").with_header("X-Bad", "a\nb"));
    App::new(routes)
        .slashes(hansel::Slashes::Redirect)
        .respond(|seen, response| {
            // What differs from server to server is the id.
            response.set_header("X-Seen", format!("{:?} {}", seen.origin(), seen.request().is_some()));
            if response.status().is_client_error() || response.status().is_server_error() {
                let text = response
                    .body()
                    .bytes()
                    .map(|text| String::from_utf8_lossy(text).into_owned());
                response.set_body(format!("error: {}", text.unwrap_or_default()));
            }
        })
}

#[cfg(feature = "json")]
#[test]
fn a_hook_for_responses_sees_the_same_everywhere() {
    let limits = Limits::new().body(100);
    let three = Three::of(shaped, limits);
    let post = |path: &str, kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let ask =
        |method: &str, target: &str| format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let json = "application/json";
    let many = "x".repeat(200);
    let chunked = format!(
        "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nc8\r\n{many}\r\n0\r\n\r\n"
    );
    for (status, seen, request) in [
        ("200", "Handler true", ask("GET", "/")),
        ("404", "Missed true", ask("GET", "/nowhere")),
        ("404", "Missed true", ask("HEAD", "/nowhere")),
        ("405", "Missed true", ask("DELETE", "/")),
        ("204", "Automatic true", ask("OPTIONS", "/")),
        ("308", "Automatic true", ask("GET", "/error/")),
        ("415", "Rejected true", post("/number", "text/plain", "7")),
        ("400", "Rejected true", post("/number", json, "tru")),
        ("422", "Rejected true", post("/number", json, "700")),
        ("200", "Handler true", post("/number", json, "7")),
        ("500", "Panicked true", ask("GET", "/panic")),
        ("500", "Failed true", ask("GET", "/error")),
        ("500", "Failed true", ask("GET", "/extension")),
        ("500", "Failed true", ask("GET", "/header")),
        ("413", "Refused true", post("/upload", "text/plain", &many)),
        ("413", "Refused true", chunked),
    ] {
        let [own, hyper, client] = three.responses(request.as_bytes());
        let line = request.lines().next();
        assert_eq!(
            (&*own.status, own.fields.contains(&format!("x-seen: {seen}"))),
            (status, true),
            "{line:?}: {own:?}"
        );
        assert_eq!(hyper, own, "{line:?}");
        assert_eq!(client, own, "{line:?}");
    }
}

/// Routes with limits that are larger and smaller than the server's.
fn limited() -> impl Application {
    let size = |request: &Request| request.bytes().map(|body| body.len().to_string());
    let guarded = Hooks::on(Routes::new().post("/", size).body_limit(100_000))
        .before(|request: &Request| request.header("X-Key").is_none().then_some(StatusCode::UNAUTHORIZED))
        .body_limit(10);
    let routes = Routes::new()
        .post("/large", size)
        .body_limit(100_000)
        .post("/small", size)
        .body_limit(10)
        .post("/plain", size)
        .post("/full", size)
        .concurrency(0)
        .mount("/guarded", guarded)
        .mount("/app", App::new(Routes::new().post("/app", size).body_limit(100)));
    App::new(routes).respond(|seen, response| {
        let seen = format!("{:?} {:?}", seen.origin(), seen.pattern());
        response.set_header("X-Seen", seen);
    })
}

#[test]
fn limits_of_routes_are_the_same_everywhere() {
    for body_buffer in [1_000_000, 100, 0] {
        let three = Three::of(limited, Limits::new().body(1000).body_buffer(body_buffer));
        for (status, path, size) in [
            ("200", "/large", 100_000),
            ("200", "/large", 1001),
            ("413", "/large", 100_001),
            ("200", "/small", 10),
            ("413", "/small", 11),
            ("413", "/small", 1001),
            ("200", "/plain", 1000),
            ("413", "/plain", 1001),
            ("413", "/plain", 50_000),
            ("503", "/full", 1),
            ("401", "/guarded", 5000),
            ("404", "/nowhere", 5000),
            ("200", "/app", 100),
            ("413", "/app", 101),
        ] {
            let body = vec![b'x'; size];
            let line = format!("POST {path}");
            let announced = format!("Content-Length: {size}\r\n");
            let in_chunks = "Transfer-Encoding: chunked\r\n";
            for (bytes, is_announced) in [
                (request(&line, &announced, &body), true),
                (request(&line, in_chunks, &chunked(&body)), false),
            ] {
                let [own, hyper, client] = three.responses(&bytes);
                let statuses = [&own.status, &hyper.status, &client.status];
                assert_eq!(statuses, [status; 3], "{body_buffer} {path} {size} {is_announced}");
                // Of chunks, how much has arrived decides who refuses them.
                if is_announced {
                    assert!(
                        own == hyper && own == client,
                        "{path} {size}: {own:?} {hyper:?} {client:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn deadlines_of_routes_are_the_same_on_both_servers() {
    fn waiting() -> impl Application {
        // Longer than the deadlines of a moment, and much longer.
        let wait = || std::thread::sleep(Duration::from_millis(200));
        let hang = || std::thread::sleep(Duration::from_secs(5));
        let routes = Routes::new()
            .get("/server", hang)
            .get("/always", wait)
            .deadline(None)
            .get("/long", wait)
            .deadline(Duration::from_secs(3600))
            .mount(
                "/below",
                Hooks::on(Routes::new().get("/short", hang).get("/long", wait).deadline(None)).deadline(MOMENT),
            );
        App::new(routes)
    }
    const MOMENT: Duration = Duration::from_millis(50);
    for (of_server, path, status) in [
        (Some(MOMENT), "/server", "503"),
        (Some(MOMENT), "/always", "204"),
        (Some(MOMENT), "/long", "204"),
        (None, "/below/short", "503"),
        (None, "/below/long", "204"),
    ] {
        let three = Three::of(waiting, Limits::new().handler(of_server));
        let bytes = request(&format!("GET {path}"), "", b"");
        for address in [three.own.local_addr(), three.hyper] {
            let received = Received::read(&exchanged(address, &bytes));
            assert_eq!(received.status, status, "{path} of {of_server:?}");
        }
    }
}

#[test]
fn a_hook_sees_a_copy_of_what_a_handler_still_has() {
    fn hanging() -> impl Application {
        let (_never, gate) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new((_never, gate));
        let routes = Routes::new().get("/hang", move || {
            let _ = held.lock().unwrap().1.recv_timeout(Duration::from_secs(1));
            "late"
        });
        App::new(routes).respond(|seen, response| {
            let target = seen.request().map_or("", Request::target).to_owned();
            response.set_body(format!("{:?} {target}", seen.origin()));
        })
    }
    let limits = Limits::new().handler(Some(Duration::from_millis(50)));
    let three = Three::of(hanging, limits);
    let request = b"GET /hang?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for address in [three.own.local_addr(), three.hyper] {
        let received = Received::read(&exchanged(address, request));
        assert_eq!(String::from_utf8_lossy(&received.body), "Overdue /hang?x");
        assert_eq!(received.status, "503");
    }
}
