//! The configuration of sockets.

use std::time::Duration;

use hansel_proto::websocket::Limits;

use crate::topic::SlowSubscribers;

/// The settings of sockets: see [`WebSocket::settings`](crate::websocket::WebSocket::settings).
#[derive(Clone, Debug)]
pub struct SocketSettings {
    pub(crate) limits: Limits,
    pub(crate) rate: Option<u32>,
    pub(crate) ping: Option<Duration>,
    pub(crate) pong: Duration,
    pub(crate) closing: Duration,
    pub(crate) message_time: Duration,
    pub(crate) backlog: usize,
    pub(crate) slow: SlowSubscribers,
    pub(crate) compression: bool,
}

impl SocketSettings {
    /// Returns the default settings: messages of up to 1 MiB in up to 1024 fragments, at any rate; a ping after 30 seconds of
    /// silence, which must be answered within 20; 10 seconds for closing; 30 seconds for a message to arrive; 256 messages
    /// may wait for a client, whose socket is closed if there are more; compressed if the client offers it and the
    /// feature `compression` is on.
    pub fn new() -> SocketSettings {
        SocketSettings {
            limits: Limits::default(),
            rate: None,
            ping: Some(Duration::from_secs(30)),
            pong: Duration::from_secs(20),
            closing: Duration::from_secs(10),
            message_time: Duration::from_secs(30),
            backlog: 256,
            slow: SlowSubscribers::Close,
            compression: true,
        }
    }

    /// Sets how long a message of the client may be, in bytes: as it is sent, and when it is decompressed. A longer one closes
    /// the socket with 1009.
    #[must_use]
    pub fn message(mut self, bytes: u64) -> SocketSettings {
        self.limits = self.limits.message(bytes).frame(bytes);
        self
    }

    /// Sets of how many fragments a message may consist. More of them close the socket with 1008.
    #[must_use]
    pub fn fragments(mut self, count: u32) -> SocketSettings {
        self.limits = self.limits.fragments(count);
        self
    }

    /// Sets how many messages of a client are handled in a second. What it sends beyond that is read later, so no message is
    /// lost, and a client that sends too much has to wait.
    #[must_use]
    pub fn rate(mut self, messages_per_second: impl Into<Option<u32>>) -> SocketSettings {
        self.rate = messages_per_second.into().map(|rate| rate.max(1));
        self
    }

    /// Sets after how long a silence the client gets a ping, if ever.
    #[must_use]
    pub fn ping(mut self, silence: impl Into<Option<Duration>>) -> SocketSettings {
        self.ping = silence.into().map(|time| time.max(Duration::from_millis(1)));
        self
    }

    /// Sets how long the client has to answer a ping: by anything at all.
    #[must_use]
    pub fn pong(mut self, time: Duration) -> SocketSettings {
        self.pong = time;
        self
    }

    /// Sets how long the client has to answer a close frame.
    #[must_use]
    pub fn closing(mut self, time: Duration) -> SocketSettings {
        self.closing = time;
        self
    }

    /// Sets how long a message may take to arrive, from its first byte to its last. A slower one closes the socket with 1008.
    #[must_use]
    pub fn message_time(mut self, time: Duration) -> SocketSettings {
        self.message_time = time;
        self
    }

    /// Sets how many messages may wait for a client that does not take them, at least one.
    #[must_use]
    pub fn backlog(mut self, messages: usize) -> SocketSettings {
        self.backlog = messages.max(1);
        self
    }

    /// Sets what happens if more wait. It concerns what is sent to the one socket: a topic has settings of its own.
    #[must_use]
    pub fn slow(mut self, policy: SlowSubscribers) -> SocketSettings {
        self.slow = policy;
        self
    }

    /// Sets whether messages are compressed for clients that offer it (`permessage-deflate`, RFC 7692), without memory between
    /// two messages. It needs the feature `compression` as well.
    ///
    /// As for any compression, a secret beside what an attacker chooses, in one message, can be found out by its length.
    #[must_use]
    pub fn compression(mut self, is_on: bool) -> SocketSettings {
        self.compression = is_on;
        self
    }
}

impl Default for SocketSettings {
    fn default() -> SocketSettings {
        SocketSettings::new()
    }
}
