//! The number of handlers that run at once, and the requests that must wait.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hansel::{Body, IntoResponse, Limits, Request, Response};

use crate::support::{
    Client, Crowd, Gate, NEVER, OpenAtEnd, PATIENCE, Running, get, hear, no_deadlines, post, post_head, server, start,
};

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
            assert_eq!(client.response().text(), "through");
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
            assert_eq!(client.response().text(), format!("/{n}"));
        }
        assert!(crowd.most() <= 2);
    }
}

#[test]
fn a_full_queue_is_answered_503_and_the_rest_goes_on() {
    let gate = Gate::new();
    let at = gate.clone();
    let limits = no_deadlines().queue(2);
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
                let response = client.response();
                tell.send(response.status).unwrap();
                if response.status == 503 {
                    assert_eq!(response.field("Retry-After"), Some("1"));
                    response.assert_closes();
                    client.end();
                }
            })
        })
        .collect();
    assert_eq!(hear(&told), 503);
    assert_eq!(hear(&told), 503, "while nobody has been let through");
    gate.admit(3);
    assert_eq!(first.response().text(), "through");
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
    assert_eq!(bad.response().status, 400);
    gate.admit(1);
    assert_eq!(blocked.response().text(), "through");
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

/// Serves streams and uploads that count and wait at a gate, and says "plain" to everything else. Of four threads, one
/// may read a body as it arrives, and two may stream.
fn with_places(limits: Limits, gate: &Gate) -> Running {
    let at = gate.clone();
    let limits = limits.body_buffer(0);
    start(server().threads(4).limits(limits), move |request: &Request| {
        let at = at.clone();
        match request.segment(0) {
            Some("stream") => Response::new(Body::stream(move |client| {
                at.pass();
                write!(client, "through")
            })),
            Some("upload") => {
                at.pass();
                request.bytes().map(|body| body.len().to_string()).into_response()
            }
            _ => "plain".into_response(),
        }
    })
}

fn ask(server: &Running, request: impl AsRef<[u8]>) -> Client {
    let mut client = server.connect();
    client.send(request);
    client
}

#[test]
fn uploads_and_downloads_have_places_of_their_own_and_leave_threads_to_others() {
    let gate = Gate::new();
    let server = with_places(no_deadlines(), &gate);
    let _open = OpenAtEnd(&gate);
    let mut streams = [ask(&server, get("/stream")), ask(&server, get("/stream"))];
    gate.await_arrived(2);
    let mut upload = ask(&server, post("/upload", b"ham"));
    gate.await_arrived(3);
    // They wait for a place, each for one of its kind, and without a thread.
    let mut waiting = [ask(&server, get("/stream")), ask(&server, post("/upload", b"eggs"))];
    assert_eq!(server.connect().get("/").text(), "plain");
    assert_eq!(server.connect().get("/").text(), "plain");
    assert_eq!(gate.arrived(), 3);
    gate.admit(5);
    for stream in &mut streams {
        assert_eq!(stream.response().text(), "through");
    }
    assert_eq!(upload.response().text(), "3");
    let [stream, upload] = &mut waiting;
    assert_eq!(stream.response().text(), "through");
    assert_eq!(upload.response().text(), "4");
    assert_eq!(upload.get("/").text(), "plain", "the connection goes on");
}

#[test]
fn a_response_that_is_not_sent_and_blocks_as_it_is_dropped_holds_up_nobody() {
    struct Blocks(Gate);
    impl Drop for Blocks {
        fn drop(&mut self) {
            self.0.pass();
        }
    }
    let (streams, drops) = (Gate::new(), Gate::new());
    let (at, of_value) = (streams.clone(), drops.clone());
    let limits = no_deadlines().queue_time(Duration::ZERO);
    let server = start(server().threads(2).limits(limits), move |request: &Request| {
        let at = at.clone();
        match request.path() {
            "/stream" => Body::stream(move |_| {
                at.pass();
                Ok(())
            }),
            "/blocks" => {
                let blocks = Blocks(of_value.clone());
                Body::stream(move |_| {
                    let _ = &blocks;
                    Ok(())
                })
            }
            _ => "plain".into(),
        }
    });
    let _open = (OpenAtEnd(&streams), OpenAtEnd(&drops));
    let mut stream = ask(&server, get("/stream"));
    streams.await_arrived(1);
    for dropped in 1..=2 {
        assert_eq!(
            ask(&server, get("/blocks")).response().status,
            503,
            "there is one place"
        );
        drops.await_arrived(1);
        assert_eq!(server.connect().get("/").text(), "plain", "{dropped}");
    }
    streams.admit(1);
    assert_eq!(stream.response().status, 200);
}

#[test]
fn what_is_behind_a_response_that_waits_for_its_place_waits_as_well() {
    let gate = Gate::new();
    let server = with_places(no_deadlines(), &gate);
    let _open = OpenAtEnd(&gate);
    let mut streams = [ask(&server, get("/stream")), ask(&server, get("/stream"))];
    gate.await_arrived(2);
    let mut waiting = ask(
        &server,
        get("/") + &get("/stream") + &get("/") + &get("/stream") + &get("/"),
    );
    assert_eq!(waiting.response().text(), "plain");
    gate.admit(4);
    for stream in &mut streams {
        assert_eq!(stream.response().text(), "through");
    }
    for text in ["through", "plain", "through", "plain"] {
        assert_eq!(waiting.response().text(), text);
    }
}

#[test]
fn who_is_refused_gives_its_place_back_before_its_connection_ends() {
    let gate = Gate::new();
    let at = gate.clone();
    let limits = no_deadlines().body_buffer(0).queue_time(Duration::ZERO).linger(NEVER);
    let server = server().threads(1).limits(limits).health_on("127.0.0.1:0").unwrap();
    let server = start(server, move |request: &Request| {
        if request.path() == "/wait" {
            at.pass();
        }
        request.bytes().map(|body| body.len().to_string())
    });
    let _open = OpenAtEnd(&gate);
    let mut waiting = ask(&server, get("/wait"));
    gate.await_arrived(1);
    // It has the one place there is, and no thread.
    let mut refused = ask(&server, post("/", b"ham"));
    let mut lane = Client::connect(server.health_addrs()[0]);
    let until = Instant::now() + PATIENCE;
    while !lane.get("/metrics").text().contains("\nhansel_queue_length 1\n") {
        assert!(Instant::now() < until, "it does not queue");
    }
    gate.admit(1);
    assert_eq!(waiting.response().text(), "0");
    assert_eq!(refused.response().status, 503);
    // Whoever comes before the thread is back is refused as well: nobody may queue.
    while ask(&server, post("/", b"ham")).response().status == 503 {
        assert!(Instant::now() < until, "the place does not come back");
    }
    drop(refused);
}

#[test]
fn one_thread_is_enough_for_uploads_and_streams_behind_one_another() {
    let limits = no_deadlines().body_buffer(0);
    let server = start(server().threads(1).limits(limits), |request: &Request| {
        let body = request.bytes().unwrap().to_vec();
        Response::new(Body::stream(move |client| client.write_all(&body)))
    });
    let mut clients: Vec<_> = (0..10).map(|_| ask(&server, post("/", b"ham").repeat(5))).collect();
    for client in &mut clients {
        // A reader that has not seen the end of its body might leave some: the first response may be the last.
        assert_eq!(client.response().text(), "ham");
    }
}

#[test]
fn a_request_that_waits_too_long_for_a_place_is_answered_503() {
    let gate = Gate::new();
    let limits = no_deadlines().queue_time(Duration::from_millis(50));
    let server = with_places(limits, &gate);
    let _open = OpenAtEnd(&gate);
    let _streams = [ask(&server, get("/stream")), ask(&server, get("/stream"))];
    gate.await_arrived(2);
    let _upload = ask(&server, post("/upload", b"ham"));
    gate.await_arrived(3);
    for request in [get("/stream").into_bytes(), post("/upload", b"eggs")] {
        let mut client = ask(&server, request);
        let refused = client.response();
        assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
        refused.assert_closes();
        client.end();
    }
}

#[test]
fn no_more_requests_wait_for_a_place_than_may_queue() {
    let gate = Gate::new();
    let limits = no_deadlines().queue(1);
    let server = with_places(limits, &gate);
    let _open = OpenAtEnd(&gate);
    let mut first = ask(&server, post("/upload", b"ham"));
    gate.await_arrived(1);
    let (tell, told) = mpsc::channel();
    for _ in 0..2 {
        let mut client = ask(&server, post("/upload", b"ham"));
        let tell = tell.clone();
        thread::spawn(move || tell.send(client.response().status).unwrap());
    }
    assert_eq!(hear(&told), 503);
    gate.admit(2);
    assert_eq!(first.response().text(), "3");
    assert_eq!(hear(&told), 200);
}

#[test]
fn a_slow_upload_makes_room_when_another_waits_for_its_place() {
    let gate = Gate::new();
    gate.admit(1000);
    let limits = no_deadlines()
        // What the slow one has sent gives it minutes.
        .transfer_time(Duration::from_secs(1))
        .rate(1000);
    let server = with_places(limits, &gate);
    let mut slow = ask(&server, post_head("/upload", 200_000));
    slow.send(vec![b'x'; 150_000]);
    gate.await_arrived(1);
    assert_eq!(ask(&server, post("/upload", b"ham")).response().text(), "3");
    assert_eq!(slow.response().status, 408);
    slow.end();
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
    assert_eq!(modest.response().status, 204);
    for _ in 0..=REQUESTS {
        assert_eq!(greedy.response().status, 204);
    }
}
