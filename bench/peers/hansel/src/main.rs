//! hansel, with its defaults except for the deadline of idle connections.

use std::io::BufRead;

use hansel::files::Files;
use hansel::{App, Application, IntoApplication, IntoResponse, Limits, Request, Response, Routes, Server, StatusCode};
use work::{ITEM_HEADERS, Settings};

fn main() -> std::io::Result<()> {
    let settings = Settings::of_arguments();
    let limits = Limits::new().idle(work::IDLE);
    Server::bind(settings.address())?
        .loops(settings.loops)
        .threads(settings.threads)
        .limits(limits)
        .quiet()
        .serve(Work {
            quick: quick.into_application(),
            slow: slow.into_application(),
            files: App::new(Routes::new().mount("/files", Files::new(work::files()))),
        })
}

/// Functions of their own, so that what the server learns about the pace of one does not affect the other.
struct Work<Q, S, F> {
    quick: Q,
    slow: S,
    files: F,
}

impl<Q: Application, S: Application, F: Application> Application for Work<Q, S, F> {
    fn call(&self, request: &Request) -> Response {
        match request.segment(0) {
            Some("sleep") => self.slow.call(request),
            Some("files") => self.files.call(request),
            _ => self.quick.call(request),
        }
    }
}

fn quick(request: &Request) -> Response {
    let mut path = request.segments();
    let route = [(); 5].map(|()| path.next());
    match (request.method().as_str(), route) {
        ("GET", [None, ..]) => work::HELLO.into_response(),
        ("GET", [Some("user"), Some(id), None, ..]) => work::user(id).into_response(),
        ("GET", [Some("shops"), Some(shop), Some("items"), Some(item), None]) => item_page(request, shop, item),
        ("GET", [Some("json"), None, ..]) => {
            Response::new(work::json()).with_header("Content-Type", "application/json")
        }
        ("GET", [Some("10k"), None, ..]) => work::ten_kb().into_response(),
        ("GET", [Some("1m"), None, ..]) => work::one_mb().into_response(),
        ("POST", [Some("upload"), None, ..]) => upload(request).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn slow(_: &Request) -> &'static str {
    work::sleep();
    work::HELLO
}

fn item_page(request: &Request, shop: &str, item: &str) -> Response {
    let page = work::item_page(shop, item, request.query(), request.header("Cookie"));
    let mut response = page.into_response();
    for (name, value) in ITEM_HEADERS {
        response.set_header(name, value);
    }
    response
}

fn upload(request: &Request) -> hansel::Result<String> {
    let mut body = request.body();
    let mut count = 0;
    loop {
        let taken = body.fill_buf()?.len();
        if taken == 0 {
            return Ok(count.to_string());
        }
        body.consume(taken);
        count += taken;
    }
}
