//! WebSockets (RFC 6455): connections on which client and server send messages whenever they like.
//!
//! Requires the feature `websocket`.
//!
//! A handler takes a [`WebSocket`] as an argument and opens it. From then on **each message is a call** of a function of
//! yours: it is admitted, timed and limited as a request is, and it may block. One message of a socket is handled at a time,
//! in order; those of different sockets are handled in parallel. A socket on which nothing happens needs no thread.
//!
//! ```no_run
//! use hansel::websocket::{Message, Opening, Socket, WebSocket};
//! use hansel::{Routes, Server};
//!
//! fn echo(socket: WebSocket) -> Opening {
//!     socket.open(()).on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
//! }
//!
//! fn main() -> hansel::Result {
//!     Ok(Server::bind("127.0.0.1:8080")?.serve(Routes::new().get("/echo", echo))?)
//! }
//! ```
//!
//! A chat is a [`Topic`](crate::Topic) that sockets join:
//!
//! ```
//! use hansel::websocket::{Message, Opening, Socket, WebSocket};
//! use hansel::{Routes, State, Topic};
//!
//! fn chat(socket: WebSocket, room: State<Topic>) -> Opening {
//!     let (joined, room) = (Topic::clone(&room), Topic::clone(&room));
//!     socket
//!         .open(())
//!         .on_open(move |socket: &Socket| socket.join(&joined))
//!         .on_message(move |_: &Socket, message: Message<'_>| room.send(message.text().unwrap_or("?")))
//! }
//! # let _ = Routes::new().get("/chat", chat);
//! ```
//!
//! # What is done for you
//! - Pings are answered, and a client that is silent is asked whether it is there.
//! - A page of another site cannot open a socket: see [`WebSocket::origins`].
//! - A client that does not read what it is sent is closed, or misses messages, as you like: see
//!   [`SocketSettings::slow`].
//! - When the server drains, clients are told by the code 1001, and come back.
//! - A handler that fails, panics or takes too long closes its socket with 1011.
//! - The handler for closing is called once, whatever happens.

mod opening;
mod program;
mod request;

pub use crate::socket::{CloseCause, Closed, Message, SendError, Socket, SocketSettings, ToMessage};
pub use hansel_proto::websocket::CloseCode;
pub use opening::Opening;
pub use program::SocketOutcome;
pub use request::WebSocket;
