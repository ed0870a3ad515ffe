//! The subtrees that a request has entered, of those with a hook for responses.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::{Arc, Mutex};

use super::innermost::App;
use crate::lock::lock;

/// The hook of a subtree. Only its owner knows the type.
pub(crate) type Subtree = Arc<dyn Any + Send + Sync>;

/// The subtrees that a request has entered, the outermost first.
///
/// A copy of the request shares them, because the thread that has the request enters more after the copy was made.
#[derive(Default)]
pub(crate) struct Entered {
    entries: RefCell<Option<Arc<Mutex<Vec<Entry>>>>>,
    /// True while hooks run: that of an application which is a part of another one calls those of its own parts again.
    is_showing: Cell<bool>,
}

struct Entry {
    subtree: Subtree,
    /// The application that it is a part of.
    app: Option<App>,
    /// No endpoint was found in it.
    has_missed: bool,
}

impl Entered {
    /// Notes that the request has entered `subtree`, which is a part of `app`.
    pub(super) fn enter(&self, subtree: &Subtree, app: Option<App>) {
        let entries = self.shared();
        let mut entries = lock(&entries);
        match entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.subtree, subtree)) {
            Some(entry) => entry.has_missed = false,
            None => entries.push(Entry {
                subtree: Arc::clone(subtree),
                app,
                has_missed: false,
            }),
        }
    }

    /// Notes that no endpoint was found in `subtree`. There may be one elsewhere.
    pub(crate) fn miss(&self, subtree: &Subtree) {
        let entries = self.shared();
        for entry in lock(&entries).iter_mut() {
            entry.has_missed |= Arc::ptr_eq(&entry.subtree, subtree);
        }
    }

    /// Calls `show` with the subtrees, and their applications, whose hooks see the response, the innermost first: those that led to the endpoint or,
    /// if there is no endpoint, all that were searched. Within that, it does nothing.
    pub(super) fn show_each(&self, has_endpoint: bool, mut show: impl FnMut(&Subtree, Option<App>)) {
        let entries = self.entries.borrow().clone();
        let Some(entries) = entries else { return };
        if self.is_showing.replace(true) {
            return;
        }
        // Nothing is locked while a hook runs.
        let led: Vec<(Subtree, Option<App>)> = lock(&entries)
            .iter()
            .rev()
            .filter(|entry| !(has_endpoint && entry.has_missed))
            .map(|entry| (Arc::clone(&entry.subtree), entry.app.clone()))
            .collect();
        led.into_iter().for_each(|(subtree, app)| show(&subtree, app));
        self.is_showing.set(false);
    }

    /// Makes both the same from now on.
    pub(crate) fn share(&self, other: &Entered) {
        self.entries.replace(Some(other.shared()));
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.entries.get_mut().is_some() {
            self.leave_all();
        }
    }

    /// Forgets the subtrees that the request has entered.
    #[cold]
    fn leave_all(&mut self) {
        self.is_showing.set(false);
        if let Some(entries) = self.entries.get_mut() {
            // What is dropped is a hook, which is the program's code only when its application ends.
            lock(entries).clear();
        }
    }

    fn shared(&self) -> Arc<Mutex<Vec<Entry>>> {
        Arc::clone(self.entries.borrow_mut().get_or_insert_default())
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}
