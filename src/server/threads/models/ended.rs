//! What threads leave for a loop that ends.

use loom::sync::Arc;
use loom::thread;

use super::check;
use crate::server::shared::inbox::Inbox;

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
