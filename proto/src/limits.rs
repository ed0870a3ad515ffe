//! The most that a request may cost.

/// The longest line between the chunks of a body: size, extensions and CR LF.
pub(crate) const LINE_BYTES: usize = 4 * 1024;

/// The limits that a [`Connection`](crate::Connection) applies to every request.
///
/// Each limit is a number of bytes unless its documentation says otherwise, and names the status for a request that
/// exceeds it.
///
/// ```
/// use hansel_proto::Limits;
///
/// let limits = Limits::new().body_bytes(10 * 1024 * 1024);
/// assert_eq!(limits.fields, 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// The request line and the fields together, including the empty lines around them: `431`, or `414` while the
    /// request line has not ended. 32 KiB by default; values above 4 GiB count as 4 GiB.
    pub head_bytes: usize,
    /// The request target alone: `414`. 8 KiB by default; RFC 9112 §3 recommends that request lines of 8000 bytes work.
    pub target_bytes: usize,
    /// The number of field lines in a head, and again in a trailer section: `431`. 100 by default.
    pub fields: usize,
    /// The content of a request without chunk framing: `413`. It is refused at the head if the head announces the
    /// length, else at the chunk that exceeds the limit. 1 MiB by default.
    pub body_bytes: u64,
    /// The trailer section after a chunked body: `431`. 8 KiB by default.
    pub trailer_bytes: usize,
}

impl Limits {
    /// Returns the default limits.
    pub const fn new() -> Limits {
        Limits {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            fields: 100,
            body_bytes: 1024 * 1024,
            trailer_bytes: 8 * 1024,
        }
    }

    /// Sets [`head_bytes`](field@Limits::head_bytes).
    #[must_use]
    pub const fn head_bytes(mut self, bytes: usize) -> Limits {
        self.head_bytes = bytes;
        self
    }

    /// Sets [`target_bytes`](field@Limits::target_bytes).
    #[must_use]
    pub const fn target_bytes(mut self, bytes: usize) -> Limits {
        self.target_bytes = bytes;
        self
    }

    /// Sets [`fields`](field@Limits::fields).
    #[must_use]
    pub const fn fields(mut self, count: usize) -> Limits {
        self.fields = count;
        self
    }

    /// Sets [`body_bytes`](field@Limits::body_bytes).
    #[must_use]
    pub const fn body_bytes(mut self, bytes: u64) -> Limits {
        self.body_bytes = bytes;
        self
    }

    /// Sets [`trailer_bytes`](field@Limits::trailer_bytes).
    #[must_use]
    pub const fn trailer_bytes(mut self, bytes: usize) -> Limits {
        self.trailer_bytes = bytes;
        self
    }

    /// Returns the largest number of bytes that [`Connection::receive`](crate::Connection::receive) leaves unconsumed
    /// before it either consumes or refuses them. A buffer of this size never gets stuck.
    pub fn buffer_bytes(&self) -> usize {
        self.head_bytes.max(self.trailer_bytes.saturating_add(LINE_BYTES + 2))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::new()
    }
}
