#![doc = include_str!("../README.md")]
//!
//! # Finding your way
//! - [`Server`] has addresses, threads and [`Limits`]; [`Server::serve`] blocks, [`Server::spawn`] gives a [`Handle`].
//! - A handler gets a [`Request`] and returns what makes a [`Response`]: see [`IntoResponse`]. A response's [`Body`] is
//!   bytes, a file, a reader, or a closure that writes.
//! - [`Application`] is what a server calls; [`IntoApplication`] lists the functions that are one.
//! - [`test::Client`] runs an application without a socket.
//! - [`blocking`] says that a handler is about to wait.
//!
//! # What it says
//! What an operator must hear goes to [`log`]. With the feature `tracing`, each request that reaches a handler is a
//! span as well: `request`, of the target `hansel` and the level INFO, with the fields `method`, `path`, `id`,
//! `pattern`, `status` and `seconds`. The handler runs in it, and so does what streams its response, so what they say is
//! in it too; at its end there is an event `answered`. A request that was refused before its handler was called has
//! none, and is in the access log all the same. A status that was not the handler's to send, since it was too late,
//! is missing.

mod app;
mod application;
mod date;
mod deadline;
pub mod dispatch;
mod exchange;
mod lock;
mod mounted;
mod operations;
mod pace;
#[cfg(feature = "development")]
mod page;
mod panics;
mod pipe;
mod report;
mod request;
mod response;
mod server;
pub mod test;
mod threads;
#[cfg(feature = "tower")]
pub mod tower;

/// Compiles the code of the guide.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
mod guide {}

pub use app::{App, Slashes};
pub use application::{Application, IntoApplication};
#[cfg(feature = "form")]
pub use dispatch::Form;
#[cfg(feature = "json")]
pub use dispatch::Json;
#[cfg(feature = "query")]
pub use dispatch::Query;
#[cfg(feature = "regex")]
pub use dispatch::regex;
pub use dispatch::{Chain, Hooks, Methods, Registry, Resource, Routes, State, Verbs, mount};
pub use http::{Method, StatusCode, Version};
pub use operations::AccessLog;
pub use pace::blocking;
pub use request::{BodyError, BodyReader, InvalidRequest, Pairs, Request, RequestId, Segments, Trust};
pub use response::{Body, BodyWriter, Error, Html, IntoResponse, Response, Result};
#[cfg(feature = "tls")]
pub use server::Tls;
pub use server::{Drained, Handle, Limits, Listener, Server};
