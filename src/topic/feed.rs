//! A subscriber that is polled: by a task of another server, or by the test client.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::{HEARTBEAT, Next, Subscriber, Wake};
use crate::lock::lock;

/// The messages for one subscriber, for whoever polls.
pub(crate) struct Feed {
    subscriber: Subscriber,
    waiting: Arc<Waiting>,
    number: u64,
}

#[derive(Default)]
struct Waiting(Mutex<Option<Waker>>);

impl Feed {
    pub(crate) fn new(subscriber: Subscriber) -> Feed {
        let waiting = Arc::<Waiting>::default();
        let number = subscriber.topic().listen(Arc::clone(&waiting) as Arc<dyn Wake>);
        Feed {
            subscriber,
            waiting,
            number,
        }
    }

    /// Returns the next bytes, or `None` at the end. Whoever gets neither polls again when it is woken, and at the time of
    /// [`next_due`](Feed::next_due).
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<Option<Vec<u8>>> {
        // First the waker, then the look: a message between the two wakes.
        *lock(&self.waiting.0) = Some(context.waker().clone());
        loop {
            match self.subscriber.next() {
                Next::Message(message) => {
                    let bytes = message.bytes(self.subscriber.form, false);
                    if bytes.is_empty() {
                        // It would be the end.
                        continue;
                    }
                    self.subscriber.note_sent(now);
                    return Poll::Ready(Some(bytes.to_vec()));
                }
                Next::Close => return Poll::Ready(None),
                Next::Nothing if self.subscriber.is_over(now) => return Poll::Ready(None),
                Next::Nothing if self.subscriber.wants_heartbeat(now) => {
                    self.subscriber.note_sent(now);
                    return Poll::Ready(Some(HEARTBEAT.to_vec()));
                }
                Next::Nothing => return Poll::Pending,
            }
        }
    }

    /// Returns what wakes the task that has polled last.
    #[cfg(feature = "tower")]
    pub(crate) fn wake(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waiting) as Arc<dyn Wake>
    }

    /// Returns when it is to be polled, even if nothing is sent.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.subscriber.next_due()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.subscriber.topic().unlisten(self.number);
    }
}

impl Wake for Waiting {
    fn wake(&self) {
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
