//! The threads of a crew: each has its order, or is parked, or leaves; and the books tell which.

use std::time::Instant;

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::check;
use crate::server::shared::crew::{Crew, Duty, Order};
use crate::server::threads::baton::{Baton, Held};

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
