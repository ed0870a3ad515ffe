//! The page for operators: plain functions that may block, on threads of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use askama::Template;
use hansel::auth::{Basic, User};
use hansel::tower::Service;
use hansel::{App, Csrf, CsrfToken, Extension, Html, Keys, Response, Routes, SecurityHeaders, Sessions, State};

use crate::Shop;

#[derive(Template)]
#[template(path = "admin.html")]
struct Page {
    is_open: bool,
    orders: Vec<String>,
    token: CsrfToken,
}

fn page(shop: State<Shop>, token: CsrfToken) -> hansel::Result<Html<String>> {
    let orders = shop.orders.lock().unwrap().clone();
    Ok(Html(
        Page {
            is_open: shop.is_open.load(Relaxed),
            orders,
            token,
        }
        .render()?,
    ))
}

fn open(shop: State<Shop>, user: Extension<User>) -> Response {
    set(&shop, &user, true)
}

fn close(shop: State<Shop>, user: Extension<User>) -> Response {
    set(&shop, &user, false)
}

fn set(shop: &Shop, user: &User, is_open: bool) -> Response {
    log::info!(
        "{} has {} the shop",
        user.name(),
        if is_open { "opened" } else { "closed" }
    );
    shop.is_open.store(is_open, Relaxed);
    Response::see_other("/admin/")
}

fn style() -> Response {
    Response::new(include_str!("style.css")).with_header("Content-Type", "text/css; charset=utf-8")
}

pub fn service(shop: Arc<Shop>, password: &str) -> Service {
    let routes = Routes::new()
        .get("/", page)
        .post("/open", open)
        .post("/close", close)
        .get("/style.css", style);
    // Browsers send the password with requests that other sites make, too. So forms have a token.
    let is_development = cfg!(debug_assertions);
    let csrf = Csrf::new().allow_plain_http_on_localhost(is_development);
    let sessions = Sessions::in_cookie(&Keys::random()).allow_plain_http_on_localhost(is_development);
    let staff = Basic::users("staff", [("admin", password)]).on(sessions.on(csrf.on(routes)));
    Service::new(App::new(staff.state(shop)).respond(SecurityHeaders::new().responses()))
}
