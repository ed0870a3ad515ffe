//! Applications that share a lock: how the server times them, lets their handlers begin, and tells their threads to rest.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use hansel::{App, Application, Body, IntoResponse, Limiter, Request, Response, Routes, Scheduling, paced, queueing};

use crate::support::{Client, Gate, OpenAtEnd, PATIENCE, get, no_deadlines, sample, server, start};

fn passes(client: &mut Client, reason: &str) -> usize {
    sample(client, &format!("hansel_loop_passes_total{{reason=\"{reason}\"}}")) as usize
}

/// Waits until one more handler than before was found by the watch.
fn block_once(blocked: &mut Client, other: &mut Client, gate: &Gate, path: &str) {
    let arrived = gate.arrived();
    blocked.send(get(path));
    gate.await_arrived(arrived + 1);
    // Only another thread can respond to it.
    assert_eq!(other.get("/quick").status, 200);
    gate.admit(1);
    assert!(blocked.response().status < 300);
}

/// A hand-written application that waits at a gate for some requests.
struct Whole {
    gate: Gate,
    is_paced: bool,
}

impl Application for Whole {
    fn call(&self, request: &Request) -> Response {
        let work = || {
            if request.path() == "/wait" {
                self.gate.pass();
            }
            "done".into_response()
        };
        if self.is_paced {
            paced(request.path(), work)
        } else {
            work()
        }
    }
}

#[test]
fn a_hand_written_application_is_timed_as_a_whole() {
    let gate = Gate::new();
    let application = Whole {
        gate: gate.clone(),
        is_paced: false,
    };
    let server = start(server().limits(no_deadlines()).health(), application);
    let _open = OpenAtEnd(&gate);
    let (mut blocked, mut other) = (server.connect(), server.connect());
    block_once(&mut blocked, &mut other, &gate, "/wait");
    let before = passes(&mut other, "slow");
    assert_eq!(other.get("/quick").text(), "done");
    assert!(passes(&mut other, "slow") > before, "nothing was learned");
}

#[test]
fn of_paced_calls_only_those_with_a_slow_key_give_the_loop_away() {
    let gate = Gate::new();
    let application = Whole {
        gate: gate.clone(),
        is_paced: true,
    };
    let server = start(server().limits(no_deadlines()).health(), application);
    let _open = OpenAtEnd(&gate);
    let (mut blocked, mut other) = (server.connect(), server.connect());
    block_once(&mut blocked, &mut other, &gate, "/wait");
    let before = passes(&mut other, "slow");
    for _ in 0..3 {
        other.get("/quick");
    }
    assert_eq!(passes(&mut other, "slow"), before, "the key is another one");
    gate.admit(1);
    blocked.get("/wait");
    assert!(passes(&mut other, "slow") > before);
}

#[test]
fn a_long_wait_for_a_shared_lock_gives_the_loop_away_and_makes_nothing_slow() {
    let gate = Gate::new();
    let waits = gate.clone();
    let routes = Routes::new()
        .get("/wait", move || queueing(|| waits.pass()))
        .get("/quick", || "quick");
    let server = start(server().limits(no_deadlines()).health(), routes);
    let _open = OpenAtEnd(&gate);
    let (mut blocked, mut other) = (server.connect(), server.connect());
    for _ in 0..2 {
        block_once(&mut blocked, &mut other, &gate, "/wait");
    }
    assert_eq!(passes(&mut other, "slow"), 0);
    assert!(passes(&mut other, "watch") >= 2);
}

#[test]
fn the_time_for_which_a_call_waits_for_a_shared_lock_is_not_its_own() {
    let routes = Routes::new().get("/", || queueing(|| thread::sleep(Duration::from_micros(300))));
    let server = start(server().limits(no_deadlines()).health(), routes);
    let mut client = server.connect();
    for _ in 0..200 {
        client.get("/");
    }
    assert_eq!(passes(&mut client, "slow"), 0, "others would wait as well");
}

/// Lets handlers begin as long as it is open.
#[derive(Clone, Default)]
struct Door(Arc<AtomicBool>);

impl Scheduling for Door {
    fn may_begin(&self) -> bool {
        self.0.load(SeqCst)
    }
}

#[test]
fn requests_wait_while_the_application_lets_nothing_begin_and_are_served_once_it_does() {
    let door = Door::default();
    let app = App::new(Routes::new().get("/", || "in")).scheduling(door.clone());
    let server = start(server().loops(2).limits(no_deadlines()).health(), app);
    let mut probe = server.connect();
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for round in 0..3 {
        door.0.store(false, SeqCst);
        for client in &mut clients {
            client.send(get("/"));
        }
        while sample(&mut probe, "hansel_queue_length") as usize != clients.len() {
            thread::yield_now();
        }
        assert_eq!(probe.get("/livez").text(), "alive\n", "probes need no permit");
        // Nothing else happens on any loop.
        door.0.store(true, SeqCst);
        for client in &mut clients {
            assert_eq!(client.response().text(), "in", "in round {round}");
        }
    }
}

#[test]
fn an_independent_request_begins_although_the_application_lets_nothing_begin() {
    struct Closed;
    impl Scheduling for Closed {
        fn may_begin(&self) -> bool {
            false
        }
        fn is_independent(&self, request: &Request) -> bool {
            request.path() == "/alone"
        }
    }
    let app = App::new(Routes::new().get("/", || "in").get("/alone", || "alone")).scheduling(Closed);
    let server = start(server().limits(no_deadlines()).health(), app);
    let (mut waiting, mut alone) = (server.connect(), server.connect());
    waiting.send(get("/"));
    while sample(&mut alone, "hansel_queue_length") as usize != 1 {
        thread::yield_now();
    }
    for _ in 0..3 {
        assert_eq!(alone.get("/alone").text(), "alone");
    }
    assert_eq!(
        sample(&mut alone, "hansel_queue_length") as usize,
        1,
        "the other one still waits"
    );
}

#[test]
fn a_limiter_keeps_requests_in_the_queue_while_enough_handlers_wait() {
    let limiter = Arc::new(Limiter::up_to(4));
    let (gate, of_handler) = (Gate::new(), Arc::clone(&limiter));
    let waits = gate.clone();
    let routes = Routes::new()
        .get("/wait", move || of_handler.wait(|| waits.pass()))
        .get("/quick", || "quick");
    let app = App::new(routes).scheduling(Arc::clone(&limiter));
    let server = start(server().threads(16).limits(no_deadlines()).health(), app);
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/wait"));
    }
    gate.await_arrived(4);
    let mut probe = server.connect();
    while sample(&mut probe, "hansel_queue_length") as usize != 6 {
        thread::yield_now();
    }
    assert_eq!(limiter.waiting(), 4);
    gate.admit(10);
    for client in &mut clients {
        assert!(client.response().status < 300);
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Counts the threads that run inside it.
#[derive(Clone, Default)]
struct Attached {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Scheduling for Attached {
    fn run_thread(&self, run: &mut dyn FnMut()) {
        self.begun.fetch_add(1, SeqCst);
        INSIDE.set(true);
        run();
        self.ended.fetch_add(1, SeqCst);
    }
}

#[test]
fn every_thread_that_runs_the_program_runs_inside_what_the_application_runs_around_it() {
    let attached = Attached::default();
    let gate = Gate::new();
    let waits = gate.clone();
    let routes = Routes::new()
        .get("/wait", move || {
            waits.pass();
            INSIDE.get().to_string()
        })
        .get("/stream", || {
            Body::stream(|out| out.write_all(INSIDE.get().to_string().as_bytes()))
        });
    let app = App::new(routes).scheduling(attached.clone());
    let server = start(server().loops(2).threads(8).limits(no_deadlines()), app);
    let _open = OpenAtEnd(&gate);
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/wait"));
    }
    gate.await_arrived(8);
    gate.admit(8);
    for client in &mut clients {
        assert_eq!(client.response().text(), "true");
        assert_eq!(client.get("/stream").text(), "true");
    }
    assert!(attached.begun.load(SeqCst) >= 8);
    drop((clients, server));
    let until = Instant::now() + PATIENCE;
    while attached.ended.load(SeqCst) != attached.begun.load(SeqCst) {
        assert!(Instant::now() < until, "a thread has not ended inside");
        thread::yield_now();
    }
}

thread_local! {
    static KEPT: RefCell<Option<MutexGuard<'static, u64>>> = const { RefCell::new(None) };
}

/// A lock that a thread keeps from one call to the next, until it rests: as one keeps the lock of an interpreter.
#[derive(Clone, Copy)]
struct KeptLock(&'static Mutex<u64>);

impl KeptLock {
    fn new() -> KeptLock {
        KeptLock(Box::leak(Box::default()))
    }

    fn count(self) {
        KEPT.with_borrow_mut(|kept| {
            let guard = kept.get_or_insert_with(|| queueing(|| self.0.lock().unwrap()));
            **guard += 1;
        });
    }

    /// Waits without the lock, as one would for anything.
    fn without<R>(self, wait: impl FnOnce() -> R) -> R {
        self.rest();
        wait()
    }
}

impl Scheduling for KeptLock {
    fn rest(&self) {
        KEPT.with_borrow_mut(|kept| drop(kept.take()));
    }
}

#[test]
fn what_a_thread_keeps_between_calls_is_given_back_before_every_wait() {
    let lock = KeptLock::new();
    let file = std::env::current_exe().unwrap();
    let routes = Routes::new()
        .get("/quick", move || lock.count())
        .get("/sleep", move || {
            lock.count();
            lock.without(|| thread::sleep(Duration::from_millis(2)));
            lock.count();
        })
        .get("/panic", move || -> &'static str {
            lock.count();
            panic!("with the lock");
        })
        .get("/stream", move || {
            lock.count();
            // More than the client takes at once.
            Body::stream(|out| (0..256).try_for_each(|_| out.write_all(&[b'x'; 64 * 1024])))
        })
        .get("/file", move || {
            lock.count();
            Body::file(std::fs::File::open(&file).unwrap()).unwrap()
        })
        .post("/read", move |request: &Request| {
            lock.count();
            let body = lock.without(|| {
                let mut body = Vec::new();
                request.body().read_to_end(&mut body).map(|_| body)
            });
            lock.count();
            body.unwrap_or_default()
        });
    let app = App::new(routes).scheduling(lock);
    let server = start(server().loops(2).threads(16).limits(no_deadlines()).health(), app);
    let deadline = Instant::now() + Duration::from_millis(1500);
    thread::scope(|scope| {
        for paths in [
            &["/quick"][..],
            &["/quick"],
            &["/quick", "/sleep"],
            &["/sleep"],
            &["/sleep", "/panic", "/quick"],
            &["/stream", "/quick"],
            &["/file", "/sleep"],
            &["/nowhere", "/quick"],
        ] {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                while Instant::now() < deadline {
                    for path in paths {
                        client.get(path);
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut client = server.connect();
            while Instant::now() < deadline {
                client.send("POST /read HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nab");
                client.send("cd");
                assert_eq!(client.response().text(), "abcd");
            }
        });
    });
    // A client that does not read keeps nobody from the lock.
    let mut idle = server.connect();
    idle.send(get("/stream"));
    idle.take(1);
    for _ in 0..3 {
        server.connect().get("/quick");
    }
    // Whoever has it now is not about to give it back: every thread rests.
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(count) = lock.0.try_lock() {
            assert!(*count > 100, "{count}");
            return;
        }
        assert!(Instant::now() < until, "a thread rests with the lock");
        thread::yield_now();
    }
}
