//! The hand-over of the loop under every interleaving of its threads that loom distinguishes.
//!
//! Run by `RUSTFLAGS="--cfg hansel_loom" cargo test --release --lib models`. A thread that waits for something that
//! never happens is reported as a deadlock: that is how a lost wake-up shows.

use std::time::{Duration, Instant};

use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;

use super::baton::{Baton, Held};
use crate::scheduling::Scheduling;
use crate::server::shared::admission::{Admission, Admitted};
use crate::server::shared::corks::{Cork, Corks, Pieces};
use crate::server::shared::crew::{Crew, Duty, Order};
use crate::server::shared::inbox::Inbox;
use crate::server::shared::note::Note;
use crate::server::shared::sync::{AtomicBool, Ordering};
use crate::server::shared::watch::Watch;

/// Enough to let any two steps of one thread fall between any two of another, for threads as short as these. Without a
/// bound the larger models take hours.
const PREEMPTIONS: usize = 4;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Stands for the poll and its waker: a wake-up remains until a sleep consumes it.
struct Poll {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Poll {
    fn new() -> Poll {
        Poll {
            is_woken: Mutex::new(false),
            woken: Condvar::new(),
        }
    }

    fn wake(&self) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
    }

    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = self.woken.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}

/// A server with one loop, reduced to the hand-over.
struct Server {
    baton: Baton<Loop>,
    inbox: Inbox<u32>,
    poll: Poll,
}

/// Data that only the holder may touch.
struct Loop {
    /// Connections that have a request.
    ready: Vec<u32>,
    /// Connections whose request has a response, and how many there are in the end.
    answered: Vec<u32>,
    all: usize,
}

impl Server {
    fn new(connections: &[u32]) -> Arc<Server> {
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
            while let Some(connection) = self.inbox.pop() {
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

/// A handler that blocks until another thread has taken its loop over, and a watch that is falling asleep.
#[test]
fn the_watch_never_sleeps_through_a_handler_that_blocks() {
    check(|| {
        let server = Server::new(&[]);
        let watch = Arc::new(Watch::new());
        let taken_over = Arc::new(Poll::new());
        let held = server.baton.take_up().unwrap();
        let watching = {
            let (server, watch, taken_over) = (Arc::clone(&server), Arc::clone(&watch), Arc::clone(&taken_over));
            thread::spawn(move || {
                watch.begin();
                loop {
                    let moves = server.baton.moves();
                    if moves % 2 == 1 {
                        return taken_over.wake();
                    }
                    watch.sleep_unless(|| server.baton.moves_at_last_look() != moves);
                }
            })
        };
        server.baton.put_down(held);
        watch.look();
        taken_over.sleep();
        watching.join().unwrap();
    });
}

#[test]
fn the_watch_never_sleeps_through_the_end() {
    check(|| {
        let watch = Arc::new(Watch::new());
        let has_ended = Arc::new(Mutex::new(false));
        let watching = {
            let (watch, has_ended) = (Arc::clone(&watch), Arc::clone(&has_ended));
            thread::spawn(move || {
                watch.begin();
                while !*has_ended.lock().unwrap() {
                    watch.sleep_unless(|| *has_ended.lock().unwrap());
                }
            })
        };
        *has_ended.lock().unwrap() = true;
        watch.end();
        watching.join().unwrap();
    });
}

/// Returns the books of a crew, in the order of its census.
fn books(crew: &Crew<u32>) -> [usize; 5] {
    let census = crew.census();
    [
        census.alive,
        census.parked,
        census.sent,
        census.holding,
        census.handling,
    ]
}

fn answer(connection: u32) -> Order<u32> {
    Order::Serve(Instant::now(), connection)
}

/// Plays a thread of a crew. Returns which connections it was given until it left.
fn serve(crew: &Crew<u32>, mut order: Order<u32>) -> Vec<u32> {
    let mut answered = Vec::new();
    loop {
        let duty = match order {
            Order::TakeUp(_) => {
                crew.holds(Duty::Sent, false);
                Duty::Holding
            }
            Order::Serve(_, connection) | Order::Read(connection) => {
                crew.handles();
                answered.push(connection);
                Duty::Handling
            }
            Order::Leave => break,
        };
        order = crew.wait(duty);
    }
    crew.left();
    answered
}

#[test]
fn what_two_give_to_one_parked_thread_is_answered_or_kept() {
    check(|| {
        let crew = Arc::new(Crew::new(1, 0, 1));
        crew.reinforce(|| Ok(())).unwrap();
        let serving = {
            let crew = Arc::clone(&crew);
            thread::spawn(move || serve(&crew, crew.wait(Duty::Sent)))
        };
        let giving = {
            let crew = Arc::clone(&crew);
            thread::spawn(move || crew.give(1, answer))
        };
        let mut all: Vec<_> = crew.give(2, answer).into_iter().collect();
        all.extend(giving.join().unwrap());
        crew.dismiss();
        all.extend(serving.join().unwrap());
        all.sort_unstable();
        assert_eq!(all, [1, 2], "nothing is lost, and nothing is answered twice");
        assert_eq!(books(&crew), [0; 5]);
    });
}

#[test]
fn a_thread_that_has_waited_long_enough_leaves_or_has_its_order() {
    check(|| {
        let crew = Arc::new(Crew::new(1, 0, 0));
        crew.reinforce(|| Ok(())).unwrap();
        let waiting = {
            let crew = Arc::clone(&crew);
            // The same as `Crew::wait` when the time is up: the model checker has no clock.
            thread::spawn(move || {
                let (place, may_leave) = crew.park(Duty::Sent)?;
                assert!(may_leave);
                crew.let_go(&place);
                let order = place.order().expect("nobody is called without an order");
                crew.left();
                Some(order)
            })
        };
        let kept = crew.give(1, answer);
        match waiting.join().unwrap() {
            Some(Order::Serve(_, 1)) => assert_eq!(kept, None),
            Some(Order::Leave) => assert_eq!(kept, Some(1)),
            other => panic!("{other:?}"),
        }
        assert_eq!(books(&crew), [0; 5]);
    });
}

#[test]
fn a_loop_that_two_want_taken_over_is_taken_over_by_whoever_is_there_and_all_leave_in_the_end() {
    check(|| {
        let crew = Arc::new(Crew::new(1, 1, 1));
        // One is lost to a handler; another may work in its place.
        crew.reinforce(|| Ok(())).unwrap();
        crew.handles();
        assert!(crew.lose(true));
        let hired = Arc::new(Mutex::new(None));
        let send = {
            let (crew, hired) = (Arc::clone(&crew), Arc::clone(&hired));
            move || {
                let hire = |order| {
                    let crew = Arc::clone(&crew);
                    *hired.lock().unwrap() = Some(thread::spawn(move || serve(&crew, order)));
                    Ok(())
                };
                crew.send(0, hire).is_ok()
            }
        };
        let sending = thread::spawn(send.clone());
        let was_sent = send();
        assert!(sending.join().unwrap() || was_sent, "there was one to be hired");
        crew.find(true);
        crew.dismiss();
        assert_eq!(crew.wait(Duty::Handling), Order::Leave);
        crew.left();
        let hired = hired.lock().unwrap().take().unwrap();
        hired.join().unwrap();
        assert_eq!(books(&crew), [0; 5]);
        assert_eq!(crew.lost(), 0);
    });
}

#[test]
fn nothing_stays_that_is_left_for_a_loop_that_ends() {
    check(|| {
        let inbox = Arc::new(Inbox::new());
        let discard = |inbox: &Inbox<u32>| std::iter::from_fn(|| inbox.left()).count();
        let leaving = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                let _ = inbox.push(1);
                discard(&inbox)
            })
        };
        inbox.end();
        let of_loop = discard(&inbox);
        assert_eq!(leaving.join().unwrap() + of_loop, 1);
        assert!(inbox.is_empty());
    });
}

/// An application that lets handlers begin from some moment on.
struct Door(AtomicBool);

impl Scheduling for Door {
    fn may_begin(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn no_permit_is_lost_and_none_is_given_twice_while_the_application_changes_its_mind() {
    check(|| {
        let door = std::sync::Arc::new(Door(AtomicBool::new(false)));
        let scheduling: std::sync::Arc<dyn Scheduling> = door.clone();
        let admission = Arc::new(Admission::new(1, 2).asking(Some(scheduling), Duration::MAX));
        let running = Arc::new(Mutex::new(0));
        // Runs a handler, and those that have waited for its permit; returns how many.
        let run = {
            let (admission, running) = (Arc::clone(&admission), Arc::clone(&running));
            move |first: Option<u32>| {
                let (mut next, mut count) = (first, 0);
                while next.take().is_some() {
                    *running.lock().unwrap() += 1;
                    assert_eq!(*running.lock().unwrap(), 1, "there is one permit");
                    *running.lock().unwrap() -= 1;
                    count += 1;
                    next = admission.release().map(|(_, next)| next);
                }
                count
            }
        };
        let request = |number: u32| {
            let (admission, run) = (Arc::clone(&admission), run.clone());
            move || match admission.acquire(number, Instant::now(), admission.is_open(), true) {
                Admitted::Entered(number) => run(Some(number)),
                Admitted::Queued => 0,
                Admitted::Full(_) => unreachable!("both may wait"),
            }
        };
        let other = thread::spawn(request(1));
        let opening = {
            let door = door.clone();
            thread::spawn(move || door.0.store(true, Ordering::SeqCst))
        };
        let mut handled = request(2)();
        handled += other.join().unwrap();
        opening.join().unwrap();
        // As a loop does every few milliseconds while requests wait.
        while admission.ask_again(Instant::now()).is_some() {
            handled += run(admission.next_with_permit().map(|(_, next)| next));
        }
        assert_eq!(handled, 2);
        assert_eq!(
            admission.acquire(3, Instant::now(), true, true),
            Admitted::Entered(3),
            "the permit is there"
        );
    });
}

/// Pieces that are counted in place of being sent.
#[derive(Default)]
struct Counted {
    left: u32,
    sent: u32,
}

impl Pieces for Counted {
    fn send_now(&mut self) -> bool {
        self.sent += std::mem::take(&mut self.left);
        false
    }
}

#[test]
fn the_watch_sends_every_piece_that_a_stream_has_left_and_does_not_sleep_over_one() {
    check(|| {
        let (corks, watch) = (Arc::new(Corks::new()), Arc::new(Watch::new()));
        let cork = Cork::new(Counted::default());
        watch.begin();
        let writing = {
            let (corks, watch, cork) = (Arc::clone(&corks), Arc::clone(&watch), cork.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    cork.lock().left += 1;
                    if corks.list(&cork) {
                        watch.look();
                    }
                }
            })
        };
        loop {
            corks.send();
            let pieces = cork.lock();
            if pieces.sent == 2 {
                break;
            }
            drop(pieces);
            watch.sleep_unless(|| !corks.is_empty());
        }
        writing.join().unwrap();
        corks.send();
        assert!(corks.is_empty() && cork.lock().left == 0);
    });
}

/// The hand-over of the loop itself, and the books of those who take part.
#[test]
fn the_books_tell_who_holds_the_loop_whoever_takes_it_from_whom() {
    check(|| {
        let crew = Arc::new(Crew::<u32>::new(2, 0, 2));
        let baton = Arc::new(Baton::new(None));
        (0..2).for_each(|_| assert!(crew.reinforce(|| Ok(())).unwrap()));
        // The same as `Runner::hold`, with one handler.
        let hold = |number: u32| {
            let (crew, baton) = (Arc::clone(&crew), Arc::clone(&baton));
            move || {
                let take_over = |held: &mut Held<'_, Option<u32>>, was| {
                    if **held != Some(number) {
                        let before = held.replace(number);
                        crew.holds(was, before.is_some());
                    }
                };
                let duty = 'done: {
                    let Some(mut held) = baton.take_up() else {
                        break 'done Duty::Sent;
                    };
                    take_over(&mut held, Duty::Sent);
                    baton.put_down(held);
                    // The handler.
                    let Some(mut held) = baton.take_up() else {
                        break 'done Duty::Handling;
                    };
                    take_over(&mut held, Duty::Handling);
                    *held = None;
                    Duty::Holding
                };
                drop(crew.park(duty));
            }
        };
        let other = thread::spawn(hold(1));
        hold(2)();
        other.join().unwrap();
        assert_eq!(books(&crew), [2, 2, 0, 0, 0]);
        crew.dismiss();
    });
}

/// A topic with one loop that delivers, reduced to who may miss what.
struct Pushing {
    /// The ring, of which a message is its number.
    ring: Mutex<Vec<u32>>,
    /// True as long as the loop listens.
    is_listening: Mutex<bool>,
    note: Note,
    inbox: Inbox<()>,
    poll: Poll,
}

impl Pushing {
    fn new() -> Arc<Pushing> {
        Arc::new(Pushing {
            ring: Mutex::new(Vec::new()),
            is_listening: Mutex::new(false),
            note: Note::new(),
            inbox: Inbox::new(),
            poll: Poll::new(),
        })
    }

    /// The same as `Topic::send`, and the `wake` of a loop's listener.
    fn send(&self, message: u32) {
        self.ring.lock().unwrap().push(message);
        let is_listening = *self.is_listening.lock().unwrap();
        if is_listening && self.note.leave() && self.inbox.push(()) {
            self.poll.wake();
        }
    }

    /// The same as `Subscribers::join` and the first look of the connection. Returns what it gets, from its position on.
    fn join(&self, position: usize) -> Vec<u32> {
        *self.is_listening.lock().unwrap() = true;
        self.look(position)
    }

    fn leave(&self) {
        *self.is_listening.lock().unwrap() = false;
    }

    fn look(&self, position: usize) -> Vec<u32> {
        self.ring.lock().unwrap()[position..].to_vec()
    }

    /// The same as a turn of the loop: looks when a note has come, sleeps otherwise. Ends when it has so many.
    fn deliver(&self, got: &mut Vec<u32>, all: usize) {
        while got.len() < all {
            while self.inbox.pop().is_some() {
                self.note.take_up();
                got.extend(self.look(got.len()));
            }
            if got.len() < all && self.inbox.fall_asleep() {
                self.poll.sleep();
            }
            self.inbox.wake_up();
        }
    }
}

#[test]
fn who_subscribes_while_two_send_gets_each_message_once() {
    check(|| {
        let topic = Pushing::new();
        let senders: Vec<_> = [1, 2]
            .map(|message| {
                let topic = Arc::clone(&topic);
                thread::spawn(move || topic.send(message))
            })
            .into();
        let mut got = topic.join(0);
        topic.deliver(&mut got, 2);
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn who_leaves_and_comes_back_misses_nothing_that_is_kept() {
    check(|| {
        let topic = Pushing::new();
        let sender = {
            let topic = Arc::clone(&topic);
            thread::spawn(move || {
                topic.send(1);
                topic.send(2);
            })
        };
        let mut got = topic.join(0);
        topic.leave();
        // It comes back with what it has seen last. A note of before may still lie in the inbox.
        let position = got.len();
        got.extend(topic.join(position));
        topic.deliver(&mut got, 2);
        assert_eq!(got, [1, 2]);
        sender.join().unwrap();
    });
}

#[test]
fn a_drain_ends_a_subscriber_after_all_that_was_sent_before() {
    check(|| {
        let topic = Pushing::new();
        let is_draining = Arc::new(Mutex::new(false));
        let got = topic.join(0);
        let sender = {
            let (topic, is_draining) = (Arc::clone(&topic), Arc::clone(&is_draining));
            thread::spawn(move || {
                topic.send(1);
                *is_draining.lock().unwrap() = true;
                if topic.inbox.rouse() {
                    topic.poll.wake();
                }
            })
        };
        let mut got = got;
        // The same as the turn of a loop that follows the server, and its `end_slice`.
        loop {
            while topic.inbox.pop().is_some() {
                topic.note.take_up();
                got.extend(topic.look(got.len()));
            }
            if *is_draining.lock().unwrap() {
                got.extend(topic.look(got.len()));
                topic.leave();
                break;
            }
            if topic.inbox.fall_asleep() && !*is_draining.lock().unwrap() {
                topic.poll.sleep();
            }
            topic.inbox.wake_up();
        }
        assert_eq!(got, [1]);
        sender.join().unwrap();
    });
}
