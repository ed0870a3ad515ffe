//! Topics: who subscribes, leaves, and is sent what.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{Poll, check};
use crate::server::shared::inbox::Inbox;
use crate::server::shared::note::Note;

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
            while self.inbox.may_have() && self.inbox.pop().is_some() {
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
            while topic.inbox.may_have() && topic.inbox.pop().is_some() {
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
