//! No thread is ever lost: whatever was requested, all threads of an idle server are where they belong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hansel::Request;

use crate::support::{Client, Gate, OpenAtEnd, PATIENCE, Running, get, no_deadlines, sample, server, start};

const LOOPS: usize = 2;
const THREADS: usize = 32;

/// How long each number of clients asks for something slow.
const ROUND: Duration = Duration::from_millis(700);

/// `/slow` takes a while, `/wait` waits at `gate`, and everything else is quick.
fn application(gate: &Gate) -> impl Fn(&Request) -> String + use<> {
    let gate = gate.clone();
    move |request: &Request| {
        match request.path() {
            "/slow" => thread::sleep(Duration::from_millis(20)),
            "/block" => hansel::blocking(|| ()),
            "/wait" => gate.pass(),
            _ => {}
        }
        request.path().to_owned()
    }
}

#[test]
fn threads_are_all_there_after_a_load_at_their_limit() {
    let gate = Gate::new();
    let server = server().loops(LOOPS).threads(THREADS).limits(no_deadlines()).health();
    let server = start(server, application(&gate));
    // With those that ask for what is quick, about as many as threads: requests come from the queue while threads are
    // parked.
    for slow in THREADS - 5..=THREADS + 1 {
        load(&server, slow);
        await_rest(&server, LOOPS);
    }
    all_threads_work(&server, &gate);
    await_rest(&server, LOOPS);
}

#[test]
fn a_request_from_the_queue_takes_no_thread_from_others() {
    let gate = Gate::new();
    let limits = no_deadlines().handler(Duration::from_millis(50));
    let server = start(server().threads(2).limits(limits).health(), application(&gate));
    let _open = OpenAtEnd(&gate);
    let mut slow = server.connect();
    for _ in 0..3 {
        assert_eq!(slow.get("/block").text(), "/block");
    }
    let mut waiting = [server.connect(), server.connect()];
    for client in &mut waiting {
        client.send(get("/wait"));
    }
    gate.await_arrived(2);
    // It waits in the queue until one of them is given up: then there are a permit and parked threads.
    slow.send(get("/block"));
    assert_eq!(slow.response().text(), "/block");
    gate.admit(2);
    for client in &mut waiting {
        client.response();
    }
    await_rest(&server, 1);
}

#[test]
fn a_thread_waits_in_reserve_before_any_handler_has_blocked() {
    let server = start(server().loops(1).health(), |_: &Request| "quick");
    let until = Instant::now() + PATIENCE;
    while Threads::of(&mut server.connect()).parked != 1 {
        assert!(Instant::now() < until, "nobody is in reserve");
        thread::yield_now();
    }
}

/// Has so many clients ask for what is slow, without a pause, and four for what is quick.
fn load(server: &Running, slow: usize) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ask = |path: &'static str| {
            let is_over = &is_over;
            move || {
                let mut client = server.connect();
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(client.get(path).text(), path);
                }
            }
        };
        (0..slow).for_each(|_| drop(scope.spawn(ask("/slow"))));
        (0..4).for_each(|_| drop(scope.spawn(ask("/quick"))));
        thread::sleep(ROUND);
        is_over.store(true, Ordering::SeqCst);
    });
}

/// Waits until every thread is parked but one for each loop.
fn await_rest(server: &Running, loops: usize) {
    let until = Instant::now() + PATIENCE;
    let mut client = server.connect();
    loop {
        let threads = Threads::of(&mut client);
        if threads.sent + threads.handling == 0 && threads.holding == loops && threads.parked + loops == threads.alive {
            return;
        }
        assert!(Instant::now() < until, "not at rest: {threads:?}");
        thread::yield_now();
    }
}

#[derive(Debug)]
struct Threads {
    alive: usize,
    parked: usize,
    sent: usize,
    holding: usize,
    handling: usize,
}

impl Threads {
    fn of(client: &mut Client) -> Threads {
        let mut count = |name| sample(client, name) as usize;
        Threads {
            alive: count("hansel_threads"),
            parked: count("hansel_threads_parked"),
            sent: count("hansel_threads_sent"),
            holding: count("hansel_threads_holding"),
            handling: count("hansel_threads_handling"),
        }
    }
}

/// As many handlers run as there may, and somebody holds each loop all the same.
fn all_threads_work(server: &Running, gate: &Gate) {
    let _open = OpenAtEnd(gate);
    let mut clients: Vec<_> = (0..THREADS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/wait"));
    }
    gate.await_arrived(THREADS);
    let mut probes: Vec<_> = (0..4 * LOOPS).map(|_| server.connect()).collect();
    for probe in &mut probes {
        assert_eq!(probe.get("/livez").text(), "alive\n");
    }
    gate.admit(THREADS);
    for client in &mut clients {
        assert_eq!(client.response().text(), "/wait");
    }
}
