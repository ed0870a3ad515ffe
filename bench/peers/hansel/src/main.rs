//! hansel as its documentation shows it, with its defaults except for the deadline of idle connections.

use std::io::BufRead;
use std::sync::Arc;

use hansel::files::Files;
use hansel::{App, IntoResponse, Limiter, Limits, Request, Response, Routes, Server};
use work::{ITEM_HEADERS, Settings};

fn main() -> std::io::Result<()> {
    let settings = Settings::of_arguments();
    let limits = Limits::new().idle(work::IDLE);
    let limiter = Arc::new(Limiter::new());
    let [locked, held] = [Arc::clone(&limiter), Arc::clone(&limiter)];
    let routes = Routes::new()
        .get("/", || work::HELLO)
        .get("/user/{id}", |id: &str| work::user(id))
        .get("/shops/{shop}/items/{item}", item_page)
        .get("/json", || {
            Response::new(work::json()).with_header("Content-Type", "application/json")
        })
        .get("/10k", || work::ten_kb())
        .get("/1m", || work::one_mb())
        .post("/upload", upload)
        .get("/sleep", slow)
        .get("/locked", move || {
            work::locked(locked.wait(work::lock));
            work::HELLO
        })
        .get("/held", move || {
            work::held(held.wait(work::lock));
            work::HELLO
        });
    let mut app = App::new(routes.mount("/files", Files::new(work::files())));
    if settings.locks {
        app = app.scheduling(limiter);
    }
    Server::bind(settings.address())?
        .loops(settings.loops)
        .threads(settings.threads)
        .limits(limits)
        .quiet()
        .serve(app)
}

fn slow() -> &'static str {
    work::sleep();
    work::HELLO
}

fn item_page(shop: &str, item: &str, request: &Request) -> Response {
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
