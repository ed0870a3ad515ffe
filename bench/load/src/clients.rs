//! The requests of clients. As with real clients, values differ in content and in length: numbers have as many digits as
//! they need; sessions, cookies and user agents are long or short.

use std::fmt::Write;

use crate::options::{Options, Work};

/// A client: what it sends with all its requests.
pub(crate) struct Client {
    /// Letters and digits.
    session: String,
    /// The value of the `Cookie` field, the session included.
    cookies: String,
    browser: &'static Browser,
    version: u64,
    /// The path of the page from which it asks.
    referer: String,
}

struct Browser {
    /// `{}` stands for the version.
    agent: &'static str,
    accept: &'static str,
    encodings: &'static str,
    priority: &'static str,
}

const BROWSERS: [Browser; 4] = [
    Browser {
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
        accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        encodings: "gzip, deflate, br, zstd",
        priority: "u=0, i",
    },
    Browser {
        agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
        accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
        encodings: "gzip, deflate, br, zstd",
        priority: "u=0, i",
    },
    Browser {
        agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Mobile/15E148 Safari/604.1",
        accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        encodings: "gzip, deflate, br",
        priority: "u=3",
    },
    Browser {
        agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36 Edg/{}.0.2903.112",
        accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
        encodings: "gzip, deflate, br, zstd",
        priority: "u=0",
    },
];

const LANGUAGES: [&str; 5] = [
    "en-US,en;q=0.5",
    "de",
    "fr-FR,fr;q=0.9,en;q=0.8",
    "es-ES",
    "pt-BR,pt;q=0.8,en-US;q=0.5,en;q=0.3",
];

const THEMES: [&str; 3] = ["", "theme=dark; ", "theme=high-contrast; "];

const ORDERS: [&str; 5] = ["price", "name", "rating", "newest", "relevance"];

impl Client {
    pub(crate) fn new(random: &mut Random) -> Client {
        let session = random.token(16, 43);
        let mut cookies = format!("{}session={session}", random.one_of(&THEMES));
        if random.below(2) == 0 {
            let _ = write!(cookies, "; consent=all");
        }
        if random.below(3) == 0 {
            let _ = write!(cookies, "; basket={}", random.number(9));
        }
        let referer = match random.below(3) {
            0 => "/".to_owned(),
            1 => format!("/shops/{}", random.number(4)),
            _ => format!("/search?q={}", random.token(3, 20)),
        };
        Client {
            session,
            cookies,
            browser: random.one_of(&BROWSERS),
            version: 90 + random.below(50),
            referer,
        }
    }
}

/// Returns a request and the body of its response, which is empty if it would be too long to keep.
pub(crate) fn written(options: &Options, client: &Client, random: &mut Random, is_slow: bool) -> (String, String) {
    let hello = || work::HELLO.to_owned();
    let number = random.number(6);
    let (line, expected) = match options.work {
        Work::LockMix if is_slow => (format!("GET /held?n={number}"), hello()),
        _ if is_slow => (format!("GET /sleep?n={number}"), hello()),
        Work::Smallest => return (smallest(options), hello()),
        Work::Hello | Work::Mix | Work::Sleep => (format!("GET /?n={number}"), hello()),
        Work::Locked | Work::LockMix => (format!("GET /locked?n={number}"), hello()),
        Work::Item => return item(options, client, random),
        Work::Json => {
            let json = String::from_utf8_lossy(&work::json()).into_owned();
            (format!("GET /json?n={number}"), json)
        }
        Work::TenKb => (format!("GET /10k?n={number}"), String::new()),
        Work::OneMb => (format!("GET /1m?n={number}"), String::new()),
        Work::Upload => (format!("POST /upload?n={number}"), options.body.to_string()),
        Work::FileTenKb | Work::FileUnchanged => (format!("GET /files/10k.txt?n={number}"), String::new()),
        Work::FileOneMb | Work::FileRange => (format!("GET /files/1m.txt?n={number}"), String::new()),
    };
    let mut text = format!(
        "{line} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n",
        options.address, client.cookies
    );
    if options.closes {
        text.push_str("Connection: close\r\n");
    }
    if options.work == Work::Upload {
        let _ = write!(text, "Content-Length: {}\r\n", options.body);
    }
    match options.work {
        // Of the same length each time.
        Work::FileRange => {
            let first = 100_000 + random.below(800_000);
            let _ = write!(text, "Range: bytes={first}-{}\r\n", first + 9_999);
        }
        Work::FileUnchanged => text.push_str("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n"),
        _ => {}
    }
    text.push_str("\r\n");
    if options.work == Work::Upload {
        text.extend(std::iter::repeat_n('u', options.body));
    }
    (text, expected)
}

/// Returns the smallest possible request, always the same.
fn smallest(options: &Options) -> String {
    format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", options.address)
}

/// Returns a request as a browser sends it, with 13 fields.
fn item(options: &Options, client: &Client, random: &mut Random) -> (String, String) {
    let (address, browser) = (options.address, client.browser);
    let agent = browser.agent.replace("{}", &client.version.to_string());
    // A client keeps its language, and its session distinguishes it from others.
    let language = LANGUAGES[client.session.len() % LANGUAGES.len()];
    let (shop, item, page) = (random.number(4), random.number(7), random.number(2));
    let order = random.one_of(&ORDERS);
    let text = format!(
        "GET /shops/{shop}/items/{item}?page={page}&sort={order} HTTP/1.1\r\n\
         Host: {address}\r\n\
         User-Agent: {agent}\r\n\
         Accept: {}\r\n\
         Accept-Language: {language}\r\n\
         Accept-Encoding: {}\r\n\
         Referer: http://{address}{}\r\n\
         Connection: keep-alive\r\n\
         Cookie: {}\r\n\
         Upgrade-Insecure-Requests: 1\r\n\
         Sec-Fetch-Dest: document\r\n\
         Sec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Priority: {}\r\n\r\n",
        browser.accept, browser.encodings, client.referer, client.cookies, browser.priority,
    );
    let expected = work::item_page(
        &shop.to_string(),
        &item.to_string(),
        Some(&format!("page={page}")),
        Some(&client.cookies),
    );
    (text, expected)
}

/// Numbers that are the same in every run with the same seed: xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        // Zero would stay zero, and similar seeds must not begin alike.
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8) % end
    }

    /// Returns a number of one to `digits` digits, each length as likely as the others.
    fn number(&mut self, digits: u64) -> u64 {
        let least = 10_u64.pow(self.below(digits) as u32);
        least + self.below(9 * least)
    }

    /// Returns letters and digits, `least` to `most` of them.
    fn token(&mut self, least: u64, most: u64) -> String {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let len = least + self.below(most - least + 1);
        let digit = |_| char::from(DIGITS[self.below(DIGITS.len() as u64) as usize]);
        (0..len).map(digit).collect()
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_tokens_have_all_lengths_they_may_have() {
        let mut random = Random::new(1);
        let widths: HashSet<_> = (0..1000).map(|_| random.number(6).to_string().len()).collect();
        assert_eq!(widths, HashSet::from([1, 2, 3, 4, 5, 6]));
        let lengths: HashSet<_> = (0..1000).map(|_| random.token(3, 5).len()).collect();
        assert_eq!(lengths, HashSet::from([3, 4, 5]));
    }

    #[test]
    fn a_client_differs_from_others_in_what_it_sends_and_how_long_that_is() {
        let mut random = Random::new(1);
        let clients: Vec<_> = (0..100).map(|_| Client::new(&mut random)).collect();
        let count = |of: &dyn Fn(&Client) -> usize| clients.iter().map(of).collect::<HashSet<_>>().len();
        assert!(count(&|client| client.cookies.len()) > 30);
        assert!(count(&|client| client.referer.len()) > 15);
        assert_eq!(count(&|client| client.browser.agent.len()), BROWSERS.len());
    }
}
