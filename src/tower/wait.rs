//! Waiting for a future on a thread that may block.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::pace;

/// Waits for a future on the calling thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => {
                pace::about_to_block();
                thread::park();
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_is_woken_from_elsewhere_is_waited_for() {
        let (mut turns, mut waker) = (0, None);
        let result = block_on(std::future::poll_fn(|context| {
            turns += 1;
            if turns == 2 {
                return Poll::Ready("there");
            }
            let elsewhere = context.waker().clone();
            waker = Some(thread::spawn(move || elsewhere.wake()));
            Poll::Pending
        }));
        assert_eq!(result, "there");
        assert!(waker.is_some_and(|thread| thread.join().is_ok()));
    }
}
