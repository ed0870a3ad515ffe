//! When places run short, the connections that have been idle longest make room.
//!
//! A connection must have been idle for a second. No test here measures that: where it matters, clients try until they
//! have a place, and the test checks whose connection was closed.

use std::time::{Duration, Instant};

use hansel::{Request, Server};

use crate::support::{Client, Gate, OpenAtEnd, PATIENCE, Running, get, hear, no_deadlines, sample, server, start};

/// Whoever has been idle for so long is closed if there is need.
const LONG_ENOUGH: Duration = Duration::from_millis(1500);

fn limited(connections: usize, loops: usize) -> Server {
    let limits = no_deadlines().connections(connections);
    server().loops(loops).limits(limits).health()
}

/// A client that has been answered, however many others had to be turned away before.
fn answered(server: &Running) -> Client {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut client = server.connect();
        // One that is turned away is answered before it has asked.
        let _ = client.try_send(get("/"));
        let response = client.response();
        if response.status == 200 {
            return client;
        }
        assert_eq!(response.status, 503);
        assert!(Instant::now() < until, "nobody makes room");
        // Of too many at once, some are closed before they have read what they are told.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Whether the server has closed the connection of a client that asks nothing.
fn is_closed(client: &Client) -> bool {
    client.stream.set_nonblocking(true).unwrap();
    let closed = matches!(client.stream.peek(&mut [0]), Ok(0));
    client.stream.set_nonblocking(false).unwrap();
    closed
}

#[test]
fn the_connection_that_has_been_idle_longest_is_closed_first() {
    let server = start(limited(4, 1), || "served");
    let mut clients: Vec<_> = (0..4).map(|_| answered(&server)).collect();
    // The second is now the one that has rested for the shortest time.
    clients[1].get("/");
    for gone in [0, 2, 3, 1] {
        assert!(clients.iter().all(|client| !is_closed(client)), "before {gone} is");
        let newest = answered(&server);
        // It is in its place, so the other has gone.
        clients[gone].end();
        let mut last = newest;
        assert_eq!(last.get("/").text(), "served");
        clients[gone] = last;
    }
}

#[test]
fn those_who_never_asked_anything_make_room_as_well() {
    for loops in [1, 2] {
        let server = start(limited(21, loops), || "served");
        let mut asking = answered(&server);
        let silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
        // Another loop may accept a later client first.
        while sample(&mut asking, "hansel_connections") < 21.0 {
            std::thread::yield_now();
        }
        // A loop takes in what others have accepted for it between two rounds: after these it has, and whoever asks here
        // has been idle for a shorter time than all others.
        for _ in 0..3 {
            asking.get("/");
        }
        let mut first = answered(&server);
        let mut second = answered(&server);
        assert_eq!(first.get("/").text(), "served");
        assert_eq!(second.get("/").text(), "served");
        assert_eq!(sample(&mut asking, "hansel_idle_connections_closed_total"), 2.0);
        assert_eq!(silent.iter().filter(|client| is_closed(client)).count(), 2);
    }
}

#[test]
fn a_loop_without_idle_connections_has_another_make_room() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(limited(6, 2), move |request: &Request| {
        if request.path() == "/busy" {
            at.pass();
        }
        "served"
    });
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..6).map(|_| answered(&server)).collect();
    // Loops take turns with their clients. Only one of all is idle: it makes room, whichever loop it is on, and
    // whichever the new one comes to.
    for idle in 0..6 {
        let since = Instant::now();
        for (n, client) in clients.iter_mut().enumerate() {
            if n != idle {
                client.send(get("/busy"));
            }
        }
        gate.await_arrived(5 * (idle + 1));
        // It must have been idle for a second: this only waits until that is so.
        while since.elapsed() < LONG_ENOUGH {
            std::thread::park_timeout(LONG_ENOUGH - since.elapsed().min(LONG_ENOUGH));
        }
        let mut newest = server.connect();
        let _ = newest.try_send(get("/"));
        assert_eq!(
            newest.response().status,
            200,
            "nobody is turned away before all loops have been asked"
        );
        clients[idle].end();
        assert_eq!(newest.get("/").text(), "served");
        gate.admit(5);
        for (n, client) in clients.iter_mut().enumerate() {
            if n != idle {
                assert_eq!(client.response().text(), "served");
            }
        }
        clients[idle] = newest;
    }
}

#[test]
fn a_connection_with_anything_under_way_is_never_closed_for_another() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(limited(4, 1), move |request: &Request| {
        if request.path() == "/busy" {
            at.pass();
        }
        request.bytes().map(<[u8]>::to_vec).unwrap()
    });
    let _open = OpenAtEnd(&gate);
    let mut busy = server.connect();
    busy.send(get("/busy"));
    gate.await_arrived(1);
    let mut head = server.connect();
    head.send("GET / HT");
    let mut body = server.connect();
    body.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nh");
    // The fourth place is taken by one after the other, which shows that the others' beginnings have been read.
    for _ in 0..3 {
        drop(answered(&server));
        let mut idle = answered(&server);
        assert_eq!(idle.get("/").status, 200);
    }
    gate.admit(1);
    assert_eq!(busy.response().status, 200);
    head.send("TP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(head.response().status, 200);
    body.send("am");
    assert_eq!(body.response().text(), "ham");
}

#[test]
fn a_crowd_that_is_served_just_now_is_not_closed_for_others() {
    // Without waiting, all are too young: whoever comes is told.
    let (tell, told) = std::sync::mpsc::channel();
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(limited(3, 1), move || {
        tell.send(()).unwrap();
        at.pass();
        "served"
    });
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/"));
        hear(&told);
    }
    // More than are kept until they have heard: each of them is told all the same.
    let mut turned_away: Vec<_> = (0..400).map(|_| server.connect()).collect();
    for client in &mut turned_away {
        let response = client.response();
        assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
        assert_eq!(response.text(), "503 Service Unavailable: too many connections\n");
        response.assert_closes();
        client.end();
    }
    gate.admit(3);
    for client in &mut clients {
        assert_eq!(client.response().text(), "served");
    }
}

#[test]
fn a_connection_that_has_just_been_answered_is_not_closed_for_another() {
    let server = start(limited(1, 1), || "served");
    let mut first = answered(&server);
    let since = Instant::now();
    assert_eq!(first.get("/").text(), "served");
    // It has a second for its next request, however many want its place.
    let mut next = answered(&server);
    assert!(since.elapsed() >= Duration::from_secs(1));
    first.end();
    assert_eq!(next.get("/").text(), "served");
}

#[test]
fn a_prober_that_never_closes_its_connections_keeps_no_other_out() {
    let server = start(
        server().limits(no_deadlines()).health_on("127.0.0.1:0").unwrap(),
        || "served",
    );
    let mut probes = Vec::new();
    // More than there are places.
    for _ in 0..100 {
        let mut probe = Client::connect(server.health_addrs()[0]);
        assert_eq!(probe.get("/livez").text(), "alive\n");
        probes.push(probe);
    }
    probes[0].end();
    assert_eq!(probes[99].get("/livez").text(), "alive\n");
}

#[test]
fn whoever_subscribes_is_never_closed_for_another() {
    let topic = hansel::Topic::new();
    let events = topic.clone();
    let routes = hansel::Routes::new()
        .get("/events", move || events.subscribe())
        .get("/", || "served");
    let server = start(limited(3, 1), routes);
    let mut subscriber = answered(&server);
    subscriber.send(get("/events"));
    assert_eq!(subscriber.head().status, 200);
    // It has been silent for longer than any other. All others make room, one after the other.
    for _ in 0..3 {
        let _crowd = [answered(&server), answered(&server), answered(&server)];
    }
    topic.send("still there");
    assert!(String::from_utf8(subscriber.chunk()).unwrap().contains("still there"));
}
