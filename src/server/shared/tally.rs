//! Counts of rare events in a server, which are always on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::operations::Exposition;

/// Statuses with which the server refuses requests by itself; the last one stands for all others.
const STATUSES: [(u16, &str); 10] = [
    (400, "400"),
    (408, "408"),
    (411, "411"),
    (413, "413"),
    (414, "414"),
    (417, "417"),
    (431, "431"),
    (501, "501"),
    (503, "503"),
    (0, "other"),
];

/// Why a loop was passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PassReason {
    /// The watch found that its handler blocks.
    Watched,
    /// The endpoint is known to be slow.
    Slow,
    /// The handler announced that it blocks, or waits for its client.
    Said,
}

/// Why a connection was turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TurnedAway {
    /// There are too many.
    Limit,
    /// There are too many of the same peer.
    Peer,
    /// It was closed without a response, which would have needed a handshake.
    Untold,
}

const PASSES: [(PassReason, &str); 3] = [
    (PassReason::Watched, "watch"),
    (PassReason::Slow, "slow"),
    (PassReason::Said, "said"),
];

const REASONS: [(TurnedAway, &str); 3] = [
    (TurnedAway::Limit, "limit"),
    (TurnedAway::Peer, "peer"),
    (TurnedAway::Untold, "untold"),
];

#[derive(Default)]
pub(crate) struct Tally {
    accepted: AtomicU64,
    turned_away: [AtomicU64; REASONS.len()],
    accept_failures: AtomicU64,
    made_room: AtomicU64,
    passes: [AtomicU64; PASSES.len()],
    given: AtomicU64,
    refusals: [AtomicU64; STATUSES.len()],
    panics: AtomicU64,
    overdue: AtomicU64,
}

impl Tally {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn turned_away(&self, reason: TurnedAway) {
        self.turned_away[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn made_room(&self) {
        self.made_room.fetch_add(1, Relaxed);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn passes(&self, reason: PassReason) -> u64 {
        self.passes[reason as usize].load(Relaxed)
    }

    pub(crate) fn passed(&self, reason: PassReason) {
        self.passes[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn given(&self) {
        self.given.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, status: u16) {
        let place = STATUSES.iter().position(|(known, _)| *known == status);
        self.refusals[place.unwrap_or(STATUSES.len() - 1)].fetch_add(1, Relaxed);
    }

    pub(crate) fn overdue(&self) {
        self.overdue.fetch_add(1, Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// Writes all counts, as Prometheus reads them.
    pub(crate) fn expose(&self, text: &mut Exposition) {
        self.expose_connections(text);
        let name = "hansel_requests_refused_total";
        text.family(name, "counter", "Requests that were answered without the application.");
        for ((_, status), count) in STATUSES.iter().zip(&self.refusals) {
            text.sample(name, &[("status", status)], count.load(Relaxed));
        }
        self.expose_handlers(text);
    }

    fn expose_connections(&self, text: &mut Exposition) {
        text.single(
            "hansel_connections_accepted_total",
            "counter",
            "Connections that were accepted.",
            self.accepted.load(Relaxed),
        );
        let name = "hansel_connections_refused_total";
        text.family(name, "counter", "Connections that were accepted and turned away.");
        for ((_, reason), count) in REASONS.iter().zip(&self.turned_away) {
            text.sample(name, &[("reason", reason)], count.load(Relaxed));
        }
        text.single(
            "hansel_accept_failures_total",
            "counter",
            "Times the system had no descriptor or memory for a connection.",
            self.accept_failures.load(Relaxed),
        );
        text.single(
            "hansel_idle_connections_closed_total",
            "counter",
            "Idle connections that were closed to make room for new ones.",
            self.made_room.load(Relaxed),
        );
    }

    fn expose_handlers(&self, text: &mut Exposition) {
        let name = "hansel_loop_passes_total";
        text.family(
            name,
            "counter",
            "Times a loop was passed to another thread, by who saw the need.",
        );
        for ((_, reason), count) in PASSES.iter().zip(&self.passes) {
            text.sample(name, &[("reason", reason)], count.load(Relaxed));
        }
        text.single(
            "hansel_requests_given_total",
            "counter",
            "Requests given to a parked thread, since the last ones of their connection were slow.",
            self.given.load(Relaxed),
        );
        text.single(
            "hansel_handlers_overdue_total",
            "counter",
            "Handlers that have not answered in time.",
            self.overdue.load(Relaxed),
        );
        text.single(
            "hansel_handler_panics_total",
            "counter",
            "Handlers that have panicked.",
            self.panics.load(Relaxed),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_counted_under_its_own_name() {
        type Counter = fn(&Tally);
        const COUNTERS: [(&str, Counter); 15] = [
            ("hansel_connections_accepted_total", |tally| tally.accepted()),
            ("hansel_connections_refused_total{reason=\"limit\"}", |tally| {
                tally.turned_away(TurnedAway::Limit);
            }),
            ("hansel_connections_refused_total{reason=\"peer\"}", |tally| {
                tally.turned_away(TurnedAway::Peer);
            }),
            ("hansel_connections_refused_total{reason=\"untold\"}", |tally| {
                tally.turned_away(TurnedAway::Untold);
            }),
            ("hansel_accept_failures_total", |tally| tally.accept_failed()),
            ("hansel_idle_connections_closed_total", |tally| tally.made_room()),
            ("hansel_requests_refused_total{status=\"400\"}", |tally| {
                tally.refused(400);
            }),
            ("hansel_requests_refused_total{status=\"503\"}", |tally| {
                tally.refused(503);
            }),
            ("hansel_requests_refused_total{status=\"other\"}", |tally| {
                tally.refused(505);
            }),
            ("hansel_loop_passes_total{reason=\"watch\"}", |tally| {
                tally.passed(PassReason::Watched);
            }),
            ("hansel_loop_passes_total{reason=\"slow\"}", |tally| {
                tally.passed(PassReason::Slow);
            }),
            ("hansel_loop_passes_total{reason=\"said\"}", |tally| {
                tally.passed(PassReason::Said);
            }),
            ("hansel_requests_given_total", |tally| tally.given()),
            ("hansel_handlers_overdue_total", |tally| tally.overdue()),
            ("hansel_handler_panics_total", |tally| tally.panicked()),
        ];
        let tally = Tally::default();
        for (times, (_, count)) in COUNTERS.iter().enumerate() {
            (0..=times).for_each(|_| count(&tally));
        }
        let mut text = Exposition::default();
        tally.expose(&mut text);
        let text = text.into_text();
        for (times, (name, _)) in COUNTERS.iter().enumerate() {
            assert!(text.contains(&format!("{name} {}\n", times + 1)), "{name}\n{text}");
        }
    }
}
