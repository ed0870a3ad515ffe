//! Crumbs: what a walk leaves behind, and who hears of them.

use std::borrow::Cow;
use std::fmt;

use http::Method;

use super::{MethodSet, Miss};
use crate::Request;

/// One decision on the way to an endpoint: for going on, for arriving, or against a way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Crumb<'a> {
    /// How many steps have been taken before this one.
    pub depth: usize,
    /// The kind of dispatcher that decided: `"Routes"`, `"Methods"`, ...
    pub dispatcher: &'a str,
    /// The part of the path that this step takes, decoded, as `/people/7`; empty if it takes none.
    pub taken: &'a str,
    /// What the way leads to, by name: a pattern, a function, an item.
    pub handler: &'a str,
    /// What was decided.
    pub decision: Decision<'a>,
}

/// What was decided about a way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Decision<'a> {
    /// To go on there: a midpoint.
    Descend,
    /// To call it: the endpoint, and the methods it takes.
    Arrive(&'a MethodSet),
    /// Not to go there.
    Decline(Why<'a>),
}

/// Why a way was declined.
///
/// What a dispatcher of your own has to say is made from text: `"there is no such host".into()`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why<'a> {
    /// A segment does not read as the argument it would have to be.
    Argument {
        /// The segment.
        segment: Cow<'a, str>,
        /// What it would have to be, such as `u32`.
        expected: Cow<'a, str>,
    },
    /// The path ends before an argument that is needed.
    MissingArgument {
        /// What it would have to be.
        expected: Cow<'a, str>,
    },
    /// The endpoint is reached, and a part of the path is left over.
    Leftover(Cow<'a, str>),
    /// The path is right, and the method is not.
    Method {
        /// The request's.
        method: Cow<'a, Method>,
        /// Those that would do.
        allowed: Cow<'a, MethodSet>,
    },
    /// Nothing is known here by that name. The second is what there is, in words.
    Unknown(Cow<'a, str>, String),
    /// A collection has no such item.
    NoItem(Cow<'a, str>),
    /// A regular expression or a rest can't take a segment that contains an encoded slash.
    EncodedSlash,
    /// A regular expression has matched up to the middle of a segment.
    InsideSegment,
    /// The walk has come too deep; see [`Walk::MAX_DEPTH`](super::Walk::MAX_DEPTH).
    TooDeep,
    /// Any other reason, in words.
    Other(Cow<'a, str>),
}

impl Why<'_> {
    /// Returns the same reason with texts of its own, which outlive the walk.
    pub fn into_owned(self) -> Why<'static> {
        fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        match self {
            Why::Argument { segment, expected } => Why::Argument {
                segment: owned(segment),
                expected: owned(expected),
            },
            Why::MissingArgument { expected } => Why::MissingArgument {
                expected: owned(expected),
            },
            Why::Leftover(rest) => Why::Leftover(owned(rest)),
            Why::Method { method, allowed } => Why::Method {
                method: Cow::Owned(method.into_owned()),
                allowed: Cow::Owned(allowed.into_owned()),
            },
            Why::Unknown(rest, known) => Why::Unknown(owned(rest), known),
            Why::NoItem(key) => Why::NoItem(owned(key)),
            Why::EncodedSlash => Why::EncodedSlash,
            Why::InsideSegment => Why::InsideSegment,
            Why::TooDeep => Why::TooDeep,
            Why::Other(reason) => Why::Other(owned(reason)),
        }
    }
}

impl<'a> From<&'a str> for Why<'a> {
    fn from(reason: &'a str) -> Why<'a> {
        Why::Other(Cow::Borrowed(reason))
    }
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Argument { segment, expected } => write!(f, "`{segment}` is not a {expected}"),
            Why::MissingArgument { expected } => write!(f, "the path ends where a {expected} should follow"),
            Why::Leftover(rest) => write!(f, "`{rest}` is left over"),
            Why::Method { method, allowed } => write!(f, "takes {}, not {method}", allowed.allow()),
            Why::Unknown(rest, known) if rest.is_empty() => write!(f, "the path ends here{known}"),
            Why::Unknown(rest, known) => write!(f, "nothing matches `{rest}`{known}"),
            Why::NoItem(key) => write!(f, "there is no item `{key}`"),
            Why::EncodedSlash => f.write_str("a segment contains an encoded slash (%2F), which never matches here"),
            Why::InsideSegment => f.write_str("the expression ends in the middle of a segment"),
            Why::TooDeep => f.write_str("the walk has come too deep"),
            Why::Other(reason) => f.write_str(reason),
        }
    }
}

/// Hears of a walk as it happens.
///
/// A walk without an observer does no work for one.
pub trait Observer {
    /// A walk begins.
    fn begins(&self, _request: &Request) {}

    /// A decision was made.
    fn crumb(&self, crumb: &Crumb<'_>);

    /// The client is sent to another path, which differs by a slash at its end.
    fn moves(&self, _request: &Request, _location: &str) {}

    /// The walk has ended: at an endpoint, or nowhere.
    fn ends(&self, _request: &Request, _outcome: Result<(), &Miss>) {}
}

/// Tells two observers, one after the other.
pub(crate) struct Both<'l>(pub(crate) &'l dyn Observer, pub(crate) &'l dyn Observer);

impl Observer for Both<'_> {
    fn begins(&self, request: &Request) {
        self.0.begins(request);
        self.1.begins(request);
    }

    fn crumb(&self, crumb: &Crumb<'_>) {
        self.0.crumb(crumb);
        self.1.crumb(crumb);
    }

    fn moves(&self, request: &Request, location: &str) {
        self.0.moves(request, location);
        self.1.moves(request, location);
    }

    fn ends(&self, request: &Request, outcome: Result<(), &Miss>) {
        self.0.ends(request, outcome);
        self.1.ends(request, outcome);
    }
}
