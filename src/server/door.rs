//! What a connection goes through before its first byte of HTTP: settled per listener.

/// How a listener receives its connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Door {
    /// Trusted peers begin with a PROXY header.
    pub(super) proxy_protocol: bool,
}
