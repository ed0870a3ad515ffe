//! Small, self-contained HTTP services with as little fuss as possible.

mod application;
mod date;
mod exchange;
mod pace;
mod request;
mod response;
mod server;
pub mod test;
#[cfg(feature = "tower")]
pub mod tower;

pub use application::{Application, IntoApplication};
pub use http::{Method, StatusCode, Version};
pub use pace::blocking;
pub use request::{BodyError, BodyReader, InvalidRequest, Pairs, Request, Segments};
pub use response::{Body, BodyWriter, Error, Html, IntoResponse, Response, Result};
pub use server::{Handle, Limits, Server};
