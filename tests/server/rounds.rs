//! Many clients that send at the same moment.
//!
//! The server is a separate process, this test program started again, so that it can be paused: everything that its
//! clients send meanwhile has arrived when it continues.

use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Condvar, Mutex};

use hansel::{Request, Server};

use crate::processes::{end_with_test, hear_address, signal, tell_address};
use crate::support::{Client, get, no_deadlines, noise, post, post_head};

/// More than are read together, some times over.
const CLIENTS: usize = 150;

const ROUNDS: usize = 6;

#[test]
#[ignore = "the other test here starts it, as a process of its own"]
fn a_server_that_is_stopped_now_and_then() {
    static ADMITTED: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());
    end_with_test(1);
    let response = |request: &Request| {
        let (lock, changed) = &ADMITTED;
        match request.segment(0) {
            Some("wait") => {
                let admitted = lock.lock().unwrap();
                *changed.wait_while(admitted, |admitted| *admitted == 0).unwrap() -= 1;
            }
            Some("admit") => {
                *lock.lock().unwrap() += 1;
                changed.notify_one();
            }
            _ => {}
        }
        let name = request.header("X-Name").unwrap_or("nobody");
        let body = request.bytes().unwrap();
        [format!("{} {name} ", request.path()).as_bytes(), body].concat()
    };
    let server = Server::bind("127.0.0.1:0").unwrap().quiet().loops(1);
    let handle = server.limits(no_deadlines()).spawn(response).unwrap();
    tell_address(handle.local_addr());
    handle.wait();
}

struct Stoppable {
    process: Child,
    address: SocketAddr,
    /// It ends with this.
    _life_line: ChildStdin,
}

impl Stoppable {
    fn start() -> Stoppable {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rounds::a_server_that_is_stopped_now_and_then"])
            .args(["--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let life_line = process.stdin.take().unwrap();
        Stoppable {
            address: hear_address(&mut process),
            process,
            _life_line: life_line,
        }
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client sends while the server is stopped, and what it does then.
#[derive(Clone, Copy, Debug)]
enum Kind {
    One,
    Pipelined,
    HeadInTwoParts,
    BodyOfManyReads,
    BodyInTwoParts,
    LastAndDone,
    Broken,
    Waiting,
    New,
    Reset,
    Gone,
}

const KINDS: [Kind; 11] = [
    Kind::Pipelined,
    Kind::HeadInTwoParts,
    Kind::BodyOfManyReads,
    Kind::BodyInTwoParts,
    Kind::LastAndDone,
    Kind::Broken,
    Kind::Waiting,
    Kind::New,
    Kind::Reset,
    Kind::Gone,
    Kind::One,
];

/// Three of four are of the first kind, as they usually are.
fn kind(client: usize, round: usize) -> Kind {
    if (client + round) % 4 == 0 {
        KINDS[(client / 4 + round) % KINDS.len()]
    } else {
        Kind::One
    }
}

/// A request that is like no other one, and what its response says.
fn named(path: &str, client: usize, part: usize) -> (String, String) {
    let name = format!("{client}.{part}");
    let request = get(path).replace("\r\n\r\n", &format!("\r\nX-Name: {name}\r\n\r\n"));
    (request, format!("{path} {name} "))
}

/// Sends what belongs to a kind before the server goes on.
fn send(client: &mut Client, kind: Kind, number: usize) {
    let (request, _) = named("/one", number, 0);
    match kind {
        Kind::One | Kind::New => client.send(request),
        Kind::Pipelined => (0..3).for_each(|part| client.send(named("/many", number, part).0)),
        Kind::HeadInTwoParts => client.send(&request[..request.len() / 2]),
        Kind::BodyOfManyReads => client.send(post("/body", &noise(30_000))),
        Kind::BodyInTwoParts => client.send(post_head("/body", 300)),
        Kind::LastAndDone => {
            client.send(request);
            client.finish_sending();
        }
        Kind::Broken => client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        Kind::Waiting => client.send(named("/wait", number, 0).0),
        Kind::Reset | Kind::Gone => {}
    }
}

/// Reads what the client is due, and says whether the connection goes on.
fn read(client: &mut Client, kind: Kind, number: usize) -> bool {
    let (request, expected) = named("/one", number, 0);
    match kind {
        Kind::One | Kind::New => assert_eq!(client.response().text(), expected),
        Kind::Pipelined => {
            (0..3).for_each(|part| assert_eq!(client.response().text(), named("/many", number, part).1));
        }
        Kind::HeadInTwoParts => {
            client.send(&request[request.len() / 2..]);
            assert_eq!(client.response().text(), expected);
        }
        Kind::BodyOfManyReads => {
            assert_eq!(client.response().body, [b"/body nobody ", &noise(30_000)[..]].concat());
        }
        Kind::BodyInTwoParts => {
            client.send(noise(300));
            assert_eq!(client.response().body, [b"/body nobody ", &noise(300)[..]].concat());
        }
        Kind::LastAndDone => {
            assert_eq!(client.response().text(), expected);
            client.end();
        }
        Kind::Broken => {
            assert_eq!(client.response().status, 400);
            client.end();
        }
        Kind::Waiting => assert_eq!(client.response().text(), named("/wait", number, 0).1),
        Kind::Reset | Kind::Gone => {}
    }
    !matches!(kind, Kind::LastAndDone | Kind::Broken)
}

#[test]
fn whatever_clients_send_at_the_same_moment_each_gets_its_own_response() {
    let server = Stoppable::start();
    let connect = || {
        let mut client = Client::connect(server.address);
        // It rests when it is answered.
        assert_eq!(client.get("/first").text(), "/first nobody ");
        client
    };
    let mut clients: Vec<Option<Client>> = (0..CLIENTS).map(|_| None).collect();
    for round in 0..ROUNDS {
        let kinds: Vec<Kind> = (0..CLIENTS).map(|client| kind(client, round)).collect();
        for (client, kind) in clients.iter_mut().zip(&kinds) {
            match kind {
                Kind::New => *client = None,
                _ if client.is_none() => *client = Some(connect()),
                _ => {}
            }
        }
        signal(server.process.id(), "-STOP");
        for (number, (client, &kind)) in clients.iter_mut().zip(&kinds).enumerate() {
            send(
                client.get_or_insert_with(|| Client::connect(server.address)),
                kind,
                number,
            );
            match kind {
                Kind::Reset => client.take().unwrap().reset(),
                Kind::Gone => *client = None,
                _ => {}
            }
        }
        signal(server.process.id(), "-CONT");
        let is_waiting = |kind: &Kind| matches!(kind, Kind::Waiting);
        let waiting = kinds.iter().filter(|kind| is_waiting(kind)).count();
        // All others are answered while those wait.
        for is_turn in [false, true] {
            for (number, (place, &kind)) in clients.iter_mut().zip(&kinds).enumerate() {
                let Some(client) = place.as_mut().filter(|_| is_waiting(&kind) == is_turn) else {
                    continue;
                };
                if !read(client, kind, number) {
                    *place = None;
                }
            }
            if !is_turn {
                (0..waiting).for_each(|_| assert_eq!(connect().get("/admit").text(), "/admit nobody "));
            }
        }
    }
}
