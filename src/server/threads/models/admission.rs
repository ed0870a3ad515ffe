//! Permits, while the application changes its mind.

use std::time::{Duration, Instant};

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::check;
use crate::scheduling::Scheduling;
use crate::server::shared::admission::{Admission, Admitted};
use crate::server::shared::sync::{AtomicBool, Ordering};

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
