//! Topics: what one sends, and many receive.

use std::time::Duration;

use hansel::{Event, Limits, Routes, SlowSubscribers, Topic, TopicSettings};

use crate::support::{Client, Running, get, no_deadlines, noise, sample, server, start};

fn serve(limits: Limits, topic: &Topic) -> Running {
    let (events, plain) = (topic.clone(), topic.clone());
    let routes = Routes::new()
        .get("/events", move || events.subscribe())
        .get("/plain", move || plain.subscribe_plain())
        .get("/", || "here");
    start(server().limits(limits), routes)
}

fn subscribe(server: &Running, path: &str) -> Client {
    let mut client = server.connect();
    client.send(get(path));
    assert_eq!(client.head().status, 200);
    client
}

fn text(chunk: &[u8]) -> String {
    String::from_utf8(chunk.to_vec()).unwrap()
}

#[test]
fn each_subscriber_gets_each_message_in_the_form_that_it_has_asked_for() {
    let topic = Topic::new();
    let server = serve(no_deadlines(), &topic);
    let mut of_events: Vec<_> = (0..3).map(|_| subscribe(&server, "/events")).collect();
    let mut of_bytes = subscribe(&server, "/plain");
    for data in ["one", "two\nlines"] {
        topic.send(data);
    }
    for client in &mut of_events {
        assert!(text(&client.chunk()).ends_with("-0\ndata: one\n\n"));
        assert!(text(&client.chunk()).ends_with("-1\ndata: two\ndata: lines\n\n"));
    }
    assert_eq!(of_bytes.chunk(), b"one");
    assert_eq!(of_bytes.chunk(), b"two\nlines");
    assert_eq!(topic.status().subscribers, 4);
    assert_eq!(topic.status().sent, 2);
}

#[test]
fn subscribers_hold_no_thread() {
    let topic = Topic::new();
    let server = start(server().threads(2).limits(no_deadlines()), {
        let topic = topic.clone();
        Routes::new()
            .get("/events", move || topic.subscribe())
            .get("/", || "here")
    });
    let mut clients: Vec<_> = (0..50).map(|_| subscribe(&server, "/events")).collect();
    assert_eq!(server.connect().get("/").text(), "here");
    topic.send("all");
    for client in &mut clients {
        assert!(text(&client.chunk()).ends_with("data: all\n\n"));
    }
}

#[test]
fn who_comes_back_continues_behind_the_last_id_and_an_unknown_id_is_a_gap() {
    let topic = Topic::with(TopicSettings::new().present(|| Event::new("now")));
    let server = serve(no_deadlines(), &topic);
    let mut client = subscribe(&server, "/events");
    assert_eq!(text(&client.chunk()), "data: now\n\n");
    topic.send("one");
    let first = text(&client.chunk());
    let id = first.lines().next().unwrap().strip_prefix("id: ").unwrap();
    drop(client);
    topic.send("two");

    let come_back = |id: &str| {
        let mut client = server.connect();
        client.send(format!(
            "GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: {id}\r\n\r\n"
        ));
        client.head();
        client
    };
    let mut client = come_back(id);
    assert!(text(&client.chunk()).ends_with("data: two\n\n"));
    topic.send("three");
    assert!(text(&client.chunk()).ends_with("data: three\n\n"));

    let mut stranger = come_back("0.0.0-7");
    assert_eq!(text(&stranger.chunk()), "event: gap\ndata: \n\n");
    assert_eq!(text(&stranger.chunk()), "data: now\n\n");
}

#[test]
fn what_an_engine_replays_and_what_is_sent_meanwhile_arrives_once() {
    let event = |id: &str| Event::new(id).with_id(id).unwrap();
    let sender = std::sync::Arc::new(std::sync::OnceLock::<Topic>::new());
    let within = std::sync::Arc::clone(&sender);
    let replay = move |id: &str| {
        assert_eq!(id, "a");
        // It is stored, and sent to all, while the client is being admitted.
        within.get().unwrap().send(event("c"));
        Some(vec![event("b"), event("c")])
    };
    let topic = Topic::with(TopicSettings::new().replay_by(replay));
    sender.set(topic.clone()).unwrap();
    let server = serve(no_deadlines(), &topic);
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: a\r\n\r\n");
    client.head();
    topic.send(event("d"));
    for id in ["b", "c", "d"] {
        assert_eq!(text(&client.chunk()), format!("id: {id}\ndata: {id}\n\n"));
    }
}

#[test]
fn beyond_their_share_subscribers_get_503_and_requests_find_room() {
    let topic = Topic::new();
    let server = serve(no_deadlines().connections(8), &topic);
    let clients: Vec<_> = (0..4).map(|_| subscribe(&server, "/events")).collect();
    let refused = server.connect().get("/events");
    assert_eq!(refused.status, 503);
    assert!(refused.field("Retry-After").is_some());
    assert_eq!(server.connect().get("/").text(), "here");
    assert_eq!(topic.status().subscribers, 4);
    drop(clients);
}

#[test]
fn a_topic_may_have_a_limit_of_its_own() {
    let topic = Topic::with(TopicSettings::new().most(1));
    let server = serve(no_deadlines(), &topic);
    let _first = subscribe(&server, "/events");
    assert_eq!(server.connect().get("/events").status, 503);
}

#[test]
fn a_drain_ends_subscriptions_in_order_and_says_when_to_come_back() {
    let topic = Topic::new();
    let server = serve(no_deadlines(), &topic);
    let mut client = subscribe(&server, "/events");
    topic.send("last");
    server.shutdown(Duration::from_secs(20));
    assert!(text(&client.chunk()).ends_with("data: last\n\n"));
    assert!(text(&client.chunk()).starts_with("retry: "));
    assert_eq!(client.chunk(), b"", "the end of the body");
}

#[test]
fn one_who_does_not_read_delays_no_other_and_loses_what_the_policy_says() {
    for policy in [
        SlowSubscribers::DropOldest,
        SlowSubscribers::KeepNewest,
        SlowSubscribers::Close,
    ] {
        let settings = TopicSettings::new().backlog(4).replay(4).slow(policy);
        let topic = Topic::with(settings);
        let server = serve(no_deadlines(), &topic);
        let mut slow = subscribe(&server, "/plain");
        let mut fast = subscribe(&server, "/plain");
        let mut piece = noise(64 * 1024);
        for n in 0..=255 {
            piece[0] = n;
            topic.send(Event::new(piece.clone()));
            // It takes each at once, so it is never behind.
            assert_eq!(fast.chunk()[0], n);
        }
        let mut got = Vec::new();
        if policy == SlowSubscribers::Close {
            slow.end_of_any_kind();
            continue;
        }
        while got.last() != Some(&255) {
            got.push(slow.chunk()[0]);
        }
        assert!(got.len() < 256, "it has missed some");
        assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "in order");
        assert_eq!(topic.status().dropped, 256 - got.len() as u64);
    }
}

#[test]
fn heartbeats_come_by_themselves_and_who_has_left_is_forgotten() {
    let topic = Topic::with(TopicSettings::new().heartbeat(Duration::from_millis(20)));
    let server = serve(no_deadlines(), &topic);
    let mut client = subscribe(&server, "/events");
    for _ in 0..3 {
        assert_eq!(client.chunk(), b":\n\n");
    }
    drop(client);
    while topic.status().subscribers > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_subscription_has_a_greatest_age() {
    let topic = Topic::with(TopicSettings::new().greatest_age(Duration::from_millis(20)));
    let server = serve(no_deadlines(), &topic);
    let mut client = subscribe(&server, "/events");
    assert_eq!(client.chunk(), b"", "the end of the body");
}

#[test]
fn a_head_has_no_body_and_counts_nobody_and_1_0_gets_no_chunks() {
    let topic = Topic::new();
    let server = serve(no_deadlines(), &topic);
    let mut client = server.connect();
    client.send("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().field("Content-Type"), Some("text/event-stream"));
    client.end();
    assert_eq!(topic.status().subscribers, 0);

    let mut old = server.connect();
    old.send("GET /plain HTTP/1.0\r\n\r\n");
    assert_eq!(old.head().field("Transfer-Encoding"), None);
    topic.send("bytes");
    assert_eq!(old.take(5), b"bytes");
}

#[test]
fn metrics_say_how_many_subscribe() {
    let topic = Topic::new();
    let subscribed = topic.clone();
    let server = start(
        server().limits(no_deadlines()).health(),
        Routes::new().get("/events", move || subscribed.subscribe()),
    );
    let _client = subscribe(&server, "/events");
    assert_eq!(sample(&mut server.connect(), "hansel_subscribers"), 1.0);
}
