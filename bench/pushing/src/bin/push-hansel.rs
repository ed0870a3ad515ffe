//! A topic, on one loop.

use hansel::{Limits, Routes, Server, StatusCode, Topic};

fn main() -> hansel::Result {
    let address = std::env::args().nth(1).expect("an address");
    let news = Topic::new();
    let subscribed = news.clone();
    let routes = Routes::new()
        .get("/events", move || subscribed.subscribe())
        .get("/", || "here")
        .post(
            "/send",
            move |request: &hansel::Request| -> hansel::Result<StatusCode> {
                news.send(request.bytes()?.to_vec());
                Ok(StatusCode::NO_CONTENT)
            },
        );
    let limits = Limits::new().connections(16_000).subscribers(15_000);
    Ok(Server::bind(address)?.loops(1).limits(limits).quiet().serve(routes)?)
}
