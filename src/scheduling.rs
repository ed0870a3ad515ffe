//! The part that an application takes in scheduling its calls.

use std::sync::Arc;

use crate::panics::contain;
use crate::{Request, report};

/// The part of an application in scheduling its calls, by what it tells the server about its threads and is told of them:
/// see [`Application::scheduling`](crate::Application::scheduling).
///
/// It is for applications whose handlers share something: the lock of an interpreter, one connection to a database, a large
/// mutex. Each method has a default that does nothing.
///
/// With [`rest`](Scheduling::rest), a thread may keep such a lock from one request to the next, which is much cheaper than to
/// lock it for each, as long as it gives it back before it waits. A [`Limiter`](crate::Limiter) is the ready-made one for
/// everything else.
///
/// The server knows then that handlers can't run beside each other. One that computes for less than a millisecond keeps its
/// event loop; one that waits, for a database or a file, lets others pass as anywhere else.
///
/// ```
/// use hansel::Scheduling;
///
/// /// Attaches each thread to an interpreter once, and not for each request.
/// struct Interpreter;
///
/// impl Scheduling for Interpreter {
///     fn run_thread(&self, run: &mut dyn FnMut()) {
///         println!("attached");
///         run();
///         println!("detached");
///     }
/// }
/// ```
///
/// All methods are called on threads of the server, some while no other thread can serve the loop, so they must not wait.
/// A panic in them is logged and has no other effect.
pub trait Scheduling: Send + Sync + 'static {
    /// Runs a thread of the server: calls `run` once, which returns when the thread ends.
    ///
    /// Every thread that calls the application runs inside it, also those that send its streams. Values of a response that is
    /// given up may be dropped on another thread. The in-process
    /// [`Client`](crate::test::Client) calls the application on the thread of the test instead.
    fn run_thread(&self, run: &mut dyn FnMut()) {
        run();
    }

    /// Returns true if one more handler may begin. Otherwise its request waits in the queue, as it does when all threads are
    /// busy, and is subject to the same limits: [`Limits::queue`](crate::Limits::queue) and
    /// [`Limits::queue_time`](crate::Limits::queue_time).
    ///
    /// It is asked before each call, when a call has ended, and every few milliseconds while requests wait. So it may change
    /// its mind at any time.
    fn may_begin(&self) -> bool {
        true
    }

    /// Returns true if the handler of `request` shares nothing with the others, so that it may begin although
    /// [`may_begin`](Scheduling::may_begin) has just said no. It still needs a thread. The default is `false`.
    ///
    /// It is asked only then, so it costs other requests nothing. If it is true for a request that has to wait for a thread,
    /// that waits like all others.
    fn is_independent(&self, _request: &Request) -> bool {
        false
    }

    /// Is told that this thread will not call the application again at once: everything that it keeps between two calls
    /// must be given back now.
    ///
    /// It is called after one or more calls, on the thread that made them: before it waits for events, for a disk or for a
    /// client that takes a response, before it parks, and when another thread has taken its loop over. It may be called when
    /// there is nothing to give back.
    fn rest(&self) {}
}

impl<S: Scheduling + ?Sized> Scheduling for Arc<S> {
    fn run_thread(&self, run: &mut dyn FnMut()) {
        (**self).run_thread(run);
    }

    fn may_begin(&self) -> bool {
        (**self).may_begin()
    }

    fn is_independent(&self, request: &Request) -> bool {
        (**self).is_independent(request)
    }

    fn rest(&self) {
        (**self).rest();
    }
}

/// Asks an application that has a part in scheduling. One that panics can't say no: its requests would wait for ever.
#[inline(never)]
pub(crate) fn may_begin(scheduling: &dyn Scheduling) -> bool {
    contain(|| scheduling.may_begin()).unwrap_or_else(|panic| {
        report::error!("`Scheduling::may_begin` panicked: {panic}; the handler begins");
        true
    })
}

/// Asks an application that has just said no whether it means this request.
#[inline(never)]
pub(crate) fn is_independent(scheduling: &dyn Scheduling, request: &Request) -> bool {
    contain(|| scheduling.is_independent(request)).unwrap_or_else(|panic| {
        report::error!("`Scheduling::is_independent` panicked: {panic}; the handler waits");
        false
    })
}

/// Has an application give back what it keeps on this thread between two calls, if it has a part in scheduling.
#[inline]
pub(crate) fn rest(scheduling: Option<&Arc<dyn Scheduling>>) {
    if let Some(scheduling) = scheduling {
        rest_contained(&**scheduling);
    }
}

#[inline(never)]
fn rest_contained(scheduling: &dyn Scheduling) {
    if let Err(panic) = contain(|| scheduling.rest()) {
        report::error!("`Scheduling::rest` panicked: {panic}");
    }
}

/// Runs a thread within what the application runs around it. `live` is run exactly once, whatever the application does.
pub(crate) fn run_thread(scheduling: Option<&Arc<dyn Scheduling>>, live: impl FnOnce()) {
    let Some(scheduling) = scheduling else {
        return live();
    };
    let mut live = Some(live);
    let mut run = || {
        if let Some(live) = live.take() {
            live();
        }
    };
    if let Err(panic) = contain(|| scheduling.run_thread(&mut run)) {
        report::error!("`Scheduling::run_thread` panicked: {panic}");
    }
    // Without it, the thread's work would be lost.
    run();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_exactly_once_whatever_the_application_does() {
        struct Runs(usize, bool);
        impl Scheduling for Runs {
            fn run_thread(&self, run: &mut dyn FnMut()) {
                (0..self.0).for_each(|_| run());
                assert!(self.1, "as the test wants it");
            }
        }
        for runs in [
            Runs(0, true),
            Runs(1, true),
            Runs(2, true),
            Runs(0, false),
            Runs(1, false),
        ] {
            let scheduling: Arc<dyn Scheduling> = Arc::new(runs);
            let mut count = 0;
            run_thread(Some(&scheduling), || count += 1);
            assert_eq!(count, 1);
        }
        let mut count = 0;
        run_thread(None, || count += 1);
        assert_eq!(count, 1);
    }

    #[test]
    fn a_panic_in_what_an_application_does_is_contained() {
        struct Broken;
        impl Scheduling for Broken {
            fn may_begin(&self) -> bool {
                panic!("out of order");
            }
            fn is_independent(&self, _: &Request) -> bool {
                panic!("out of order");
            }
            fn rest(&self) {
                panic!("out of order");
            }
        }
        let scheduling: Arc<dyn Scheduling> = Arc::new(Broken);
        assert!(may_begin(&*scheduling));
        assert!(!is_independent(&*scheduling, &Request::get("/")));
        rest(Some(&scheduling));
        rest(None);
    }
}
