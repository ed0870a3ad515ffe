//! The hand-over of the loop itself, and what is done with a connection meanwhile.

use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread;

use super::{Poll, check};
use crate::server::shared::inbox::Inbox;
use crate::server::threads::baton::{Baton, Held};

/// A server with one loop, reduced to the hand-over.
pub(super) struct Server {
    pub(super) baton: Baton<Loop>,
    inbox: Inbox<u32>,
    poll: Poll,
}

/// Data that only the holder may touch.
pub(super) struct Loop {
    /// Connections that have a request.
    ready: Vec<u32>,
    /// Connections whose request has a response, and how many there are in the end.
    answered: Vec<u32>,
    all: usize,
}

impl Server {
    pub(super) fn new(connections: &[u32]) -> Arc<Server> {
        let content = Loop {
            ready: connections.to_vec(),
            answered: Vec::new(),
            all: connections.len(),
        };
        Arc::new(Server {
            baton: Baton::new(content),
            inbox: Inbox::new(),
            poll: Poll::new(),
        })
    }

    /// The same as `Shared::leave`.
    fn leave(&self, connection: u32) {
        if self.inbox.push(connection) {
            self.poll.wake();
        }
    }

    /// The same as `EventLoop::turn`: takes back what has come, sleeps when there is nothing to do, and returns what is
    /// to be handled next; nothing once every request has its response.
    fn turn(&self, held: &mut Held<'_, Loop>) -> Option<u32> {
        self.turn_resting(held, || ())
    }

    /// The same, with what the application gives back before the thread waits.
    fn turn_resting(&self, held: &mut Held<'_, Loop>, mut rest: impl FnMut()) -> Option<u32> {
        loop {
            // As a loop does: it looks without the lock first.
            while let Some(connection) = self.inbox.may_have().then(|| self.inbox.pop()).flatten() {
                held.answered.push(connection);
            }
            if let Some(connection) = held.ready.pop() {
                return Some(connection);
            }
            if held.answered.len() == held.all {
                return None;
            }
            if self.inbox.fall_asleep() {
                rest();
                self.poll.sleep();
            }
            self.inbox.wake_up();
        }
    }

    /// The same as `Runner::hold`.
    fn hold(&self) {
        let Some(mut held) = self.baton.take_up() else { return };
        while let Some(connection) = self.turn(&mut held) {
            self.baton.put_down(held);
            // The handler: other threads may do anything meanwhile.
            match self.baton.take_up() {
                Some(again) => held = again,
                None => return self.leave(connection),
            }
            held.answered.push(connection);
        }
    }
}

/// Has this many threads come to a loop with these connections, and checks that together they respond to everything.
fn check_serving(connections: &'static [u32], threads: usize) {
    check(move || {
        let server = Server::new(connections);
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let server = Arc::clone(&server);
                thread::spawn(move || server.hold())
            })
            .collect();
        server.hold();
        for other in others {
            other.join().unwrap();
        }
        let held = server.baton.take_up().expect("nobody holds it any more");
        let mut answered = held.answered.clone();
        answered.sort_unstable();
        assert_eq!(answered, connections);
        assert!(held.ready.is_empty() && server.inbox.is_empty());
    });
}

#[test]
fn a_connection_comes_back_although_its_thread_has_lost_the_loop() {
    check_serving(&[1], 2);
}

#[test]
fn two_threads_answer_two_connections_whoever_has_the_loop() {
    check_serving(&[1, 2], 2);
}

#[test]
fn three_threads_answer_two_connections_whoever_has_the_loop() {
    check_serving(&[1, 2], 3);
}

/// A lock of the application that a thread keeps from one call to the next, as `Scheduling` allows.
struct Kept<'l> {
    lock: &'l Mutex<u32>,
    guard: Option<MutexGuard<'l, u32>>,
}

impl Kept<'_> {
    /// A handler that needs the lock.
    fn call(&mut self) {
        let guard = self.guard.get_or_insert_with(|| self.lock.lock().unwrap());
        **guard += 1;
    }

    fn rest(&mut self) {
        self.guard = None;
    }
}

/// Every thread gives the lock back before it waits for events, for another order, or for the end: otherwise a thread that
/// needs the lock to bring its connection back would wait for one that waits for the connection.
#[test]
fn a_lock_that_is_kept_between_calls_is_never_kept_over_a_wait() {
    check(|| {
        let server = Server::new(&[1, 2]);
        let lock = Arc::new(Mutex::new(0));
        let over = Arc::new(Poll::new());
        // The same as `Runner::live`: what it keeps is dropped with the model, so it must not end before all is over.
        let live = |server: &Server, lock: &Mutex<u32>, over: &Poll| {
            let mut kept = Kept { lock, guard: None };
            let Some(mut held) = server.baton.take_up() else { return };
            while let Some(connection) = server.turn_resting(&mut held, || kept.rest()) {
                server.baton.put_down(held);
                kept.call();
                let Some(again) = server.baton.take_up() else {
                    kept.rest();
                    server.leave(connection);
                    return over.sleep();
                };
                held = again;
                held.answered.push(connection);
            }
            kept.rest();
            over.wake();
        };
        let other = {
            let (server, lock, over) = (Arc::clone(&server), Arc::clone(&lock), Arc::clone(&over));
            thread::spawn(move || live(&server, &lock, &over))
        };
        live(&server, &lock, &over);
        other.join().unwrap();
        assert_eq!(*lock.lock().unwrap(), 2);
    });
}

#[test]
fn what_two_threads_leave_is_seen_by_a_holder_that_falls_asleep() {
    check(|| {
        let server = Server::new(&[]);
        let threads: Vec<_> = [1, 2]
            .map(|connection| {
                let server = Arc::clone(&server);
                thread::spawn(move || server.leave(connection))
            })
            .into();
        let mut held = server.baton.take_up().unwrap();
        held.all = 2;
        assert_eq!(server.turn(&mut held), None);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_count_of_moves_is_odd_exactly_while_the_loop_lies() {
    check(|| {
        let server = Server::new(&[]);
        let other = Arc::clone(&server);
        let move_it = |server: &Server| {
            if let Some(held) = server.baton.take_up() {
                assert_eq!(server.baton.moves() % 2, 0);
                server.baton.put_down(held);
            }
        };
        let thread = thread::spawn(move || move_it(&other));
        move_it(&server);
        thread.join().unwrap();
        assert_eq!(server.baton.moves() % 2, 1);
    });
}
