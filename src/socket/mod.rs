//! WebSockets without a connection: received bytes become calls of the program, and what it sends becomes bytes.
//!
//! The event loop, the in-process test client and hyper's tasks use it, so a socket is the same under each.

mod closed;
#[cfg(feature = "compression")]
mod deflate;
mod exchange;
mod handlers;
mod line;
mod message;
mod notice;
mod send_error;
mod settings;
#[expect(clippy::module_inception, reason = "it is the handle of a socket")]
mod socket;

pub use closed::{CloseCause, Closed};
pub(crate) use exchange::{Received, SocketExchange};
pub(crate) use handlers::{HandlerError, Handlers, Opened};
pub(crate) use line::{Flushed, Line, Membership};
pub use message::{Message, ToMessage};
#[cfg(all(test, hansel_loom))]
pub(crate) use notice::Notice;
pub use send_error::SendError;
pub use settings::SocketSettings;
pub use socket::Socket;
