//! The progress of scanning incomplete bytes. It makes a head that arrives byte by byte cost only a small factor more
//! than one that arrives at once.

/// The progress in a section of lines that has not completely arrived.
///
/// Complete lines are not parsed again before the last one has arrived. The incomplete line is scanned again when it
/// ends or has doubled. So the work is linear in the bytes, and a broken rule is refused at the end of its line at the
/// latest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Index of the first incomplete line; 0 until the first line is complete.
    pub(crate) line: u32,
    /// The number of field lines before it.
    pub(crate) fields: u32,
    /// The number of bytes at the last scan.
    seen: u32,
    /// The number of bytes at which the incomplete line is scanned again.
    again: u32,
}

impl Progress {
    /// Returns true if parsing these bytes can find more than the last time. `most` is the largest number of bytes
    /// there may be.
    #[inline]
    pub(crate) fn is_due(&mut self, bytes: &[u8], most: usize) -> bool {
        let seen = self.seen as usize;
        if seen == 0 {
            return true;
        }
        self.seen = bytes.len() as u32;
        let new = bytes.get(seen..).unwrap_or_default();
        bytes.len() >= most.min(self.again as usize) || new.contains(&b'\n')
    }

    /// Returns true if nothing of the next message has been seen.
    pub(crate) fn is_idle(&self) -> bool {
        self.seen == 0
    }

    /// Remembers what a scan of `bytes` found.
    pub(crate) fn note(&mut self, bytes: &[u8], line: usize, fields: usize) {
        let unfinished = bytes.len().saturating_sub(line);
        *self = Progress {
            line: line as u32,
            fields: fields as u32,
            seen: bytes.len() as u32,
            again: (bytes.len() + unfinished.max(1)).min(u32::MAX as usize) as u32,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many bytes are scanned when `bytes` come one by one, if each scan reads the incomplete line.
    fn cost(bytes: &[u8]) -> usize {
        let mut progress = Progress::default();
        let mut cost = 0;
        for end in 1..=bytes.len() {
            let there = &bytes[..end];
            if progress.is_due(there, usize::MAX) {
                cost += end - progress.line as usize;
                let line = there.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                progress.note(there, line, 0);
            }
        }
        cost
    }

    #[test]
    fn the_work_is_linear_however_the_bytes_come() {
        for length in [1, 10, 1000, 100_000] {
            assert!(cost(&vec![b'x'; length]) <= 3 * length, "one long line");
            assert!(cost(&b"A: bcde\r\n".repeat(length)) <= 4 * 9 * length, "many lines");
            assert!(cost(&vec![b'\n'; length]) <= 3 * length, "nothing but line ends");
        }
    }

    #[test]
    fn a_line_is_looked_at_when_it_ends_or_has_doubled() {
        let mut progress = Progress::default();
        assert!(progress.is_due(b"GET /", 100));
        progress.note(b"GET /", 0, 0);
        assert!(!progress.is_due(b"GET /x", 100));
        assert!(!progress.is_due(b"GET /xyz", 100));
        assert!(progress.is_due(b"GET /xyz\r\n", 100));
        assert!(progress.is_due(b"GET /xyz0123456789", 100));
    }

    #[test]
    fn a_full_buffer_is_always_looked_at() {
        let mut progress = Progress::default();
        progress.note(b"GET /", 0, 0);
        assert!(progress.is_due(b"GET /x", 6));
    }
}
