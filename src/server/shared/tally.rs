//! What a server counts of itself: things that happen seldom, so that counting is always on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::operations::Exposition;

use super::Shared;

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
pub(crate) enum Passed {
    /// The watch has found that its handler blocks.
    Watched,
    /// The endpoint is known to be slow.
    Slow,
    /// The handler has said that it blocks, or waits for its client.
    Said,
}

/// Why a connection was turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TurnedAway {
    /// There are too many.
    Limit,
    /// There are too many of the same peer.
    Peer,
    /// It was not told why: an answer would have taken a handshake.
    Untold,
}

const PASSES: [(Passed, &str); 3] = [
    (Passed::Watched, "watch"),
    (Passed::Slow, "slow"),
    (Passed::Said, "said"),
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

    pub(crate) fn passed(&self, reason: Passed) {
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
}

/// All there is to say of a server, as Prometheus reads it.
pub(crate) fn exposition(shared: &Shared) -> String {
    let mut text = Exposition::default();
    if let Some(metrics) = &shared.observation.metrics {
        metrics.expose(&mut text);
    }
    expose_connections(shared, &mut text);
    expose_threads(shared, &mut text);
    let dropped = shared.observation.log.as_ref().map_or(0, |log| log.dropped());
    text.single(
        "hansel_access_log_lines_dropped_total",
        "counter",
        "Lines that the access log could not take.",
        dropped,
    );
    text.into_text()
}

fn expose_connections(shared: &Shared, text: &mut Exposition) {
    let tally = &shared.tally;
    text.single(
        "hansel_connections",
        "gauge",
        "Connections that are open.",
        shared.connections(),
    );
    text.single(
        "hansel_connections_accepted_total",
        "counter",
        "Connections that were accepted.",
        tally.accepted.load(Relaxed),
    );
    let name = "hansel_connections_refused_total";
    text.family(name, "counter", "Connections that were accepted and turned away.");
    for ((_, reason), count) in REASONS.iter().zip(&tally.turned_away) {
        text.sample(name, &[("reason", reason)], count.load(Relaxed));
    }
    text.single(
        "hansel_accept_failures_total",
        "counter",
        "Times the system had no descriptor or memory for a connection.",
        tally.accept_failures.load(Relaxed),
    );
    text.single(
        "hansel_idle_connections_closed_total",
        "counter",
        "Idle connections that were closed to make room for new ones.",
        tally.made_room.load(Relaxed),
    );
    let name = "hansel_requests_refused_total";
    text.family(name, "counter", "Requests that were answered without the application.");
    for ((_, status), count) in STATUSES.iter().zip(&tally.refusals) {
        text.sample(name, &[("status", status)], count.load(Relaxed));
    }
}

fn expose_threads(shared: &Shared, text: &mut Exposition) {
    let tally = &shared.tally;
    let is_ready = u8::from(shared.is_ready());
    text.single("hansel_ready", "gauge", "Whether readiness is affirmed.", is_ready);
    text.single("hansel_loops", "gauge", "Event loops.", shared.loops.len());
    let name = "hansel_loop_passes_total";
    text.family(
        name,
        "counter",
        "Times a loop was passed to another thread, by who saw the need.",
    );
    for ((_, reason), count) in PASSES.iter().zip(&tally.passes) {
        text.sample(name, &[("reason", reason)], count.load(Relaxed));
    }
    text.single(
        "hansel_requests_given_total",
        "counter",
        "Requests given to a parked thread, since the last ones of their connection were slow.",
        tally.given.load(Relaxed),
    );
    text.single(
        "hansel_handlers_overdue_total",
        "counter",
        "Handlers that have not answered in time.",
        tally.overdue.load(Relaxed),
    );
    text.single(
        "hansel_threads_lost",
        "gauge",
        "Threads whose handlers were given up and have not returned.",
        shared.crew.lost(),
    );
    let census = shared.crew.census();
    text.single(
        "hansel_threads",
        "gauge",
        "Threads for loops and handlers.",
        census.alive,
    );
    text.single(
        "hansel_threads_parked",
        "gauge",
        "Those that wait for work.",
        census.parked,
    );
    text.single(
        "hansel_threads_sent",
        "gauge",
        "Those that have been given work and have not begun. At rest there are none.",
        census.sent,
    );
    text.single(
        "hansel_threads_holding",
        "gauge",
        "Those that hold a loop, or are expected back at it: at rest one for each.",
        census.holding,
    );
    text.single(
        "hansel_threads_handling",
        "gauge",
        "Those that run handlers and have no loop. At rest there are none.",
        census.handling,
    );
    text.single(
        "hansel_streams",
        "gauge",
        "Handlers that stream a body, either way.",
        shared.uploads.taken() + shared.downloads.taken(),
    );
    text.single(
        "hansel_uploads",
        "gauge",
        "Handlers that read a body as it arrives.",
        shared.uploads.taken(),
    );
    text.single(
        "hansel_downloads",
        "gauge",
        "Handlers whose response is a stream.",
        shared.downloads.taken(),
    );
    text.single(
        "hansel_body_memory_bytes",
        "gauge",
        "Memory that connections share for bodies, in use.",
        shared.pool.in_use(),
    );
    text.single(
        "hansel_queue_length",
        "gauge",
        "Requests that wait for a thread.",
        shared.admission.waiting(),
    );
    text.single(
        "hansel_handler_panics_total",
        "counter",
        "Handlers that have panicked.",
        tally.panics.load(Relaxed),
    );
}
