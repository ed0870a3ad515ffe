//! The version of HTTP that a client speaks.

/// The version that a client speaks, as far as it changes what a server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "HTTP/1 has two versions that servers treat differently"
)]
pub enum Version {
    /// HTTP/1.0: the connection ends with the response unless the client asks otherwise, and nothing is chunked.
    Http10,
    /// HTTP/1.1, and every higher minor version of 1 (RFC 9110 §2.5).
    #[default]
    Http11,
}
