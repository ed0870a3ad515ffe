//! What a request may cost at most, decided before a byte of it is believed.

/// The longest line between the chunks of a body: size, extensions and CR LF.
pub(crate) const LINE_BYTES: usize = 4 * 1024;

/// The bounds a [`Connection`](crate::Connection) holds every request to.
///
/// Each is a count of bytes unless it says otherwise, and each names the status a request that
/// goes beyond it is refused with.
///
/// ```
/// use hansel_proto::Limits;
///
/// let limits = Limits { body_bytes: 10 * 1024 * 1024, ..Limits::default() };
/// assert_eq!(limits.fields, 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line and fields together, with the empty lines around them: `431`, or `414` while
    /// the request line has not ended. 32 KiB by default; never more than 4 GiB counts.
    pub head_bytes: usize,
    /// The request target alone: `414`. 8 KiB by default; RFC 9112 §3 recommends that request
    /// lines of 8000 bytes work.
    pub target_bytes: usize,
    /// The number of field lines in a head, and again in a trailer section: `431`. 100 by default.
    pub fields: usize,
    /// The content of a request, chunk framing not counted: `413`. At the head if the head gives
    /// the length, else with the chunk that goes too far. 1 MiB by default.
    pub body_bytes: u64,
    /// The trailer section behind a chunked body: `431`. 8 KiB by default.
    pub trailer_bytes: usize,
}

impl Limits {
    /// The most bytes [`Connection::receive`](crate::Connection::receive) leaves unconsumed before
    /// it either makes something of them or refuses them: a buffer of this size never gets stuck.
    pub fn buffer_bytes(&self) -> usize {
        self.head_bytes.max(self.trailer_bytes.saturating_add(LINE_BYTES + 2))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            fields: 100,
            body_bytes: 1024 * 1024,
            trailer_bytes: 8 * 1024,
        }
    }
}
