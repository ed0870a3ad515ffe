//! The server: it moves bytes between sockets and an [`Application`](crate::Application), and decides which thread does
//! what.
//!
//! A room imports only from those below it in this list:
//!
//! | room | contents |
//! |---|---|
//! | `builder/` | [`Server`]: what a program configures, and how it starts |
//! | `process/` | the process as a whole: signals, the service manager, a successor |
//! | `handle.rs` | [`Handle`]: a server that is serving |
//! | `threads/` | who holds a loop, runs a handler, streams a body, reads a file |
//! | `event_loop/` | what a loop does between two handlers |
//! | `probes/` | the responses of the health lane |
//! | `shared/` | what all loops and threads share: phase, permits, threads, counters |
//! | `connection/` | one connection: its socket, its bytes in progress, what it waits for |
//! | `net/` | listeners, sockets, encryption, who may connect |
//! | `limits.rs` | what clients may use |

mod builder;
mod connection;
mod event_loop;
mod handle;
mod limits;
mod net;
mod probes;
mod process;
mod shared;
mod threads;

pub use builder::{Listener, Server};
pub use handle::{Drained, Handle, RunningHandler};
pub use limits::Limits;
#[cfg(feature = "tls")]
pub use net::tls::Tls;
