//! Stretches of the bytes that were parsed.

/// A stretch `start..end` of the bytes that were parsed.
///
/// ```
/// use hansel_proto::Span;
///
/// let span = Span { start: 2, end: 5 };
/// assert_eq!(span.of(b"a hat"), b"hat");
/// assert_eq!(span.of(b"too"), b"", "out of range: empty, never a panic");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index of the first byte.
    pub start: u32,
    /// Index behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of this span; empty if `bytes` does not reach that far.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The number of bytes.
    #[inline]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Heads are bounded to 4 GiB by [`Limits`](crate::Limits), so nothing is cut off here.
    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The text of this span; empty if out of range.
    #[inline]
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        text(self.of(bytes))
    }
}

/// What is parsed as text is ASCII.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
