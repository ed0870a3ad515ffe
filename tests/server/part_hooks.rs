//! A hook for the responses of a part of an application: [`hansel::Hooks::respond`].

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use hansel::{App, Chain, Extension, Hooks, Request, Response, Routes, Slashes, StatusCode};

use crate::support::{get, no_deadlines, server, start};

struct Missing;

fn mark(seen: &hansel::Seen<'_>, response: &mut Response) {
    response.append_header("X-Mark", format!("{:?}", seen.origin()));
}

/// Returns the statuses and the marks of the responses, each of a connection of its own.
fn marks(app: App, requests: &[String]) -> Vec<(u16, Vec<String>)> {
    marks_within(None, app, requests)
}

fn marks_within(handler: Option<Duration>, app: App, requests: &[String]) -> Vec<(u16, Vec<String>)> {
    let server = start(server().limits(no_deadlines().handler(handler)), app);
    let of_one = |request: &String| {
        let mut client = server.connect();
        client.send(request);
        let response = client.response();
        let head = response.head_text();
        let marks = head.lines().filter_map(|line| line.strip_prefix("X-Mark: "));
        (response.status, marks.map(str::to_owned).collect())
    };
    requests.iter().map(of_one).collect()
}

fn expected(all: &[(u16, &[&str])]) -> Vec<(u16, Vec<String>)> {
    let owned = |marks: &[&str]| marks.iter().map(|&mark| mark.to_owned()).collect();
    all.iter().map(|&(status, marks)| (status, owned(marks))).collect()
}

#[test]
fn it_sees_whatever_comes_of_requests_that_were_dispatched_there_and_nothing_else() {
    let api = Routes::new()
        .get("/", || "Hello")
        .get("/folder/", || "a folder")
        .get("/panic", || -> &str { panic!("broken") })
        .get("/extension", |_: Extension<Missing>| "")
        .get("/header", || Response::new("").with_header("X-Bad", "a\n"))
        .get("/{number}", |number: u8| number.to_string());
    let closed = Hooks::on(|| "closed").before(|_: &Request| Some(StatusCode::UNAUTHORIZED));
    let api = Hooks::on(api.mount("/closed", closed)).respond(mark);
    let app = App::new(Routes::new().mount("/api", api).get("/other", || "other")).slashes(Slashes::Redirect);
    let requests = [
        get("/api"),
        get("/api/7"),
        get("/api/nothing/here"),
        "DELETE /api/7 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "OPTIONS /api/7 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        get("/api/folder"),
        get("/api/closed"),
        get("/api/panic"),
        get("/api/extension"),
        get("/api/header"),
        get("/other"),
        get("/nowhere"),
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(),
        get("/api/7"),
    ];
    let seen = marks(app, &requests);
    let all = expected(&[
        (200, &["Handler"]),
        (200, &["Handler"]),
        (404, &["Missed"]),
        (405, &["Missed"]),
        (204, &["Automatic"]),
        (308, &["Automatic"]),
        (401, &["Handler"]),
        (500, &["Panicked"]),
        (500, &["Failed"]),
        (500, &["Failed"]),
        (200, &[]),
        (404, &[]),
        (400, &[]),
        (200, &["Handler"]),
    ]);
    assert_eq!(seen, all);
}

#[test]
fn it_sees_the_response_for_a_handler_that_is_overdue_there() {
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let hang = move || {
        let _ = gate.lock().unwrap().recv();
        "late"
    };
    let app = App::new(Routes::new().mount("/api", Hooks::on(Routes::new().get("/hang", hang)).respond(mark)));
    let seen = marks_within(Some(Duration::from_millis(50)), app, &[get("/api/hang")]);
    release.send(()).unwrap();
    assert_eq!(seen, expected(&[(503, &["Overdue"])]));
}

#[test]
fn where_nothing_was_found_it_sees_no_response_of_another_part() {
    let first = Hooks::on(Routes::new().get("/a", || "first")).respond(mark);
    let second = Routes::new().get("/b", || "second").post("/a", || "posted");
    let app = App::new(Chain::new().then(first).then(second));
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned();
    let seen = marks(app, &[get("/a"), get("/b"), post, get("/c")]);
    let all = expected(&[(200, &["Handler"]), (200, &[]), (200, &[]), (404, &["Missed"])]);
    assert_eq!(seen, all);
}

#[test]
fn the_innermost_comes_first_and_that_of_the_application_last() {
    let name = |name: &'static str| {
        move |_: &hansel::Seen<'_>, response: &mut Response| response.append_header("X-Mark", name)
    };
    let mounted = App::new(Hooks::on(|_: &Request| "inner").respond(name("part of inner"))).respond(name("inner"));
    let routes = Routes::new().mount("/inner", mounted).get("/", || "outer");
    let app = App::new(
        Hooks::on(routes)
            .respond(name("outer part"))
            .respond(name("inner part")),
    )
    .respond(name("outer"));
    let seen = marks(app, &[get("/inner"), get("/")]);
    let all = expected(&[
        (200, &["part of inner", "inner", "inner part", "outer part", "outer"]),
        (200, &["inner part", "outer part", "outer"]),
    ]);
    assert_eq!(seen, all);
}

#[cfg(feature = "development")]
#[test]
fn in_development_a_problem_has_no_text_of_a_panic_either() {
    let api = Routes::new()
        .get("/panic", || -> &str { panic!("s3cret") })
        .get("/error", || -> hansel::Result<&str> {
            Err(std::io::Error::other("s3cret").into())
        });
    let api = Hooks::on(api).respond(hansel::problem_details());
    let app = App::new(Routes::new().mount("/api", api)).development(true);
    let server = start(server().limits(no_deadlines()), app);
    for path in ["/api/panic", "/api/error", "/api/nothing", "/api/panic"] {
        let response = server.connect().get(path);
        assert_eq!(
            response.field("Content-Type"),
            Some("application/problem+json"),
            "{path}"
        );
        assert!(!response.text().contains("s3cret"), "{path}: {}", response.text());
    }
}
