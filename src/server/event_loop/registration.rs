//! When events of a connection begin to come to its loop.

#[cfg(unix)]
use crate::report;

use super::EventLoop;

impl EventLoop {
    /// Has events of the connection at `key` come from now on. Says whether they will; else it is cut off.
    ///
    /// This is not done before there is something to wait for: what is answered and closed at once spares the
    /// system a tenth of its work. No event is missed, since readiness that is there already raises one as well.
    #[cfg(unix)]
    pub(super) fn register(&mut self, key: usize) -> bool {
        let Some(slot) = self.slots.get_mut(key) else {
            return true;
        };
        let (Some(link), false) = (&slot.link, slot.is_registered) else {
            return true;
        };
        match link.register(self.poll.registry(), mio::Token(key)) {
            Ok(()) => slot.is_registered = true,
            Err(error) => {
                report::warn!("can't wait for a client: {error}");
                link.cut();
            }
        }
        slot.is_registered
    }

    /// They come already: elsewhere a socket can be registered only before it is shared.
    #[cfg(not(unix))]
    pub(super) fn register(&mut self, _: usize) -> bool {
        true
    }
}
