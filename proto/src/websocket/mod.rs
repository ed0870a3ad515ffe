//! WebSockets (RFC 6455), without I/O: the opening handshake, and frames in both directions.
//!
//! A [`Receiver`] is given received bytes and returns one [`Received`] at a time. It unmasks in the caller's buffer and
//! keeps nothing of a message: 256 bytes are more than it needs. It checks everything that the RFC requires, text as
//! UTF-8 included, as soon as the first wrong byte is there. Outgoing frames are appended to the caller's buffer by
//! [`encode`]. Of `permessage-deflate` (RFC 7692) it negotiates the terms, [`Deflate`], and tells which messages are
//! compressed; compressing is for the caller.
//!
//! ```
//! use hansel_proto::websocket::{Limits, Opcode, Received, Receiver, encode, encode_masked};
//!
//! let mut arrived = Vec::new();
//! encode_masked(Opcode::Text, true, false, b"hello", [1, 2, 3, 4], &mut arrived);
//!
//! let mut receiver = Receiver::of_server(Limits::default());
//! let (consumed, received) = receiver.receive(&mut arrived)?;
//! let Some(Received::Data(piece)) = received else { panic!("it is a message") };
//! assert!(piece.starts && piece.ends);
//! assert_eq!(&arrived[piece.start..piece.end], b"hello");
//! assert_eq!(consumed, arrived.len());
//!
//! let mut out = Vec::new();
//! encode(Opcode::Text, true, false, b"hello", &mut out);
//! assert_eq!(out, b"\x81\x05hello");
//! # Ok::<(), hansel_proto::websocket::Failure>(())
//! ```

mod close;
mod deflate;
mod encode;
mod failure;
mod frame;
mod handshake;
mod receiver;
mod sha1;
mod utf8;

pub use close::{Close, CloseCode};
pub use deflate::Deflate;
pub use encode::{encode, encode_close, encode_masked};
pub use failure::Failure;
pub use frame::Opcode;
pub use handshake::{BadOpening, Opening, OpeningFault, accept_key};
pub use receiver::{Limits, Piece, Received, Receiver};
pub use utf8::Utf8;
