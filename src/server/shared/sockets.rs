//! How many sockets there are, and what their clients send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::operations::Exposition;

/// The counts of sockets.
#[derive(Default)]
pub(crate) struct Sockets {
    open: Arc<AtomicUsize>,
    opened: AtomicU64,
    messages: AtomicU64,
}

/// A socket that is open, as long as this lives.
pub(crate) struct Open(Arc<AtomicUsize>);

impl Sockets {
    /// Counts a socket that opens.
    pub(crate) fn open(&self) -> Open {
        self.opened.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Open(Arc::clone(&self.open))
    }

    /// Counts a message that is handled.
    pub(crate) fn handled(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// Writes the counts, as Prometheus reads them, once there has been a socket.
    pub(crate) fn expose(&self, text: &mut Exposition) {
        if self.opened.load(Relaxed) == 0 {
            return;
        }
        text.single(
            "hansel_sockets",
            "gauge",
            "WebSockets that are open.",
            self.open.load(Relaxed),
        );
        text.single(
            "hansel_sockets_opened_total",
            "counter",
            "WebSockets that were opened.",
            self.opened.load(Relaxed),
        );
        text.single(
            "hansel_socket_messages_total",
            "counter",
            "Messages of clients that were handled.",
            self.messages.load(Relaxed),
        );
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
