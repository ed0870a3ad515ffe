//! The path of a request: split on `/` first, then percent-decoded, once.
//!
//! Splitting before decoding keeps an encoded slash (`%2F`) inside its segment, so that no client can
//! make a segment out of data (RFC 3986 §2.2, §2.4: decode after the components have been separated).

use std::fmt;

use percent_encoding::percent_decode_str;

/// The decoded form of a path, in buffers that the connection's next request uses again.
#[derive(Debug, Default)]
pub(crate) struct DecodedPath {
    /// Each segment behind a `/` of its own, so that offsets mean what they do in the path as it was sent.
    text: String,
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
    /// Takes up a path without escapes, or `*`, or nothing.
    pub(crate) fn take_plain(&mut self, path: &str) {
        self.masked.clear();
        self.text.clear();
        self.text.push_str(path);
    }

    /// Decodes `raw`, which must start with `/`, segment by segment.
    pub(crate) fn decode(&mut self, raw: &str) -> Result<(), BadPath> {
        self.masked.clear();
        let mut octets = std::mem::take(&mut self.text).into_bytes();
        octets.clear();
        octets.reserve(raw.len());
        octets.extend(percent_decode_str(raw));
        if octets.contains(&0) {
            return Err(BadPath::Nul);
        }
        // No character spans segments: a slash is never a part of one.
        self.text = String::from_utf8(octets).map_err(|_| BadPath::NotUtf8)?;
        let is_slash = |code: &str| code.starts_with("2F") || code.starts_with("2f");
        if raw.split('%').skip(1).any(is_slash) {
            self.mask(raw);
        }
        Ok(())
    }

    fn mask(&mut self, raw: &str) {
        self.masked.reserve(self.text.len());
        let mut start = 0;
        for segment in raw.get(1..).unwrap_or("").split('/') {
            let end = start + 1 + percent_decode_str(segment).count();
            let decoded = self.text.get(start + 1..end).unwrap_or("");
            self.masked.push('/');
            self.masked
                .extend(decoded.chars().map(|c| if c == '/' { '\0' } else { c }));
            start = end;
        }
    }

    pub(crate) fn segments(&self) -> Segments<'_> {
        // `*` (RFC 9112 §3.2.4) and the authority form of CONNECT have no path, so no segments.
        let is_empty = self.text.len() <= 1;
        Segments {
            path: self,
            start: if is_empty { self.text.len() } else { 0 },
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn masked(&self) -> &str {
        if self.masked.is_empty() {
            &self.text
        } else {
            &self.masked
        }
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
    path: &'r DecodedPath,
    /// Where the slash before the next segment is; at the end of the text, no segment is left.
    start: usize,
}

impl<'r> Segments<'r> {
    /// Whether no segment is left.
    pub fn is_empty(&self) -> bool {
        self.start >= self.path.text.len()
    }

    /// The next segment, without moving on.
    pub fn peek(&self) -> Option<&'r str> {
        let mut ahead = *self;
        ahead.next()
    }

    /// What is left as one text: each segment behind a slash. Empty if no segment is left.
    pub(crate) fn text(&self) -> &'r str {
        self.path.text.get(self.start..).unwrap_or("")
    }

    /// As [`text`](Segments::text), octet for octet, but with NUL for each slash inside a segment: here
    /// every slash begins a segment.
    pub(crate) fn masked(&self) -> &'r str {
        self.path.masked().get(self.start..).unwrap_or("")
    }

    /// [`text`](Segments::text) and [`masked`](Segments::masked).
    #[inline]
    pub(crate) fn texts(&self) -> (&'r str, &'r str) {
        let text = self.text();
        (
            text,
            if self.path.masked.is_empty() {
                text
            } else {
                self.masked()
            },
        )
    }

    /// Whether this is the whole of `/`: no segment, and none taken.
    #[cfg(feature = "regex")]
    pub(crate) fn is_root(&self) -> bool {
        self.path.text == "/"
    }

    /// Whether this is the path of `OPTIONS *`, which is none.
    pub(crate) fn is_asterisk(&self) -> bool {
        self.path.text == "*"
    }

    /// Where in the path the text is that is left.
    pub(crate) fn offset(&self) -> usize {
        self.start
    }

    /// What is left behind the first `bytes` of [`text`](Segments::text), if a segment ends there.
    #[inline]
    pub(crate) fn behind_text(&self, bytes: usize) -> Option<Segments<'r>> {
        let start = self.start + bytes;
        let at_boundary = start == self.path.text.len() || self.path.masked().as_bytes().get(start) == Some(&b'/');
        at_boundary.then_some(Segments { start, ..*self })
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
        self.path.text.get(self.start..rest.start).unwrap_or("")
    }
}

impl<'r> Iterator for Segments<'r> {
    type Item = &'r str;

    fn next(&mut self) -> Option<&'r str> {
        if self.is_empty() {
            return None;
        }
        let from = self.start + 1;
        let end = match self.path.masked().get(from..)?.find('/') {
            Some(len) => from + len,
            None => self.path.text.len(),
        };
        self.start = end;
        self.path.text.get(from..end)
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
