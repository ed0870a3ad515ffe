//! Rate limits: how many requests a client may send in a time.

mod table;

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::dispatch::IntoDispatch;
use crate::{Hooks, IntoResponse, Request, Response, StatusCode};

use table::{Rate, Table, Taken};

/// A limit of how many requests each client may send to a part of an application in a time.
///
/// A client that sends more gets 429 with `Retry-After`. Responses say how much is left, in `RateLimit-Policy` and
/// `RateLimit`, as the [draft of the IETF](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)
/// describes them.
///
/// ```
/// use std::time::Duration;
///
/// use hansel::{App, RateLimit, Routes, test::Client};
///
/// let limit = RateLimit::new(2, Duration::from_secs(60));
/// let client = Client::new(App::new(limit.on(Routes::new().get("/", || "Hello"))));
/// assert_eq!(client.get("/").header("RateLimit"), Some(r#""default";r=1;t=30"#));
/// assert_eq!(client.get("/").status(), 200);
///
/// let refused = client.get("/");
/// assert_eq!(refused.status(), 429);
/// assert_eq!(refused.header("Retry-After"), Some("30"));
/// ```
///
/// # Who is a client
/// By default it is the [address](Request::client) that sends, behind proxies the one that they name if they are
/// [trusted](crate::Trust). An IPv6 address counts by its first 64 bits, because a client can choose the others. Requests
/// without an address, such as those from a Unix socket, are one client. [`by`](RateLimit::by) counts by something else,
/// such as a key of the program's.
///
/// # How it counts
/// Used requests come back evenly: with a limit of 60 a minute, one request each second. So a client may send all at once
/// after a pause, and no client gets twice its limit around the end of a minute (the generic cell rate algorithm).
///
/// A request that a hook inside refuses has been counted; one that a hook around the limit refuses has not.
///
/// # Memory
/// It takes 16 bytes for each of [`clients`](RateLimit::clients), all at its beginning. A client that could send all at
/// once anyway is forgotten without a loss. When there are more clients than places, one that has some requests left is
/// forgotten before any that has none. If all in the same part of the table have none left, clients that are new to it
/// share one limit until a place is free. A call takes a constant number of steps.
///
/// Requires the feature `rate-limit`.
#[must_use = "it limits nothing until it is put around something: `limit.on(routes)`"]
pub struct RateLimit {
    requests: u32,
    window: Duration,
    clients: usize,
    name: String,
    key: Box<Key>,
}

type Key = dyn Fn(&Request, &mut dyn Hasher) + Send + Sync;

/// The limit, as it serves.
struct Limiter {
    rate: Rate,
    table: Table,
    hashes: RandomState,
    key: Box<Key>,
    policy: String,
    name: String,
    begun: Instant,
}

/// The result of counting a request.
struct Counted(Taken);

impl RateLimit {
    /// Creates a limit of this many requests per `window`.
    ///
    /// # Panics
    /// If `requests` is 0, or `window` is not longer than a nanosecond for each request.
    #[track_caller]
    pub fn new(requests: u32, window: Duration) -> RateLimit {
        assert!(requests > 0, "a rate limit of 0 requests lets nobody in");
        assert!(
            window.as_nanos() >= u128::from(requests),
            "a window of {window:?} is too short for {requests} requests"
        );
        RateLimit {
            requests,
            window,
            clients: 65_536,
            name: "default".to_owned(),
            key: Box::new(|request, key| sender(request).hash(&mut &mut *key)),
        }
    }

    /// Counts by this instead of by the client's address: by a user, say, or by the key of a program.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use hansel::{RateLimit, Request, Routes};
    ///
    /// let by_key = |request: &Request| request.header("X-Api-Key").map(str::to_owned);
    /// let limited = RateLimit::new(1000, Duration::from_secs(3600)).by(by_key).on(Routes::new());
    /// # let _ = limited;
    /// ```
    pub fn by<K: Hash>(mut self, key: impl Fn(&Request) -> K + Send + Sync + 'static) -> RateLimit {
        self.key = Box::new(move |request, hasher| key(request).hash(&mut &mut *hasher));
        self
    }

    /// Sets how many clients are told apart: 65,536 by default, which take 1 MiB.
    pub fn clients(mut self, clients: usize) -> RateLimit {
        self.clients = clients;
        self
    }

    /// Names the limit, for clients that meet several.
    ///
    /// # Panics
    /// If the name is anything but letters, digits, `-` and `_`.
    #[track_caller]
    pub fn named(mut self, name: &str) -> RateLimit {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(
            !name.is_empty() && name.bytes().all(is_plain),
            "{name:?} is no name for a rate limit: use letters, digits, `-` and `_`"
        );
        self.name = name.to_owned();
        self
    }

    /// Applies the limit to `inner`. Hooks that are added to the result run inside it.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        let limiter = Limiter::new(self);
        Hooks::on(inner)
            .wrap(move |request: &Request| {
                let taken = limiter.count(request, Instant::now());
                request.set(Counted(taken));
                let fields = limiter.fields(taken);
                move |_: &Request, response: &mut Response| {
                    for (name, value) in fields {
                        response.append_header(name, value);
                    }
                }
            })
            .before(refuse)
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("name", &self.name)
            .field("requests", &self.requests)
            .field("window", &self.window)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

impl Limiter {
    fn new(limit: RateLimit) -> Limiter {
        let RateLimit {
            requests,
            window,
            clients,
            name,
            key,
        } = limit;
        Limiter {
            rate: Rate::new(requests, window),
            table: Table::new(clients),
            hashes: RandomState::new(),
            key,
            policy: format!("\"{name}\";q={requests};w={}", window.as_secs().max(1)),
            name,
            begun: Instant::now(),
        }
    }

    fn count(&self, request: &Request, now: Instant) -> Taken {
        let mut hasher = self.hashes.build_hasher();
        (self.key)(request, &mut hasher);
        let now = now.saturating_duration_since(self.begun).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.table.take(hasher.finish(), now, self.rate)
    }

    /// Returns the headers that tell a client what is left.
    fn fields(&self, taken: Taken) -> [(&'static str, String); 2] {
        let (left, restored) = match taken {
            Taken::Allowed { left, restored } => (left, restored),
            Taken::Refused { restored, .. } => (0, restored),
        };
        let left = format!("\"{}\";r={left};t={}", self.name, seconds(restored));
        [("RateLimit-Policy", self.policy.clone()), ("RateLimit", left)]
    }
}

/// Refuses a request of which [`Limiter::count`] says so.
fn refuse(request: &Request) -> Option<Response> {
    match request.value::<Counted>()?.0 {
        Taken::Allowed { .. } => None,
        Taken::Refused { wait, .. } => {
            let response = StatusCode::TOO_MANY_REQUESTS.into_response();
            // RFC 6585 §4: "MAY include a Retry-After header".
            Some(response.with_header("Retry-After", seconds(wait).to_string()))
        }
    }
}

/// Rounds nanoseconds up to whole seconds.
fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1_000_000_000)
}

/// Returns what a request's client is known by: its address, of an IPv6 address the first half.
fn sender(request: &Request) -> Option<IpAddr> {
    // RFC 4291 §2.5.4: the last 64 bits of an address are its interface's, which a client can change as it likes.
    let network = |address: Ipv6Addr| {
        let [a, b, c, d, ..] = address.segments();
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)
    };
    Some(match request.client()?.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(network(address)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{self, Client};
    use crate::{App, Method, Routes, Slashes};

    const HOUR: Duration = Duration::from_secs(3600);

    fn of_key(key: &str, path: &str) -> Request {
        Request::get(path).with_header("X-Key", key)
    }

    fn by_key(limit: RateLimit) -> RateLimit {
        limit.by(|request: &Request| request.header("X-Key").map(str::to_owned))
    }

    fn told(response: &test::Response) -> (u16, Vec<String>) {
        let told = response.headers().filter(|(name, _)| *name == "RateLimit");
        let told = told.map(|(_, value)| value.to_owned());
        (response.status().as_u16(), told.collect())
    }

    #[test]
    fn each_key_has_a_limit_of_its_own_and_is_told_what_is_left() {
        let limit = by_key(RateLimit::new(2, HOUR)).named("hourly");
        let client = Client::new(App::new(limit.on(Routes::new().get("/", || "Hello"))));
        let left = |text: &str| vec![text.to_owned()];
        assert_eq!(
            told(&client.send(of_key("a", "/"))),
            (200, left("\"hourly\";r=1;t=1800"))
        );
        assert_eq!(
            told(&client.send(of_key("a", "/nowhere"))),
            (404, left("\"hourly\";r=0;t=3600"))
        );
        let refused = client.send(of_key("a", "/"));
        assert_eq!(told(&refused), (429, left("\"hourly\";r=0;t=3600")));
        assert_eq!(refused.header("Retry-After"), Some("1800"));
        assert_eq!(refused.header("RateLimit-Policy"), Some("\"hourly\";q=2;w=3600"));
        assert_eq!(told(&client.send(of_key("b", "/"))).0, 200);
    }

    #[test]
    fn a_request_counts_once_however_often_its_way_is_looked_for() {
        let limit = RateLimit::new(10, HOUR);
        let routes = Routes::new().get("/a/", || "a").not_found(|| "nothing");
        let app = App::new(limit.on(routes)).slashes(Slashes::Ignore).allow_always(true);
        let client = Client::new(app);
        for (path, left) in [("/a", 9), ("/nowhere", 8), ("/a/", 7)] {
            assert!(told(&client.get(path)).1[0].contains(&format!(";r={left};")), "{path}");
        }
        assert!(told(&client.send(Request::new(Method::OPTIONS, "/a"))).1[0].contains(";r=6;"));
    }

    #[test]
    fn limits_within_each_other_count_each_for_itself() {
        let inner = RateLimit::new(1, HOUR).named("inner").on(|| "Hello");
        let client = Client::new(App::new(RateLimit::new(5, HOUR).named("outer").on(inner)));
        let both = |inner: &str, outer: &str| vec![inner.to_owned(), outer.to_owned()];
        assert_eq!(
            told(&client.get("/")),
            (200, both("\"inner\";r=0;t=3600", "\"outer\";r=4;t=720"))
        );
        assert_eq!(
            told(&client.get("/")),
            (429, both("\"inner\";r=0;t=3600", "\"outer\";r=3;t=1440"))
        );
    }

    #[test]
    fn a_client_is_an_address_or_the_network_of_an_ipv6_address() {
        let sent_by = |peer: &str| {
            let mut request = Request::get("/");
            request.peer = Some(peer.parse().unwrap());
            sender(&request)
        };
        assert_eq!(sent_by("[2001:db8:1:2:3::4]:1"), sent_by("[2001:db8:1:2:ffff:a:b:c]:2"));
        assert_ne!(sent_by("[2001:db8:1:2::1]:1"), sent_by("[2001:db8:1:3::1]:1"));
        assert_eq!(sent_by("192.0.2.1:1"), sent_by("[::ffff:192.0.2.1]:1"));
        assert_ne!(sent_by("192.0.2.1:1"), sent_by("192.0.2.2:1"));
        assert_eq!(sender(&Request::get("/")), None);
    }
}
