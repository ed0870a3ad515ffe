//! The buffer of an exchange: what is received into it, and its growth. Buffers double, which is cheap, up to the size of
//! what they hold.

use hansel_proto::Framing;

use super::{Exchange, ROOM, Stage};

impl Exchange {
    /// Gives back the memory that all connections share. The request cannot be used after that.
    #[inline(never)]
    pub(crate) fn give_back(&mut self) {
        if self.lent > 0 {
            // The bytes after the body are the beginning of the next request.
            let behind = self.request.buffer.get(self.position..self.filled).unwrap_or(&[]);
            if self.own.len() < behind.len() {
                self.own.resize(behind.len(), 0);
            }
            self.own[..behind.len()].copy_from_slice(behind);
            (self.position, self.filled) = (0, behind.len());
            let lent = std::mem::replace(&mut self.request.buffer, std::mem::take(&mut self.own));
            self.pool.take_back(lent, std::mem::take(&mut self.lent));
        }
        if self.reserved > 0 {
            self.request.body.collected = Vec::new();
            self.pool.take_back(Vec::new(), std::mem::take(&mut self.reserved));
        }
    }

    /// Returns the buffer into which bytes are received.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let buffer = &mut self.request.buffer;
        if buffer.len() - self.filled < ROOM / 4 {
            if self.request.origin > 0 {
                // Bytes of finished requests make room for the next ones.
                buffer.copy_within(self.request.origin..self.filled, 0);
                self.filled -= self.request.origin;
                self.position -= self.request.origin;
                self.request.origin = 0;
            }
            if self.stage == Stage::Collecting {
                // Content is kept elsewhere, and framing can be much longer than the content.
                let behind_head = self.request.origin + self.request.head.len();
                buffer.copy_within(self.position..self.filled, behind_head);
                self.filled -= self.position - behind_head;
                self.position = behind_head;
            }
            if buffer.len() - self.filled < ROOM / 4 && self.lent == 0 {
                self.grow();
            }
        }
        let end = if self.lent > 0 {
            self.usable
        } else {
            self.request.buffer.len()
        };
        &mut self.request.buffer[self.filled..end]
    }

    /// Notes how many bytes were received into [`room`](Exchange::room).
    pub(crate) fn received(&mut self, n: usize) {
        self.filled = (self.filled + n).min(self.request.buffer.len());
    }

    /// Receives bytes that were read into another buffer.
    pub(crate) fn receive_copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.received(now.len());
            bytes = later;
        }
    }

    /// Receives the first `n` bytes of `buffer` by taking the buffer, and leaves its own in exchange. Only for an
    /// exchange that was [reset](Exchange::reset) and has received nothing since.
    pub(crate) fn receive_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        debug_assert!(self.filled == 0 && self.lent == 0, "what is there would be lost");
        std::mem::swap(&mut self.request.buffer, buffer);
        self.received(n);
    }

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
