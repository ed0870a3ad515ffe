//! The `tower` traits, both ways: an application as a [`Service`], on any server that speaks them, such as hyper, for
//! HTTP/2 or in a program that is async already; and `tower` services [as applications](Hosted).
//!
//! ```
//! use axum::{Router, routing::get};
//! use hansel::{Routes, test::Client, tower::Service};
//!
//! // Routes of axum's below those of hansel.
//! let theirs: Router = Router::new().route("/users", get(|| async { "everybody" }));
//! let client = Client::new(Routes::new().get("/", || "ours").mount("/api", theirs));
//! assert_eq!(client.get("/api/users").text(), "everybody");
//!
//! // Routes of hansel's below those of axum.
//! let ours = Routes::new().get("/reports", || "all of them");
//! let router: Router = Router::new().nest_service("/admin", Service::new(ours));
//! # drop(router);
//! ```
//!
//! Everything works that is built on `tower-service` 0.3, `http` 1 and `http-body` 1. Tests run axum 0.8 and hyper 1.
//!
//! The same request gets the same response as under [`Server`](crate::Server), but for what the server around does with it
//! before: `tests/tower/law.rs` lists each difference.
//!
//! Requires the feature `tower`.

mod alarm;
mod arriving;
mod authority;
mod body;
mod call;
mod early;
mod feed;
mod head;
mod host;
mod hosted;
mod pool;
mod reply;
mod service;
#[cfg(test)]
mod tests;

pub use body::Body;
pub use hosted::{Enter, Hosted, Original, application};
pub use service::Service;
