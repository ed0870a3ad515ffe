//! Accounts, passwords and sessions in SQLite.

mod database;

use std::env;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use askama::Template;
use hansel::sessions::Flash;
use hansel::{
    App, Csrf, CsrfToken, Form, FromRequest, Hooks, Html, RateLimit, Request, Response, Routes, SecurityHeaders,
    Server, Session, Sessions, State,
};
use serde::Deserialize;

use database::Database;

/// A user who is logged in. A handler that takes one is for users only: others are sent to the login.
struct User {
    id: i64,
    name: String,
}

impl FromRequest for User {
    type Rejection = Response;

    fn from_request(request: &Request) -> Result<User, Response> {
        let session = Session::of(request).map_err(Response::new)?;
        match (session.read("id"), session.read("name")) {
            (Some(id), Some(name)) => Ok(User { id, name }),
            _ => Err(Response::see_other("/account/login")),
        }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    flashes: Vec<Flash>,
    token: CsrfToken,
    user: User,
    notes: Vec<String>,
}

fn home(user: User, session: Session, token: CsrfToken, database: State<Database>) -> hansel::Result<Html<String>> {
    let notes = database.notes(user.id)?;
    Ok(Html(
        Home {
            flashes: session.flashes(),
            token,
            user,
            notes,
        }
        .render()?,
    ))
}

#[derive(Deserialize)]
struct Note {
    text: String,
}

fn keep(user: User, Form(note): Form<Note>, database: State<Database>) -> hansel::Result<Response> {
    let text: String = note.text.trim().chars().take(500).collect();
    database.keep(user.id, &text)?;
    Ok(Response::see_other("/"))
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    flashes: Vec<Flash>,
    token: CsrfToken,
    title: &'static str,
    kind: &'static str,
    other: (&'static str, &'static str),
}

fn login_form(session: Session, token: CsrfToken) -> hansel::Result<Html<String>> {
    let other = ("register", "I have no account.");
    Ok(Html(
        Account {
            flashes: session.flashes(),
            token,
            title: "Log in",
            kind: "current",
            other,
        }
        .render()?,
    ))
}

fn register_form(session: Session, token: CsrfToken) -> hansel::Result<Html<String>> {
    let other = ("login", "I have an account.");
    Ok(Html(
        Account {
            flashes: session.flashes(),
            token,
            title: "Register",
            kind: "new",
            other,
        }
        .render()?,
    ))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

fn login(session: Session, Form(sent): Form<Credentials>, database: State<Database>) -> hansel::Result<Response> {
    // A hash of nothing: whoever asks for a name that does not exist waits as long, and learns nothing from it.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$qqSCqQPLbO7RKU+qFwvGng1NGbeAhqyl2UqMcxGLZEM";
    let account = database.account(&sent.name)?;
    let hash = account.as_ref().map_or(NOBODY, |(_, hash)| hash);
    let is_right = Argon2::default()
        .verify_password(sent.password.as_bytes(), &PasswordHash::new(hash)?)
        .is_ok();
    match account.filter(|_| is_right) {
        Some((id, _)) => Ok(begin(&session, id, &sent.name, "Welcome back.")),
        None => Ok(again(&session, "/account/login", "The name or the password is wrong.")),
    }
}

fn register(session: Session, Form(sent): Form<Credentials>, database: State<Database>) -> hansel::Result<Response> {
    let name = sent.name.trim();
    if name.is_empty() || name.len() > 50 || sent.password.len() < 8 {
        return Ok(again(
            &session,
            "/account/register",
            "A name, please, and a password of at least 8 characters.",
        ));
    }
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default()
        .hash_password(sent.password.as_bytes(), &salt)?
        .to_string();
    match database.register(name, &hash)? {
        Some(id) => Ok(begin(&session, id, name, "Welcome.")),
        None => Ok(again(&session, "/account/register", "This name is taken.")),
    }
}

fn begin(session: &Session, id: i64, name: &str, welcome: &str) -> Response {
    // A new id: whoever has planted or seen the one before has nothing now.
    session.renew();
    session.set("id", &id);
    session.set("name", name);
    session.flash("info", welcome);
    Response::see_other("/")
}

fn again(session: &Session, path: &str, error: &str) -> Response {
    session.flash("error", error);
    Response::see_other(path)
}

fn logout(session: Session) -> Response {
    session.end();
    session.flash("info", "You are logged out.");
    Response::see_other("/account/login")
}

fn style() -> Response {
    Response::new(include_str!("style.css")).with_header("Content-Type", "text/css; charset=utf-8")
}

fn app(database: Database) -> App {
    let database = Arc::new(database);
    let account = Routes::new()
        .get("/login", login_form)
        .post("/login", login)
        .get("/register", register_form)
        .post("/register", register)
        .post("/logout", logout);
    let routes = Routes::new()
        .get("/", home)
        .post("/notes", keep)
        .mount("/account", RateLimit::new(30, Duration::from_secs(60)).on(account));
    // Safari and others need to be told that localhost needs no TLS. In production this is off, and TLS is on.
    let is_development = cfg!(debug_assertions);
    let csrf = Csrf::new().allow_plain_http_on_localhost(is_development);
    let sessions = Sessions::in_store(Arc::clone(&database)).allow_plain_http_on_localhost(is_development);
    let routes = Routes::new()
        .get("/style.css", style)
        .mount("/", sessions.on(csrf.on(routes)));
    App::new(Hooks::on(routes).state(database)).respond(SecurityHeaders::new().responses())
}

fn main() -> hansel::Result {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let database = env::var("DATABASE").unwrap_or("login.db".into());
    Ok(Server::bind(listen)?.serve(app(Database::open(&database)?))?)
}
