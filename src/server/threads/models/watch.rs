//! The watch, which must not sleep while a handler blocks, nor through the end.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::hand_over::Server;
use super::{Poll, check};
use crate::server::shared::watch::Watch;

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
