//! hansel is an HTTP/1.1 server library. Handlers are plain functions that may block: there is no `async`, no runtime,
//! and no need for a proxy in front.
//!
//! # A complete service
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
//!
//! use hansel::{App, Error, Hooks, Routes, Server, State, StatusCode};
//!
//! /// The state that the handlers share.
//! struct Shop {
//!     muffins: AtomicU32,
//! }
//!
//! fn count(shop: State<Shop>) -> String {
//!     format!("{} muffins\n", shop.muffins.load(Relaxed))
//! }
//!
//! fn buy(wanted: u32, shop: State<Shop>) -> hansel::Result<String> {
//!     shop.muffins
//!         .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(wanted))
//!         .map_err(|left| Error::new(StatusCode::CONFLICT, format!("only {left} left\n")))?;
//!     Ok(format!("{wanted} muffins for you\n"))
//! }
//!
//! fn shop() -> App {
//!     let routes = Routes::new().get("/muffins", count).post("/muffins/buy/{wanted}", buy);
//!     App::new(Hooks::on(routes).state(Shop { muffins: AtomicU32::new(12) }))
//! }
//!
//! # mod service {
//! # use super::{Server, shop};
//! # pub(crate)
//! fn main() -> hansel::Result {
//!     Ok(Server::bind("127.0.0.1:8080")?.serve(shop())?)
//! }
//! # }
//! # fn main() {
//! #     let _: fn() -> hansel::Result = service::main;
//! #     let client = hansel::test::Client::new(shop());
//! #     assert_eq!(client.post("/muffins/buy/2", "").text(), "2 muffins for you\n");
//! #     assert_eq!(client.get("/muffins").text(), "10 muffins\n");
//! #     assert_eq!(client.post("/muffins/buy/11", "").status(), 409);
//! #     assert_eq!(client.post("/muffins/buy/some", "").status(), 404);
//! #     assert_eq!(client.get("/muffins/buy/1").status(), 405);
//! # }
//! ```
//!
//! # From a request to a response
//! ```text
//!              +------------------+            +-----------+                +---------------+
//!  bytes ----->|      Server      |--Request-->|    App    |---arguments--->| your function |
//!  bytes <-----|                  |<-Response--| (Routes,  |<-IntoResponse--|               |
//!              +------------------+            |  Hooks..) |                +---------------+
//!            or test::Client, without a socket +-----------+
//!            or tower::Service, under hyper
//! ```
//! The interface between the two boxes is one method, [`Application::call`]. The same application therefore runs under
//! [`Server`], in tests, and on other servers.
//!
//! # The server
//! - [`Server`] has listeners, threads and options. [`Server::serve`] blocks until Ctrl-C or SIGTERM;
//!   [`Server::spawn`] returns a [`Handle`], whose [`shutdown`](Handle::shutdown) drains the connections.
//! - A [`Listener`] is one address, TCP or a Unix socket, in clear text or with [`Tls`].
//! - [`Limits`] are the sizes and deadlines that a client must keep to. All have defaults that are on. [`RouteLimits`]
//!   are larger or smaller ones for a part of an application.
//! - [`Limiter`] and [`Scheduling`] are for applications whose handlers share a lock.
//! - [`blocking`] announces that a handler is about to wait. It is never necessary: a handler that blocks is noticed.
//! - [`AccessLog`], [`Server::health`], [`Server::metrics`], [`Server::request_ids`] are for operators.
//! - [`Trust`] names the proxies whose forwarded headers count.
//!
//! # Dispatch
//! An [`App`] finds the function for a request. It answers 404, 405, HEAD and OPTIONS by itself, and [`App::explain`]
//! shows how it decides. Its parts can all be mounted under each other:
//!
//! | part | finds functions by |
//! |---|---|
//! | [`Routes`] | a pattern: `/people/{id}`, or a regular expression |
//! | [`Methods`], [`methods!`] | their name: `/add/1/2` calls `add(1, 2)`. They can come and go while the server runs |
//! | [`Resource`], [`resource!`] | the verb, below an item that is looked up: `GET /field/3` |
//! | a function | nothing: it takes what arrives |
//! | [`Chain`] | asking one part after the other |
//!
//! [`Hooks`] run code before, after and around a part, and share [`State`] with its handlers. The module [`dispatch`]
//! is the interface between the parts, for those you write yourself.
//!
//! A mistake in a registration, such as two routes with the same pattern, panics at start-up and names both lines. So
//! does a handler that takes a [`State`] that nothing around it shares.
//!
//! # Arguments of handlers
//! | argument | value |
//! |---|---|
//! | `&`[`Request`] | the request: method, path, headers, [body](Request::body) |
//! | `&mut` [`Response`] | an empty 200 to change, for functions that return nothing |
//! | `u32`, `String`, `&str`, .. | the next parameter of the path; your own types with [`from_segment!`] |
//! | `Option<T>`, `Vec<T>` | a parameter that may be missing; all that are left |
//! | [`State<T>`](State) | a value that [`Hooks::state`] shares |
//! | [`Extension<T>`](Extension) | a value that a hook has [set](Request::set) for the request |
//! | [`Query<T>`][`Query`], [`Form<T>`][`Form`], [`Json<T>`][`Json`] | the query or the body, read as a `T` by serde |
//! | [`MultipartForm`] | the body, a form with files |
//! | `websocket::WebSocket` | a request to open a WebSocket, with the feature `websocket` |
//! | [`Cookies`], [`Session`], [`CsrfToken`] | the cookies that were sent; the browser's session; what a form needs |
//! | your own types, by [`FromRequest`] | what they read from the request, such as a user from a session |
//! | `Option<T>`, `Result<T, E>` | any of the last six, where a refusal is for the handler to deal with |
//!
//! # Responses and errors
//! A handler returns anything that is [`IntoResponse`]: text, bytes, [`Html`], a [`StatusCode`], an `Option` (`None` is
//! a 404), a [`Response`] with headers. A [`Body`] can be a file, a reader, or a closure that writes.
//!
//! With [`hansel::Result`](Result), `?` works for every error. The client gets a 500 and the log gets the error. An
//! [`Error`] with a status of its own, made by [`Error::new`], is sent with its text. A panic is a 500 as well, and the
//! server goes on.
//!
//! `main` returns it, too: what keeps a server from starting is printed as a sentence.
//!
//! # Testing
//! [`test::Client`] sends a request through the protocol code to an application, without a socket:
//! ```
//! # fn shop() -> hansel::App {
//! #     hansel::App::new(hansel::Routes::new().get("/muffins", || "12 muffins\n"))
//! # }
//! use hansel::test::Client;
//!
//! let client = Client::new(shop());
//! assert_eq!(client.get("/muffins").text(), "12 muffins\n");
//! assert_eq!(client.get("/muffin").status(), 404);
//! ```
//!
//! # Other servers
//! The module [`tower`] has both directions: an [`Application`] as a `tower` service, to run on hyper with HTTP/2 or in
//! a program that is `async` already; and a `tower` service, such as an `axum::Router`, as an application or a part of it.
//!
//! # Logs and spans
//! Messages for operators go to the crate [`log`](https://docs.rs/log). With the feature `tracing`, each request that reaches a handler has a span:
//! `request`, with the target `hansel`, the level INFO and the fields `method`, `path`, `id`, `pattern`, `status` and
//! `seconds`. The handler runs in it, and so does the code that streams its response. It ends with an event `answered`.
//! A request that is refused before it reaches a handler has no span; the access log has it all the same. A status
//! that came too late to be sent is missing.
//!
//! # Guide
//! The module [`guide`] begins with [the first five minutes](guide::first_five_minutes). [`guide::ten_mistakes`] shows
//! what newcomers do wrong, and what hansel prints.
//!
//! # Features
//! `development` and `regex` are on by default. A feature never changes what happens without it.
//!
//! | feature | adds |
//! |---|---|
//! | `development` | [`App::development`]: a 404, 405 or 500 that explains itself |
//! | `regex` | [`Routes::regex`] and [`regex()`]: routes by regular expression |
//! | `query`, `form`, `json` | [`Query`], [`Form`], [`Json`] as arguments of handlers, by serde |
//! | `auth` | the module [`auth`]: names and passwords, and tokens |
//! | `compression` | [`Compression`] and [`Decompression`]: responses and requests in gzip or Brotli |
//! | `cookies` | [`Cookie`] and [`Cookies`]: set and read, signed, encrypted |
//! | `cors` | [`Cors`]: which pages of other origins may use a part of an application |
//! | `etags` | [`ETags`]: responses that a client has already are not sent again |
//! | `files` | [`files::Files`]: a directory, a file, or files in the program by [`embed!`] |
//! | `multipart` | [`MultipartForm`] and [`Multipart`]: forms with files, whole or part by part as they arrive |
//! | `rate-limit` | [`RateLimit`]: how many requests a client may send in a time |
//! | `security-headers` | [`SecurityHeaders`]: headers by which browsers protect users |
//! | `sessions` | [`Sessions`], and [`Csrf`] against forged requests: the module [`sessions`] |
//! | `tls` | [`Tls`]: TLS, by rustls |
//! | `activation` | systemd socket activation, and restarts that drop no connection attempt: [`Server::activated`], [`Handle::hand_over`] |
//! | `tracing` | a span for each request |
//! | `tower` | the module [`tower`] |
//! | `upgrade` | [`Response::upgrade`], [`Response::tunnel`]: other protocols on a connection |
//! | `websocket` | the module [`websocket`]: WebSockets, each message a call |
//!
//! # Platforms
//! hansel is tested on Linux. macOS and Windows are supported through mio but untested. It needs Rust 1.85 or newer, the
//! first version with edition 2024.
//!

// Where a feature is off, what it adds has no page to link to.
#![cfg_attr(not(feature = "development"), doc = "[`App::development`]: #features")]
#![cfg_attr(not(feature = "regex"), doc = "[`Routes::regex`]: #features\n[`regex()`]: #features")]
#![cfg_attr(not(feature = "auth"), doc = "[`auth`]: #features")]
#![cfg_attr(
    not(feature = "compression"),
    doc = "[`Compression`]: #features\n[`Decompression`]: #features"
)]
#![cfg_attr(not(feature = "cookies"), doc = "[`Cookie`]: #features\n[`Cookies`]: #features")]
#![cfg_attr(not(feature = "cors"), doc = "[`Cors`]: #features")]
#![cfg_attr(not(feature = "etags"), doc = "[`ETags`]: #features")]
#![cfg_attr(
    not(feature = "multipart"),
    doc = "[`Multipart`]: #features\n[`MultipartForm`]: #features"
)]
#![cfg_attr(not(feature = "rate-limit"), doc = "[`RateLimit`]: #features")]
#![cfg_attr(not(feature = "security-headers"), doc = "[`SecurityHeaders`]: #features")]
#![cfg_attr(not(feature = "query"), doc = "[`Query`]: #features")]
#![cfg_attr(not(feature = "form"), doc = "[`Form`]: #features")]
#![cfg_attr(not(feature = "json"), doc = "[`Json`]: #features")]
#![cfg_attr(
    not(feature = "sessions"),
    doc = "[`Session`]: #features\n[`Sessions`]: #features\n[`Csrf`]: #features\n[`CsrfToken`]: #features\n[`sessions`]: #features"
)]
#![cfg_attr(not(feature = "files"), doc = "[`files::Files`]: #features\n[`embed!`]: #features")]
#![cfg_attr(not(feature = "tls"), doc = "[`Tls`]: #features")]
#![cfg_attr(
    not(feature = "activation"),
    doc = "[`Server::activated`]: #features\n[`Handle::hand_over`]: #features"
)]
#![cfg_attr(not(feature = "tower"), doc = "[`tower`]: #features")]
#![cfg_attr(
    not(feature = "upgrade"),
    doc = "[`Response::upgrade`]: #features\n[`Response::tunnel`]: #features"
)]
#![cfg_attr(not(feature = "websocket"), doc = "[`websocket`]: #features")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod application;
#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(feature = "cors")]
mod cors;
mod date;
mod deadline;
pub mod dispatch;
#[cfg(feature = "etags")]
mod etags;
mod exchange;
#[cfg(feature = "files")]
pub mod files;
#[cfg(any(doc, doctest))]
pub mod guide;
mod limiter;
mod lock;
mod metrics;
mod mounted;
#[cfg(feature = "multipart")]
pub mod multipart;
mod operations;
mod pace;
#[cfg(feature = "development")]
mod page;
mod panics;
mod pipe;
mod problem;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod report;
mod request;
mod response;
mod root;
mod scheduling;
mod sealed;
mod seconds;
#[cfg(feature = "security-headers")]
mod security_headers;
mod seen;
mod server;
#[cfg(feature = "sessions")]
pub mod sessions;
#[cfg(feature = "websocket")]
mod socket;
mod start_error;
pub mod test;
mod threads;
mod topic;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "websocket")]
pub mod websocket;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use app::{App, Slashes};
pub use application::{Application, IntoApplication};
#[cfg(feature = "compression")]
pub use compression::{Compression, Decompression};
#[cfg(feature = "cookies")]
#[doc(inline)]
pub use cookies::{Cookie, Cookies, Keys, SameSite};
#[cfg(feature = "cors")]
pub use cors::Cors;
#[cfg(feature = "form")]
#[doc(inline)]
pub use dispatch::Form;
#[cfg(feature = "json")]
#[doc(inline)]
pub use dispatch::Json;
#[cfg(feature = "query")]
#[doc(inline)]
pub use dispatch::Query;
#[cfg(feature = "regex")]
#[doc(inline)]
pub use dispatch::regex;
#[doc(inline)]
pub use dispatch::{
    Chain, ClientDeadline, Extension, FromRequest, Hooks, LimitExtremes, Methods, Registry, Resource, RouteLimits,
    Routes, State, Verbs, mount,
};
#[cfg(feature = "etags")]
pub use etags::ETags;
pub use hansel_proto::{InvalidField, Refusal};
pub use http::{Method, StatusCode, Version};
pub use limiter::Limiter;
pub use metrics::{Counter, Gauge, GaugeFn, Histogram, Metric, Metrics};
#[cfg(feature = "multipart")]
#[doc(inline)]
pub use multipart::{Multipart, MultipartForm};
pub use operations::AccessLog;
pub use pace::{blocking, paced, queueing};
pub use problem::{problem_details, problem_details_by_accept};
#[cfg(feature = "rate-limit")]
pub use rate_limit::RateLimit;
pub use request::{
    BodyError, BodyReader, HeaderError, InvalidRequest, OwnedBody, Pairs, Request, RequestId, Segments, Trust,
};
#[cfg(feature = "upgrade")]
pub use response::Upgraded;
pub use response::{
    Body, BodyFilter, BodyWriter, Done, Error, Html, IntoResponse, Origin, Response, ResponseWriter, Result, local_path,
};
pub use scheduling::Scheduling;
#[cfg(feature = "security-headers")]
pub use security_headers::SecurityHeaders;
pub use seen::{ResponseHook, Seen};
#[cfg(feature = "tls")]
pub use server::Tls;
pub use server::{Drained, Handle, Limits, Listener, RunningHandler, Server};
#[cfg(feature = "sessions")]
#[doc(inline)]
pub use sessions::{Csrf, CsrfToken, Session, Sessions};
pub use topic::{Event, InvalidEvent, SlowSubscribers, Subscription, Topic, TopicSettings, TopicStatus};
