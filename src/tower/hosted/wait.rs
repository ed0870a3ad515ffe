//! Waiting for a future on a thread that may block.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::pace;

/// Waits for a future on the calling thread.
pub(in super::super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waited = wait(future, || {
        thread::park();
        Ok::<_, Infallible>(())
    });
    waited.unwrap_or_else(|never| match never {})
}

/// Waits for a future until `goes_on` returns false. That is called at least each time this much time has passed.
pub(super) fn block_on_while<T>(
    future: impl Future<Output = T>,
    time: Duration,
    goes_on: impl Fn() -> bool,
) -> Option<T> {
    let waited = wait(future, || {
        thread::park_timeout(time);
        if goes_on() { Ok(()) } else { Err(()) }
    });
    waited.ok()
}

/// Returns a waker that unparks the calling thread.
pub(super) fn unparking() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

fn wait<T, E>(future: impl Future<Output = T>, mut park: impl FnMut() -> Result<(), E>) -> Result<T, E> {
    let waker = unparking();
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Ok(result);
        }
        pace::about_to_block();
        park()?;
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
