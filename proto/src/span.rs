//! Ranges of the parsed bytes.

/// A range `start..end` of the bytes that were parsed.
///
/// ```
/// use hansel_proto::Span;
///
/// let span = Span { start: 2, end: 5 };
/// assert_eq!(span.of(b"a hat"), b"hat");
/// assert_eq!(span.of(b"too"), b"", "out of range: empty, never a panic");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a range is its two ends")]
pub struct Span {
    /// Index of the first byte.
    pub start: u32,
    /// Index after the last byte.
    pub end: u32,
}

impl Span {
    /// Returns the bytes of this span; empty if `bytes` is too short.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Returns the number of bytes.
    #[inline]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Returns true if the span has no bytes.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// [`Limits`](crate::Limits) bounds heads to 4 GiB, so the casts lose nothing.
    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// Returns the text of this span; empty if out of range.
    #[inline]
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        text(self.of(bytes))
    }
}

/// Everything that is parsed as text is ASCII.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
