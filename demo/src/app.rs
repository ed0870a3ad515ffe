//! The demo's application: everything that the page lets a reader try, mounted in one.

mod bakery;
mod crumbs;
mod examples;
mod explain;
mod field;
mod letter;
mod limited;
mod members;
mod methods;
mod news;
mod page;
mod people;
mod room;
mod slow;
mod stream;
mod upload;
mod visits;

use std::sync::{Arc, Weak};

use hansel::{App, Chain, Metrics, Routes, SecurityHeaders};

use field::Field;

pub(crate) use examples::what_to_try;
pub(crate) use explain::request_line;

/// Returns the application: patterns first, then functions by name.
pub(crate) fn app() -> Arc<App> {
    // It explains itself, so one of its handlers has to know it.
    Arc::new_cyclic(|app| {
        App::new(Chain::new().then(routes(app)).then(methods::methods()))
            .development(true)
            .respond(SecurityHeaders::new().responses())
    })
}

fn routes(app: &Weak<App>) -> Routes {
    Routes::new()
        .get("/", page::index())
        .mount("/static", page::files())
        .get("/explain", explain::of(Weak::clone(app)))
        .get("/hello", people::hello_world)
        .get("/goodbye", people::goodbye)
        .regex(r"^/hello/(?P<username>\w+)/$", people::hello)
        .get("/people/{id}", people::person)
        .mount("/field", Field::new())
        .mount("/bakery", bakery::bakery())
        .get("/share/{muffins}/{among}", bakery::share)
        .post("/upload", upload::upload)
        .route_body_limit(64 * 1024 * 1024)
        .post("/note", upload::upload)
        .route_body_limit(100)
        .post("/letter", letter::letter)
        .mount("/crumbs", crumbs::crumbs())
        .get("/stream", stream::stream)
        .mount("/news", news::news())
        .mount("/room", room::room())
        .get("/slow", slow::slow)
        .mount("/visits", visits::visits())
        .mount("/members", members::members())
        .mount("/limited", limited::limited())
}

/// Returns the demo's own metrics, which `/metrics` shows behind those of the server.
pub(crate) fn metrics() -> Metrics {
    Metrics::new().with(&upload::UPLOADED)
}
