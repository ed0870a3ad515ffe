//! astra, with as many workers as handlers may block at once.

use std::io;

use astra::{Body, ConnectionInfo, Request, Response, ResponseBuilder, Server};
use bytes::Bytes;
use work::{ITEM_HEADERS, Settings};

fn main() -> io::Result<()> {
    let settings = Settings::of_arguments();
    Server::bind(settings.address())
        .max_workers(settings.threads)
        .http1_pipeline_flush(true)
        .serve(respond)
}

fn respond(mut request: Request, _: ConnectionInfo) -> Response {
    let path = request.uri().path().to_owned();
    let mut segments = path.split('/').skip(1);
    let route = [(); 5].map(|()| segments.next());
    match (request.method().as_str(), route) {
        ("GET", [Some(""), None, ..]) => text(work::HELLO),
        ("GET", [Some("user"), Some(id), None, ..]) => text(work::user(id)),
        ("GET", [Some("shops"), Some(shop), Some("items"), Some(item), None]) => item_page(&request, shop, item),
        ("GET", [Some("json"), None, ..]) => response(200, &[("Content-Type", "application/json")], work::json()),
        ("GET", [Some("10k"), None, ..]) => text(work::ten_kb()),
        ("GET", [Some("1m"), None, ..]) => text(work::one_mb()),
        ("POST", [Some("upload"), None, ..]) => match io::copy(&mut request.body_mut().reader(), &mut io::sink()) {
            Ok(count) => text(count.to_string()),
            Err(_) => response(400, &[], ""),
        },
        ("GET", [Some("sleep"), None, ..]) => {
            work::sleep();
            text(work::HELLO)
        }
        _ => response(404, &[], ""),
    }
}

fn text(body: impl Into<Bytes>) -> Response {
    response(200, &[("Content-Type", "text/plain; charset=utf-8")], body)
}

fn item_page(request: &Request, shop: &str, item: &str) -> Response {
    let cookie = request.headers().get("Cookie").and_then(|cookie| cookie.to_str().ok());
    let page = work::item_page(shop, item, request.uri().query(), cookie);
    response(200, &ITEM_HEADERS, page)
}

/// With its length, without which astra sends chunks.
fn response(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> Response {
    let body = body.into();
    let builder = ResponseBuilder::new()
        .status(status)
        .header("Content-Length", body.len());
    let builder = headers
        .iter()
        .fold(builder, |builder, &(name, value)| builder.header(name, value));
    builder.body(Body::new(body)).expect("fields that are right")
}
