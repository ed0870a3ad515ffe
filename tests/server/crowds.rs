//! Many clients at once, and misbehaving ones.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use hansel::{Body, IntoResponse, Request, Response};

use crate::support::{PATIENCE, chunked, get, no_deadlines, noise, post, post_head, server, start};

#[test]
fn connections_beyond_the_limit_are_told_so() {
    let limits = no_deadlines().connections(3);
    let server = start(server().limits(limits), || "Hello");
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
        // It has begun to ask, so it is not idle.
        client.send("GET / HT");
    }
    for _ in 0..5 {
        let mut turned_away = server.connect();
        let response = turned_away.response();
        assert_eq!((response.status, response.field("Retry-After")), (503, Some("1")));
        response.assert_closes();
        turned_away.end();
    }
    clients[0].send("TP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(clients[0].response().status, 200);
    clients.pop();
    // There is room again as soon as the server has seen that.
    let until = Instant::now() + PATIENCE;
    while server.connect().get("/").status != 200 {
        assert!(Instant::now() < until, "the place is never free again");
    }
}

#[test]
fn clients_that_go_away_at_any_point_harm_nobody() {
    let server = start(
        server().loops(2).limits(no_deadlines()),
        |request: &Request| match request.path() {
            "/long" => Response::new(noise(500_000)),
            "/stream" => Response::new(Body::stream(|client| {
                for _ in 0..100 {
                    client.write_all(&[b'x'; 10_000])?;
                }
                Ok(())
            })),
            _ => request.bytes().map(<[u8]>::to_vec).into_response(),
        },
    );
    let large = post("/", &noise(200_000));
    let larger = post("/", &noise(1_200_000));
    let requests: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"GET / HT".to_vec(),
        get("/").into_bytes(),
        get("/long").into_bytes(),
        get("/stream").into_bytes(),
        get("/").repeat(50).into_bytes(),
        large[..100].to_vec(),
        large[..100_000].to_vec(),
        large,
        larger[..600_000].to_vec(),
        larger,
        post_head("/", 10).into_bytes(),
        [
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            chunked(b"ham", 1),
        ]
        .concat(),
    ];
    for round in 0..10 {
        for request in &requests {
            let mut client = server.connect();
            client.send(request);
            match round % 3 {
                0 => drop(client),
                1 => client.reset(),
                _ => {
                    client.finish_sending();
                    client.reset();
                }
            }
        }
        let mut client = server.connect();
        assert_eq!(client.post("/", b"ham").text(), "ham");
    }
    server.shutdown(PATIENCE);
    assert_eq!(server.wait().cut, 0, "nothing of them is left");
}

#[test]
fn many_clients_of_all_kinds_are_all_answered_right() {
    for (loops, threads) in [(1, 256), (2, 256), (2, 6)] {
        let server = start(
            server().loops(loops).threads(threads).limits(no_deadlines()),
            respond_to_anything,
        );
        let answered = AtomicUsize::new(0);
        thread::scope(|scope| {
            for kind in 0..12 {
                let (server, answered) = (&server, &answered);
                scope.spawn(move || {
                    let body = noise(kind * 997);
                    for round in 0..30 {
                        // Some keep their connection, some bring a new one each time.
                        let mut client = server.connect();
                        for n in 0..(1 + round % 5) {
                            answered.fetch_add(1, Ordering::SeqCst);
                            match (kind + n) % 6 {
                                0 => assert_eq!(client.get("/quick").text(), "/quick"),
                                1 => assert_eq!(client.post("/echo", &body).body, body),
                                2 => assert_eq!(client.get("/blocking").text(), "/blocking"),
                                3 => {
                                    client.send(get("/pipelined").repeat(20));
                                    (0..20).for_each(|_| assert_eq!(client.response().text(), "/pipelined"));
                                }
                                4 => {
                                    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                                    client.send(chunked(&noise(150_000), 7777));
                                    assert_eq!(client.response().body, noise(150_000));
                                }
                                _ => assert_eq!(client.get("/slow").text(), "/slow"),
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(answered.load(Ordering::SeqCst), 12 * 30 * 3);
    }
}

fn respond_to_anything(request: &Request) -> hansel::Result<Vec<u8>> {
    match request.path() {
        "/echo" => Ok(request.bytes()?.to_vec()),
        "/blocking" => Ok(hansel::blocking(|| {
            thread::yield_now();
            request.path().into()
        })),
        "/slow" => {
            // Blocks without saying so.
            thread::sleep(std::time::Duration::from_millis(2));
            Ok(request.path().into())
        }
        path => Ok(path.into()),
    }
}
