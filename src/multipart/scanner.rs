//! Finds the boundaries of a multipart body in whatever pieces it arrives.
//!
//! Nothing is copied. What has been consumed of a possible delimiter is the beginning of the delimiter, so if it turns
//! out to be content, it is read from there.

use std::io::{self, BufRead};
use std::ops::Range;

use super::malformed;

/// The whitespace that may stand between a boundary and the end of its line: enough for any gateway.
const PADDING: usize = 256;

/// A reader of the content between delimiters, and of the lines behind them.
pub(super) struct Scanner<R> {
    reader: R,
    /// RFC 2046 §5.1.1: "the boundary delimiter MUST occur at the beginning of a line, i.e., following a CRLF, and the
    /// initial CRLF is considered to be attached to the boundary delimiter line rather than part of the preceding part".
    delimiter: Vec<u8>,
    /// The number of bytes of the delimiter that have been consumed. They are content if another byte follows than it has.
    matched: usize,
    /// Which of these were consumed as content: not the CRLF of a line before it.
    matched_from: usize,
    /// The part of the delimiter that turned out to be content and is to be read.
    replayed: Range<usize>,
    /// The number of bytes in front of the reader that are known to be content, so that nothing is searched twice.
    known: usize,
    is_at_delimiter: bool,
}

impl<R: BufRead> Scanner<R> {
    pub(super) fn new(reader: R, boundary: &str) -> Scanner<R> {
        let mut scanner = Scanner {
            reader,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            matched: 0,
            matched_from: 0,
            replayed: 0..0,
            known: 0,
            is_at_delimiter: false,
        };
        scanner.begin();
        scanner
    }

    /// Begins content, at the beginning of a line: a delimiter that follows at once needs no further CRLF.
    pub(super) fn begin(&mut self) {
        const LINE_END: usize = 2;
        (self.matched, self.matched_from) = (LINE_END, LINE_END);
        self.is_at_delimiter = false;
    }

    /// Returns the next content, waiting for some. It is empty at a delimiter.
    pub(super) fn content(&mut self) -> io::Result<&[u8]> {
        while !self.is_at_delimiter && self.replayed.is_empty() && self.known == 0 {
            self.advance()?;
        }
        if !self.replayed.is_empty() {
            return Ok(self.delimiter.get(self.replayed.clone()).unwrap_or(&[]));
        }
        if self.is_at_delimiter {
            return Ok(&[]);
        }
        let available = self.reader.fill_buf()?;
        Ok(available.get(..self.known).unwrap_or(available))
    }

    /// Consumes so many bytes of what [`content`](Scanner::content) has returned.
    pub(super) fn consume(&mut self, amount: usize) {
        if self.replayed.is_empty() {
            let amount = amount.min(self.known);
            self.known -= amount;
            self.reader.consume(amount);
        } else {
            self.replayed.start += amount.min(self.replayed.len());
        }
    }

    /// Skips to the next delimiter.
    pub(super) fn skip(&mut self) -> io::Result<()> {
        loop {
            let skipped = self.content()?.len();
            if skipped == 0 {
                return Ok(());
            }
            self.consume(skipped);
        }
    }

    /// Reads the rest of a delimiter's line. Returns true if a part follows; if none does, reads to the end of the body.
    pub(super) fn delimiter_line(&mut self) -> io::Result<bool> {
        let mut line = Vec::new();
        if !self.line(&mut line, PADDING)? {
            return Err(malformed("text behind a boundary"));
        }
        let (rest, has_ended) = match line.strip_suffix(b"\r\n") {
            Some(rest) => (rest, true),
            None => (&*line, false),
        };
        let is_padding = |rest: &[u8]| rest.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        match rest.strip_prefix(b"--") {
            // RFC 2046 §5.1.1: "Such a delimiter line is identical to the previous delimiter lines, with the addition
            // of two more hyphens after the boundary parameter value." What follows is the epilogue.
            Some(rest) if is_padding(rest) => self.skip_epilogue().map(|()| false),
            None if has_ended && is_padding(rest) => Ok(true),
            // It says that the boundary "must not appear inside any of the encapsulated parts, on a line by itself or as
            // the prefix of any line". Some parsers take such a line for content, others for a boundary.
            _ => Err(malformed("text behind a boundary")),
        }
    }

    /// Appends a line with its end, or what there is before the end of the body. Returns false if that would be more
    /// than `most` bytes.
    pub(super) fn line(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<bool> {
        let mut left = most;
        loop {
            let available = uninterrupted(&mut self.reader)?;
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = end.unwrap_or(available.len());
            if taken > left {
                return Ok(false);
            }
            into.extend_from_slice(available.get(..taken).unwrap_or(&[]));
            left -= taken;
            self.reader.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(true);
            }
        }
    }

    fn skip_epilogue(&mut self) -> io::Result<()> {
        loop {
            let skipped = uninterrupted(&mut self.reader)?.len();
            if skipped == 0 {
                return Ok(());
            }
            self.reader.consume(skipped);
        }
    }

    /// Looks at what is available, and goes at least a byte on.
    fn advance(&mut self) -> io::Result<()> {
        let available = uninterrupted(&mut self.reader)?;
        if available.is_empty() {
            return Err(malformed("the body ends before its last boundary"));
        }
        if self.matched == 0 {
            self.known = content_len(available, &self.delimiter);
            if self.known > 0 {
                return Ok(());
            }
        }
        let expected = self.delimiter.get(self.matched..).unwrap_or(&[]);
        let same = common(available, expected);
        let is_refuted = same < expected.len() && same < available.len();
        self.reader.consume(same);
        self.matched += same;
        if self.matched == self.delimiter.len() {
            self.is_at_delimiter = true;
        } else if is_refuted {
            // Nothing in it can begin another delimiter: only its first byte is a CR.
            self.replayed = self.matched_from..self.matched;
            (self.matched, self.matched_from) = (0, 0);
        }
        Ok(())
    }
}

/// Returns how many bytes in front are content, whatever follows: those before a delimiter, or the beginning of one.
fn content_len(available: &[u8], delimiter: &[u8]) -> usize {
    let mut from = 0;
    loop {
        let rest = available.get(from..).unwrap_or(&[]);
        let Some(at) = find_cr(rest) else {
            return available.len();
        };
        let candidate = rest.get(at..).unwrap_or(&[]);
        let same = common(candidate, delimiter);
        if same == delimiter.len() || same == candidate.len() {
            return from + at;
        }
        // Linear: a CR is nowhere else in a delimiter.
        from += at + same;
    }
}

/// Finds the first CR. Most of a large file has none near, so many bytes are looked at together, which processors do at once.
fn find_cr(bytes: &[u8]) -> Option<usize> {
    const TOGETHER: usize = 32;
    let has_none = |chunk: &&[u8]| !chunk.iter().fold(false, |found, byte| found | (*byte == b'\r'));
    let before = bytes.chunks_exact(TOGETHER).take_while(has_none).count() * TOGETHER;
    let at = bytes.get(before..)?.iter().position(|byte| *byte == b'\r')?;
    Some(before + at)
}

/// Returns how many bytes both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn uninterrupted<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // What is in the buffer already.
    reader.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the content up to the first delimiter, if there is one, read in pieces of that size and so many bytes at a
    /// time.
    fn content(body: &[u8], piece: usize, step: usize) -> Option<Vec<u8>> {
        let mut scanner = Scanner::new(io::BufReader::with_capacity(piece, body), "b");
        let mut read = Vec::new();
        loop {
            let content = scanner.content().ok()?;
            if content.is_empty() {
                return Some(read);
            }
            let taken = content.len().min(step);
            read.extend_from_slice(&content[..taken]);
            scanner.consume(taken);
        }
    }

    #[test]
    fn a_delimiter_is_found_across_all_edges_and_what_only_begins_like_one_is_content() {
        for (body, expected) in [
            ("--b", Some("")),
            ("\r\n--b", Some("")),
            ("-\r\n--b", Some("-")),
            ("--\r\n--b", Some("--")),
            ("x--b\r\n--b", Some("x--b")),
            ("\r\r\n--b", Some("\r")),
            ("\r\n\r\n--b", Some("\r\n")),
            ("\r\n-\r\n--\r\n--c\r\n--b", Some("\r\n-\r\n--\r\n--c")),
            ("\n--b\r\n--b", Some("\n--b")),
            ("\r\n--", None),
            ("", None),
        ] {
            for piece in 1..=body.len() + 1 {
                for step in [1, 2, 100] {
                    let found = content(body.as_bytes(), piece, step);
                    assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{body:?} {piece} {step}");
                }
            }
        }
    }

    /// Counts the calls of its methods, each of which costs a search at most.
    struct Counted<'b> {
        rest: &'b [u8],
        piece: usize,
        calls: usize,
    }

    impl io::Read for Counted<'_> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("it is read by its buffer")
        }
    }

    impl BufRead for Counted<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.calls += 1;
            Ok(&self.rest[..self.rest.len().min(self.piece)])
        }

        fn consume(&mut self, amount: usize) {
            self.rest = &self.rest[amount..];
        }
    }

    #[test]
    fn what_looks_like_a_delimiter_again_and_again_takes_linear_time() {
        let boundary = "-".repeat(70);
        let near = format!("\r\n--{}", &boundary[1..]);
        for (unit, piece) in [(&*near, 64 * 1024), ("\r", 64 * 1024), (&near, 1), ("\r\n", 3)] {
            let calls = |times: usize| {
                let body = [unit.repeat(times), format!("\r\n--{boundary}")].concat();
                let rest = body.as_bytes();
                let mut scanner = Scanner::new(Counted { rest, piece, calls: 0 }, &boundary);
                scanner.skip().unwrap();
                (scanner.reader.calls, body.len())
            };
            let ((one, _), (two, len)) = (calls(1000), calls(2000));
            assert!(two <= 2 * one + 8 && two <= 8 * len, "{unit:?}: {one}, {two}");
        }
    }

    #[test]
    fn content_that_is_read_byte_by_byte_is_searched_once() {
        let body = [vec![b'x'; 100_000], b"\r\n--b".to_vec()].concat();
        let mut scanner = Scanner::new(&*body, "b");
        scanner.content().unwrap();
        // All of it is known now.
        assert_eq!(scanner.known, 100_000);
        scanner.consume(1);
        assert_eq!((scanner.known, scanner.content().unwrap().len()), (99_999, 99_999));
    }
}
