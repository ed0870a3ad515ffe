//! The path of a request: first split at `/`, then percent-decoded once.
//!
//! Splitting before decoding keeps an encoded slash (`%2F`) inside its segment, so no client can turn data into a
//! segment (RFC 3986 §2.2, §2.4: decode after the components were separated).

use std::fmt;

use percent_encoding::percent_decode_str;

/// The decoded form of a path, in buffers that the connection's next request reuses.
#[derive(Debug, Default)]
pub(crate) struct DecodedPath {
    /// Each segment after its own `/`, so that offsets mean the same as in the path as it was sent; then a slash that is
    /// not part of the path. A capture includes it where a slash policy has added a slash to the path.
    extended: String,
    /// The length of the path.
    len: usize,
    /// The path with NUL for every slash inside a segment; empty if there is none.
    masked: String,
}

/// Why a path cannot be decoded. The response is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Returns true if it already holds `path`, which has no escapes.
    #[inline]
    pub(crate) fn is_of(&self, path: &[u8]) -> bool {
        self.len > 0 && self.masked.is_empty() && self.extended.as_bytes().get(..self.len) == Some(path)
    }

    /// Stores a path without escapes, or `*`, or nothing.
    pub(crate) fn take_plain(&mut self, path: &str) {
        self.masked.clear();
        self.extended.clear();
        self.extended.reserve(path.len() + 1);
        self.extended.push_str(path);
        self.extended.push('/');
        self.len = path.len();
    }

    /// Decodes `raw`, which must start with `/`, segment by segment.
    pub(crate) fn decode(&mut self, raw: &str) -> Result<(), BadPath> {
        self.masked.clear();
        self.len = 0;
        let mut octets = std::mem::take(&mut self.extended).into_bytes();
        octets.clear();
        octets.reserve(raw.len() + 1);
        octets.extend(percent_decode_str(raw));
        if octets.contains(&0) {
            return Err(BadPath::Nul);
        }
        let len = octets.len();
        octets.push(b'/');
        // No character spans segments, because a slash is never part of one.
        self.extended = String::from_utf8(octets).map_err(|_| BadPath::NotUtf8)?;
        self.len = len;
        if raw.as_bytes().windows(3).any(|code| matches!(code, b"%2F" | b"%2f")) {
            self.mask(raw);
        }
        Ok(())
    }

    /// Decodes a path that is no text, with a replacement character for each octet that is none. Nobody dispatches by it.
    #[cold]
    pub(crate) fn decode_lossy(&mut self, raw: &str) {
        self.masked.clear();
        self.extended.clear();
        self.extended.push_str(&percent_decode_str(raw).decode_utf8_lossy());
        self.len = self.extended.len();
        self.extended.push('/');
    }

    #[cold]
    fn mask(&mut self, raw: &str) {
        self.masked.reserve(self.len);
        let mut start = 0;
        for segment in raw.get(1..).unwrap_or("").split('/') {
            let end = start + 1 + percent_decode_str(segment).count();
            let decoded = self.extended.get(start + 1..end).unwrap_or("");
            self.masked.push('/');
            self.masked
                .extend(decoded.chars().map(|c| if c == '/' { '\0' } else { c }));
            start = end;
        }
    }

    pub(crate) fn segments(&self) -> Segments<'_> {
        // `*` (RFC 9112 §3.2.4) and the authority form of CONNECT have no path, so no segments.
        Segments {
            path: self,
            start: if self.len <= 1 { self.len } else { 0 },
        }
    }

    pub(super) fn text(&self) -> &str {
        self.extended.get(..self.len).unwrap_or("")
    }

    /// Returns the path with NUL for every slash inside a segment.
    #[inline]
    fn masked(&self) -> &str {
        if self.masked.is_empty() {
            self.text()
        } else {
            &self.masked
        }
    }

    /// Returns the octets of [`masked`](DecodedPath::masked), which cost less than the text.
    #[inline]
    fn octets(&self) -> &[u8] {
        let text = if self.masked.is_empty() {
            &self.extended
        } else {
            &self.masked
        };
        text.as_bytes().get(..self.len).unwrap_or_default()
    }
}

/// Iterates over the decoded segments of a path, in order.
///
/// `/` has no segments. Every other path has one for each slash: `/a` is `["a"]`, `/a/` is `["a", ""]`, `//a` is
/// `["", "a"]`, and `/a%2Fb` is `["a/b"]`.
///
/// ```
/// let request = hansel::Request::get("/people/J%C3%BCrgen");
/// assert_eq!(request.segments().collect::<Vec<_>>(), ["people", "Jürgen"]);
/// ```
#[derive(Clone, Copy)]
pub struct Segments<'r> {
    path: &'r DecodedPath,
    /// The position of the slash before the next segment. At the end of the text, no segment is left.
    start: usize,
}

impl<'r> Segments<'r> {
    /// Returns true if no segment is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start >= self.path.len
    }

    /// Returns the next segment without consuming it.
    pub fn peek(&self) -> Option<&'r str> {
        let mut ahead = *self;
        ahead.next()
    }

    /// Returns what is left as one text: each segment after a slash. Empty if no segment is left.
    #[inline]
    pub(crate) fn text(&self) -> &'r str {
        self.path.text().get(self.start..).unwrap_or("")
    }

    /// Returns the same as [`text`](Segments::text), octet for octet, but with NUL for each slash inside a segment. So
    /// every slash in it begins a segment.
    #[inline]
    pub(crate) fn masked(&self) -> &'r str {
        self.path.masked().get(self.start..).unwrap_or("")
    }

    /// Returns how many slashes begin segments that were consumed.
    #[cfg(feature = "tower")]
    pub(crate) fn taken(&self) -> usize {
        let before = self.path.octets().get(..self.start).unwrap_or_default();
        before.iter().filter(|octet| **octet == b'/').count()
    }

    /// Returns the whole path, including what was consumed, and one more slash.
    #[inline]
    pub(crate) fn whole(&self) -> &'r str {
        &self.path.extended
    }

    /// Returns true if a segment that is left contains a slash.
    pub(crate) fn has_slash_inside(&self) -> bool {
        !self.path.masked.is_empty() && self.masked().contains('\0')
    }

    /// Returns true if this is the whole path `/`: no segment, and none consumed.
    #[cfg(feature = "regex")]
    pub(crate) fn is_root(&self) -> bool {
        self.path.text() == "/"
    }

    /// Returns the text of a path that [is the root](Segments::is_root).
    #[cfg(feature = "regex")]
    pub(crate) fn slash(&self) -> &'r str {
        self.path.text()
    }

    /// Returns true if this is the path of `OPTIONS *`, which has no segments.
    pub(crate) fn is_asterisk(&self) -> bool {
        self.path.text() == "*"
    }

    /// Returns the offset in the path of the text that is left.
    pub(crate) fn offset(&self) -> usize {
        self.start
    }

    /// Returns what is left after the first `bytes` of [`text`](Segments::text), if a segment ends there.
    #[inline]
    pub(crate) fn behind_text(&self, bytes: usize) -> Option<Segments<'r>> {
        let start = self.start + bytes;
        let at_boundary = start == self.path.len || self.path.octets().get(start) == Some(&b'/');
        at_boundary.then_some(Segments { start, ..*self })
    }

    /// Returns what is left after the first `count` segments, if there are that many.
    pub(crate) fn behind(&self, count: usize) -> Option<Segments<'r>> {
        let mut rest = *self;
        for _ in 0..count {
            rest.next()?;
        }
        Some(rest)
    }

    /// Returns the text of the segments that `rest` no longer has.
    pub(crate) fn until(&self, rest: &Segments<'r>) -> &'r str {
        self.path.text().get(self.start..rest.start).unwrap_or("")
    }
}

impl<'r> Iterator for Segments<'r> {
    type Item = &'r str;

    #[inline]
    fn next(&mut self) -> Option<&'r str> {
        if self.is_empty() { None } else { self.take_first() }
    }
}

impl<'r> Segments<'r> {
    fn take_first(&mut self) -> Option<&'r str> {
        let from = self.start + 1;
        let end = from + segment_len(self.path.octets().get(from..)?);
        self.start = end;
        self.path.extended.get(from..end)
    }
}

/// Returns the length of the segment at the start of what is left of a path, in which every slash separates segments.
#[inline]
pub(crate) fn segment_len(left: &[u8]) -> usize {
    left.iter().position(|&octet| octet == b'/').unwrap_or(left.len())
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
    fn a_path_that_comes_again_is_what_taking_it_up_would_make_of_it() {
        let paths = ["/", "/a", "/a/b", "/a%2Fb", "/%61", "/%ff", "/a%00", "*", "", "/a/b/"];
        for before in paths {
            for path in paths.iter().filter(|path| !path.contains('%')) {
                let mut kept = DecodedPath::default();
                match before.contains('%') {
                    true => drop(kept.decode(before)),
                    false => kept.take_plain(before),
                }
                if kept.is_of(path.as_bytes()) {
                    assert!(kept.segments().eq(plain(path).segments()), "{before} {path}");
                    assert_eq!((&kept.extended, &kept.masked), (&plain(path).extended, &String::new()));
                } else {
                    assert!(before != *path || path.is_empty(), "{path} is not known again");
                }
            }
        }
    }

    fn plain(raw: &str) -> DecodedPath {
        let mut path = DecodedPath::default();
        path.take_plain(raw);
        path
    }

    #[test]
    fn slashes_separate_and_none_is_lost() {
        let plain = |raw| plain(raw).segments().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(plain("/"), [""; 0]);
        assert_eq!(plain("*"), [""; 0]);
        assert_eq!(plain(""), [""; 0]);
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
        assert_eq!(decoded("/%2F/%2f%2F/é/").unwrap(), ["/", "//", "é", ""]);
    }

    #[test]
    fn decoding_happens_once() {
        assert_eq!(decoded("/%2561").unwrap(), ["%61"]);
    }

    #[test]
    fn what_was_there_before_is_gone() {
        let mut path = DecodedPath::default();
        path.decode("/a%2Fb/c").unwrap();
        path.take_plain("/a/b/c");
        assert_eq!(path.segments().collect::<Vec<_>>(), ["a", "b", "c"]);
        path.decode("/%FF").unwrap_err();
        path.decode("/%61").unwrap();
        assert_eq!(path.segments().collect::<Vec<_>>(), ["a"]);
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
        let path = plain("/a/b");
        let mut segments = path.segments();
        assert_eq!(segments.peek(), Some("a"));
        assert_eq!(segments.next(), Some("a"));
        assert!(!segments.is_empty());
        assert_eq!(segments.next(), Some("b"));
        assert!(segments.is_empty());
        assert_eq!(segments.peek(), None);
    }
}
