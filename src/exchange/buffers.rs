//! The growth of buffers: they double, which is cheap, up to the size of what they hold.

use hansel_proto::Framing;

use super::{Exchange, ROOM, Stage};

impl Exchange {
    /// Enlarges the request's buffer. Its bytes are initialised, because a read needs that.
    #[cold]
    pub(super) fn grow(&mut self) {
        let buffer = &mut self.request.buffer;
        let most = match (self.stage, self.request.head.framing()) {
            (Stage::Head, _) => self.position.saturating_add(self.limits.head_bytes),
            (Stage::Gathering { .. }, Framing::Length(body)) => {
                let behind_head = self.request.origin + self.request.head.len();
                // Anything larger uses the memory that all connections share.
                let body = usize::try_from(body).unwrap_or(usize::MAX).min(self.body_buffer);
                behind_head.saturating_add(body)
            }
            // The buffer holds only one piece of content at a time.
            (Stage::Collecting, _) => self.filled + ROOM,
            _ => usize::MAX,
        };
        // Enough for the next read in any case. A little beyond the end keeps the last read from being short.
        let larger = (buffer.len() * 2).min(most.saturating_add(ROOM / 4));
        let larger = larger.max(self.filled + ROOM / 4).max(ROOM);
        buffer.reserve_exact(larger - buffer.len());
        buffer.resize(larger, 0);
    }
}

/// Appends a piece of content. Content of up to `most` bytes uses no more than `most` bytes of memory.
pub(super) fn collect(collected: &mut Vec<u8>, piece: &[u8], most: usize) {
    let needed = collected.len() + piece.len();
    if needed > collected.capacity() {
        let larger = (collected.capacity() * 2).min(most).max(needed);
        collected.reserve_exact(larger - collected.len());
    }
    collected.extend_from_slice(piece);
}
