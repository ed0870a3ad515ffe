//! The path of a request: split on `/` first, then percent-decoded, once.
//!
//! Splitting before decoding keeps an encoded slash (`%2F`) inside its segment, so that no client can
//! make a segment out of data (RFC 3986 §2.2, §2.4: decode after the components have been separated).

use percent_encoding::percent_decode;
use std::fmt;

/// The decoded form of a path that contains `%`. A path without one is its own decoded form and is
/// never copied.
#[derive(Debug, Default)]
pub(super) struct DecodedPath {
    text: String,
    /// Where each segment ends in `text`.
    ends: Vec<u32>,
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
    pub(super) fn decode(&mut self, raw: &str) -> Result<(), BadPath> {
        self.text.clear();
        self.ends.clear();
        for segment in raw.get(1..).unwrap_or("").split('/') {
            let start = self.text.len();
            let decoded = percent_decode(segment.as_bytes()).decode_utf8();
            self.text.push_str(&decoded.map_err(|_| BadPath::NotUtf8)?);
            if self.text.as_bytes()[start..].contains(&0) {
                return Err(BadPath::Nul);
            }
            self.ends.push(self.text.len() as u32);
        }
        Ok(())
    }

    pub(super) fn segments(&self) -> Segments<'_> {
        Segments(Form::Decoded {
            text: &self.text,
            ends: &self.ends,
            start: 0,
        })
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
pub struct Segments<'r>(Form<'r>);

#[derive(Clone, Copy)]
enum Form<'r> {
    /// Nothing in the path is escaped: what is left of it, without its leading slash.
    Plain(Option<&'r str>),
    Decoded {
        text: &'r str,
        ends: &'r [u32],
        start: usize,
    },
}

impl<'r> Segments<'r> {
    /// The segments of a path without escapes.
    pub(super) fn plain(raw: &'r str) -> Segments<'r> {
        // `*` (RFC 9112 §3.2.4) and the authority form of CONNECT have no path, so no segments.
        Segments(Form::Plain(raw.strip_prefix('/').filter(|rest| !rest.is_empty())))
    }

    /// Whether no segment is left.
    pub fn is_empty(&self) -> bool {
        match self.0 {
            Form::Plain(rest) => rest.is_none(),
            Form::Decoded { ends, .. } => ends.is_empty(),
        }
    }

    /// The next segment, without moving on.
    pub fn peek(&self) -> Option<&'r str> {
        let mut ahead = *self;
        ahead.next()
    }
}

impl<'r> Iterator for Segments<'r> {
    type Item = &'r str;

    fn next(&mut self) -> Option<&'r str> {
        match &mut self.0 {
            Form::Plain(left) => {
                let rest = (*left)?;
                match rest.find('/') {
                    Some(slash) => {
                        *left = Some(&rest[slash + 1..]);
                        Some(&rest[..slash])
                    }
                    None => {
                        *left = None;
                        Some(rest)
                    }
                }
            }
            Form::Decoded { text, ends, start } => {
                let (&end, behind) = ends.split_first()?;
                let segment = text.get(*start..end as usize);
                *start = end as usize;
                *ends = behind;
                segment
            }
        }
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
