//! The work that every server of the benchmark does, so that what differs is the server.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | [`HELLO`], whatever the query |
//! | `GET /user/{id}` | [`user`] |
//! | `GET /shops/{shop}/items/{item}?page={page}` | [`item_page`] with [`ITEM_HEADERS`] |
//! | `GET /json` | [`json`] as `application/json` |
//! | `GET /10k`, `GET /1m` | [`ten_kb`], [`one_mb`] |
//! | `POST /upload` | how many bytes the body has, in decimal digits |
//! | `GET /sleep` | [`HELLO`], after blocking its thread by [`sleep`] |
//! | `GET /locked` | [`HELLO`], after holding the lock that all handlers share for 20 µs, by [`locked`] |
//! | `GET /held` | [`HELLO`], after holding it for 5 ms, by [`held`] |
//! | `GET /files/{name}` | a file of [`files`], by servers that have a part for that |
//! | any other | 404 |

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use socket2::{Domain, Socket, Type};

/// The text at `/`: 13 bytes.
pub const HELLO: &str = "Hello, World!";

/// The header fields of [`item_page`]. Each is also written as one line, for servers that need that.
pub const ITEM_HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "private, max-age=60"),
    ("X-Frame-Options", "DENY"),
];

/// How long a server keeps an idle connection, if that can be set: longer than any run lasts.
pub const IDLE: Duration = Duration::from_secs(75);

/// How many connections may wait to be accepted, if that can be set.
pub const BACKLOG: u16 = 4096;

/// The settings of a server: `PORT LOOPS THREADS`, and `locks` if its handlers share a lock.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where to listen, on 127.0.0.1.
    pub port: u16,
    /// The number of event loops or asynchronous workers.
    pub loops: usize,
    /// The number of handlers that may block at once.
    pub threads: usize,
    /// All requests are for handlers that share a lock.
    pub locks: bool,
}

impl Settings {
    /// Reads the command line.
    ///
    /// # Panics
    /// Panics if an argument is missing or not a number.
    pub fn of_arguments() -> Settings {
        let numbers: Vec<usize> = std::env::args()
            .skip(1)
            .take_while(|argument| argument != "locks")
            .map(|argument| argument.parse().expect("PORT LOOPS THREADS are numbers"))
            .collect();
        let [port, loops, threads] = numbers[..] else {
            panic!("usage: SERVER PORT LOOPS THREADS");
        };
        let port = u16::try_from(port).expect("a port is below 65536");
        Settings {
            port,
            loops,
            threads,
            locks: std::env::args().any(|argument| argument == "locks"),
        }
    }

    /// The address to listen on.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Creates a non-blocking listener. Several may listen on the same port; the kernel then spreads the connections.
    ///
    /// # Panics
    /// Panics if the address is not available.
    pub fn listen(&self) -> TcpListener {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        socket.set_reuse_port(self.loops > 1).expect("SO_REUSEPORT");
        socket.bind(&self.address().into()).expect("the address is free");
        socket.listen(i32::from(BACKLOG)).expect("to listen");
        socket.set_nonblocking(true).expect("O_NONBLOCK");
        socket.into()
    }
}

/// Blocks the thread, as a database query in a handler at `/sleep` would.
pub fn sleep() {
    std::thread::sleep(Duration::from_millis(10));
}

/// The lock that the handlers at `/locked` and `/held` share, as an application shares one connection to a database.
static LOCK: Mutex<()> = Mutex::new(());

/// Waits for the lock.
pub fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().expect("no holder panics")
}

/// Computes for 20 µs with the lock.
pub fn locked(_lock: MutexGuard<'_, ()>) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(20) {
        std::hint::spin_loop();
    }
}

/// Blocks its thread for 5 ms with the lock.
pub fn held(_lock: MutexGuard<'_, ()>) {
    std::thread::sleep(Duration::from_millis(5));
}

/// The text at `/user/{id}`.
pub fn user(id: &str) -> String {
    format!("User {id}")
}

/// The page at `/shops/{shop}/items/{item}`: made of path, query and cookie, as pages are.
pub fn item_page(shop: &str, item: &str, query: Option<&str>, cookie: Option<&str>) -> String {
    let page = value(query, '&', "page").unwrap_or("1");
    let session = value(cookie, ';', "session").unwrap_or("nobody");
    format!("<p>Item {item} of {shop}, page {page}, for {session}</p>\n")
}

/// The value of `name` in pairs such as `a=1&b=2` or `a=1; b=2`.
fn value<'t>(text: Option<&'t str>, separator: char, name: &str) -> Option<&'t str> {
    text?
        .split(separator)
        .filter_map(|pair| pair.trim_start().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// What is sent at `/json`.
#[derive(Serialize)]
struct Message {
    message: &'static str,
    items: [u32; 4],
    is_new: bool,
}

/// The text at `/json`, made again for each request.
pub fn json() -> Vec<u8> {
    let message = Message {
        message: HELLO,
        items: [1, 22, 333, 4444],
        is_new: true,
    };
    serde_json::to_vec(&message).expect("it can be written as JSON")
}

/// The directory with `10k.txt` and `1m.txt`: [`ten_kb`] and [`one_mb`], last modified on Thu, 02 Jan 2020 03:04:05 GMT.
///
/// # Panics
/// Panics if it can't be written.
pub fn files() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/files");
    fs::create_dir_all(&directory).expect("a directory");
    let files: [(_, _, fn() -> &'static str); 2] = [("10k.txt", 10_000, ten_kb), ("1m.txt", 1_000_000, one_mb)];
    for (name, length, content) in files {
        let path = directory.join(name);
        // Other servers may be sending it. Nor is it made without need, as this is before the first connection.
        if !fs::metadata(&path).is_ok_and(|file| file.len() == length) {
            fs::write(&path, content()).expect("to write a file");
        }
        let file = File::options().append(true).open(&path).expect("a file");
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_934_245);
        file.set_modified(modified).expect("to set its time");
    }
    directory
}

/// 10 kB of text.
pub fn ten_kb() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| "ten bytes\n".repeat(1000));
    &TEXT
}

/// 1 MB of text.
pub fn one_mb() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| "ten bytes\n".repeat(100_000));
    &TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_what_the_names_say() {
        assert_eq!(HELLO.len(), 13);
        assert_eq!(ten_kb().len(), 10_000);
        assert_eq!(one_mb().len(), 1_000_000);
    }

    #[test]
    fn a_page_is_made_of_path_query_and_cookie() {
        let page = item_page("7", "42", Some("sort=price&page=3"), Some("theme=dark; session=abc"));
        assert_eq!(page, "<p>Item 42 of 7, page 3, for abc</p>\n");
        assert_eq!(
            item_page("7", "42", None, None),
            "<p>Item 42 of 7, page 1, for nobody</p>\n"
        );
    }

    #[test]
    fn the_json_is_small_and_right() {
        let expected = r#"{"message":"Hello, World!","items":[1,22,333,4444],"is_new":true}"#;
        assert_eq!(json(), expected.as_bytes());
    }
}
