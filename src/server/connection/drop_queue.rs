//! Values of the program that the server has no more use for, dropped on a thread of their own.
//!
//! Dropping runs code of the program, which may block or panic. A thread that holds an event loop must not wait for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::lock::lock;
use crate::panics::contain;
use crate::{report, threads};

/// The time for which a thread waits for more. Where sockets end one after the other, starting one for each would take longer
/// than all else that ends them.
const LINGER: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(crate) struct DropQueue {
    queue: Mutex<Queue>,
    pushed: Condvar,
}

#[derive(Default)]
struct Queue {
    values: VecDeque<Box<dyn Send>>,
    /// A thread drops them one by one, and ends when there have been none for a while.
    has_thread: bool,
}

impl DropQueue {
    /// Has `value` dropped on another thread.
    pub(crate) fn push(self: &Arc<DropQueue>, value: Box<dyn Send>) {
        let had_thread = {
            let mut queue = lock(&self.queue);
            queue.values.push_back(value);
            std::mem::replace(&mut queue.has_thread, true)
        };
        if had_thread {
            self.pushed.notify_one();
            return;
        }
        let queue = Arc::clone(self);
        let drop_all = move || queue.drop_all(LINGER);
        if let Err(error) = threads::start("hansel-drop".into(), Box::new(drop_all)) {
            report::warn!("can't start a thread that drops unsent responses, so an event loop drops them: {error}");
            self.drop_all(Duration::ZERO);
        }
    }

    fn drop_all(&self, linger: Duration) {
        while let Some(value) = self.next(linger) {
            if let Err(panic) = contain(|| drop(value)) {
                report::error!("dropping an unsent response panicked: {panic}");
            }
        }
    }

    /// Takes the next one, and waits for it. If none comes, the thread ends.
    fn next(&self, linger: Duration) -> Option<Box<dyn Send>> {
        let is_empty = |queue: &mut Queue| queue.values.is_empty();
        let waited = self.pushed.wait_timeout_while(lock(&self.queue), linger, is_empty);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let next = queue.values.pop_front();
        queue.has_thread = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Tells when it begins to be dropped, waits until it may, and panics.
    struct Bomb {
        begins: Sender<usize>,
        may_end: Receiver<()>,
        number: usize,
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            self.begins.send(self.number).unwrap();
            let _ = self.may_end.recv();
            panic!("on purpose");
        }
    }

    #[test]
    fn nobody_waits_for_a_drop_that_blocks_and_no_panic_keeps_others_from_being_dropped() {
        let queue = Arc::new(DropQueue::default());
        let (begins, begun) = channel();
        let bombs: Vec<_> = (0..3)
            .map(|number| {
                let (end, may_end) = channel();
                let begins = begins.clone();
                queue.push(Box::new(Bomb {
                    begins,
                    may_end,
                    number,
                }));
                end
            })
            .collect();
        for (number, end) in bombs.into_iter().enumerate() {
            assert_eq!(begun.recv(), Ok(number));
            drop(end);
        }
        while lock(&queue.queue).has_thread {
            std::thread::yield_now();
        }
    }
}
