//! Bounds on what a client may use, and for how long: every limit, its default, and its text at start.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::after;

use crate::seconds::Seconds;

/// A body up to this many bytes is gathered in its connection's own memory.
const OWN_BODY: usize = 64 * 1024;

/// The lowest rate of a client that holds what others wait for is this many times `rate`.
const CONTESTED: u64 = 64;

/// The limits of a server. All are on by default; [`Server::limits`](crate::Server::limits) changes
/// them.
///
/// Deadlines are totals: a byte that arrives does not prolong them, except at the stated rate. A time longer than the
/// clock can tell, such as [`Duration::MAX`], never ends; one of zero is up at once.
///
/// # Memory
/// Total buffer memory is bounded only by these limits: there are up to `connections`, and each uses at most
/// - when it is idle, or has sent less than 1 KiB of a head: about half a KiB, and what it has sent;
/// - for a request that is arriving: its head, up to 64 KiB of its body, three times its target, and 16 KiB. A larger
///   body uses `body_memory` instead, which all connections share;
/// - for a body that is read while its handler runs, which a quarter of the threads may do at once: 256 KiB more. What
///   the handler makes of it is its own;
/// - for responses: 48 KiB that are gathered, and one response. Then nothing more is read from the client, and no
///   further request runs, until the client has read them. A body longer than 8 KiB stays where the handler has put it;
///   of files, 64 KiB at a time are in memory.
///
/// With the defaults, clients that all send a body and never finish it can use 136 KiB each, and 32 MiB together, for
/// as long as `transfer_time` and `rate` let them. If `connections` times that is too much, lower `connections` or
/// `body_buffer`, or set `connections_per_peer`. TLS has buffers of its own besides. Routes that take larger bodies than
/// `body` ([`RouteLimits`](crate::RouteLimits)) change none of this: what they allow is read by their handlers.
///
/// ```
/// use hansel::{Limits, Server};
/// use std::time::Duration;
///
/// let limits = Limits::new().body(64 * 1024 * 1024).idle(Duration::from_secs(120));
/// # fn serve(limits: Limits) -> std::io::Result<()> {
/// Server::bind("127.0.0.1:8080")?.limits(limits).serve(|| "Hello, world!")
/// # }
/// ```
///
/// As a struct it is written with the defaults at its end, since any version may add a field:
///
/// ```
/// # use hansel::Limits;
/// let limits = Limits { body: 64 * 1024 * 1024, ..Limits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a struct that is `non_exhaustive` can't be written with `..Limits::default()`, which is how many do it"
)]
pub struct Limits {
    /// Bytes in the head of a request: the request line and the header section. Beyond that, the response is 431.
    pub head: usize,
    /// Bytes in the target of a request: path and query. Beyond that, the response is 414.
    pub target: usize,
    /// Header fields in a request. Beyond that, the response is 431.
    pub fields: usize,
    /// Bytes in the body of a request. Beyond that, the response is 413. A route may take less, or more: see
    /// [`RouteLimits`](crate::RouteLimits).
    pub body: u64,
    /// Bodies up to this many bytes are complete before the handler starts. Of a larger body as much is gathered first;
    /// the rest is read while the handler runs, which occupies a thread that waits for the client.
    ///
    /// Above 64 KiB that needs some of `body_memory`. If nothing of that is left, or if the client waits to be told to
    /// send the body (`Expect: 100-continue`), the body is read while the handler runs.
    pub body_buffer: usize,
    /// Bytes of memory for bodies above 64 KiB that are gathered before their handlers start, of all connections
    /// together. Up to half of it is given for what is announced, the rest only for what has arrived.
    ///
    /// If all of it is in use, a body that needs more is read while its handler runs, if there is a place for that.
    /// Otherwise it is not read until memory is free, for `queue_time` at most, and the slowest clients that hold some
    /// get 503.
    pub body_memory: usize,
    /// From the beginning of a connection, or the first byte of a later request, to the end of the head. Then the
    /// response is 408.
    pub head_time: Duration,
    /// The time that a body, a response or a piece of a stream may take, beyond what its length takes at `rate`. Then the
    /// response is 408 if one is still possible, and the connection is cut. For a body that a handler reads, only the
    /// time counts in which the handler waits for the client.
    pub transfer_time: Duration,
    /// The lowest rate, in bytes per second, at which a client must send a body or read a response. While others wait
    /// for the place of a handler that reads a body as it arrives, or for the memory in which a body is gathered, it is
    /// 64 times that, measured from a tenth of `transfer_time` on: the slowest client makes room.
    pub rate: u32,
    /// From a response to the first byte of the next request. Then the connection is closed; it is closed earlier if
    /// another needs its place.
    ///
    /// Keep it longer than the balancer or proxy in front keeps its connections to the server (60 s with nginx and
    /// AWS). Otherwise the balancer may send a request on a connection that the server is just closing, and its client
    /// gets 502.
    pub idle: Duration,
    /// The time that a handler may take to respond, not counting the time it waits for its client; `None` is for ever. A route
    /// may have [another deadline](crate::RouteLimits::deadline). Then its client gets 503 or, if responses to earlier requests are still to be sent, the connection is cut.
    ///
    /// The handler itself goes on, because a thread cannot be killed. It counts as lost until the handler returns, and
    /// its response is dropped. As long as no more than half of the [`threads`](crate::Server::threads) are lost,
    /// another thread replaces each lost one.
    ///
    /// A read of a file that is being sent has as long, and so has the wait for its turn. Then the connection is cut,
    /// and a thread that still reads counts as lost.
    pub handler: Option<Duration>,
    /// The time that a handler may stream its response, in all; `None` is for ever. Then the connection is cut.
    pub stream: Option<Duration>,
    /// The time for which a closing connection is still read, so that its client gets the last response, unless the client has
    /// announced with its request that it sends no other. A drain waits as long for clients that do not close, because
    /// only their closing shows that they have the response.
    pub linger: Duration,
    /// Connections at the same time. For one more, the connection that has been idle longest is closed, if any has been
    /// idle for a second; otherwise the new one gets 503 and is closed, or is just closed if it is encrypted.
    ///
    /// Each connection needs a descriptor (`RLIMIT_NOFILE`, `ulimit -n`). At its start the server raises the limit of
    /// the process as far as these connections need it and the system allows it; programs that the process starts later
    /// inherit the raised limit. If that is not enough, this limit is lowered, and the server says so. An eighth of
    /// what is free then is left for files and handlers. A few more are in reserve, so that the server can send 503,
    /// and the address of [`Server::health_on`](crate::Server::health_on) responds, when all others are used up.
    /// Servers of one process do not know of each other's connections.
    pub connections: usize,
    /// Connections at the same time from one address: an IPv4 address, or an IPv6 network (its first 64 bits). The next
    /// one gets 503 and is closed. `None`, the default, is any number: behind a balancer or a proxy all connections
    /// come from a few addresses. Set it where clients connect directly, and with it a short `idle`: a peer's own idle
    /// connections are not closed to make room for its next one.
    pub connections_per_peer: Option<usize>,
    /// Connections that subscribe to [topics](crate::Topic) at the same time. The next one gets 503. `None`, the default, is
    /// half of [`connections`](field@Limits::connections): there is always room for ordinary requests.
    pub subscribers: Option<usize>,
    /// Connections from one address that subscribe, as [`connections_per_peer`](field@Limits::connections_per_peer) counts
    /// them. `None`, the default, is any number.
    pub subscribers_per_peer: Option<usize>,
    /// Pipelined requests of one connection that are processed before others get their turn.
    pub pipelined: usize,
    /// Requests that wait for a thread; and as many on each loop that wait for memory for a body, or for a place to
    /// read it as it arrives or to stream a response. The next one gets 503.
    pub queue: usize,
    /// The time that a request may wait for a thread, or for a place. Then it gets 503.
    pub queue_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: 32 * 1024,
            target: 8 * 1024,
            fields: 100,
            body: 2 * 1024 * 1024,
            body_buffer: 1024 * 1024,
            body_memory: 32 * 1024 * 1024,
            head_time: Duration::from_secs(10),
            transfer_time: Duration::from_secs(10),
            rate: 1024,
            idle: Duration::from_secs(75),
            handler: Some(Duration::from_secs(60)),
            stream: None,
            linger: Duration::from_secs(2),
            connections: 16 * 1024,
            connections_per_peer: None,
            subscribers: None,
            subscribers_per_peer: None,
            pipelined: 64,
            queue: 1024,
            queue_time: Duration::from_secs(10),
        }
    }
}

/// Setters with the names of the fields, so that limits are written in one expression.
macro_rules! setters {
    ($($name:ident($type:ty);)*) => {
        impl Limits {
            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](field@Limits::", stringify!($name), ").")]
                #[must_use]
                pub fn $name(mut self, $name: $type) -> Limits {
                    self.$name = $name.into();
                    self
                }
            )*
        }
    };
}

setters! {
    head(usize);
    target(usize);
    fields(usize);
    body(u64);
    body_buffer(usize);
    body_memory(usize);
    head_time(Duration);
    transfer_time(Duration);
    rate(u32);
    idle(Duration);
    handler(impl Into<Option<Duration>>);
    stream(impl Into<Option<Duration>>);
    linger(Duration);
    connections(usize);
    connections_per_peer(impl Into<Option<usize>>);
    subscribers(impl Into<Option<usize>>);
    subscribers_per_peer(impl Into<Option<usize>>);
    pipelined(usize);
    queue(usize);
    queue_time(Duration);
}

impl Limits {
    /// Returns the default limits.
    pub fn new() -> Limits {
        Limits::default()
    }

    /// Returns the limits of the protocol for an application of which no route takes a larger body than this, unless all
    /// do.
    pub(crate) fn protocol(&self, largest_body: u64) -> Arc<hansel_proto::Limits> {
        let limits = hansel_proto::Limits::new()
            .head_bytes(self.head)
            .target_bytes(self.target)
            .fields(self.fields)
            .body_bytes(self.body.max(largest_body));
        Arc::new(limits)
    }

    /// Returns how many connections may subscribe to topics.
    pub(super) fn most_subscribers(&self) -> usize {
        self.subscribers.unwrap_or(self.connections / 2)
    }

    /// Returns up to how many bytes a connection gathers a body in its own memory.
    pub(crate) fn own_body(&self) -> usize {
        self.body_buffer.min(OWN_BODY)
    }

    /// Returns up to how many bytes of a body are gathered in shared memory: its head must fit in there as well.
    pub(super) fn gathered(&self) -> usize {
        let beside = self.head.saturating_add(2 * OWN_BODY);
        self.body_buffer.min(self.body_memory.saturating_sub(beside))
    }

    /// Returns the bytes per second at which a client has sent while it was waited for, if that is slow and others wait
    /// for what it holds. In the first moments no client counts as slow.
    pub(super) fn pace_if_slow(&self, waited: Duration, passed: u64) -> Option<u64> {
        if waited < self.transfer_time / 10 {
            return None;
        }
        let milliseconds = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX).max(1);
        let pace = passed.saturating_mul(1000) / milliseconds;
        (pace < u64::from(self.rate).saturating_mul(CONTESTED)).then_some(pace)
    }

    /// Returns when a transfer that began at `start` is overdue, if this many bytes were transferred.
    #[inline(never)]
    pub(crate) fn transfer_deadline(&self, start: Instant, passed: u64) -> Instant {
        let earned = passed.saturating_mul(1000) / u64::from(self.rate.max(1));
        after(after(start, self.transfer_time), Duration::from_millis(earned))
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  head        {} bytes, {} fields, target {} bytes, within {}",
            self.head,
            self.fields,
            self.target,
            Seconds(self.head_time)
        )?;
        writeln!(
            f,
            "  body        {} bytes, {} gathered before the handler starts, {} in all",
            self.body, self.body_buffer, self.body_memory
        )?;
        writeln!(
            f,
            "  transfer    {}, and at least {} bytes/s",
            Seconds(self.transfer_time),
            self.rate
        )?;
        writeln!(
            f,
            "  connections {}, per peer {}, idle {}, lingering {}",
            self.connections,
            OrNone(self.connections_per_peer, "unlimited"),
            Seconds(self.idle),
            Seconds(self.linger)
        )?;
        writeln!(
            f,
            "  subscribers {}, per peer {}",
            self.most_subscribers(),
            OrNone(self.subscribers_per_peer, "unlimited"),
        )?;
        writeln!(
            f,
            "  handlers    {}, streams {}",
            OrNone(self.handler.map(Seconds), "unlimited"),
            OrNone(self.stream.map(Seconds), "unlimited")
        )?;
        write!(
            f,
            "  queue       {} requests, {}, pipelined {} at a time",
            self.queue,
            Seconds(self.queue_time),
            self.pipelined
        )
    }
}

/// An optional limit.
struct OrNone<T>(Option<T>, &'static str);

impl<T: fmt::Display> fmt::Display for OrNone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(limit) => limit.fmt(f),
            None => f.write_str(self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_earns_time_by_its_bytes_only() {
        let limits = Limits {
            transfer_time: Duration::from_secs(10),
            rate: 1000,
            ..Limits::default()
        };
        let start = Instant::now();
        assert_eq!(limits.transfer_deadline(start, 0), start + Duration::from_secs(10));
        assert_eq!(limits.transfer_deadline(start, 5000), start + Duration::from_secs(15));
        assert!(limits.transfer_deadline(start, u64::MAX) > start);
    }

    #[test]
    fn no_client_is_slow_in_the_first_moments_and_then_at_less_than_64_times_the_rate() {
        let limits = Limits {
            transfer_time: Duration::from_secs(10),
            rate: 1000,
            ..Limits::default()
        };
        let second = Duration::from_secs(1);
        assert_eq!(limits.pace_if_slow(second - Duration::from_nanos(1), 0), None);
        assert_eq!(limits.pace_if_slow(second, 0), Some(0));
        assert_eq!(limits.pace_if_slow(second, 63_999), Some(63_999));
        assert_eq!(limits.pace_if_slow(second, 64_000), None);
        let at_once = Limits {
            transfer_time: Duration::ZERO,
            ..limits
        };
        assert_eq!(at_once.pace_if_slow(Duration::ZERO, 0), Some(0));
    }

    #[test]
    fn a_body_is_gathered_only_where_it_finds_room_with_its_head() {
        let with = |body_buffer, body_memory| Limits {
            head: 10,
            body_buffer,
            body_memory,
            ..Limits::default()
        };
        assert_eq!(with(1000, usize::MAX).gathered(), 1000);
        assert_eq!(with(1000, 10 + 2 * OWN_BODY + 999).gathered(), 999);
        assert_eq!(with(1000, 10 + 2 * OWN_BODY).gathered(), 0);
        assert_eq!(with(1000, 0).own_body(), 1000);
        assert_eq!(with(OWN_BODY + 1, 0).own_body(), OWN_BODY);
    }

    #[test]
    fn every_limit_is_printed() {
        let text = Limits::default().to_string();
        for part in [
            "32768",
            "8192",
            "100",
            "2097152",
            "1048576",
            "33554432",
            "16384",
            "subscribers 8192",
            "1024",
            "10s",
            "75s",
            "2s",
            "60s",
            "unlimited",
            "unlimited",
            "pipelined 64",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
