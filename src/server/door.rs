//! What a connection goes through before its first byte of HTTP: settled per listener.

use std::io;
use std::sync::Arc;

use crate::Trust;

use super::channel::Channel;
use super::listen::Bound;
use super::socket::Stream;

/// Where connections come in, and from whom.
pub(super) struct Entrance {
    pub(super) listeners: Vec<Bound>,
    /// One for each listener, those of the health lane first.
    pub(super) doors: Vec<Door>,
    pub(super) trust: Option<Arc<Trust>>,
}

/// How a listener receives its connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Door {
    /// Trusted peers begin with a PROXY header.
    pub(super) proxy_protocol: bool,
    /// What they are encrypted with.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::Tls>,
}

impl Door {
    /// What is spoken here.
    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    pub(super) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// A connection as it comes in here.
    pub(super) fn open(&self, stream: Stream) -> io::Result<Channel> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return Ok(Channel::secure(stream, tls.session()?));
        }
        Ok(Channel::plain(stream))
    }
}
