//! Passing the event loop from thread to thread.
//!
//! The loop is a baton. The thread that holds it polls, reads and parses; to run a handler it puts the
//! loop down, and takes it up again afterwards. Whoever finds it lying may take it up meanwhile: a
//! spare thread that was sent because the handler blocks, or another thread that has just finished.
//!
//! Two things must not get lost, and `tests` here checks them under every interleaving:
//! - **the loop**: it lies only while some thread that put it down is still in a handler, and that
//!   thread tries to take it up when it returns. So there is always somebody to come.
//! - **a connection** that comes back from a thread which has lost the loop: either the holder sees it
//!   before it sleeps, or it is woken.

use std::collections::VecDeque;

use sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// The standard library's means, or the model checker's.
mod sync {
    #[cfg(hansel_loom)]
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    #[cfg(hansel_loom)]
    pub(super) use loom::sync::{Mutex, MutexGuard};
    #[cfg(not(hansel_loom))]
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    #[cfg(not(hansel_loom))]
    pub(super) use std::sync::{Mutex, MutexGuard};
}

/// A loop that one thread at a time may hold.
pub(super) struct Baton<L> {
    content: Mutex<L>,
    /// Counts the times it was put down and taken up: odd while it lies.
    moves: AtomicU64,
}

/// Proof of holding the loop, and access to it.
pub(super) type Held<'b, L> = MutexGuard<'b, L>;

impl<L> Baton<L> {
    pub(super) fn new(content: L) -> Baton<L> {
        // It begins lying, for the first thread to take up.
        Baton {
            content: Mutex::new(content),
            moves: AtomicU64::new(1),
        }
    }

    /// Takes the loop up, unless somebody holds it. Never waits.
    pub(super) fn take_up(&self) -> Option<Held<'_, L>> {
        let held = match self.content.try_lock() {
            Ok(held) => held,
            #[cfg(not(hansel_loom))]
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(_) => return None,
        };
        // Only a holder writes, so this needs no read-modify-write.
        let moves = self.moves.load(Ordering::Relaxed);
        self.moves.store(moves + 1, Ordering::Relaxed);
        Some(held)
    }

    /// Puts the loop down for whoever comes first.
    pub(super) fn put_down(&self, held: Held<'_, L>) {
        let moves = self.moves.load(Ordering::Relaxed);
        // Before the loop is free, so that the count goes up in order; and sequentially consistent, so
        // that a watch that goes to sleep sees this, or this thread sees it asleep.
        self.moves.swap(moves + 1, Ordering::SeqCst);
        drop(held);
    }

    /// How often it has moved: while an odd number stays, a thread is in the same handler.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }
}

/// Where things wait for the holder of a loop.
pub(super) struct Inbox<T> {
    waiting: Mutex<VecDeque<T>>,
    /// The holder sleeps, or is about to, and must be woken.
    asleep: AtomicBool,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Inbox<T> {
        Inbox {
            waiting: Mutex::new(VecDeque::new()),
            asleep: AtomicBool::new(false),
        }
    }

    /// Leaves something. Says whether the caller must wake the holder.
    #[must_use = "the holder may be asleep"]
    pub(super) fn leave(&self, thing: T) -> bool {
        self.lock().push_back(thing);
        self.rouse()
    }

    /// Says whether the caller must wake the holder; at most one caller is told so for each sleep.
    #[must_use = "the holder may be asleep"]
    pub(super) fn rouse(&self) -> bool {
        self.asleep.swap(false, Ordering::SeqCst)
    }

    pub(super) fn take(&self) -> Option<T> {
        self.lock().pop_front()
    }

    #[cfg(not(hansel_loom))]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The holder wants to sleep. Says whether it may: not if something waits.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // Looked at after the mark: whoever leaves something later sees the mark.
        let may = self.lock().is_empty();
        if !may {
            self.wake_up();
        }
        may
    }

    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    #[cfg(not(hansel_loom))]
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(hansel_loom)]
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap()
    }
}

#[cfg(all(test, not(hansel_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_holds_it_and_the_count_tells_whether_it_lies() {
        let baton = Baton::new("loop");
        assert_eq!(baton.moves() % 2, 1);
        let held = baton.take_up().unwrap();
        assert_eq!(baton.moves() % 2, 0);
        assert!(baton.take_up().is_none());
        baton.put_down(held);
        assert_eq!(baton.moves() % 2, 1);
        assert!(baton.take_up().is_some());
    }

    #[test]
    fn the_holder_does_not_sleep_on_what_waits() {
        let inbox = Inbox::new();
        assert!(!inbox.leave(1), "nobody sleeps yet");
        assert!(!inbox.fall_asleep());
        assert_eq!(inbox.take(), Some(1));
        assert!(inbox.fall_asleep());
        assert!(inbox.leave(2));
        assert!(!inbox.leave(3), "woken once");
    }
}

/// Run by `RUSTFLAGS="--cfg hansel_loom" cargo test --release --lib baton`.
#[cfg(all(test, hansel_loom))]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// A loop with one connection, as far as handing over goes.
    struct Model {
        baton: Baton<Vec<u32>>,
        inbox: Inbox<u32>,
        /// Stands for the poll's waker.
        woken: AtomicUsize,
        taken_back: AtomicUsize,
    }

    fn model() -> Arc<Model> {
        Arc::new(Model {
            baton: Baton::new(Vec::new()),
            inbox: Inbox::new(),
            woken: AtomicUsize::new(0),
            taken_back: AtomicUsize::new(0),
        })
    }

    impl Model {
        fn leave(&self, connection: u32) {
            if self.inbox.leave(connection) {
                self.woken.fetch_add(1, Ordering::SeqCst);
            }
        }

        /// A holder's turn: takes back what waits, then sleeps if it may. Says whether it was woken
        /// or had something, so that it goes on.
        fn turn(&self) {
            while self.inbox.take().is_some() {
                self.taken_back.fetch_add(1, Ordering::SeqCst);
            }
        }

        /// Holds the loop until `all` connections are back, sleeping in between.
        fn hold(&self, all: usize) {
            loop {
                self.turn();
                if self.taken_back.load(Ordering::SeqCst) == all {
                    return;
                }
                if self.inbox.fall_asleep() {
                    // The sleep ends when somebody wakes; nobody waking while something waits would
                    // keep this spinning for ever, which the model reports.
                    while self.woken.load(Ordering::SeqCst) == 0 {
                        thread::yield_now();
                    }
                    self.woken.fetch_sub(1, Ordering::SeqCst);
                    self.inbox.wake_up();
                }
            }
        }
    }

    fn check(test: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(test);
    }

    #[test]
    fn a_connection_that_comes_back_is_seen_by_the_holder_even_as_it_falls_asleep() {
        check(|| {
            let model = model();
            let returning = Arc::clone(&model);
            let slow = thread::spawn(move || returning.leave(7));
            let held = model.baton.take_up().unwrap();
            model.hold(1);
            drop(held);
            slow.join().unwrap();
        });
    }

    #[test]
    fn two_connections_that_come_back_at_once_are_both_seen() {
        check(|| {
            let model = model();
            let threads: Vec<_> = [1, 2]
                .map(|connection| {
                    let returning = Arc::clone(&model);
                    thread::spawn(move || returning.leave(connection))
                })
                .into();
            let held = model.baton.take_up().unwrap();
            model.hold(2);
            drop(held);
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn exactly_one_thread_goes_on_with_the_loop_after_a_handler_and_its_stand_in() {
        check(|| {
            let model = model();
            let holders = Arc::new(AtomicUsize::new(0));
            let ended = Arc::new(AtomicUsize::new(0));
            // A thread puts the loop down for a handler; a spare is sent, because it blocks.
            let held = model.baton.take_up().unwrap();
            model.baton.put_down(held);
            let (spare_model, spare_holders, spare_ended) =
                (Arc::clone(&model), Arc::clone(&holders), Arc::clone(&ended));
            let spare = thread::spawn(move || {
                if let Some(mut held) = spare_model.baton.take_up() {
                    assert_eq!(spare_holders.fetch_add(1, Ordering::SeqCst), 0, "one holder at a time");
                    held.push(1);
                    spare_holders.fetch_sub(1, Ordering::SeqCst);
                    spare_ended.fetch_add(1, Ordering::SeqCst);
                }
            });
            // The handler returns.
            match model.baton.take_up() {
                Some(mut held) => {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "one holder at a time");
                    held.push(0);
                    holders.fetch_sub(1, Ordering::SeqCst);
                    ended.fetch_add(1, Ordering::SeqCst);
                }
                // It has lost the loop, so the spare has it: the connection goes to the inbox.
                None => model.leave(7),
            }
            spare.join().unwrap();
            assert!(ended.load(Ordering::SeqCst) >= 1, "the loop was left lying");
        });
    }

    #[test]
    fn the_count_of_moves_is_odd_exactly_while_the_loop_lies() {
        check(|| {
            let model = model();
            let other = Arc::clone(&model);
            let thread = thread::spawn(move || {
                if let Some(held) = other.baton.take_up() {
                    other.baton.put_down(held);
                }
            });
            if let Some(held) = model.baton.take_up() {
                model.baton.put_down(held);
            }
            thread.join().unwrap();
            assert_eq!(model.baton.moves() % 2, 1);
        });
    }
}
