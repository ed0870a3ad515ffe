//! The end of a walk.

use crate::dispatch::MethodSet;
use crate::pace::Pace;

/// An endpoint: its name, and the methods that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    pub(in crate::dispatch) dispatcher: &'a str,
    pub(in crate::dispatch) name: &'a str,
    pub(in crate::dispatch) methods: &'a MethodSet,
    pub(in crate::dispatch) pace: Pace,
}

impl<'a> Endpoint<'a> {
    /// Creates an endpoint of this kind of `dispatcher`. Whether it is slow is remembered under its `name`.
    pub fn new(dispatcher: &'a str, name: &'a str, methods: &'a MethodSet) -> Endpoint<'a> {
        Endpoint {
            dispatcher,
            name,
            methods,
            pace: Pace::of_key(name),
        }
    }

    /// Likewise, with a pace of its own.
    pub(crate) fn with_pace(dispatcher: &'a str, name: &'a str, methods: &'a MethodSet, pace: Pace) -> Endpoint<'a> {
        Endpoint {
            dispatcher,
            name,
            methods,
            pace,
        }
    }
}
