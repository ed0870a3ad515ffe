//! HTTP/1.1 for servers, without I/O. You pass in received bytes and get one event back. You pass in the head of a
//! response and get bytes to send. The crate has no sockets, threads, clocks, logs, `unsafe` or dependencies, and
//! allocates nothing per request once its buffers have grown.
//!
//! It is strict: it refuses everything that two parsers could read differently, and names the status, the rule and the
//! RFC. It is complete: it does all that HTTP/1.1 requires of an origin server for messages and connections, so the
//! code around it only moves bytes.
//!
//! # The states of a connection
//! A [`Connection`] goes round once for each request. Each arrow is a call and what it returned:
//! ```text
//!              Connection::new
//!                     │
//!     ┌───────────────▼──────────────┐   respond, without a request: 408, 503
//!  ┌─▶│     waits for a request      ├────────────────────────────────────┐
//!  │  └───────────────┬──────────────┘                                    │
//!  │     receive ──▶ Received::Head                                       │
//!  │  ┌───────────────▼──────────────┐   receive ──▶ Err(Refusal)         │
//!  │  │      receives the body       ├──────────────────┐                 │
//!  │  └───────────────┬──────────────┘                  │                 │
//!  │     receive ──▶ Received::End                      │                 │
//!  │  ┌───────────────▼──────────────┐   ┌──────────────▼──────────────┐  │
//!  │  │ owes a response              │   │ owes the refusal's response │  │
//!  │  └───────────────┬──────────────┘   └──────────────┬──────────────┘  │
//!  │     respond ──▶ BodyPlan                respond ──▶ BodyPlan         │
//!  │  ┌───────────────▼──────────────┐   ┌──────────────▼──────────────┐  │
//!  │  │ sends the response           │   │ sends the last response     │◀─┘
//!  │  └───────┬───────────────┬──────┘   └──────────────┬──────────────┘
//!  │    finish ──▶       finish ──▶               finish ──▶
//!  └─── Next::Again      Next::Close              Next::Close
//!                          │                         │
//!                        ┌─▼─────────────────────────▼─┐
//!                        │            closed           │
//!                        └─────────────────────────────┘
//! ```
//! - A head can be refused as well: [`receive`](Connection::receive) returns the [`Refusal`] in both states.
//! - A response may begin as soon as its request has a head. If it ends before the body does,
//!   [`finish`](Connection::finish) returns [`Next::Drain`]: receive and discard the rest, or close.
//! - [`refuse`](Connection::refuse) gives up on a request for a reason that is not in its bytes, such as a timeout.
//! - [`close_after_response`](Connection::close_after_response) makes the current or next response the last.
//!
//! # The main loop
//! Read bytes, pass the unconsumed ones to [`receive`](Connection::receive), consume what it took,
//! [`respond`](Connection::respond), and [`finish`](Connection::finish):
//! ```
//! use hansel_proto::{BodyLength, BodyPlan, Connection, FieldBlock, FieldValue, Head, HttpDate};
//! use hansel_proto::{Limits, Next, Received, ResponseHead};
//!
//! // What a socket would have returned: two requests at once.
//! let arrived = b"POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello\
//!                 GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
//! let mut input = &arrived[..];
//! let mut out = Vec::new();
//!
//! let mut connection = Connection::new(Limits::default());
//! let mut head = Head::new();
//! let mut body = Vec::new();
//! loop {
//!     let status = match connection.receive(input, &mut head) {
//!         Ok(Received::Head { len }) => {
//!             body.clear();
//!             println!("{} {}", head.method(input), head.path(input));
//!             input = &input[len..];
//!             continue;
//!         }
//!         Ok(Received::Content { start, end }) => {
//!             body.extend_from_slice(&input[start..end]);
//!             input = &input[end..];
//!             continue;
//!         }
//!         Ok(Received::Partial) => break, // flush `out`, read more, go on
//!         Ok(Received::End { len, .. }) => {
//!             input = &input[len..];
//!             200
//!         }
//!         Err(refusal) => {
//!             body = refusal.to_string().into_bytes();
//!             refusal.status()
//!         }
//!     };
//!     let fields = FieldBlock::new();
//!     let response = ResponseHead::new(status, &fields, BodyLength::Known(body.len() as u64))
//!         .date(HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT"))
//!         .default_content_type(FieldValue::new(b"text/plain"));
//!     if connection.respond(&response, &mut out) == BodyPlan::Plain {
//!         out.extend_from_slice(&body);
//!     }
//!     if connection.finish() == Next::Close {
//!         break; // flush `out` and close, in stages
//!     }
//! }
//! let responses = String::from_utf8(out).unwrap();
//! assert!(responses.starts_with("HTTP/1.1 200 OK\r\n"));
//! assert!(responses.contains("\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"));
//! assert!(responses.ends_with("\r\nConnection: close\r\n\r\n"));
//! ```
//!
//! The example `blocking` is the same with sockets and threads, in one file.
//!
//! # The types
//! | type | what it is |
//! |---|---|
//! | [`Connection`] | the state of one connection |
//! | [`Received`], [`Next`] | what the bytes were; what comes after a response |
//! | [`Head`], [`Fields`], [`Span`] | a parsed head, as ranges of the caller's bytes; reusable |
//! | [`Trailers`] | the fields behind a chunked body |
//! | [`Refusal`], [`Reason`] | why a request cannot be served, and the status that says so |
//! | [`ResponseHead`], [`FieldBlock`] | the head of a response, and its fields: checked and encoded once |
//! | [`HttpDate`], [`FieldValue`] | field values that the server adds itself, checked once |
//! | [`BodyLength`], [`BodyPlan`], [`chunk`] | how the content is sent, and the coding for content of unknown length |
//! | [`Limits`] | the largest sizes and counts that are accepted |
//!
//! # What is supported, and what is not
//! | subject | what happens |
//! |---|---|
//! | HTTP/1.0, HTTP/1.1, higher 1.x | yes; other major versions 505, HTTP/0.9 400 |
//! | target forms | all four, each only with the methods it is for; percent-escapes checked, not decoded |
//! | characters of a target | those of RFC 3986, and those that other clients do not escape: `[]{}\|^` and the backtick; a backslash in the query only, because some servers take it for a slash in a path |
//! | Host | required, single, checked as `uri-host [":" port]`; an absolute target's authority wins |
//! | line ends | CR LF only; a bare LF or CR is refused. Up to 8 empty lines before a request |
//! | folded lines, space before the colon | refused |
//! | Content-Length | one line, one number; everything else is refused, and so is a length beside a Transfer-Encoding |
//! | Transfer-Encoding | exactly `chunked`, from 1.1 on; other codings 501, anything else 400 |
//! | chunk extensions | checked by the grammar, bounded, ignored |
//! | trailers | checked, bounded, given to the caller without those that must not be trailers |
//! | keep-alive, pipelining, half-close | yes; 1.0 with `Connection: keep-alive` too |
//! | `Expect: 100-continue` | yes, at most one 100; any other expectation 417 |
//! | responses to HEAD, CONNECT; 204, 205, 304 | framed as RFC 9112 §6.3 requires, whatever the caller says |
//! | responses of unknown length | chunked; for 1.0 they end with the connection |
//! | interim responses other than 100, trailers in responses | no |
//! | `Upgrade`, tunnels behind CONNECT | ignored; a 2xx to CONNECT closes the connection |
//! | WebSockets | handshake and frames, with the feature `websocket`; the 101 is the caller's to send |
//! | clients, HTTP/2, compression, decoding of paths | no: that is for other crates |
//!
//! # Minimum Rust version
//! Rust 1.85, the first version with edition 2024.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod chunk;
mod connection;
mod fields;
mod framing;
mod head;
mod host;
mod limits;
mod lines;
mod parse;
mod progress;
mod refusal;
mod request_line;
mod respond;
mod scan;
mod section;
mod span;
mod state;
mod status;
mod target;
mod trailers;
mod value;
mod version;
#[cfg(feature = "websocket")]
pub mod websocket;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use connection::{Connection, Next, Received};
pub use fields::{FieldBlock, FieldBlockIter, FieldRule, InvalidField};
pub use framing::Framing;
pub use head::{Fields, Head, LastSection};
pub use host::is_host;
pub use limits::Limits;
pub use refusal::{Reason, Refusal};
pub use respond::{BodyLength, BodyPlan, ResponseHead};
pub use span::Span;
pub use status::reason_phrase;
pub use target::TargetForm;
pub use trailers::Trailers;
pub use value::{FieldValue, HttpDate};
pub use version::Version;
