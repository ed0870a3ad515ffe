//! How buffers grow: in doubling steps, which keeps it cheap, but no further than what they are for.

use hansel_proto::Framing;

use super::{Exchange, ROOM, Stage};

impl Exchange {
    /// Makes the request's buffer larger, with bytes that are initialised, as read needs them.
    #[cold]
    pub(super) fn grow(&mut self) {
        let buffer = &mut self.request.buffer;
        let most = match (self.stage, self.request.head.framing()) {
            (Stage::Head, _) => self.position.saturating_add(self.limits.head_bytes),
            (Stage::Gathering { .. }, Framing::Length(body)) => {
                let behind_head = self.request.origin + self.request.head.len();
                // What is more finds room in the memory of all connections.
                let body = usize::try_from(body).unwrap_or(usize::MAX).min(self.body_buffer);
                behind_head.saturating_add(body)
            }
            // Of content, no more than a piece at a time is here.
            (Stage::Collecting, _) => self.filled + ROOM,
            _ => usize::MAX,
        };
        // Enough for the next read in any case. A piece beyond the end spares the last one from being short.
        let larger = (buffer.len() * 2).min(most.saturating_add(ROOM / 4));
        let larger = larger.max(self.filled + ROOM / 4).max(ROOM);
        buffer.reserve_exact(larger - buffer.len());
        buffer.resize(larger, 0);
    }
}

/// Appends a piece of content. Up to `most` bytes of it take no more memory than that.
pub(super) fn collect(collected: &mut Vec<u8>, piece: &[u8], most: usize) {
    let needed = collected.len() + piece.len();
    if needed > collected.capacity() {
        let larger = (collected.capacity() * 2).min(most).max(needed);
        collected.reserve_exact(larger - collected.len());
    }
    collected.extend_from_slice(piece);
}
