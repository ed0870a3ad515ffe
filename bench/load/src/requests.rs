//! The requests: made before the run, so that sending varied ones costs no more than sending the same
//! one for ever, and with the answers that are due.

use std::fmt::Write;
use std::ops::Range;

use crate::options::{Options, Work};

/// About how many bytes of requests are made: few enough to stay in the processor's cache.
const BYTES: usize = 512 * 1024;
/// How many different batches there are at least, and for each client if it has its own.
const LEAST: usize = 8;
/// Of so many requests of a mix one is slow.
const SLOW: usize = 10;

/// All requests of a run.
pub(crate) struct Requests {
    bytes: Vec<u8>,
    expected: Vec<u8>,
    /// Those that are sent together follow each other.
    all: Vec<Request>,
    depth: usize,
    /// How many batches there are for each connection; for all together, if that is none.
    own: Option<usize>,
}

struct Request {
    bytes: Range<usize>,
    expected: Range<usize>,
    kind: Kind,
}

/// What is measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Quick,
    Slow,
}

/// Requests that are sent together: an index of the first.
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
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
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
            Work::Mix => self.all.len() % SLOW == SLOW - 1,
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

    /// The batch that a connection sends as its `turn`th.
    pub(crate) fn batch(&self, connection: usize, turn: usize) -> Batch {
        let batches = self.all.len() / self.depth;
        let index = match self.own {
            Some(own) => connection * own + turn % own,
            // Another client each time, far from the last: 7919 is prime.
            None => connection * 7919 + turn,
        };
        Batch(index % batches * self.depth)
    }

    /// Where the bytes of a batch are in [`bytes`](Requests::bytes).
    pub(crate) fn range(&self, batch: Batch) -> Range<usize> {
        self.all[batch.0].bytes.start..self.all[batch.0 + self.depth - 1].bytes.end
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    pub(crate) fn kind(&self, batch: Batch) -> Kind {
        self.all[batch.0].kind
    }

    /// The body that answers the request at `index` of a batch.
    pub(crate) fn expected(&self, batch: Batch, index: usize) -> &[u8] {
        &self.expected[self.all[batch.0 + index].expected.clone()]
    }
}

/// What a client sends with all its requests.
struct Client {
    session: u64,
    version: u64,
    /// The page from which it asks.
    shop: u64,
}

impl Client {
    fn new(random: &mut Random) -> Client {
        Client {
            session: random.below(1 << 48),
            version: 100 + random.below(50),
            shop: random.below(100),
        }
    }
}

/// A request and the body of its answer. Lengths are the same for all requests of a kind.
fn written(options: &Options, client: &Client, random: &mut Random, is_slow: bool) -> (String, String) {
    let hello = || work::HELLO.to_owned();
    let number = random.below(1_000_000);
    let (line, expected) = match options.work {
        _ if is_slow => (format!("GET /sleep?n={number:06}"), hello()),
        Work::Hello | Work::Mix | Work::Sleep => (format!("GET /?n={number:06}"), hello()),
        Work::Item => return item(options, client, random),
        Work::Json => {
            let json = String::from_utf8_lossy(&work::json()).into_owned();
            (format!("GET /json?n={number:06}"), json)
        }
        // Too long to be kept for each request: their length is checked.
        Work::TenKb => (format!("GET /10k?n={number:06}"), String::new()),
        Work::OneMb => (format!("GET /1m?n={number:06}"), String::new()),
        Work::Upload => (format!("POST /upload?n={number:06}"), options.body.to_string()),
    };
    let mut text = format!(
        "{line} HTTP/1.1\r\nHost: {}\r\nCookie: session={:012x}\r\n",
        options.address, client.session
    );
    if options.closes {
        text.push_str("Connection: close\r\n");
    }
    if options.work == Work::Upload {
        let _ = write!(text, "Content-Length: {}\r\n", options.body);
    }
    text.push_str("\r\n");
    if options.work == Work::Upload {
        text.extend(std::iter::repeat_n('u', options.body));
    }
    (text, expected)
}

/// A request as a browser sends it, with 13 fields.
fn item(options: &Options, client: &Client, random: &mut Random) -> (String, String) {
    let (address, session, version, from) = (options.address, client.session, client.version, client.shop);
    let (shop, item, page) = (random.below(100), random.below(1_000_000), random.below(100));
    let text = format!(
        "GET /shops/{shop:02}/items/{item:06}?page={page:02}&sort=price HTTP/1.1\r\n\
         Host: {address}\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Language: en-US,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Referer: http://{address}/shops/{from:02}\r\n\
         Connection: keep-alive\r\n\
         Cookie: theme=dark; session={session:012x}; consent=all\r\n\
         Upgrade-Insecure-Requests: 1\r\n\
         Sec-Fetch-Dest: document\r\n\
         Sec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Priority: u=0, i\r\n\r\n"
    );
    let query = format!("page={page:02}");
    let cookie = format!("session={session:012x}");
    let expected = work::item_page(
        &format!("{shop:02}"),
        &format!("{item:06}"),
        Some(&query),
        Some(&cookie),
    );
    (text, expected)
}

/// Numbers that are the same in every run: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8) % end
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
    fn requests_of_a_kind_differ_but_in_length() {
        for line in ["hello", "item", "json", "10k", "upload --body 7", "hello --close"] {
            let requests = requests(line);
            let texts: Vec<_> = (0..100)
                .map(|turn| requests.bytes(requests.range(requests.batch(3, turn))))
                .collect();
            assert!(texts.iter().all(|text| text.len() == texts[0].len()), "{line}");
            assert!(texts.iter().collect::<HashSet<_>>().len() > 95, "{line}");
        }
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
        let second = text.match_indices("/items/").nth(1).unwrap().0 + "/items/".len();
        let expected = String::from_utf8_lossy(requests.expected(batch, 1));
        assert!(expected.contains(&text[second..second + 6]), "{expected}");
    }
}
