//! The hooks that have run for a request, so that each runs once however often the way is looked for.
//!
//! There may be several walks for a request: with a slash more or less at its end, to collect the methods for `Allow`,
//! and for a user's own 404, which waits for others. The first walk that enters a subtree runs its hooks; later walks
//! find the results here.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::request::Values;
use crate::{Request, Response};

/// A hook that runs after the endpoint.
pub(super) type After = dyn Fn(&Request, &mut Response) + Send + Sync;

/// A hook that runs after the endpoint, made for one request.
pub(super) type AfterOnce = Box<dyn FnOnce(&Request, &mut Response)>;

/// The identity of a hook. No other hook has it, not even a later one at the same address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HookId(u64);

impl HookId {
    pub(super) fn new() -> HookId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        HookId(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The results of hooks for one request.
///
/// It is made for each request, so it allocates nothing before a hook has something to note.
#[derive(Default)]
pub(crate) struct HookRuns(RefCell<Option<Box<Runs>>>);

#[derive(Default)]
struct Runs {
    passed: Vec<(HookId, Values)>,
    /// The hooks that run after a walk that finds nothing, in order.
    out: Vec<(HookId, Out)>,
}

/// A hook to run after the endpoint.
pub(super) enum Out {
    Every(Arc<After>),
    Once(AfterOnce),
}

impl HookRuns {
    /// Returns the values that a hook has set, if it has let the request pass.
    pub(super) fn passed(&self, hook: HookId) -> Option<Values> {
        let runs = self.0.borrow();
        runs.as_ref()?
            .passed
            .iter()
            .find(|(id, _)| *id == hook)
            .map(|(_, set)| set.clone())
    }

    /// Notes that a hook has let the request pass, and the values that it has set.
    pub(super) fn note_passed(&self, hook: HookId, set: Values) {
        self.0.borrow_mut().get_or_insert_default().passed.push((hook, set));
    }

    /// Defers a hook until it is known that nothing is found. Each hook is deferred once.
    pub(super) fn defer(&self, hook: HookId, out: Out) {
        let mut runs = self.0.borrow_mut();
        let all = &mut runs.get_or_insert_default().out;
        if !all.iter().any(|(id, _)| *id == hook) {
            all.push((hook, out));
        }
    }

    /// Takes a deferred hook back, because an endpoint is found.
    pub(super) fn recall(&self, hook: HookId) -> Option<Out> {
        let mut runs = self.0.borrow_mut();
        let all = &mut runs.as_mut()?.out;
        let place = all.iter().position(|(id, _)| *id == hook)?;
        Some(all.remove(place).1)
    }

    /// Runs the deferred hooks, the innermost first, because nothing is found.
    pub(crate) fn run_out(&self, request: &Request, response: &mut Response) {
        // A hook may dispatch again, so nothing is borrowed while it runs.
        for (_, out) in self.0.take().map(|runs| runs.out).into_iter().flatten() {
            out.run(request, response);
        }
    }

    /// Forgets them.
    // Taken apart, so that they cost requests that have none one test.
    #[inline]
    pub(crate) fn end(self) {
        if let Some(runs) = self.0.into_inner() {
            forget(runs);
        }
    }
}

#[cold]
fn forget(runs: Box<Runs>) {
    drop(runs);
}

impl Out {
    pub(super) fn run(self, request: &Request, response: &mut Response) {
        match self {
            Out::Every(hook) => hook(request, response),
            Out::Once(hook) => hook(request, response),
        }
    }
}
