//! Small, self-contained HTTP services with as little fuss as possible.

mod app;
mod application;
mod date;
pub mod dispatch;
mod exchange;
mod pace;
mod request;
mod response;
mod server;

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
pub use pace::blocking;
pub use request::{BodyError, BodyReader, InvalidRequest, Pairs, Request, Segments};
pub use response::{Body, BodyWriter, Error, Html, IntoResponse, Response, Result};
pub use server::{Handle, Limits, Server};
