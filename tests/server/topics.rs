//! Topics: what one sends, and many receive.

use std::sync::mpsc::channel;
use std::time::Duration;

use hansel::{
    AccessLog, App, Done, Event, Hooks, Limits, Method, Request, Response, Routes, SlowSubscribers, State,
    Subscription, Topic, TopicSettings,
};

use crate::support::{Client, Lines, Running, get, hear, no_deadlines, noise, sample, server, start};

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

#[test]
fn metrics_know_topics_by_name() {
    let named = TopicSettings::new().name("news").backlog(1).replay(1);
    let (news, rest) = (Topic::with(named), Topic::new());
    let (of_news, of_rest) = (news.clone(), rest.clone());
    let routes = Routes::new()
        .get("/news", move || of_news.subscribe())
        .get("/rest", move || of_rest.subscribe());
    let server = start(server().limits(no_deadlines()).health(), routes);
    let mut client = subscribe(&server, "/news");
    let _others = [subscribe(&server, "/rest"), subscribe(&server, "/rest")];
    news.send("one");
    client.chunk();
    let mut probe = server.connect();
    assert_eq!(sample(&mut probe, "hansel_topic_subscribers{topic=\"news\"}"), 1.0);
    assert_eq!(sample(&mut probe, "hansel_topic_subscribers{topic=\"\"}"), 2.0);
    assert_eq!(sample(&mut probe, "hansel_topic_messages_total{topic=\"news\"}"), 1.0);
    assert_eq!(
        sample(&mut probe, "hansel_topic_messages_dropped_total{topic=\"news\"}"),
        0.0
    );
    drop(rest);
}

#[test]
fn more_of_them_than_have_their_turn_at_once_are_all_ended_by_a_drain() {
    let topic = Topic::new();
    let server = serve(no_deadlines(), &topic);
    let mut clients: Vec<_> = (0..300).map(|_| subscribe(&server, "/plain")).collect();
    topic.send("last");
    server.shutdown(Duration::from_secs(20));
    for client in &mut clients {
        assert_eq!(client.chunk(), b"last");
        assert_eq!(client.chunk(), b"", "the end of the body");
    }
    // They are dropped by a thread of their own.
    while topic.status().subscribers > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_subscription_is_logged_when_it_ends_with_what_was_sent() {
    let (tell, told) = channel();
    let topic = Topic::new();
    let subscribed = topic.clone();
    let routes = Routes::new().get("/{name}", move |_: String| subscribed.subscribe_plain());
    let server = start(
        server().limits(no_deadlines()).access_log(AccessLog::json(Lines(tell))),
        routes,
    );
    let mut client = server.connect();
    client.send("GET /news?x=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n\r\n");
    client.head();
    for data in ["ham", "eggs"] {
        topic.send(data);
        assert_eq!(client.chunk(), data.as_bytes());
    }
    assert!(told.try_recv().is_err(), "not before it ends");
    drop(client);
    let line: serde_json::Value = serde_json::from_str(&hear(&told)).unwrap();
    assert_eq!(line["target"], "/news?x=1");
    assert_eq!(line["endpoint"], "/{name}");
    assert_eq!(line["agent"], "test");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], 7);
}

#[test]
fn who_waits_for_the_end_of_a_subscription_is_told_once() {
    let (tell, told) = channel();
    let settings = TopicSettings::new().greatest_age(Duration::ZERO);
    let (ending, lasting) = (Topic::with(settings), Topic::new());
    let subscribed = lasting.clone();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        let tell = tell.clone();
        let topic = if request.path() == "/ending" { &ending } else { &lasting };
        let body = hansel::Body::from(topic.subscribe()).on_done(move |done| tell.send(done).unwrap());
        Response::new(body)
    });
    let mut client = subscribe(&server, "/ending");
    assert_eq!(client.chunk(), b"");
    assert_eq!(hear(&told), Done::Sent);
    drop(subscribe(&server, "/lasting"));
    assert_eq!(hear(&told), Done::GivenUp);
    assert_eq!(subscribed.status().subscribers, 0);
    assert!(told.try_recv().is_err());
}

#[test]
fn the_health_lane_answers_while_the_share_is_used_up_and_one_does_not_read() {
    let topic = Topic::new();
    let subscribed = topic.clone();
    let server = start(
        server().limits(no_deadlines().connections(8)).health(),
        Routes::new().get("/events", move || subscribed.subscribe()),
    );
    let clients: Vec<_> = (0..4).map(|_| subscribe(&server, "/events")).collect();
    // More than the buffers of a socket take.
    let piece = "x".repeat(1_000_000);
    (0..50).for_each(|_| topic.send(&*piece));
    assert_eq!(server.connect().get("/livez").status, 200);
    let mut probe = server.connect();
    while sample(&mut probe, "hansel_topic_subscribers_slow{topic=\"\"}") != 4.0 {
        std::thread::yield_now();
    }
    drop(clients);
}

#[test]
fn the_map_and_the_trail_say_which_endpoints_push() {
    fn news(topic: State<Topic>) -> hansel::Result<Subscription> {
        Ok(topic.subscribe())
    }
    let routes = Routes::new().get("/news", news).get("/", || "here");
    let app = App::new(Hooks::on(routes).state(Topic::new()));
    let handlers: Vec<_> = app
        .routes()
        .places()
        .iter()
        .map(|place| place.handler.clone())
        .collect();
    assert!(
        handlers.iter().any(|handler| handler == "news() pushes"),
        "{handlers:?}"
    );
    assert_eq!(handlers.iter().filter(|handler| handler.contains("pushes")).count(), 1);
    let trail = app.explain(Method::GET, "/news").to_string();
    assert!(trail.contains("news pushes"), "{trail}");
    assert!(!app.explain(Method::GET, "/").to_string().contains("pushes"));
}
