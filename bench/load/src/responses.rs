//! Follows the responses of a connection: where each begins and ends, and whether it is right.
//!
//! A response is parsed completely as long as its length is unknown, and now and then to check it. Otherwise only its
//! beginning is checked and its bytes are counted. That detects a wrong length, because the next response then begins
//! wrongly.

use crate::requests::{Batch, Kind, Requests};

/// One in this many responses of a connection is checked completely.
const SAMPLE: u32 = 61;
/// Responses up to this length are checked with their bodies.
const SMALL: usize = 32 * 1024;
const START: &[u8] = b"HTTP/1.1 ";

/// The lengths of responses by kind, head included, once known.
#[derive(Debug, Default)]
pub(crate) struct Lengths {
    quick: Length,
    slow: Length,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Unknown,
    /// This many bytes more than what [depends](varying) on the expected body.
    More(usize),
    /// Unknown in advance: each response is parsed.
    Varies,
}

/// Returns how much of a response's length depends on its body: the body, and the digits of its length.
fn varying(body: &[u8]) -> usize {
    let digits = body.len().checked_ilog10().unwrap_or_default() as usize + 1;
    body.len() + digits
}

/// Why a response counts as failed. The connection can continue only after `Status` and `Body`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Complete, but of another status.
    Status,
    /// A body other than the expected one.
    Body,
    /// Not HTTP, or more than was requested.
    Malformed,
}

/// The position of a connection in the responses to a batch.
#[derive(Default)]
pub(crate) struct Responses {
    batch: Batch,
    kind: Option<Kind>,
    /// How many responses to this batch have ended, and how many are expected.
    ended: usize,
    depth: usize,
    /// Bytes of the current response that have not arrived, if it is only counted.
    left: usize,
    /// The beginning of a response that must be parsed.
    whole: Vec<u8>,
    since_sample: u32,
    is_sample: bool,
    pub(crate) sampled: u64,
}

impl Responses {
    /// Prepares for the responses to `batch`.
    pub(crate) fn expect(&mut self, batch: Batch, kind: Kind, depth: usize) {
        self.batch = batch;
        self.kind = Some(kind);
        self.ended = 0;
        self.depth = depth;
    }

    /// Returns true if all responses to the batch have ended.
    pub(crate) fn are_complete(&self) -> bool {
        self.ended == self.depth
    }

    /// Processes what has arrived. Wrong responses are reported through `complain`; an error ends the connection.
    pub(crate) fn take(
        &mut self,
        mut input: &[u8],
        lengths: &mut Lengths,
        check: &Check<'_>,
        mut complain: impl FnMut(Wrong),
    ) -> Result<(), Wrong> {
        while !input.is_empty() {
            if self.left > 0 {
                let n = self.left.min(input.len());
                self.left -= n;
                input = &input[n..];
                if self.left == 0 {
                    self.ended += 1;
                }
            } else if self.are_complete() {
                return Err(Wrong::Malformed);
            } else {
                input = self.begin(input, lengths, check, &mut complain)?;
            }
        }
        Ok(())
    }

    /// Begins a response. Returns the rest of the input.
    fn begin<'i>(
        &mut self,
        input: &'i [u8],
        lengths: &mut Lengths,
        check: &Check<'_>,
        complain: &mut impl FnMut(Wrong),
    ) -> Result<&'i [u8], Wrong> {
        let length = lengths.of(self.kind);
        if self.whole.is_empty() {
            self.since_sample += 1;
            self.is_sample = self.since_sample >= SAMPLE;
            if let (Length::More(more), false, true) = (*length, self.is_sample, check.begins_right(input)) {
                self.left = more + varying(check.due(self.batch, self.ended));
                return Ok(input);
            }
        }
        self.whole.extend_from_slice(input);
        let Some(head) = Head::of(&self.whole)? else {
            return Ok(&[]);
        };
        let total = head.len + head.body;
        let index = self.ended;
        if total > SMALL && self.whole.len() < total {
            self.left = total - self.whole.len();
        } else if self.whole.len() < total {
            return Ok(&[]);
        } else {
            self.ended += 1;
        }
        let body = self.whole.get(head.len..total);
        if head.status != check.status {
            complain(Wrong::Status);
        } else {
            let due = check.due(self.batch, index);
            if !due.is_empty() && body != Some(due) {
                complain(Wrong::Body);
            }
            length.learn(total, due);
        }
        self.since_sample = 0;
        self.sampled += u64::from(self.is_sample);
        let behind = self.whole.len().saturating_sub(total);
        self.whole.clear();
        Ok(&input[input.len() - behind..])
    }
}

/// The requests that responses are checked against, and how closely.
pub(crate) struct Check<'r> {
    pub(crate) requests: &'r Requests,
    pub(crate) bodies: bool,
    /// The status of the right responses.
    pub(crate) status: u16,
}

impl<'r> Check<'r> {
    fn begins_right(&self, input: &[u8]) -> bool {
        let status = input.strip_prefix(START).and_then(|rest| rest.get(..3));
        status.is_some_and(|digits| {
            digits
                .iter()
                .fold(0, |n, digit| n * 10 + u16::from(digit.wrapping_sub(b'0')))
                == self.status
        })
    }

    /// Returns the body that is expected at `index` of a batch; empty if it is not checked, and then all have the same
    /// length.
    fn due(&self, batch: Batch, index: usize) -> &'r [u8] {
        if self.bodies {
            self.requests.expected(batch, index)
        } else {
            &[]
        }
    }
}

impl Lengths {
    fn of(&mut self, kind: Option<Kind>) -> &mut Length {
        match kind {
            Some(Kind::Slow) => &mut self.slow,
            _ => &mut self.quick,
        }
    }
}

impl Length {
    fn learn(&mut self, total: usize, due: &[u8]) {
        let found = total.checked_sub(varying(due));
        *self = match (*self, found) {
            (Length::Unknown, Some(found)) => Length::More(found),
            (Length::More(known), Some(found)) if known == found => Length::More(known),
            _ => Length::Varies,
        };
    }
}

/// The parts of a response's head that are checked.
struct Head {
    status: u16,
    len: usize,
    body: usize,
}

impl Head {
    /// Returns the head at the beginning of `bytes`, if it is complete.
    fn of(bytes: &[u8]) -> Result<Option<Head>, Wrong> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if bytes.starts_with(b"HTTP/1.1") || bytes.len() < 8 {
                Ok(None)
            } else {
                Err(Wrong::Malformed)
            };
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Wrong::Malformed)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status
            .and_then(|line| line.get(..3)?.parse().ok())
            .ok_or(Wrong::Malformed)?;
        // RFC 9110 §6.4.1: a 304 has no content, whatever its Content-Length says.
        if status == 304 {
            let len = end + 4;
            return Ok(Some(Head { status, len, body: 0 }));
        }
        let body = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .ok_or(Wrong::Malformed)?;
        Ok(Some(Head {
            status,
            len: end + 4,
            body,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn taken(input: &[u8], depth: usize, size: usize) -> (Result<(), Wrong>, Vec<Wrong>, usize) {
        let line = "127.0.0.1:8000 hello";
        let options = Options::of(line.split_whitespace().map(str::to_owned)).unwrap();
        let requests = Requests::new(&options);
        let check = Check {
            requests: &requests,
            bodies: true,
            status: 200,
        };
        let (mut lengths, mut wrong, mut responses) = (Lengths::default(), Vec::new(), Responses::default());
        responses.expect(Batch::default(), Kind::Quick, depth);
        let mut outcome = Ok(());
        for piece in input.chunks(size) {
            outcome = outcome.and(responses.take(piece, &mut lengths, &check, |what| wrong.push(what)));
        }
        (outcome, wrong, responses.ended)
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!";

    #[test]
    fn responses_are_counted_wherever_reads_cut_them() {
        let input = GOOD.repeat(130);
        for size in 1..200 {
            assert_eq!(
                taken(input.as_bytes(), 130, size),
                (Ok(()), vec![], 130),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let other_body = GOOD.replace("World", "Wurld");
        let other_status = GOOD.replace("200 OK", "503 No");
        for size in [1, 7, 1000] {
            let (outcome, wrong, ended) = taken(other_body.as_bytes(), 1, size);
            assert_eq!((outcome, &wrong[..], ended), (Ok(()), &[Wrong::Body][..], 1));
            let (outcome, wrong, ended) = taken(format!("{GOOD}{other_status}{GOOD}").as_bytes(), 3, size);
            assert_eq!((outcome, &wrong[..], ended), (Ok(()), &[Wrong::Status][..], 3));
        }
        assert_eq!(taken(b"<html>what?</html>", 1, 100).0, Err(Wrong::Malformed));
        assert_eq!(taken(GOOD.repeat(2).as_bytes(), 1, 1000).0, Err(Wrong::Malformed));
    }

    #[test]
    fn another_length_is_noticed() {
        let longer = GOOD.replace("13", "14").replace('!', "!!");
        let input = format!("{GOOD}{GOOD}{longer}{GOOD}");
        let (outcome, wrong, _) = taken(input.as_bytes(), 4, 1000);
        assert!(outcome.is_err() || !wrong.is_empty());
    }

    #[test]
    fn responses_with_bodies_of_different_lengths_are_counted_by_what_is_due() {
        let line = "127.0.0.1:8000 item --depth 200";
        let requests = Requests::new(&Options::of(line.split_whitespace().map(str::to_owned)).unwrap());
        let check = Check {
            requests: &requests,
            bodies: true,
            status: 200,
        };
        let batch = requests.batch(0, 0);
        let body = |index| String::from_utf8_lossy(requests.expected(batch, index));
        let response = |index| {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
                body(index).len(),
                body(index)
            )
        };
        let all: String = (0..200).map(response).collect();
        for size in [1, 7, 100, 100_000] {
            let (mut lengths, mut responses) = (Lengths::default(), Responses::default());
            responses.expect(batch, Kind::Quick, 200);
            for piece in all.as_bytes().chunks(size) {
                let complain = |wrong| panic!("{wrong:?} in pieces of {size}");
                responses.take(piece, &mut lengths, &check, complain).unwrap();
            }
            assert!(responses.are_complete());
            assert!(matches!(lengths.quick, Length::More(_)), "{lengths:?}");
            // What comes in pieces has to be parsed anyway.
            assert!(size < 100_000 || responses.sampled == 3, "{}", responses.sampled);
        }
    }

    #[test]
    fn large_responses_are_counted_without_being_kept() {
        let body = "x".repeat(100_000);
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{body}");
        let (outcome, _, ended) = taken(response.repeat(3).as_bytes(), 3, 5000);
        assert_eq!((outcome, ended), (Ok(()), 3));
    }
}
