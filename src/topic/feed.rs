//! A subscriber that is polled: by a task of another server, or by the test client.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::{Message, Next, Subscriber, Wake};
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

    /// Returns the next message, or `None` at the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<Message>>> {
        // First the waker, then the look: a message between the two wakes.
        *lock(&self.waiting.0) = Some(context.waker().clone());
        match self.subscriber.next() {
            Next::Message(message) => Poll::Ready(Some(message)),
            Next::Nothing => Poll::Pending,
            Next::Close => Poll::Ready(None),
        }
    }

    /// Returns the bytes of a message, as this subscriber gets them.
    pub(crate) fn bytes<'m>(&self, message: &'m Message) -> &'m [u8] {
        message.bytes(self.subscriber.form, false)
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
