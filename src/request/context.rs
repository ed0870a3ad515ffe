//! Values that travel with a request: those that a hook sets for it, and those that the application shares with all.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

type Value = Arc<dyn Any + Send + Sync>;

/// A value that the application shares, as it is set on a request. Its type is not that of a value that a hook sets, so
/// neither hides the other.
pub(crate) struct Shared<T: ?Sized>(Arc<T>);

/// The values set on one request, each with its type. The last one of each type is visible.
///
/// Values are shared, not borrowed, so a handler may keep one while a later hook sets another.
#[derive(Default)]
pub(crate) struct Context {
    values: RefCell<Vec<(TypeId, Value)>>,
    /// The number of values. It is read at every step of a walk, so it must be cheap.
    count: Cell<usize>,
}

/// Some of the values of a request.
#[derive(Clone, Default)]
pub(crate) struct Values(Vec<(TypeId, Value)>);

/// The number of values at some moment; see [`Context::rewind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize);

impl Context {
    pub(crate) fn set<T: Any + Send + Sync>(&self, value: T) {
        self.push(Arc::new(value));
    }

    /// Shares a value of the application with the request.
    pub(crate) fn share<T: Any + Send + Sync>(&self, value: &Arc<Shared<T>>) {
        self.push(Arc::clone(value));
    }

    fn push<T: Any + Send + Sync>(&self, value: Arc<T>) {
        self.values.borrow_mut().push((TypeId::of::<T>(), value));
        self.count.set(self.count.get() + 1);
    }

    pub(crate) fn value<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let wanted = TypeId::of::<T>();
        let values = self.values.borrow();
        let (_, value) = values.iter().rev().find(|(id, _)| *id == wanted)?;
        Arc::clone(value).downcast().ok()
    }

    /// Returns the value that the application shares as a `T`, or as an `Arc<T>`.
    pub(crate) fn state<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let (plain, in_arc) = shared_types::<T>();
        let values = self.values.borrow();
        let (id, value) = values.iter().rev().find(|(id, _)| *id == plain || *id == in_arc)?;
        if *id == plain {
            return value.downcast_ref::<Shared<T>>().map(|shared| Arc::clone(&shared.0));
        }
        value
            .downcast_ref::<Shared<Arc<T>>>()
            .map(|shared| Arc::clone(&*shared.0))
    }

    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.count.get())
    }

    /// Removes every value set since `mark`, so that a path through the tree that was tried and abandoned leaves
    /// nothing behind.
    #[inline]
    pub(crate) fn rewind(&self, mark: Mark) {
        while self.count.get() > mark.0 {
            self.forget_last();
        }
    }

    #[cold]
    fn forget_last(&self) {
        // Dropping runs the value's own code, which may read this context: end the borrow first.
        let forgotten = self.values.borrow_mut().pop();
        self.count.set(self.count.get().saturating_sub(1));
        drop(forgotten);
    }

    /// Returns what has been set since `mark`.
    pub(crate) fn since(&self, mark: Mark) -> Values {
        Values(self.values.borrow().get(mark.0..).unwrap_or(&[]).to_vec())
    }

    /// Sets values again, the last one last.
    pub(crate) fn set_again(&self, values: Values) {
        self.count.set(self.count.get() + values.0.len());
        self.values.borrow_mut().extend(values.0);
    }

    pub(crate) fn clear(&self) {
        self.rewind(Mark(0));
    }
}

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Arc<Shared<T>> {
        Arc::new(Shared(Arc::new(value)))
    }
}

/// The types as which a `T` may be shared: as it is, or in an `Arc`.
pub(crate) fn shared_types<T: ?Sized + 'static>() -> (TypeId, TypeId) {
    (TypeId::of::<Shared<T>>(), TypeId::of::<Shared<Arc<T>>>())
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} values)", self.mark().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_type_is_seen_and_rewinding_brings_back_the_one_before() {
        let context = Context::default();
        context.set(1_u32);
        context.set("user");
        let mark = context.mark();
        context.set(2_u32);
        assert_eq!(context.value::<u32>().as_deref(), Some(&2));
        context.rewind(mark);
        assert_eq!(context.value::<u32>().as_deref(), Some(&1));
        assert_eq!(context.value::<&str>().as_deref(), Some(&"user"));
        assert_eq!(context.value::<u8>(), None);
    }

    #[test]
    fn a_value_that_is_set_and_one_that_is_shared_do_not_hide_each_other() {
        let context = Context::default();
        context.share(&Shared::new(1_u32));
        assert_eq!(context.value::<u32>(), None);
        context.set(2_u32);
        assert_eq!(context.state::<u32>().as_deref(), Some(&1));
        assert_eq!(context.value::<u32>().as_deref(), Some(&2));
        assert_eq!(context.state::<u8>(), None);
    }

    #[test]
    fn what_is_shared_in_an_arc_is_found_with_and_without_it() {
        let context = Context::default();
        let text: Arc<str> = "shared".into();
        context.share(&Shared::new(text));
        assert_eq!(context.state::<str>().as_deref(), Some("shared"));
        assert_eq!(
            context.state::<Arc<str>>().as_deref().map(|text| &**text),
            Some("shared")
        );
        context.share(&Shared::new(1_u8));
        context.share(&Shared::new(Arc::new(2_u8)));
        assert_eq!(
            context.state::<u8>().as_deref(),
            Some(&2),
            "the last one, in whichever way"
        );
    }

    #[test]
    fn a_value_may_be_kept_while_another_is_set() {
        let context = Context::default();
        context.set(String::from("first"));
        let kept = context.value::<String>().unwrap();
        context.set(String::from("second"));
        assert_eq!(*kept, "first");
    }
}
