//! tiny_http: as many threads take requests as handlers may block at once.

use std::io;
use std::str::FromStr;
use std::sync::Arc;

use tiny_http::{Header, Method, Request, Response, Server, StatusCode};
use work::{ITEM_HEADERS, Settings};

fn main() {
    let settings = Settings::of_arguments();
    let server = Arc::new(Server::http(settings.address()).expect("the address is free"));
    let threads: Vec<_> = (0..settings.threads)
        .map(|_| Arc::clone(&server))
        .map(|server| std::thread::spawn(move || take(&server)))
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

fn take(server: &Server) {
    while let Ok(request) = server.recv() {
        let _ = respond(request);
    }
}

fn respond(mut request: Request) -> io::Result<()> {
    let url = request.url().to_owned();
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*url, None),
    };
    let mut segments = path.split('/').skip(1);
    let route = [(); 5].map(|()| segments.next());
    match (request.method(), route) {
        (Method::Get, [Some(""), None, ..]) => request.respond(text(work::HELLO)),
        (Method::Get, [Some("user"), Some(id), None, ..]) => request.respond(Response::from_string(work::user(id))),
        (Method::Get, [Some("shops"), Some(shop), Some("items"), Some(item), None]) => {
            let page = item_page(&request, shop, item, query);
            request.respond(page)
        }
        (Method::Get, [Some("json"), None, ..]) => {
            let json = Response::from_data(work::json());
            request.respond(json.with_header(header("Content-Type", "application/json")))
        }
        (Method::Get, [Some("10k"), None, ..]) => request.respond(text(work::ten_kb())),
        (Method::Get, [Some("1m"), None, ..]) => request.respond(text(work::one_mb())),
        (Method::Post, [Some("upload"), None, ..]) => {
            let count = io::copy(request.as_reader(), &mut io::sink())?;
            request.respond(Response::from_string(count.to_string()))
        }
        (Method::Get, [Some("sleep"), None, ..]) => {
            work::sleep();
            request.respond(text(work::HELLO))
        }
        _ => request.respond(Response::empty(404)),
    }
}

/// Unlike `Response::from_string`, this copies nothing.
fn text(body: &'static str) -> Response<&'static [u8]> {
    let headers = vec![header("Content-Type", "text/plain; charset=utf-8")];
    // Above its threshold of 32 KiB it would send chunks, which no other server does.
    Response::new(StatusCode(200), headers, body.as_bytes(), Some(body.len()), None).with_chunked_threshold(usize::MAX)
}

fn item_page(request: &Request, shop: &str, item: &str, query: Option<&str>) -> Response<io::Cursor<Vec<u8>>> {
    let cookie = request.headers().iter().find(|header| header.field.equiv("Cookie"));
    let page = work::item_page(shop, item, query, cookie.map(|header| header.value.as_str()));
    let mut response = Response::from_data(page);
    for (name, value) in ITEM_HEADERS {
        response.add_header(header(name, value));
    }
    response
}

fn header(name: &str, value: &str) -> Header {
    Header::from_str(&format!("{name}: {value}")).expect("a field that is right")
}
