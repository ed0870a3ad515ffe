//! The contents of `/metrics`: counts of requests and of the server, and how full it is.

use crate::operations::Exposition;
use crate::server::shared::Shared;
use crate::topic::TopicStatus;

/// Returns everything about a server, as Prometheus reads it.
pub(super) fn text(shared: &Shared) -> String {
    let mut text = Exposition::default();
    if let Some(metrics) = &shared.observation.metrics {
        metrics.expose(&mut text);
    }
    shared.tally.expose(&mut text);
    text.single(
        "hansel_connections",
        "gauge",
        "Connections that are open.",
        shared.connections(),
    );
    expose_threads(shared, &mut text);
    expose_bodies(shared, &mut text);
    expose_topics(shared, &mut text);
    #[cfg(feature = "websocket")]
    shared.sockets.expose(&mut text);
    let dropped = shared.observation.log.as_ref().map_or(0, |log| log.dropped());
    text.single(
        "hansel_access_log_lines_dropped_total",
        "counter",
        "Lines that the access log could not take.",
        dropped,
    );
    if let Some(own) = &shared.observation.own {
        own.expose(&mut text);
    }
    text.into_text()
}

fn expose_threads(shared: &Shared, text: &mut Exposition) {
    let census = shared.crew.census();
    for (name, help, value) in [
        (
            "hansel_ready",
            "Whether readiness is affirmed.",
            usize::from(shared.is_ready()),
        ),
        ("hansel_loops", "Event loops.", shared.loops.len()),
        (
            "hansel_threads_lost",
            "Threads whose handlers were given up and have not returned.",
            shared.crew.lost(),
        ),
        ("hansel_threads", "Threads for loops and handlers.", census.alive),
        ("hansel_threads_parked", "Those that wait for work.", census.parked),
        (
            "hansel_threads_sent",
            "Those that have been given work and have not begun. At rest there are none.",
            census.sent,
        ),
        (
            "hansel_threads_holding",
            "Those that hold a loop, or are expected back at it: at rest one for each.",
            census.holding,
        ),
        (
            "hansel_threads_handling",
            "Those that run handlers and have no loop. At rest there are none.",
            census.handling,
        ),
        (
            "hansel_queue_length",
            "Requests that wait for a thread.",
            shared.admission.waiting(),
        ),
    ] {
        text.single(name, "gauge", help, value);
    }
}

fn expose_bodies(shared: &Shared, text: &mut Exposition) {
    let (uploads, downloads) = (shared.uploads.taken(), shared.downloads.taken());
    for (name, help, value) in [
        (
            "hansel_streams",
            "Handlers that stream a body, either way.",
            uploads + downloads,
        ),
        ("hansel_uploads", "Handlers that read a body as it arrives.", uploads),
        ("hansel_downloads", "Handlers whose response is a stream.", downloads),
        (
            "hansel_subscribers",
            "Connections that subscribe to topics.",
            shared.share.taken(),
        ),
        (
            "hansel_body_memory_bytes",
            "Memory that connections share for bodies, in use.",
            shared.pool.in_use(),
        ),
    ] {
        text.single(name, "gauge", help, value);
    }
}

fn expose_topics(shared: &Shared, text: &mut Exposition) {
    let topics = shared.topics.by_name();
    if topics.is_empty() {
        return;
    }
    type Value = fn(&TopicStatus) -> u64;
    let families: [(&str, &str, &str, Value); 5] = [
        (
            "hansel_topic_subscribers",
            "gauge",
            "Those who subscribe, by the topic's name.",
            |status| status.subscribers as u64,
        ),
        (
            "hansel_topic_messages_total",
            "counter",
            "Messages that were sent to topics, each counted once.",
            |status| status.sent,
        ),
        (
            "hansel_topic_messages_dropped_total",
            "counter",
            "Messages that subscribers missed because they were too slow, counted for each subscriber.",
            |status| status.dropped,
        ),
        (
            "hansel_topic_subscribers_slow",
            "gauge",
            "Those who have not taken everything.",
            |status| status.slow as u64,
        ),
        (
            "hansel_topic_messages_behind",
            "gauge",
            "Messages that the slowest of them is behind.",
            |status| status.behind,
        ),
    ];
    for (name, kind, help, value) in families {
        text.family(name, kind, help);
        for (topic, status) in &topics {
            text.sample(name, &[("topic", topic)], value(status));
        }
    }
}
