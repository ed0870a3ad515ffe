//! A server's life: listening, draining, stopping.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hansel::{Body, Listener, Request, Response, Routes, Server, Trust};

use crate::support::{Client, Gate, NEVER, OpenAtEnd, get, hear, no_deadlines, server, start};

fn path(request: &Request) -> String {
    request.path().to_owned()
}

/// `/wait` waits at `gate`; everything else is answered at once.
fn gated(gate: &Gate) -> impl Fn(&Request) -> String + use<> {
    let gate = gate.clone();
    move |request: &Request| {
        if request.path() == "/wait" {
            gate.pass();
        }
        request.path().to_owned()
    }
}

#[test]
fn port_0_takes_a_port_and_tells_which() {
    let server = server();
    let addresses = server.local_addrs();
    assert_ne!(addresses[0].port(), 0);
    let server = start(server, path);
    assert_eq!(server.local_addrs(), addresses);
    assert_eq!(server.local_addr(), addresses[0]);
    assert_eq!(server.connect().get("/x").text(), "/x");
}

#[test]
fn a_port_is_that_of_ipv6_and_ipv4_and_peers_are_seen_as_they_are() {
    let server = Server::port(0).unwrap().loops(1).quiet();
    let port = server.local_addrs()[0].port();
    let _server = start(server, |request: &Request| format!("{}", request.peer().unwrap().ip()));
    let here = |address: std::net::IpAddr| Client::connect((address, port).into());
    assert_eq!(here(Ipv4Addr::LOCALHOST.into()).get("/").text(), "127.0.0.1");
    // A machine may be without IPv6.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert_eq!(here(Ipv6Addr::LOCALHOST.into()).get("/").text(), "::1");
    }
}

#[test]
fn whoever_connects_before_it_serves_waits() {
    let server = server();
    let mut early = Client::connect(server.local_addrs()[0]);
    early.send(get("/early"));
    let _server = start(server, path);
    assert_eq!(early.response().text(), "/early");
}

#[test]
fn every_listener_is_served_by_every_loop() {
    for loops in [1, 2] {
        let server = server()
            .loops(loops)
            .and_bind("127.0.0.1:0")
            .unwrap()
            .and_bind("[::1]:0");
        // A machine may be without IPv6.
        let server = server.unwrap_or_else(|_| crate::support::server().and_bind("127.0.0.1:0").unwrap());
        let server = start(server, path);
        assert!(server.local_addrs().len() >= 2);
        for address in server.local_addrs() {
            for _ in 0..10 {
                assert_eq!(Client::connect(*address).get("/x").text(), "/x");
            }
        }
    }
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    let first = start(server(), path);
    let error = Server::bind(first.local_addr()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&first.local_addr().to_string()), "{error}");
    assert_eq!(first.connect().get("/x").text(), "/x");
}

#[test]
fn listeners_of_the_program_are_served_with_their_own_settings() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let server = Server::new(Listener::from_tcp(tcp).unwrap().proxy_protocol())
        .trust(Trust::peers(["127.0.0.1"]).unwrap())
        .quiet();
    assert_eq!(server.local_addrs(), [address]);
    let server = start(server, |request: &Request| format!("{:?}", request.client()));
    let mut client = server.connect();
    client.send(format!("PROXY TCP4 192.0.2.7 192.0.2.8 1000 80\r\n{}", get("/")));
    assert_eq!(client.response().text(), "Some(192.0.2.7)");
}

#[cfg(unix)]
#[test]
fn what_does_not_listen_is_no_listener() {
    use std::os::fd::OwnedFd;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let error = Listener::from_tcp(OwnedFd::from(connection).into()).unwrap_err();
    assert!(error.to_string().contains("it is a connection"), "{error}");
    assert!(Listener::from_unix(OwnedFd::from(listener).into()).is_err());
}

#[test]
fn a_wait_ends_with_its_time_or_with_the_server() {
    let server = server().spawn(path).unwrap();
    assert_eq!(server.wait_timeout(Duration::ZERO), None);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.wait_timeout(Duration::MAX));
        server.shutdown(Duration::ZERO);
        assert!(waiting.join().unwrap().is_some());
    });
    assert_eq!(server.wait_timeout(Duration::ZERO), Some(server.wait()), "it has ended");
}

/// The number of open files of this process (Linux).
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until it holds, and returns `value`.
#[cfg(target_os = "linux")]
#[track_caller]
fn await_that<V: std::fmt::Debug>(holds: impl Fn() -> bool, value: impl Fn() -> V) -> V {
    let since = std::time::Instant::now();
    while !holds() {
        assert!(since.elapsed() < crate::support::PATIENCE, "{:?}", value());
        thread::yield_now();
    }
    value()
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "the next test starts it, as a process of its own, whose open files it counts"]
fn a_server_that_ends_before_its_handlers() {
    for loops in [1, 2] {
        let files_at_end = |clients: usize, expected: Option<usize>| {
            let before = open_files();
            let gate = Gate::new();
            // More handlers than may run at once: some are in the queue.
            let limited = server().loops(loops).threads(2).limits(no_deadlines());
            let server = limited.spawn(gated(&gate)).unwrap();
            let _open = OpenAtEnd(&gate);
            let mut clients: Vec<_> = (0..clients).map(|_| Client::connect(server.local_addr())).collect();
            clients.iter_mut().for_each(|client| client.send(get("/wait")));
            gate.await_arrived(clients.len().min(2));
            server.shutdown(Duration::ZERO);
            server.wait();
            gate.admit(2);
            drop(clients);
            let files = || open_files() - before;
            let at_end = match expected {
                None => files(),
                Some(expected) => await_that(|| files() == expected, files),
            };
            // Up to here the handle is kept. Its threads may have files a little longer.
            drop(server);
            await_that(|| files() == 0, || at_end)
        };
        let alone = files_at_end(0, None);
        files_at_end(5, Some(alone));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_connection_whose_handler_returns_after_the_end_is_closed_although_the_handle_is_kept() {
    crate::processes::run_alone("life::a_server_that_ends_before_its_handlers");
}

#[test]
fn handlers_that_still_run_at_the_end_are_told() {
    let gate = Gate::new();
    let [slow, quick] = [gate.clone(), gate.clone()];
    let routes = Routes::new()
        .get("/quick", move |request: &Request| {
            if request.query().is_some() {
                quick.pass();
            }
        })
        .get("/items/{id}", move |_id: u32| slow.pass());
    let server = server().spawn(routes).unwrap();
    let open = OpenAtEnd(&gate);
    let mut client = Client::connect(server.local_addr());
    for _ in 0..100 {
        assert_eq!(client.get("/quick").status, 204);
    }
    client.send(get("/quick?waits"));
    gate.await_arrived(1);
    let mut other = Client::connect(server.local_addr());
    other.send(get("/items/7"));
    gate.await_arrived(2);
    server.shutdown(Duration::ZERO);
    let drained = server.wait();
    assert_eq!(drained.cut, 2);
    let mut endpoints: Vec<_> = drained
        .running
        .iter()
        .map(|handler| handler.endpoint.as_deref())
        .collect();
    endpoints.sort();
    assert_eq!(endpoints, [Some("/items/{id}"), Some("/quick")]);
    let text = drained.to_string();
    assert!(
        text.contains("still running: ") && text.contains("/items/{id} for "),
        "{text}"
    );
    // Without the system's numbers of threads it is not known of an endpoint that was always fast.
    #[cfg(target_os = "linux")]
    assert!(drained.running.iter().all(|handler| handler.time.is_some()), "{text}");
    drop(open);
    while !server.wait().running.is_empty() {
        thread::yield_now();
    }
}

#[test]
fn its_text_names_addresses_and_limits() {
    let server = server();
    let text = server.to_string();
    assert!(text.contains(&server.local_addrs()[0].to_string()), "{text}");
    assert!(text.contains("32768"), "{text}");
}

#[test]
fn a_drain_closes_the_idle_finishes_what_is_in_flight_and_ends() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    let address = server.local_addr();
    let mut idle = server.connect();
    assert_eq!(idle.get("/idle").text(), "/idle");
    let mut arriving = server.connect();
    assert_eq!(arriving.get("/first").text(), "/first");
    arriving.send("POST /arriving HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nab");
    let mut in_flight = server.connect();
    in_flight.send(format!("{}{}", get("/wait"), get("/wait")));
    gate.await_arrived(1);

    server.shutdown(NEVER);
    idle.end();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    gate.admit(2);
    arriving.send("c");
    for (client, path) in [(&mut in_flight, "/wait"), (&mut arriving, "/arriving")] {
        let response = client.response();
        assert_eq!(response.text(), path);
        response.assert_closes();
        client.end();
    }
    drop((in_flight, arriving));
    assert_eq!(gate.arrived(), 1, "what is behind a closing response is not run");
    let drained = server.wait();
    assert_eq!((drained.finished, drained.cut), (2, 0));
    assert_eq!(drained.to_string(), "all 2 connections in flight were finished");
}

#[test]
fn requests_that_wait_for_a_thread_are_in_flight_too() {
    let gate = Gate::new();
    let server = start(server().threads(1).limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/wait"));
    }
    gate.await_arrived(1);
    server.shutdown(NEVER);
    gate.admit(5);
    for client in &mut clients {
        assert_eq!(client.response().text(), "/wait");
        client.end();
    }
    drop(clients);
    assert_eq!(server.wait().cut, 0);
}

#[test]
fn whoever_is_connected_and_has_asked_when_the_drain_begins_is_answered() {
    for loops in [1, 2] {
        let server = start(server().loops(loops).limits(no_deadlines()), path);
        let mut clients: Vec<_> = (0..100)
            .map(|_| {
                let mut client = server.connect();
                client.send(get("/x"));
                client
            })
            .collect();
        server.shutdown(NEVER);
        for client in &mut clients {
            assert_eq!(client.response().text(), "/x");
            client.end();
        }
        drop(clients);
        assert_eq!(server.wait().cut, 0);
    }
}

#[test]
fn a_head_that_has_begun_when_the_drain_begins_may_be_finished() {
    let server = start(server().limits(no_deadlines()), path);
    let mut begun = [server.connect(), server.connect()];
    assert_eq!(begun[1].get("/first").text(), "/first");
    for client in &mut begun {
        client.send("GET /begun HTTP/1.1\r\nHo");
    }
    // It has come after them, and who says nothing is let go.
    let mut silent = server.connect();
    server.shutdown(NEVER);
    silent.end();
    for client in &mut begun {
        client.send("st: a.test\r\n\r\n");
        let response = client.response();
        assert_eq!(response.text(), "/begun");
        response.assert_closes();
        client.end();
    }
    drop((begun, silent));
    assert_eq!(server.wait().cut, 0);
}

#[test]
fn a_stop_cuts_off_what_the_grace_did_not_suffice_for() {
    let gate = Gate::new();
    let server = start(server().limits(no_deadlines()), gated(&gate));
    let _open = OpenAtEnd(&gate);
    let mut arriving = server.connect();
    assert_eq!(arriving.get("/first").text(), "/first");
    arriving.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nab");
    let mut handling = server.connect();
    handling.send(get("/wait"));
    gate.await_arrived(1);

    server.shutdown(NEVER);
    server.shutdown(Duration::ZERO);
    let drained = server.wait();
    assert_eq!((drained.finished, drained.cut), (0, 2));
    let text = drained.to_string();
    let told = "0 connections in flight were finished, 2 were cut; still running: a handler for ";
    assert!(text.starts_with(told), "{text}");
    assert_eq!(arriving.end_of_any_kind(), b"");
    // Its handler can't be ended, and may answer when it does.
    gate.admit(1);
    handling.end_of_any_kind();
}

#[test]
fn a_stop_wakes_those_who_wait_for_a_client() {
    let (tell, told) = mpsc::channel();
    let server = start(server().limits(no_deadlines()), move |request: &Request| {
        let tell = tell.clone();
        if request.path() == "/body" {
            tell.send(String::from("reading")).unwrap();
            tell.send(format!("{:?}", request.bytes().map(<[u8]>::len))).unwrap();
            return Response::default();
        }
        // A reader, unlike a stream, is finished in a drain.
        Response::new(Body::reader(Telling { tell }))
    });
    struct Telling {
        tell: mpsc::Sender<String>,
    }
    impl io::Read for Telling {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            Ok(into.len())
        }
    }
    impl Drop for Telling {
        fn drop(&mut self) {
            self.tell.send(String::from("reader dropped")).unwrap();
        }
    }
    let mut body = server.connect();
    body.send("POST /body HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n");
    assert_eq!(hear(&told), "reading");
    let mut reader = server.connect();
    reader.send(get("/reader"));
    reader.head();
    server.shutdown(Duration::ZERO);
    let mut ends = [hear(&told), hear(&told)];
    ends.sort();
    assert_eq!(ends, ["Err(Stopping)", "reader dropped"]);
    assert_eq!(server.wait().cut, 2);
}

#[test]
fn a_server_goes_on_when_its_handle_is_dropped() {
    let handle = server().spawn(path).unwrap();
    let address = handle.local_addr();
    drop(handle);
    for _ in 0..10 {
        assert_eq!(Client::connect(address).get("/x").text(), "/x");
    }
}

#[test]
fn waiting_lasts_until_somebody_ends_the_server() {
    let server = start(server(), path);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            server.wait();
            tell.send("over").unwrap();
        });
        assert_eq!(server.connect().get("/x").text(), "/x");
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
        server.shutdown(NEVER);
        assert_eq!(hear(&told), "over");
    });
    assert_eq!(server.wait().cut, 0, "at once, the second time");
}

#[test]
fn a_port_can_be_had_again_as_soon_as_its_server_has_ended() {
    let first = start(server(), path);
    let address = first.local_addr();
    let mut client = first.connect();
    client.get("/x");
    first.shutdown(Duration::ZERO);
    first.wait();
    let second = start(Server::bind(address).unwrap().quiet(), path);
    assert_eq!(second.connect().get("/x").text(), "/x");
    client.end_of_any_kind();
}

#[test]
fn servers_end_under_load_and_leave_no_response_half() {
    for loops in [1, 2] {
        let server = start(server().loops(loops).limits(no_deadlines()), |_: &Request| {
            Response::new(Body::stream(|client| write!(client, "whole")))
        });
        let address = server.local_addr();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..4 {
                let tell = tell.clone();
                scope.spawn(move || {
                    let mut answered = 0;
                    while let Ok(stream) = TcpStream::connect(address) {
                        let mut client = Client::of(stream);
                        if client.try_send(get("/")).is_err() {
                            break;
                        }
                        let received = client.end_or_response();
                        // A connection that came too late has no response; none has half of one.
                        if received.is_empty() {
                            break;
                        }
                        assert!(received.ends_with(b"whole\r\n0\r\n\r\n") || received.ends_with(b"\r\n\r\n"));
                        answered += 1;
                        if answered == 10 {
                            tell.send(()).unwrap();
                        }
                    }
                });
            }
            for _ in 0..4 {
                hear(&told);
            }
            server.shutdown(NEVER);
            assert_eq!(server.wait().cut, 0);
        });
    }
}
