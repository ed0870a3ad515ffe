//! The path of a request: split on `/` first, then percent-decoded, once.
//!
//! Splitting before decoding keeps an encoded slash (`%2F`) inside its segment, so that no client can
//! make a segment out of data (RFC 3986 §2.2, §2.4: decode after the components have been separated).

use percent_encoding::percent_decode;
use std::fmt;

/// The decoded form of a path that contains `%`. A path without one is its own decoded form and is
/// never copied.
#[derive(Debug, Default)]
pub(crate) struct DecodedPath {
    /// Each segment behind a `/` of its own, so that offsets mean what they do in a plain path.
    text: String,
    /// Where each segment ends in `text`.
    ends: Vec<u32>,
    /// `text` with NUL for every slash that is part of a segment; empty if there is none.
    masked: String,
}

/// Why a path cannot be decoded. Answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPath {
    /// A segment is not UTF-8 once decoded.
    NotUtf8,
    /// A segment contains `%00`.
    Nul,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::NotUtf8 => "a path segment is not UTF-8 after percent-decoding",
            BadPath::Nul => "a path segment contains an encoded NUL (%00)",
        })
    }
}

impl DecodedPath {
    /// Decodes `raw`, which must start with `/`, segment by segment.
    pub(crate) fn decode(&mut self, raw: &str) -> Result<(), BadPath> {
        self.text.clear();
        self.ends.clear();
        self.masked.clear();
        let mut slash_inside = false;
        for segment in raw.get(1..).unwrap_or("").split('/') {
            self.text.push('/');
            let start = self.text.len();
            let decoded = percent_decode(segment.as_bytes()).decode_utf8();
            self.text.push_str(&decoded.map_err(|_| BadPath::NotUtf8)?);
            let bytes = &self.text.as_bytes()[start..];
            if bytes.contains(&0) {
                return Err(BadPath::Nul);
            }
            slash_inside |= bytes.contains(&b'/');
            self.ends.push(self.text.len() as u32);
        }
        if slash_inside {
            self.mask();
        }
        Ok(())
    }

    pub(crate) fn segments(&self) -> Segments<'_> {
        Segments {
            text: &self.text,
            start: 0,
            decoded: Some(self),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn mask(&mut self) {
        let mut start = 0;
        for &end in &self.ends {
            self.masked.push('/');
            let segment = self.text.get(start + 1..end as usize).unwrap_or("");
            self.masked
                .extend(segment.chars().map(|c| if c == '/' { '\0' } else { c }));
            start = end as usize;
        }
    }

    /// Where the segment ends that begins behind `start`.
    fn end_behind(&self, start: usize) -> Option<usize> {
        let after = self.ends.partition_point(|&end| end as usize <= start);
        self.ends.get(after).map(|&end| end as usize)
    }
}

/// The segments of a path, decoded, in order.
///
/// `/` has no segment. Every other path has one more than it has slashes behind the first:
/// `/a` is `["a"]`, `/a/` is `["a", ""]`, `//a` is `["", "a"]`, and `/a%2Fb` is `["a/b"]`.
///
/// ```
/// let request = hansel::Request::get("/people/J%C3%BCrgen");
/// assert_eq!(request.segments().collect::<Vec<_>>(), ["people", "Jürgen"]);
/// ```
#[derive(Clone, Copy)]
pub struct Segments<'r> {
    /// The whole decoded path.
    text: &'r str,
    /// Where the slash before the next segment is; at the end of `text`, no segment is left.
    start: usize,
    /// Knows the ends of segments where slashes in `text` do not tell.
    decoded: Option<&'r DecodedPath>,
}

impl<'r> Segments<'r> {
    /// The segments of a path without escapes.
    pub(crate) fn plain(raw: &'r str) -> Segments<'r> {
        // `*` (RFC 9112 §3.2.4) and the authority form of CONNECT have no path, so no segments.
        let empty = !raw.starts_with('/') || raw.len() == 1;
        Segments {
            text: raw,
            start: if empty { raw.len() } else { 0 },
            decoded: None,
        }
    }

    /// Whether no segment is left.
    pub fn is_empty(&self) -> bool {
        self.start >= self.text.len()
    }

    /// The next segment, without moving on.
    pub fn peek(&self) -> Option<&'r str> {
        let mut ahead = *self;
        ahead.next()
    }

    /// What is left as one text: each segment behind a slash. Empty if no segment is left.
    pub(crate) fn text(&self) -> &'r str {
        self.text.get(self.start..).unwrap_or("")
    }

    /// As [`text`](Segments::text), octet for octet, but with NUL for each slash inside a segment: here
    /// every slash begins a segment.
    pub(crate) fn masked(&self) -> &'r str {
        match self.decoded {
            Some(decoded) if !decoded.masked.is_empty() => decoded.masked.get(self.start..).unwrap_or(""),
            _ => self.text(),
        }
    }

    /// Whether this is the whole of `/`: no segment, and none taken.
    #[cfg(feature = "regex")]
    pub(crate) fn is_root(&self) -> bool {
        self.text == "/"
    }

    /// Whether this is the path of `OPTIONS *`, which is none.
    pub(crate) fn is_asterisk(&self) -> bool {
        self.text == "*"
    }

    /// Where in the path the text is that is left.
    pub(crate) fn offset(&self) -> usize {
        self.start
    }

    /// What is left behind the first `bytes` of [`text`](Segments::text), if a segment ends there.
    pub(crate) fn behind_text(&self, bytes: usize) -> Option<Segments<'r>> {
        let at_boundary = bytes == self.text().len() || self.masked().as_bytes().get(bytes) == Some(&b'/');
        at_boundary.then(|| Segments {
            start: self.start + bytes,
            ..*self
        })
    }

    /// What is left behind the first `count` segments, if there are that many.
    pub(crate) fn behind(&self, count: usize) -> Option<Segments<'r>> {
        let mut rest = *self;
        for _ in 0..count {
            rest.next()?;
        }
        Some(rest)
    }

    /// The text of the segments that `rest` has no more.
    pub(crate) fn until(&self, rest: &Segments<'r>) -> &'r str {
        self.text.get(self.start..rest.start).unwrap_or("")
    }
}

impl<'r> Iterator for Segments<'r> {
    type Item = &'r str;

    fn next(&mut self) -> Option<&'r str> {
        if self.is_empty() {
            return None;
        }
        let from = self.start + 1;
        let end = match self.decoded {
            None => {
                let left = self.text.get(from..)?;
                left.find('/').map_or(self.text.len(), |slash| from + slash)
            }
            Some(decoded) => decoded.end_behind(self.start)?,
        };
        self.start = end;
        self.text.get(from..end)
    }
}

impl fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &str) -> Result<Vec<String>, BadPath> {
        let mut path = DecodedPath::default();
        path.decode(raw)?;
        Ok(path.segments().map(str::to_owned).collect())
    }

    #[test]
    fn slashes_separate_and_none_is_lost() {
        let plain = |raw| Segments::plain(raw).collect::<Vec<_>>();
        assert_eq!(plain("/"), [""; 0]);
        assert_eq!(plain("*"), [""; 0]);
        assert_eq!(plain("/a"), ["a"]);
        assert_eq!(plain("/a/"), ["a", ""]);
        assert_eq!(plain("//a"), ["", "a"]);
        assert_eq!(plain("//"), ["", ""]);
        assert_eq!(plain("/a/b/c"), ["a", "b", "c"]);
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        assert_eq!(decoded("/a%2Fb/c").unwrap(), ["a/b", "c"]);
        assert_eq!(decoded("/%61/").unwrap(), ["a", ""]);
        assert_eq!(decoded("//%C3%A9").unwrap(), ["", "é"]);
    }

    #[test]
    fn decoding_happens_once() {
        assert_eq!(decoded("/%2561").unwrap(), ["%61"]);
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert_eq!(decoded("/%FF"), Err(BadPath::NotUtf8));
        assert_eq!(
            decoded("/%C3/%A9"),
            Err(BadPath::NotUtf8),
            "a character never spans segments"
        );
        assert_eq!(decoded("/a%00b"), Err(BadPath::Nul));
    }

    #[test]
    fn peeking_moves_nothing() {
        let mut segments = Segments::plain("/a/b");
        assert_eq!(segments.peek(), Some("a"));
        assert_eq!(segments.next(), Some("a"));
        assert!(!segments.is_empty());
        assert_eq!(segments.next(), Some("b"));
        assert!(segments.is_empty());
        assert_eq!(segments.peek(), None);
    }
}
