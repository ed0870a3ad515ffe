//! The steps before a connection's first byte of HTTP: decided per listener.

use std::io;

use super::channel::Channel;
use super::proxy_header::ParseProxyHeader;
use super::socket::Stream;

/// The way in which a listener receives its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    /// Parses the PROXY header with which trusted peers begin. Referenced only where that is switched on, so the linker
    /// drops it otherwise.
    pub(crate) proxy_protocol: Option<ParseProxyHeader>,
    /// The encryption of its connections.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<super::tls::Tls>,
}

impl Door {
    /// This one, with what `general` has where it has nothing of its own.
    pub(crate) fn or(&self, general: &Door) -> Door {
        Door {
            proxy_protocol: self.proxy_protocol.or(general.proxy_protocol),
            #[cfg(feature = "tls")]
            tls: self.tls.as_ref().or(general.tls.as_ref()).cloned(),
        }
    }

    /// Returns the scheme of its URLs.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    pub(crate) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns a connection as it comes in here.
    pub(crate) fn open(&self, stream: Stream) -> io::Result<Channel> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return Ok(Channel::secure(stream, tls.session()?));
        }
        Ok(Channel::plain(stream))
    }
}
