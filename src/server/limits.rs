//! What one client may take, and how long it may take: every limit, its default, and its text at start.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::peers::{CountPeers, Peers};
use super::seconds::Seconds;

/// A body up to this many bytes is gathered in memory of its connection's own.
const OWN_BODY: usize = 64 * 1024;

/// The limits of a server. All are on by default; [`Server::limits`](crate::Server::limits) changes
/// them.
///
/// Deadlines are totals: a byte that arrives does not prolong them, except at the stated rate.
///
/// # Memory
/// There is no bound on all buffers together but what these limits make of it: so many `connections`, each of
/// which has at most
/// - when it rests, or has sent less than 1 KiB of a head: about half a KiB, and what it has sent;
/// - for a request that is arriving: about twice `head` and 64 KiB together, or what it has of `body_memory`, of
///   which there is so much for all of them;
/// - for a body that is read while its handler runs, which needs one of the few threads that may stream: 256 KiB
///   beside that. What a handler makes of it is its own;
/// - for answers: 64 KiB that are gathered and one answer. Then nothing more of it is read, and no further
///   request is run, until the client has taken them. What is longer than 8 KiB stays where the handler has
///   put it; of files, 64 KiB at a time are in memory.
///
/// With the defaults, the worst that clients can do who all send a body and never finish it is some 200 KiB
/// each, and 32 MiB for all, for as long as `transfer_time` and `rate` let them; where `connections` times that is
/// too much, lower `connections` or `body_buffer`, or set `connections_per_peer`. Encryption has buffers of its own
/// beside that.
///
/// ```
/// use hansel::{Limits, Server};
/// use std::time::Duration;
///
/// let limits = Limits { body: 64 * 1024 * 1024, idle: Duration::from_secs(60), ..Limits::default() };
/// # fn serve(limits: Limits) -> std::io::Result<()> {
/// Server::bind("127.0.0.1:8080")?.limits(limits).serve(|| "Hello, world!")
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a request's head: request line and header fields. More is answered 431.
    pub head: usize,
    /// Bytes in a request's target: path and query. More is answered 414.
    pub target: usize,
    /// Header fields in a request. More is answered 431.
    pub fields: usize,
    /// Bytes in a request's body. More is answered 413.
    pub body: u64,
    /// Bodies up to this many bytes are whole before the handler starts; larger ones are read while it
    /// runs, which takes a thread that waits for the client.
    ///
    /// Above 64 KiB that needs some of `body_memory`; where nothing is left of it, where the length is not
    /// announced, or where the client waits to be told to send it (`Expect: 100-continue`), the body is read while
    /// the handler runs.
    pub body_buffer: usize,
    /// Bytes of memory for bodies above 64 KiB that are gathered before their handlers start, of all connections
    /// together.
    pub body_memory: usize,
    /// From the connection's beginning, or a later request's first byte, to the end of the head. More
    /// is answered 408.
    pub head_time: Duration,
    /// How long a body, an answer or a piece of a stream may take, beyond what its length takes at
    /// `rate`. More is answered 408 if an answer is still possible, and breaks the connection off.
    pub transfer_time: Duration,
    /// The least rate, in bytes per second, at which a client must send a body or take an answer.
    pub rate: u32,
    /// From an answer to the next request's first byte. Then the connection is closed.
    pub idle: Duration,
    /// How long a handler may take to answer, not counting what it waits for its client; None is for
    /// ever. Then its client is answered 503, or, if answers to earlier requests are still to be sent, the
    /// connection is broken off.
    ///
    /// The handler itself goes on: a thread can't be killed. It counts as lost until the handler returns,
    /// and its answer is dropped. As long as no more than half of the [`threads`](crate::Server::threads)
    /// are lost, another one takes each lost one's place.
    pub handler: Option<Duration>,
    /// How long the answer of a handler may stream, in all; None is for ever. Then the connection is broken
    /// off.
    pub stream: Option<Duration>,
    /// How long a closing connection is read on, so that its client gets the last answer, unless the client has
    /// said with its request that it sends no other. A drain waits as long for clients that do not close: nothing
    /// short of their closing says that they have it.
    pub linger: Duration,
    /// Connections at the same time. The next one is answered 503 and closed.
    pub connections: usize,
    /// Connections at the same time from one address: one of IPv4, or a network of IPv6 (its first 64 bits).
    /// The next one is answered 503 and closed. None, the default, is any number: behind a balancer or a
    /// proxy all connections come from a few addresses. Set it where clients connect by themselves.
    pub connections_per_peer: Option<usize>,
    /// Pipelined requests of one connection that are answered before others get their turn.
    pub pipelined: usize,
    /// Requests that wait for a thread. The next one is answered 503.
    pub queue: usize,
    /// How long a request may wait for a thread. Then it is answered 503.
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
            idle: Duration::from_secs(10),
            handler: Some(Duration::from_secs(60)),
            stream: None,
            linger: Duration::from_secs(2),
            connections: 16 * 1024,
            connections_per_peer: None,
            pipelined: 64,
            queue: 1024,
            queue_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    pub(crate) fn protocol(&self) -> Arc<hansel_proto::Limits> {
        Arc::new(hansel_proto::Limits {
            head_bytes: self.head,
            target_bytes: self.target,
            fields: self.fields,
            body_bytes: self.body,
            ..hansel_proto::Limits::default()
        })
    }

    /// Up to how many bytes a connection gathers a body in memory of its own.
    pub(super) fn own_body(&self) -> usize {
        self.body_buffer.min(OWN_BODY)
    }

    /// What counts the connections of each peer, if they are limited.
    pub(super) fn peers(&self) -> Option<Box<dyn CountPeers>> {
        let most = self.connections_per_peer?;
        Some(Box::new(Peers::new(most)))
    }

    /// When a transfer that began at `start` is overdue, if so many bytes have passed.
    #[inline(never)]
    pub(super) fn transfer_deadline(&self, start: Instant, passed: u64) -> Instant {
        let earned = passed.saturating_mul(1000) / u64::from(self.rate.max(1));
        // Far enough away to be never, near enough not to overflow.
        let earned = Duration::from_millis(earned.min(u64::from(u32::MAX)));
        start + self.transfer_time + earned
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
            "  body        {} bytes, up to {} before the handler starts, if {} suffice for all",
            self.body, self.body_buffer, self.body_memory
        )?;
        writeln!(
            f,
            "  transfer    {} and {} bytes/s at least",
            Seconds(self.transfer_time),
            self.rate
        )?;
        writeln!(
            f,
            "  connections {}, of one peer {}, idle {}, lingering {}",
            self.connections,
            OrNone(self.connections_per_peer, "any number"),
            Seconds(self.idle),
            Seconds(self.linger)
        )?;
        writeln!(
            f,
            "  handlers    {}, streams {}",
            OrNone(self.handler.map(Seconds), "any time"),
            OrNone(self.stream.map(Seconds), "any time")
        )?;
        write!(
            f,
            "  queue       {} requests, {}, {} of one connection at a time",
            self.queue,
            Seconds(self.queue_time),
            self.pipelined
        )
    }
}

/// A limit that need not be.
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
            "1024",
            "10s",
            "2s",
            "60s",
            "any time",
            "any number",
            "64 of",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
