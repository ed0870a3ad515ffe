//! The requests, with the expected responses. They are made before the run, so that sending varied ones costs no more
//! than repeating one.

use std::ops::Range;

use crate::clients::{Client, Random, written};
use crate::options::{Options, Work};

/// About how many bytes of requests are made: few enough to stay in the processor's cache.
const BYTES: usize = 512 * 1024;
/// The least number of different batches, and of batches for each client if it has its own.
const LEAST: usize = 8;
/// One in this many requests of a mix is slow.
const SLOW: usize = 10;

/// All requests of a run.
pub(crate) struct Requests {
    bytes: Vec<u8>,
    expected: Vec<u8>,
    /// Requests that are sent together follow each other.
    all: Vec<Request>,
    depth: usize,
    /// How many batches there are for each connection; `None` if all share them.
    own: Option<usize>,
}

struct Request {
    bytes: Range<usize>,
    expected: Range<usize>,
    kind: Kind,
}

/// A kind of request, measured separately from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Quick,
    Slow,
}

/// Requests that are sent together: the index of the first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch(usize);

impl Requests {
    pub(crate) fn new(options: &Options) -> Requests {
        let mut requests = Requests {
            bytes: Vec::new(),
            expected: Vec::new(),
            all: Vec::new(),
            depth: options.depth,
            own: None,
        };
        let mut random = Random::new(options.seed);
        if options.has_own_clients {
            for _ in 0..options.connections {
                let client = Client::new(&mut random);
                for _ in 0..LEAST * options.depth {
                    requests.push(options, &client, &mut random);
                }
            }
            requests.own = Some(LEAST);
        } else {
            while requests.bytes.len() < BYTES || requests.all.len() < LEAST * options.depth {
                for _ in 0..options.depth {
                    let client = Client::new(&mut random);
                    requests.push(options, &client, &mut random);
                }
            }
        }
        requests
    }

    fn push(&mut self, options: &Options, client: &Client, random: &mut Random) {
        let is_slow = match options.work {
            Work::Sleep => true,
            Work::Mix | Work::LockMix => self.all.len() % SLOW == SLOW - 1,
            _ => false,
        };
        let (text, expected) = written(options, client, random, is_slow);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        let expected_start = self.expected.len();
        self.expected.extend_from_slice(expected.as_bytes());
        self.all.push(Request {
            bytes: start..self.bytes.len(),
            expected: expected_start..self.expected.len(),
            kind: if is_slow { Kind::Slow } else { Kind::Quick },
        });
    }

    /// Returns the batch that a connection sends as its `turn`th.
    pub(crate) fn batch(&self, connection: usize, turn: usize) -> Batch {
        let batches = self.all.len() / self.depth;
        let index = match self.own {
            Some(own) => connection * own + turn % own,
            // Another client each time, far from the last: 7919 is prime.
            None => connection * 7919 + turn,
        };
        Batch(index % batches * self.depth)
    }

    /// Returns where the bytes of a batch are in [`bytes`](Requests::bytes).
    pub(crate) fn range(&self, batch: Batch) -> Range<usize> {
        self.all[batch.0].bytes.start..self.all[batch.0 + self.depth - 1].bytes.end
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    pub(crate) fn kind(&self, batch: Batch) -> Kind {
        self.all[batch.0].kind
    }

    /// Returns the body of the response to the request at `index` of a batch.
    pub(crate) fn expected(&self, batch: Batch, index: usize) -> &[u8] {
        &self.expected[self.all[batch.0 + index].expected.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn requests(line: &str) -> Requests {
        let line = format!("127.0.0.1:8000 {line}");
        Requests::new(&Options::of(line.split_whitespace().map(str::to_owned)).unwrap())
    }

    #[test]
    fn requests_of_a_kind_differ_in_what_they_say_and_in_length() {
        for line in ["hello", "item", "json", "10k", "upload --body 7", "hello --close"] {
            let requests = requests(line);
            let text = |turn| requests.bytes(requests.range(requests.batch(3, turn)));
            let texts: Vec<_> = (0..100).map(text).collect();
            assert!(texts.iter().collect::<HashSet<_>>().len() > 95, "{line}");
            let lengths: HashSet<_> = texts.iter().map(|text| text.len()).collect();
            assert!(lengths.len() > 20, "{line} has {lengths:?}");
        }
    }

    #[test]
    fn the_seed_decides_what_is_asked() {
        let all = |line| {
            let requests = requests(line);
            requests.bytes(0..requests.bytes.len()).to_vec()
        };
        assert!(all("item") == all("item --seed 1"), "that is the default");
        assert!(all("item") != all("item --seed 2"));
    }

    #[test]
    fn the_smallest_request_is_always_the_same() {
        let requests = requests("smallest --connections 3");
        let text = |turn| requests.bytes(requests.range(requests.batch(1, turn)));
        assert_eq!(text(0), b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n");
        assert!((1..100).all(|turn| text(turn) == text(0)));
    }

    #[test]
    fn a_client_of_its_own_keeps_its_fields() {
        let requests = requests("item --clients own --connections 2");
        let text = |connection, turn| {
            let text = requests.bytes(requests.range(requests.batch(connection, turn)));
            String::from_utf8(text.to_vec()).unwrap()
        };
        let fields = |text: &str| text.split_once("\r\n").unwrap().1.to_owned();
        assert_ne!(text(0, 0), text(0, 1));
        assert_eq!(fields(&text(0, 0)), fields(&text(0, 1)));
        assert_ne!(fields(&text(0, 0)), fields(&text(1, 0)));
        assert_eq!(text(0, 0).matches(": ").count(), 13);
    }

    #[test]
    fn one_of_ten_of_a_mix_is_slow() {
        let requests = requests("mix");
        let slow = (0..1000).filter(|&turn| requests.kind(requests.batch(1, turn)) == Kind::Slow);
        assert_eq!(slow.count(), 100);
    }

    #[test]
    fn a_batch_has_its_requests_in_order() {
        let requests = requests("item --depth 3");
        let batch = requests.batch(1, 1);
        let text = String::from_utf8_lossy(requests.bytes(requests.range(batch)));
        let paths: Vec<_> = text.matches("GET /shops/").collect();
        assert_eq!(paths.len(), 3);
        let second = text.split("/items/").nth(2).unwrap();
        let item = second.split_once('?').unwrap().0;
        let expected = String::from_utf8_lossy(requests.expected(batch, 1));
        assert!(expected.starts_with(&format!("<p>Item {item} of ")), "{expected}");
    }
}
