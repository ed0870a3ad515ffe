//! A chat with a live dashboard. Any number of replicas are one chat: what is said at one of them goes through a stream of
//! Redis to the clients of all.

mod engine;
mod moments;
mod replicas;
mod sessions;

use std::env;
use std::sync::Arc;
use std::time::Duration;

use hansel::{
    App, Csrf, Error, Hooks, Html, Json, Request, Response, Routes, SecurityHeaders, Server, Session, Sessions, State,
    StatusCode, problem_details,
};
use serde::{Deserialize, Serialize};

use engine::Engine;
use moments::Moments;
use replicas::Replicas;

/// An entry of the stream.
#[derive(Serialize)]
struct Said<'s> {
    name: &'s str,
    text: &'s str,
}

#[derive(Deserialize)]
struct Message {
    text: String,
    /// Chosen by the client, and the same when it tries again: what was said is said once.
    token: String,
}

/// `POST /messages`
fn say(Json(message): Json<Message>, session: Session, engine: State<Engine>) -> hansel::Result<StatusCode> {
    let Some(name) = session.read::<String>("name") else {
        return Err(Error::new(StatusCode::FORBIDDEN, "say who you are first: PUT /name"));
    };
    if message.text.trim().is_empty() || message.text.len() > 1000 || message.token.len() > 64 {
        return Err(Error::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a text of at most 1000 bytes, and a token of 64",
        ));
    }
    let said = serde_json::to_string(&Said {
        name: &name,
        text: &message.text,
    })?;
    engine.add(&message.token, &said).map_err(gone)?;
    Ok(StatusCode::CREATED)
}

/// `GET /messages`: an event for each, from the one after `Last-Event-ID` on, or else the latest first.
fn listen(request: &Request, engine: State<Engine>) -> hansel::Result<Response> {
    if let Some(last) = request.header("Last-Event-ID").filter(|id| !id.is_empty()) {
        // Another replica may have sent it already. So it is here, or in the engine, when the subscription begins.
        engine.await_id(last).map_err(gone)?;
    }
    Ok(Response::new(engine.topic().subscribe()))
}

fn gone(error: impl std::fmt::Display) -> Error {
    log::warn!("redis: {error}");
    Error::new(StatusCode::SERVICE_UNAVAILABLE, "the engine is gone; try again").with_header("Retry-After", "1")
}

/// `PUT /name`
fn set_name(Json(name): Json<String>, session: Session) -> hansel::Result<StatusCode> {
    let name = name.trim();
    if name.is_empty() || name.len() > 50 {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "a name has 1 to 50 bytes"));
    }
    session.set("name", name);
    Ok(StatusCode::NO_CONTENT)
}

fn file(content: &'static str, content_type: &str) -> impl Fn() -> Response + use<> {
    let content_type = format!("{content_type}; charset=utf-8");
    move || Response::new(content).with_header("Content-Type", &content_type)
}

fn app(engine: Arc<Engine>, replicas: Replicas, moments: Moments) -> App {
    let is_development = cfg!(debug_assertions);
    let csrf = Csrf::new().allow_plain_http_on_localhost(is_development);
    let sessions = Sessions::in_store(Arc::clone(&engine)).allow_plain_http_on_localhost(is_development);
    let known = Routes::new()
        .post("/messages", say)
        .put("/name", set_name)
        .get("/moments", moments::open);
    let routes = Routes::new()
        .get("/", || Html(include_str!("page.html")))
        .get("/page.js", file(include_str!("page.js"), "text/javascript"))
        .get("/style.css", file(include_str!("style.css"), "text/css"))
        .get("/messages", listen)
        .get("/replicas", |replicas: State<Replicas>| replicas.topic().subscribe())
        .mount("/", sessions.on(csrf.on(known)));
    App::new(Hooks::on(routes).state(engine).state(replicas).state(moments))
        .respond(problem_details())
        .respond(SecurityHeaders::new().responses())
}

fn main() -> hansel::Result {
    env_logger::init();
    let variable = |name: &str, default: &str| env::var(name).unwrap_or(default.into());
    let server = Server::bind(variable("LISTEN", "127.0.0.1:8080"))?;
    let engine = Engine::start(&variable("REDIS", "redis://127.0.0.1:6379"))?;
    let replicas = Replicas::start(&variable("REPLICA", "one"), Arc::clone(&engine));
    let moments = Moments::start(Arc::clone(&engine));
    // Two checks of the balancer find out that this replica is about to leave, before it does.
    let server = server
        .health()
        .drain_delay(Duration::from_millis(variable("DRAIN_MS", "0").parse()?));
    Ok(server.serve(app(engine, replicas, moments))?)
}
