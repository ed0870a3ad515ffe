//! Which hooks have run for a request, so that each runs once however often the way is looked for.
//!
//! A request may be walked several times: with a slash more or less at its end, to find out the methods for `Allow`, and
//! where a 404 of one's own waits for others. The first walk that enters a subtree runs its hooks; later ones find here
//! what came of it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::request::Values;
use crate::{Request, Response};

/// What a hook does on the way out.
pub(super) type After = dyn Fn(&Request, &mut Response) + Send + Sync;

/// The same, made for one request.
pub(super) type AfterOnce = Box<dyn FnOnce(&Request, &mut Response)>;

/// The name of a hook, which no other has, not even one that stands at its address later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HookId(u64);

impl HookId {
    pub(super) fn new() -> HookId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        HookId(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// What the hooks have done for one request.
#[derive(Default)]
pub(crate) struct HookRuns {
    passed: RefCell<Vec<(HookId, Values)>>,
    /// Those that run on the way out, in order, for what is not found.
    out: RefCell<Vec<(HookId, Out)>>,
}

/// What runs on the way out.
pub(super) enum Out {
    Every(Arc<After>),
    Once(AfterOnce),
}

impl HookRuns {
    /// What a hook set when it let the request pass, if it has run.
    pub(super) fn passed(&self, hook: HookId) -> Option<Values> {
        let passed = self.passed.borrow();
        passed.iter().find(|(id, _)| *id == hook).map(|(_, set)| set.clone())
    }

    /// Notes that a hook let the request pass, and what it set.
    pub(super) fn note_passed(&self, hook: HookId, set: Values) {
        self.passed.borrow_mut().push((hook, set));
    }

    /// Notes what a hook does on the way out if nothing is found; once for each hook.
    pub(super) fn defer(&self, hook: HookId, out: Out) {
        let mut all = self.out.borrow_mut();
        if !all.iter().any(|(id, _)| *id == hook) {
            all.push((hook, out));
        }
    }

    /// Takes what a hook does on the way out, since something is found.
    pub(super) fn recall(&self, hook: HookId) -> Option<Out> {
        let mut all = self.out.borrow_mut();
        let place = all.iter().position(|(id, _)| *id == hook)?;
        Some(all.remove(place).1)
    }

    /// Nothing is found: runs what the hooks do on the way out, the innermost first.
    pub(crate) fn run_out(&self, request: &Request, response: &mut Response) {
        // A hook may dispatch again, so nothing is borrowed while it runs.
        for (_, out) in self.out.take() {
            out.run(request, response);
        }
    }
}

impl Out {
    pub(super) fn run(self, request: &Request, response: &mut Response) {
        match self {
            Out::Every(hook) => hook(request, response),
            Out::Once(hook) => hook(request, response),
        }
    }
}
