//! Counts requests by the blank lines that end their heads.

use memchr::memmem::Finder;

const BLANK: &[u8] = b"\r\n\r\n";

/// Returns a finder of blank lines.
pub(crate) fn finder() -> Finder<'static> {
    Finder::new(BLANK)
}

/// How far the input of a connection was counted.
pub(crate) struct Counter {
    /// Bytes of body after each head.
    body: usize,
    /// Bytes of the current body that have not arrived, if its head is complete.
    left: Option<usize>,
    /// How many bytes of a blank line end the input so far.
    matched: usize,
}

impl Counter {
    pub(crate) fn new(body: usize) -> Counter {
        Counter {
            body,
            left: None,
            matched: 0,
        }
    }

    /// Returns how many requests `input` completes.
    pub(crate) fn count(&mut self, mut input: &[u8], finder: &Finder<'_>) -> usize {
        let mut requests = 0;
        loop {
            if self.left.is_none() {
                match self.end_of_head(input, finder) {
                    Some(end) => input = &input[end..],
                    None => return requests,
                }
            }
            let left = self.left.unwrap_or(self.body);
            if left > input.len() {
                self.left = Some(left - input.len());
                return requests;
            }
            input = &input[left..];
            self.left = None;
            requests += 1;
        }
    }

    /// Returns where in `input` the first head ends.
    fn end_of_head(&mut self, input: &[u8], finder: &Finder<'_>) -> Option<usize> {
        let mut start = 0;
        // A blank line that the last read may have split.
        while self.matched > 0 {
            let &byte = input.get(start)?;
            start += 1;
            self.matched = match (byte == BLANK[self.matched], byte) {
                (true, _) => self.matched + 1,
                (false, b'\r') => 1,
                (false, _) => 0,
            };
            if self.matched == BLANK.len() {
                self.matched = 0;
                return Some(start);
            }
        }
        let rest = &input[start..];
        let found = finder.find(rest);
        if found.is_none() {
            let ends_with = |n: &usize| rest.ends_with(&BLANK[..*n]);
            self.matched = (1..BLANK.len()).rev().find(ends_with).unwrap_or(0);
        }
        found.map(|at| start + at + BLANK.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_wherever_reads_cut_them() {
        let input = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nabcGET / HTTP/1.1\r\n\r\nabcPOST";
        for size in 1..=input.len() {
            let mut counter = Counter::new(3);
            let requests: usize = input.chunks(size).map(|piece| counter.count(piece, &finder())).sum();
            assert_eq!(requests, 2, "in pieces of {size}");
        }
    }
}
