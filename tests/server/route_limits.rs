//! Limits of routes over the wire: what is refused unread, what is cut off, who may take longer, and how many at once.

use std::io::Write;
use std::time::Duration;

use hansel::{App, Body, Hooks, Limits, Request, Response, RouteLimits, Routes, State, StatusCode};

use crate::support::{
    Client, Gate, NEVER, OpenAtEnd, Running, chunked, get, no_deadlines, noise, post, post_head, sample, server, start,
};

/// What the server takes, and what `/upload` does.
const OF_SERVER: usize = 1000;
const OF_UPLOAD: usize = 3_000_000;

const SOON: Duration = Duration::from_millis(300);

fn size(request: &Request) -> hansel::Result<String> {
    Ok(request.bytes()?.len().to_string())
}

fn routes() -> Routes {
    let guarded = Hooks::on(Routes::new().post("/", size).route_body_limit(OF_UPLOAD as u64))
        .before(|_: &Request| Some(StatusCode::UNAUTHORIZED));
    Routes::new()
        .get("/first", || "first")
        .get("/never", || -> &str { panic!("it is behind a refusal") })
        .post("/upload", size)
        .route_body_limit(OF_UPLOAD as u64)
        .post("/plain", size)
        .post("/small", size)
        .route_body_limit(10)
        .post("/deaf", |_: &Request| "not read")
        .route_body_limit(OF_UPLOAD as u64)
        .mount("/guarded", guarded)
}

fn limits() -> Limits {
    no_deadlines().body(OF_SERVER as u64)
}

fn head_of(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n")
}

fn in_chunks(path: &str, size: usize, chunk: usize) -> Vec<u8> {
    [
        head_of(path, "Transfer-Encoding: chunked").into_bytes(),
        chunked(&noise(size), chunk),
    ]
    .concat()
}

#[track_caller]
fn assert_refused(client: &mut Client, limit: usize) {
    let response = client.response();
    assert_eq!(response.status, 413, "{}", response.text());
    let text = "413 Content Too Large: the content of the request is too large; the limit is";
    assert_eq!(response.text(), format!("{text} {limit} (RFC 9110 §15.5.14)\n"));
    response.assert_closes();
    client.end();
}

#[test]
fn an_announced_body_beyond_the_limit_of_its_route_is_refused_unread_and_what_follows_is_never_run() {
    let server = start(server().limits(limits()), App::new(routes()));
    let waiting = |length| format!("Expect: 100-continue\r\nContent-Length: {length}");
    for (path, length, limit) in [
        ("/plain", OF_SERVER + 1, OF_SERVER),
        ("/plain", OF_UPLOAD, OF_SERVER),
        ("/plain", OF_UPLOAD + 1, OF_UPLOAD),
        ("/upload", OF_UPLOAD + 1, OF_UPLOAD),
        ("/deaf", OF_UPLOAD + 1, OF_UPLOAD),
        ("/nowhere", OF_UPLOAD + 1, OF_UPLOAD),
        ("/small", OF_SERVER + 1, 10),
    ] {
        for head in [post_head(path, length), head_of(path, &waiting(length))] {
            // Nothing of the body comes, and no 100 before the refusal.
            let mut client = server.connect();
            client.send(&head);
            assert_refused(&mut client, limit);
            let mut client = server.connect();
            for byte in head.bytes() {
                client.send([byte]);
            }
            assert_refused(&mut client, limit);
            let mut client = server.connect();
            client.send([get("/first"), head, get("/never")].concat());
            assert_eq!(client.response().text(), "first");
            assert_refused(&mut client, limit);
        }
    }
    assert_eq!(server.connect().get("/first").text(), "first");
}

#[test]
fn a_body_within_the_servers_limit_is_refused_by_a_smaller_one_however_it_comes() {
    let server = start(server().limits(limits()), App::new(routes()));
    for request in [
        post("/small", &noise(11)),
        in_chunks("/small", 11, 3),
        in_chunks("/small", 11, 11),
    ] {
        let mut client = server.connect();
        client.send(&request);
        assert_refused(&mut client, 10);
        let mut client = server.connect();
        for byte in &request {
            client.send([*byte]);
        }
        assert_refused(&mut client, 10);
        let mut client = server.connect();
        client.send([get("/first").into_bytes(), request, get("/never").into_bytes()].concat());
        assert_eq!(client.response().text(), "first");
        assert_refused(&mut client, 10);
    }
    let mut client = server.connect();
    client.send([post("/small", &noise(10)), in_chunks("/small", 10, 4)].concat());
    assert_eq!(client.response().text(), "10");
    assert_eq!(client.response().text(), "10");
    // Who waits to be told to send it is told no.
    let mut client = server.connect();
    client.send(head_of("/small", "Expect: 100-continue\r\nContent-Length: 11"));
    assert_refused(&mut client, 10);
    let mut client = server.connect();
    client.send(head_of("/small", "Expect: 100-continue\r\nContent-Length: 10"));
    assert_eq!(client.head().status, 100);
    client.send(noise(10));
    assert_eq!(client.response().text(), "10");
}

#[test]
fn a_route_takes_what_the_server_does_not_and_its_neighbours_still_refuse_it() {
    let server = start(server().limits(limits()), App::new(routes()));
    let body = noise(OF_UPLOAD);
    let mut client = server.connect();
    for _ in 0..2 {
        assert_eq!(client.post("/upload", &body).text(), OF_UPLOAD.to_string());
        client.send(in_chunks("/upload", OF_UPLOAD, 100_000));
        assert_eq!(client.response().text(), OF_UPLOAD.to_string());
        assert_eq!(client.post("/plain", &body[..OF_SERVER]).text(), OF_SERVER.to_string());
    }
    for length in [OF_SERVER + 1, OF_UPLOAD] {
        let mut client = server.connect();
        client.send(post_head("/plain", length));
        assert_refused(&mut client, OF_SERVER);
        // Beyond what is gathered, and what is not.
        let mut client = server.connect();
        let _ = client.try_send(in_chunks("/plain", length, 100));
        assert_refused(&mut client, OF_SERVER);
        let mut client = server.connect();
        client.send(head_of(
            "/upload",
            &format!("Expect: 100-continue\r\nContent-Length: {length}"),
        ));
        assert_eq!(client.head().status, 100);
        client.send(&body[..length]);
        assert_eq!(client.response().text(), length.to_string());
    }
}

#[test]
fn a_chunked_body_that_is_read_as_it_arrives_is_cut_off_where_it_passes_the_limit() {
    let gate = Gate::new();
    let at = gate.clone();
    let reading = move |request: &Request| {
        at.pass();
        size(request)
    };
    let routes = Routes::new()
        .post("/less", reading.clone())
        .route_body_limit(300_000)
        .post("/more", reading)
        .route_body_limit(OF_UPLOAD as u64);
    let limits = no_deadlines().body(1_000_000).body_buffer(1000);
    let server = start(server().limits(limits), App::new(routes));
    let _open = OpenAtEnd(&gate);
    for (n, (path, most)) in [("/less", 300_000), ("/more", OF_UPLOAD)].into_iter().enumerate() {
        let mut client = server.connect();
        let request = in_chunks(path, most + 1, most);
        // All but the last byte is within the limit, so its handler runs.
        let (first, last) = request.split_at(request.len() - "x\r\n0\r\n\r\n".len());
        client.send(&first[..2000]);
        gate.await_arrived(n + 1);
        gate.admit(1);
        client.send(&first[2000..]);
        client.send(last);
        let response = client.response();
        assert_eq!(
            (response.status, response.text()),
            (413, "the body is larger than the server accepts")
        );
        response.assert_closes();
        client.end();
    }
}

#[test]
fn a_hook_and_what_is_not_there_answer_before_anything_is_read() {
    let server = start(server().limits(limits()), App::new(routes()));
    for (path, status) in [("/guarded", 401), ("/nowhere", 404), ("/first", 405)] {
        let mut client = server.connect();
        client.send(post_head(path, OF_UPLOAD));
        let response = client.response();
        assert_eq!(response.status, status, "{path}");
        response.assert_closes();
        client.end();
    }
}

#[cfg(feature = "json")]
#[test]
fn what_is_allowed_for_an_upload_is_not_allowed_for_json() {
    let routes = Routes::new()
        .post("/upload", size)
        .route_body_limit(1 << 30)
        .post("/json", |text: hansel::Json<String>| text.0.len().to_string());
    let server = start(server().limits(limits().body_buffer(100)), App::new(routes));
    let json = |size: usize| [b"\"", &vec![b'x'; size - 2][..], b"\""].concat();
    let head = |framing: String| head_of("/json", &format!("Content-Type: application/json\r\n{framing}"));
    let mut client = server.connect();
    client.send(head(format!("Content-Length: {OF_SERVER}")));
    client.send(json(OF_SERVER));
    assert_eq!(client.response().text(), (OF_SERVER - 2).to_string());
    let mut client = server.connect();
    client.send(head(format!("Content-Length: {}", 1 << 30)));
    assert_refused(&mut client, OF_SERVER);
    let mut client = server.connect();
    let body = chunked(&json(1_000_000), 10_000);
    let _ = client.try_send([head(String::from("Transfer-Encoding: chunked")).into_bytes(), body].concat());
    assert_eq!(client.response().status, 413);
}

#[test]
fn what_a_route_allows_takes_no_memory_before_its_handler_runs() {
    let gate = Gate::new();
    let at = gate.clone();
    let upload = move |request: &Request| {
        at.pass();
        size(request)
    };
    let routes = Routes::new()
        .post("/upload", upload)
        .route_body_limit(1 << 30)
        .post("/plain", size);
    let limits = no_deadlines().body(200_000);
    let server = start(server().threads(4).limits(limits).health(), App::new(routes));
    let _open = OpenAtEnd(&gate);
    let mut uploading = server.connect();
    uploading.send(post_head("/upload", OF_UPLOAD));
    gate.await_arrived(1);
    // There is one place, and it is taken: the others wait for it, unread, and have nothing.
    let mut waiting: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(post_head("/upload", OF_UPLOAD));
        client.send(noise(10_000));
    }
    let mut gathering = server.connect();
    gathering.send(post_head("/plain", 200_000));
    gathering.send(noise(150_000));
    let mut probe = server.connect();
    while sample(&mut probe, "hansel_body_memory_bytes") == 0.0 {
        std::thread::yield_now();
    }
    assert!(
        sample(&mut probe, "hansel_body_memory_bytes") <= 300_000.0,
        "of one body only"
    );
    gathering.send(noise(50_000));
    assert_eq!(gathering.response().text(), "200000");
    assert_eq!(sample(&mut probe, "hansel_body_memory_bytes"), 0.0);
    uploading.send(noise(OF_UPLOAD));
    gate.admit(5);
    assert_eq!(uploading.response().text(), OF_UPLOAD.to_string());
    for mut client in waiting {
        client.send(noise(OF_UPLOAD - 10_000));
        assert_eq!(client.response().text(), OF_UPLOAD.to_string());
    }
}

#[test]
fn the_state_of_hooks_and_their_limits_go_together() {
    struct Shop(&'static str);
    let routes = Routes::new().post("/", |shop: State<Shop>, request: &Request| -> hansel::Result<String> {
        Ok(format!("{} {}", shop.0.0, request.bytes()?.len()))
    });
    let hooks = Hooks::on(routes)
        .state(Shop("crumbs"))
        .body_limit(2000)
        .deadline(NEVER)
        .concurrency(1);
    let server = start(server().limits(limits()), App::new(hooks));
    assert_eq!(server.connect().post("/", &noise(2000)).text(), "crumbs 2000");
}

/// Routes that wait at `gate`: as long as the server lets them, less, and for ever.
fn hanging(gate: &Gate) -> Routes {
    let at = gate.clone();
    let hang = move |request: &Request| {
        match request.capture("how") {
            Some("hang") => at.pass(),
            Some("block") => hansel::blocking(|| at.pass()),
            _ => {}
        }
        request.path().to_owned()
    };
    Routes::new()
        .get("/server/{how}", hang.clone())
        .get("/less/{how}", hang.clone())
        .route_deadline(SOON)
        .get("/always/{how}", hang.clone())
        .route_deadline(None)
        .mount("/below", Hooks::on(Routes::new().get("/{how}", hang)).deadline(SOON))
}

#[test]
fn a_route_has_less_time_than_the_server_allows() {
    for loops in [1, 2] {
        let gate = Gate::new();
        let server = start(server().loops(loops).limits(no_deadlines()), App::new(hanging(&gate)));
        let _open = OpenAtEnd(&gate);
        let mut patient = server.connect();
        patient.send(get("/server/hang"));
        gate.await_arrived(1);
        for (round, path) in (2..).zip(["/less/hang", "/less/block", "/below/hang"]) {
            let mut client = server.connect();
            client.send(get(path));
            gate.await_arrived(round);
            client.assert_given_up();
        }
        // Behind requests of the same connection that have another deadline.
        let mut client = server.connect();
        for path in ["/server/1", "/less/2", "/always/3"] {
            assert_eq!(client.get(path).text(), path);
        }
        client.send(get("/below/block"));
        client.assert_given_up();
        gate.admit(100);
        assert_eq!(patient.response().text(), "/server/hang");
    }
}

#[test]
fn a_route_has_more_time_than_the_server_allows() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines().handler(SOON)), App::new(hanging(&gate)));
    let _open = OpenAtEnd(&gate);
    let mut patient: Vec<_> = ["/always/hang", "/always/block"]
        .into_iter()
        .enumerate()
        .map(|(n, path)| {
            let mut client = server.connect();
            client.send([get("/server/first"), get(path), get("/server/last")].concat());
            gate.await_arrived(n + 1);
            client
        })
        .collect();
    // Handlers that began later are overdue, so the others have had more time than that.
    for (round, path) in (3..).zip(["/server/hang", "/server/block"]) {
        let mut client = server.connect();
        client.send(get(path));
        gate.await_arrived(round);
        client.assert_given_up();
    }
    gate.admit(100);
    for (client, path) in patient.iter_mut().zip(["/always/hang", "/always/block"]) {
        for path in ["/server/first", path, "/server/last"] {
            assert_eq!(client.response().text(), path);
        }
    }
}

#[test]
fn a_request_that_is_given_to_another_thread_or_has_waited_has_the_deadline_of_its_route() {
    let gate = Gate::new();
    let server = start(
        server().threads(2).limits(no_deadlines()).health(),
        App::new(hanging(&gate)),
    );
    let _open = OpenAtEnd(&gate);
    // A connection whose handlers keep blocking is given away.
    let mut given = server.connect();
    for n in 1..=4 {
        given.send(get("/server/block"));
        gate.await_arrived(n);
        gate.admit(1);
        given.response();
    }
    given.send(get("/less/block"));
    gate.await_arrived(5);
    given.assert_given_up();
    gate.admit(1);
    let mut probe = server.connect();
    while sample(&mut probe, "hansel_threads_lost") > 0.0 {
        std::thread::yield_now();
    }
    // All threads are taken, so this one waits for one.
    let mut taking: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut taking {
        client.send(get("/server/block"));
    }
    gate.await_arrived(7);
    let mut queued = server.connect();
    queued.send(get("/less/block"));
    while sample(&mut probe, "hansel_queue_length") < 1.0 {
        std::thread::yield_now();
    }
    gate.admit(1);
    gate.await_arrived(8);
    queued.assert_given_up();
}

#[test]
fn no_more_requests_are_handled_than_a_route_allows_and_overdue_ones_count_until_they_return() {
    let gate = Gate::new();
    let routes = Hooks::on(hanging(&gate)).concurrency(2);
    let server = start(
        server().limits(no_deadlines()),
        App::new(Routes::new().get("/free", || "free").mount("/in", routes)),
    );
    let _open = OpenAtEnd(&gate);
    let mut overdue = server.connect();
    overdue.send(get("/in/less/hang"));
    gate.await_arrived(1);
    overdue.assert_given_up();
    let mut other = server.connect();
    other.send(get("/in/server/hang"));
    gate.await_arrived(2);
    let mut client = server.connect();
    for _ in 0..3 {
        let full = client.get("/in/server/now");
        assert_eq!((full.status, full.field("Retry-After")), (503, Some("1")));
        assert_eq!(
            full.text(),
            "503 Service Unavailable: too many requests are being handled\n"
        );
        assert_eq!(full.field("Connection"), None, "nothing is wrong with it");
        assert_eq!(client.get("/free").text(), "free");
    }
    gate.admit(2);
    assert_eq!(other.response().text(), "/in/server/hang");
    while client.get("/in/server/now").status == 503 {
        std::thread::yield_now();
    }
}

/// A server of which one request at a time may stream.
fn streaming(gate: &Gate) -> Running {
    let at = gate.clone();
    let stream = move || {
        let at = at.clone();
        Response::new(Body::stream(move |client| {
            client.write_all(b"begun")?;
            at.pass();
            client.write_all(b"ended")
        }))
    };
    let routes = Routes::new()
        .get("/", stream)
        .route_limits(RouteLimits::new().concurrency(1));
    start(server().limits(no_deadlines()), App::new(routes))
}

#[test]
fn a_stream_counts_until_it_has_ended_or_its_client_has_left() {
    let gate = Gate::new();
    let server = streaming(&gate);
    let _open = OpenAtEnd(&gate);
    for round in 1..=4 {
        let mut client = server.connect();
        client.send(get("/"));
        assert_eq!(client.head().status, 200);
        assert_eq!(client.chunk(), b"begun");
        gate.await_arrived(round);
        assert_eq!(server.connect().get("/").status, 503);
        if round % 2 == 0 {
            client.reset();
            gate.admit(1);
        } else {
            gate.admit(1);
            assert_eq!(client.chunk(), b"ended");
            assert_eq!(client.chunk(), b"");
        }
        // To HEAD nothing streams, so there is room as soon as there was.
        let mut probe = server.connect();
        let mut status = 503;
        while status == 503 {
            probe.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            status = probe.head().status;
        }
        assert_eq!(status, 200);
    }
}
