//! Filters, which change a body while it is sent.

use std::io;

/// Changes the bytes of a body while they are sent: it compresses, encrypts or counts them. See
/// [`Body::through`](crate::Body::through).
pub trait BodyFilter: Send {
    /// Takes the next piece of the body, and appends to `out` what the client gets for it now.
    ///
    /// A piece is what a stream has written at once, or what a reader has returned. The stream goes on when all of `out`
    /// is sent. So that a client gets an event when it was written, append all of it; whatever is kept back waits for
    /// the next piece, however long that takes.
    ///
    /// # Errors
    /// An error ends the body: the connection is closed early, so that the client does not mistake a part for the whole.
    fn filter(&mut self, piece: &[u8], out: &mut Vec<u8>) -> io::Result<()>;

    /// Appends to `out` what ends a complete body, such as a checksum. It is not called if the body breaks off.
    ///
    /// # Errors
    /// Those of [`filter`](BodyFilter::filter).
    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}
