//! How many handlers run at once, and what becomes of the requests that must wait.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use hansel::{Body, IntoResponse, Limits, Request, Response};

use crate::support::{Client, Crowd, Gate, OpenAtEnd, PATIENCE, Running, get, hear, no_deadlines, server, start};

/// Handlers and streams that count how many of them run. Some say that they block, some just take a
/// while, some stream.
fn counted(crowd: &Crowd) -> impl Fn(&Request) -> Response + use<> {
    let crowd = crowd.clone();
    move |request: &Request| {
        let inside = crowd.enter();
        match request.segment(0) {
            Some("block") => hansel::blocking(thread::yield_now),
            Some("work") => (0..2000).for_each(|_| std::hint::spin_loop()),
            Some("stream") => {
                drop(inside);
                let crowd = crowd.clone();
                let body = Body::stream(move |client| {
                    let _inside = crowd.enter();
                    for n in 0..3 {
                        write!(client, "{n}")?;
                    }
                    Ok(())
                });
                return Response::new(body);
            }
            _ => {}
        }
        request.path().to_owned().into_response()
    }
}

/// Has `clients` threads ask for everything, over and over.
fn ask_for_everything(server: &Running, clients: usize, rounds: usize) {
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..rounds {
                    for path in ["/block", "/work", "/quick"] {
                        assert_eq!(client.get(path).text(), path);
                    }
                    assert_eq!(client.get("/stream").text(), "012");
                }
            });
        }
    });
}

#[test]
fn one_thread_means_one_handler_at_a_time() {
    for loops in [1, 2] {
        let crowd = Crowd::default();
        let server = start(server().loops(loops).threads(1).limits(no_deadlines()), counted(&crowd));
        ask_for_everything(&server, 8, 25);
        assert_eq!(crowd.most(), 1, "with {loops} loops");
    }
}

#[test]
fn no_more_handlers_run_than_there_are_threads() {
    for (loops, threads) in [(1, 3), (2, 3), (3, 2)] {
        let crowd = Crowd::default();
        let server = start(
            server().loops(loops).threads(threads).limits(no_deadlines()),
            counted(&crowd),
        );
        // Without streams, which would be refused: they may take half the threads only.
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut client = server.connect();
                    for _ in 0..50 {
                        for path in ["/block", "/work", "/quick"] {
                            assert_eq!(client.get(path).text(), path);
                        }
                    }
                });
            }
        });
        assert!(
            crowd.most() <= threads,
            "{} with {loops} loops and {threads} threads",
            crowd.most()
        );
    }
}

#[test]
fn as_many_handlers_as_threads_do_run_at_once() {
    for loops in [1, 2] {
        let gate = Gate::new();
        let at = gate.clone();
        let server = start(
            server().loops(loops).threads(4).limits(no_deadlines()),
            move |_: &Request| {
                at.pass();
                "through"
            },
        );
        let _open = OpenAtEnd(&gate);
        let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(get("/"));
        }
        // All four are inside although none has been let through.
        gate.await_arrived(4);
        gate.admit(4);
        for client in &mut clients {
            assert_eq!(client.answer().text(), "through");
        }
    }
}

#[test]
fn requests_beyond_the_threads_wait_and_are_all_answered() {
    for loops in [1, 2] {
        let gate = Gate::new();
        let crowd = Crowd::default();
        let (at, inside) = (gate.clone(), crowd.clone());
        let server = start(
            server().loops(loops).threads(2).limits(no_deadlines()),
            move |request: &Request| {
                let _inside = inside.enter();
                at.pass();
                request.path().to_owned()
            },
        );
        let _open = OpenAtEnd(&gate);
        let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(get(&format!("/{n}")));
        }
        gate.await_arrived(2);
        gate.admit(40);
        for (n, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.answer().text(), format!("/{n}"));
        }
        assert!(crowd.most() <= 2);
    }
}

#[test]
fn a_full_queue_is_answered_503_and_the_rest_goes_on() {
    let gate = Gate::new();
    let at = gate.clone();
    let limits = Limits {
        queue: 2,
        ..no_deadlines()
    };
    let server = start(server().threads(1).limits(limits), move |_: &Request| {
        at.pass();
        "through"
    });
    let _open = OpenAtEnd(&gate);
    let mut first = server.connect();
    first.send(get("/"));
    gate.await_arrived(1);
    // Of four more, two find a place in the queue; which two is the system's choice.
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.connect();
            client.send(get("/"));
            client
        })
        .collect();
    let (tell, told) = mpsc::channel();
    let reading: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let tell = tell.clone();
            thread::spawn(move || {
                let answer = client.answer();
                tell.send(answer.status).unwrap();
                if answer.status == 503 {
                    assert_eq!(answer.field("Retry-After"), Some("1"));
                    answer.assert_closes();
                    client.end();
                }
            })
        })
        .collect();
    assert_eq!(hear(&told), 503);
    assert_eq!(hear(&told), 503, "while nobody has been let through");
    gate.admit(3);
    assert_eq!(first.answer().text(), "through");
    assert_eq!(hear(&told), 200);
    assert_eq!(hear(&told), 200);
    for reader in reading {
        reader.join().unwrap();
    }
}

#[test]
fn with_every_thread_taken_bad_requests_are_still_refused() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().threads(1).limits(no_deadlines()), move |_: &Request| {
        at.pass();
        "through"
    });
    let _open = OpenAtEnd(&gate);
    let mut blocked = server.connect();
    blocked.send(get("/"));
    gate.await_arrived(1);
    let mut bad = server.connect();
    bad.send("NONSENSE\r\n\r\n");
    assert_eq!(bad.answer().status, 400);
    gate.admit(1);
    assert_eq!(blocked.answer().text(), "through");
}

#[test]
fn a_loop_without_a_permit_of_its_own_is_served_by_the_other() {
    // Two loops, one thread: the loops must wake each other for every request, whatever they are
    // doing just then.
    let server = start(server().loops(2).threads(1).limits(no_deadlines()), || "Hello");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // Enough idle connections that the busy ones are spread over both loops.
                let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
                for _ in 0..500 {
                    for client in &mut clients {
                        assert_eq!(client.get("/").text(), "Hello");
                    }
                }
            });
        }
    });
}

#[test]
fn streams_leave_half_the_threads_to_others() {
    let gate = Gate::new();
    let at = gate.clone();
    let server = start(server().threads(4).limits(no_deadlines()), move |request: &Request| {
        if request.segment(0) != Some("stream") {
            return "plain".into_response();
        }
        let at = at.clone();
        Response::new(Body::stream(move |client| {
            at.pass();
            write!(client, "through")
        }))
    });
    let _open = OpenAtEnd(&gate);
    let mut streams: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut streams {
        client.send(get("/stream"));
    }
    gate.await_arrived(2);
    let refused = server.connect().get("/stream");
    assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
    assert_eq!(server.connect().get("/").text(), "plain");
    gate.admit(2);
    for client in &mut streams {
        assert_eq!(client.answer().text(), "through");
    }
    gate.admit(1);
    assert_eq!(
        server.connect().get("/stream").text(),
        "through",
        "its place is free again"
    );
}

#[test]
fn a_client_that_pipelines_has_its_share_and_no_more() {
    const REQUESTS: usize = 2000;
    let gate = Gate::new();
    let (at, (tell, told)) = (gate.clone(), mpsc::channel());
    let limits = no_deadlines();
    let share = limits.pipelined;
    let server = server().threads(1).limits(limits).health_on("127.0.0.1:0").unwrap();
    let server = start(server, move |request: &Request| {
        if request.path() == "/first" {
            at.pass();
        }
        tell.send(request.path().to_owned()).unwrap();
    });
    let _open = OpenAtEnd(&gate);
    let mut greedy = server.connect();
    // More come with the first one, in one read, than are its share.
    greedy.send(get("/first") + &get("/more").repeat(REQUESTS));
    gate.await_arrived(1);
    let mut modest = server.connect();
    modest.send(get("/modest"));
    // Both are in the server's hands; the one thread has not begun with either.
    let mut lane = Client::connect(server.health_addrs()[0]);
    let until = Instant::now() + PATIENCE;
    while !lane.get("/metrics").text().contains("\nhansel_queue_length 1\n") {
        assert!(Instant::now() < until, "the modest one does not queue");
    }
    gate.admit(1);
    assert_eq!(hear(&told), "/first");
    let before = (0..).take_while(|_| hear(&told) == "/more").count();
    assert!(before <= share, "{before} requests of one client came first");
    assert_eq!(modest.answer().status, 204);
    for _ in 0..=REQUESTS {
        assert_eq!(greedy.answer().status, 204);
    }
}
