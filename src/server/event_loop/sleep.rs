//! Waiting for events, and for the next moment at which there is something to do.

use std::io;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::timers::earlier;
use crate::report;
use crate::server::connection::link::{FINISHED, GONE, READABLE, WRITABLE};
use crate::server::net::socket::is;
use crate::server::shared::Shared;

/// How long it sleeps at most when it waits for a moment.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

impl EventLoop {
    /// Waits for events.
    pub(super) fn sleep(&mut self, shared: &Shared) {
        let cell = &shared.loops[self.index];
        let must_not =
            !self.ready.is_empty() || !self.accepting.is_empty() || !self.next.is_empty() || self.reads.has_next();
        // The queue is looked at after the mark that this loop sleeps: whoever queues later sees it.
        let timeout = if must_not || !cell.inbox.fall_asleep() || (self.reserve && shared.admission.has_waiting()) {
            Some(Duration::ZERO)
        } else {
            let next_phase = shared
                .lifecycle
                .is_leaving()
                .then(|| shared.lifecycle.next_phase(self.phase))
                .flatten();
            let next = [
                self.timers.next(),
                self.accept_again,
                self.works.next(),
                self.waiting.next(),
            ]
            .into_iter()
            .fold(next_phase, earlier);
            // Woken for nothing now and then, rather than by more milliseconds than the system's call can be told.
            next.map(|when| when.saturating_duration_since(Instant::now()).min(LONGEST_SLEEP))
        };
        if let Err(error) = self.poll.poll(&mut self.events, timeout)
            && !is(&error, io::ErrorKind::Interrupted)
        {
            report::error!("waiting for events failed: {error}");
        }
        cell.inbox.wake_up();
        self.now = Instant::now();
        self.date.refresh(self.now);
        self.batch.clear();
        self.events_seen = 0;
        for event in &self.events {
            let mut readiness = 0;
            if event.is_readable() || event.is_error() {
                readiness |= READABLE;
            }
            if event.is_writable() || event.is_error() {
                readiness |= WRITABLE;
            }
            if event.is_write_closed() || event.is_error() {
                readiness |= GONE;
            }
            if event.is_read_closed() || event.is_error() {
                readiness |= FINISHED | READABLE;
            }
            self.batch.push((event.token(), readiness));
        }
    }
}
