#![doc = include_str!("../README.md")]
//!
//! # Finding your way
//! - [`Server`] has addresses, threads and [`Limits`]; [`Server::serve`] blocks, [`Server::spawn`] gives a [`Handle`].
//! - A handler gets a [`Request`] and returns what makes a [`Response`]: see [`IntoResponse`]. A response's [`Body`] is
//!   bytes, a file, a reader, or a closure that writes.
//! - [`Application`] is what a server calls; [`IntoApplication`] lists the functions that are one.
//! - [`test::Client`] runs an application without a socket.
//! - [`blocking`] says that a handler is about to wait.

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
pub use request::{BodyError, BodyReader, InvalidRequest, Pairs, Request, Segments, Trust};
pub use response::{Body, BodyWriter, Error, Html, IntoResponse, Response, Result};
pub use server::{Handle, Limits, Server};
