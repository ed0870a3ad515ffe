//! Sockets: listeners and connections, encryption, who may connect, and how many.

pub(crate) mod channel;
pub(crate) mod descriptors;
pub(crate) mod door;
pub(crate) mod entrance;
pub(crate) mod listen;
#[cfg(unix)]
pub(crate) mod own_path;
pub(crate) mod peers;
pub(crate) mod proxy_header;
pub(crate) mod room;
pub(crate) mod socket;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(feature = "tls")]
pub(crate) mod tls_session;
#[cfg(unix)]
mod unix_path;
