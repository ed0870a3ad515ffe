//! Sockets: what any thread sends leaves at once, whether a handler runs, blocks, or the client takes nothing for a while.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{Poll, check};
use crate::server::shared::inbox::Inbox;
use crate::socket::Notice;

/// A socket with its loop, reduced to who sends what.
struct Conversation {
    line: Mutex<Line>,
    inbox: Inbox<Arrival>,
    poll: Poll,
    /// The same as `Call::has_lost_loop`.
    is_lost: AtomicBool,
}

/// The same as the line of a socket. A message is its number.
#[derive(Default)]
struct Line {
    notice: Notice,
    out: Vec<u32>,
    /// The messages that have left.
    sent: Vec<u32>,
    /// How many more the client takes.
    room: usize,
}

enum Arrival {
    OfSocket,
    Returned,
}

impl Conversation {
    fn new(room: usize) -> Arc<Conversation> {
        let line = Line {
            room,
            ..Line::default()
        };
        Arc::new(Conversation {
            line: Mutex::new(line),
            inbox: Inbox::new(),
            poll: Poll::new(),
            is_lost: AtomicBool::new(false),
        })
    }

    /// The same as `Line::send`, and its waker.
    fn send(&self, message: u32) {
        let mut line = self.line.lock().unwrap();
        line.out.push(message);
        let is_due = line.notice.is_due();
        drop(line);
        if is_due {
            self.leave(Arrival::OfSocket);
        }
    }

    fn leave(&self, arrival: Arrival) {
        if self.inbox.push(arrival) {
            self.poll.wake();
        }
    }

    /// The same as `Line::flush`, and as `Line::flush_own`, which differs in what topics have.
    fn flush(&self) {
        let mut line = self.line.lock().unwrap();
        line.notice.take_up();
        let fitting = line.room.min(line.out.len());
        let leaving: Vec<_> = line.out.drain(..fitting).collect();
        line.sent.extend(leaving);
        line.room -= fitting;
        let is_blocked = !line.out.is_empty();
        line.notice.block(is_blocked);
    }

    /// The same as `Runner::serve_socket`, with the calls of a handler that sends these. It returns at the end, or never.
    fn handle(&self, messages: &[u32], returns: bool) {
        self.line.lock().unwrap().notice.attend(true);
        if self.is_lost.load(Ordering::SeqCst) {
            self.line.lock().unwrap().notice.attend(false);
        }
        messages.iter().for_each(|message| self.send(*message));
        if returns {
            self.leave(Arrival::Returned);
        }
    }

    /// The same as the next holder's `EventLoop::is_back`, after the loop was lost.
    fn take_over(&self) {
        self.is_lost.store(true, Ordering::SeqCst);
        self.flush();
    }

    /// The same as a turn of the loop: sends when it is told, sleeps otherwise. Ends when so many have left.
    fn turn(&self, all: usize) {
        while self.line.lock().unwrap().sent.len() < all {
            while let Some(arrival) = self.inbox.may_have().then(|| self.inbox.pop()).flatten() {
                match arrival {
                    Arrival::OfSocket | Arrival::Returned => self.flush(),
                }
            }
            if self.line.lock().unwrap().sent.len() == all {
                return;
            }
            if self.inbox.fall_asleep() {
                self.poll.sleep();
                // The same as the event of a client that takes more.
                if self.line.lock().unwrap().notice.is_blocked() {
                    self.flush();
                }
            }
            self.inbox.wake_up();
        }
    }
}

/// Lets these run beside the turn of the loop, and returns what has left.
fn sent_beside<const N: usize>(
    conversation: &Arc<Conversation>,
    all: usize,
    others: [fn(&Conversation); N],
) -> Vec<u32> {
    let threads = others.map(|other| {
        let conversation = Arc::clone(conversation);
        thread::spawn(move || other(&conversation))
    });
    conversation.turn(all);
    for thread in threads {
        thread.join().unwrap();
    }
    conversation.line.lock().unwrap().sent.clone()
}

#[test]
fn what_two_threads_send_leaves_once() {
    check(|| {
        let conversation = Conversation::new(2);
        let mut sent = sent_beside(&conversation, 2, [|c| c.send(1), |c| c.send(2)]);
        sent.sort_unstable();
        assert_eq!(sent, [1, 2]);
    });
}

#[test]
fn what_a_handler_and_another_thread_send_leaves_when_it_returns_at_the_latest() {
    check(|| {
        let conversation = Conversation::new(3);
        let sent = sent_beside(&conversation, 3, [|c| c.handle(&[1, 2], true), |c| c.send(3)]);
        let of_handler: Vec<_> = sent.into_iter().filter(|message| *message < 3).collect();
        assert_eq!(of_handler, [1, 2]);
    });
}

#[test]
fn what_a_handler_sends_leaves_although_it_never_returns() {
    check(|| {
        let conversation = Conversation::new(2);
        let handling = {
            let conversation = Arc::clone(&conversation);
            thread::spawn(move || conversation.handle(&[1, 2], false))
        };
        conversation.take_over();
        conversation.turn(2);
        handling.join().unwrap();
        assert_eq!(conversation.line.lock().unwrap().sent, [1, 2]);
    });
}

#[test]
fn what_waits_for_a_client_that_takes_nothing_leaves_when_it_takes_more() {
    check(|| {
        let conversation = Conversation::new(0);
        let takes_more = |c: &Conversation| {
            c.line.lock().unwrap().room = 2;
            c.poll.wake();
        };
        let sent = sent_beside(
            &conversation,
            2,
            [
                |c| {
                    c.send(1);
                    c.send(2);
                },
                takes_more,
            ],
        );
        assert_eq!(sent, [1, 2]);
    });
}
