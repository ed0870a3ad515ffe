//! Forms with files: `multipart/form-data`, as browsers, curl and others send them.
//!
//! A [`MultipartForm`] is an argument of handlers, for small forms:
//! ```
//! use hansel::{MultipartForm, Routes, StatusCode};
//!
//! fn send(form: MultipartForm) -> hansel::Result<String> {
//!     let title = form.text("title").unwrap_or("untitled");
//!     let photo = form.file("photo").ok_or(hansel::Error::new(StatusCode::UNPROCESSABLE_ENTITY, "no photo"))?;
//!     Ok(format!("{title}: {} bytes in {}", photo.len(), photo.file_name().unwrap_or("a file")))
//! }
//!
//! let routes = Routes::new().post("/photos", send).route_body_limit(10 * 1024 * 1024);
//! # use hansel::{Request, test::Client};
//! # let body = "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHut\r\n\
//! #     --b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"hut.jpg\"\r\n\r\nxxx\r\n--b--\r\n";
//! # let request = Request::post("/photos").with_header("Content-Type", "multipart/form-data; boundary=b");
//! # assert_eq!(Client::new(routes).send(request.with_body(body)).text(), "Hut: 3 bytes in hut.jpg");
//! ```
//!
//! [`Multipart`] reads a form of any size part by part while it arrives. Only a piece of it is in memory:
//! ```
//! use std::fs::File;
//!
//! use hansel::{Multipart, Request, Routes};
//!
//! fn upload(request: &Request) -> hansel::Result<String> {
//!     let mut parts = Multipart::of(request)?;
//!     let mut received = String::new();
//!     while let Some(mut part) = parts.next_part()? {
//!         match part.name() {
//!             "comment" => received += &part.read_text(1000)?,
//!             "file" => {
//!                 let file = part.save_temporary()?;
//!                 received += &format!(" and {} bytes\n", file.metadata()?.len());
//!             }
//!             _ => {} // the next call skips it
//!         }
//!     }
//!     Ok(received)
//! }
//!
//! let routes = Routes::new().post("/upload", upload).route_body_limit(10 * 1024 * 1024 * 1024);
//! # use hansel::test::Client;
//! # let body = "--b\r\nContent-Disposition: form-data; name=\"comment\"\r\n\r\nHut\r\n\
//! #     --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"hut.jpg\"\r\n\r\nxxx\r\n--b--\r\n";
//! # let request = Request::post("/upload").with_header("Content-Type", "multipart/form-data; boundary=b");
//! # assert_eq!(Client::new(routes).send(request.with_body(body)).text(), "Hut and 3 bytes\n");
//! ```
//!
//! # Limits
//! The body is limited by its route ([`Routes::route_body_limit`](crate::Routes::route_body_limit)), and without that by
//! [`Limits::body`](field@crate::Limits::body), which is 2 MiB. [`MultipartOptions`] limit parts.
//!
//! # Errors
//! They become the right response by `?`: 415 to a body that is no form with files, 400 to a malformed one, 413 to one
//! that is too large, 408 to one that does not arrive in time.
//!
//! # Names of files
//! [`Part::file_name`] is what is left of the client's name if it is not trusted: a single name, never a path. It can
//! still be the name of a file that is there already, so store uploads under names of your own.
//!
//! The rules are those of [RFC 7578](https://www.rfc-editor.org/rfc/rfc7578) and
//! [HTML](https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data).
//!
//! Requires the feature `multipart`.

mod file_name;
mod form;
mod head;
mod options;
mod parameters;
mod part;
mod reading;
mod scanner;
mod temporary;
mod uploaded;

use std::io;

pub use form::MultipartForm;
pub use options::MultipartOptions;
pub use part::Part;
pub use reading::Multipart;
pub use uploaded::UploadedFile;

use crate::{Error, StatusCode};

fn malformed(what: &str) -> io::Error {
    refused(StatusCode::BAD_REQUEST, what)
}

/// RFC 9110 §15.5.14.
fn too_large(what: &str) -> io::Error {
    refused(StatusCode::PAYLOAD_TOO_LARGE, what)
}

/// RFC 9110 §15.5.16.
fn unsupported(what: &str) -> io::Error {
    refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, what)
}

/// An error with a status, which it keeps through any reader: see [`Error`].
fn refused(status: StatusCode, what: &str) -> io::Error {
    Error::new(status, format!("multipart: {what}")).into()
}
