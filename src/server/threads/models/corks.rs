//! Pieces of streams, which the watch sends.

use loom::sync::Arc;
use loom::thread;

use super::check;
use crate::server::shared::corks::{Cork, Corks, Pieces};
use crate::server::shared::watch::Watch;

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
