//! Crumbs, which a walk leaves behind, and the observers that receive them.

use std::borrow::Cow;
use std::fmt;

use http::{Method, StatusCode};

use super::{MethodSet, Miss};
use crate::Request;

/// A decision on the way to an endpoint: to descend, to arrive, or to decline a way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Crumb<'a> {
    /// The number of steps that were taken before.
    pub depth: usize,
    /// The kind of dispatcher that decided: `"Routes"`, `"Methods"`, ...
    pub dispatcher: &'a str,
    /// The part of the path that the step takes, decoded, such as `/people/7`. It is empty if the step takes none.
    pub taken: &'a str,
    /// The name of what the way leads to: a pattern, a function, an item.
    pub handler: &'a str,
    /// The decision.
    pub decision: Decision<'a>,
}

/// A decision about a way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Decision<'a> {
    /// To go on with another dispatcher.
    Descend,
    /// To call the endpoint, which takes these methods.
    Arrive(&'a MethodSet),
    /// Not to take the way.
    Decline(Why<'a>),
    /// Not to call the endpoint that was reached, because of a limit. The response has this status.
    Refuse(StatusCode, Why<'a>),
}

/// Why a way was declined.
///
/// A dispatcher of your own makes its reasons from text: `"there is no such host".into()`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why<'a> {
    /// A segment can't be read as the argument.
    Argument {
        /// The segment.
        segment: Cow<'a, str>,
        /// The type of the argument, such as `u32`.
        expected: Cow<'a, str>,
    },
    /// The path ends before a required argument.
    MissingArgument {
        /// The type of the argument.
        expected: Cow<'a, str>,
    },
    /// A part of the path is left over at the endpoint.
    Leftover(Cow<'a, str>),
    /// The endpoint does not take the method.
    Method {
        /// The method of the request.
        method: Cow<'a, Method>,
        /// The methods that the endpoint takes.
        allowed: Cow<'a, MethodSet>,
    },
    /// Nothing matches the rest of the path. The second value says what there is.
    Unknown(Cow<'a, str>, String),
    /// The collection has no such item.
    NoItem(Cow<'a, str>),
    /// A segment contains an encoded slash, which regular expressions and rests never match.
    EncodedSlash,
    /// The match of a regular expression ends in the middle of a segment.
    InsideSegment,
    /// The body is larger than the limit.
    TooLarge {
        /// The length of the body, as far as it is known, in bytes.
        len: u64,
        /// The limit.
        most: u64,
    },
    /// As many requests are being handled as a limit allows.
    TooMany {
        /// The limit.
        most: usize,
    },
    /// The walk is too deep; see [`Walk::MAX_DEPTH`](super::Walk::MAX_DEPTH).
    TooDeep,
    /// Any other reason.
    Other(Cow<'a, str>),
}

impl Why<'_> {
    /// Returns the reason with text of its own, which outlives the walk.
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
            Why::TooLarge { len, most } => Why::TooLarge { len, most },
            Why::TooMany { most } => Why::TooMany { most },
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
            Why::TooLarge { len, most } => write!(f, "the body has {len} bytes or more, and {most} are allowed"),
            Why::TooMany { most } => write!(f, "{most} requests are being handled, which is as many as may be"),
            Why::TooDeep => f.write_str("the walk has come too deep"),
            Why::Other(reason) => f.write_str(reason),
        }
    }
}

/// Receives the decisions of walks as they are made.
///
/// A walk without an observer does no work for one.
pub trait Observer {
    /// A walk begins.
    fn begins(&self, _request: &Request) {}

    /// A decision was made.
    fn crumb(&self, crumb: &Crumb<'_>);

    /// The client is redirected to another path, which differs by a slash at its end.
    fn moves(&self, _request: &Request, _location: &str) {}

    /// The walk has ended, at an endpoint or with a miss.
    fn ends(&self, _request: &Request, _outcome: Result<(), &Miss>) {}
}

/// Passes everything on to two observers, one after the other.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn each_reason_is_a_sentence() {
        let get = MethodSet::of(Method::GET);
        let method = Why::Method {
            method: Cow::Owned(Method::PUT),
            allowed: Cow::Borrowed(&get),
        };
        for (why, text) in [
            (method, "takes GET, HEAD, OPTIONS, not PUT"),
            (
                Why::Unknown("".into(), "; there is `/a`".into()),
                "the path ends here; there is `/a`",
            ),
            (
                Why::Unknown("/b".into(), "; there is `/a`".into()),
                "nothing matches `/b`; there is `/a`",
            ),
            ("there is no such host".into(), "there is no such host"),
        ] {
            assert_eq!(why.to_string(), text);
            assert_eq!(why.into_owned().to_string(), text);
        }
    }

    /// Writes down what it is told.
    #[derive(Default)]
    struct Notes(RefCell<Vec<String>>);

    impl Observer for Notes {
        fn begins(&self, request: &Request) {
            self.0.borrow_mut().push(format!("begins {}", request.path()));
        }
        fn crumb(&self, crumb: &Crumb<'_>) {
            self.0.borrow_mut().push(crumb.handler.to_owned());
        }
        fn moves(&self, _: &Request, location: &str) {
            self.0.borrow_mut().push(format!("moves to {location}"));
        }
        fn ends(&self, _: &Request, outcome: Result<(), &Miss>) {
            self.0.borrow_mut().push(format!("ends {outcome:?}"));
        }
    }

    #[test]
    fn two_observers_are_told_the_same() {
        let (one, other) = (Notes::default(), Notes::default());
        let (both, request) = (Both(&one, &other), Request::get("/a"));
        both.begins(&request);
        both.crumb(&Crumb {
            depth: 0,
            dispatcher: "Routes",
            taken: "/a",
            handler: "/{x}",
            decision: Decision::Descend,
        });
        both.moves(&request, "/a/");
        both.ends(&request, Err(&Miss::NotFound));
        assert_eq!(
            *one.0.borrow(),
            ["begins /a", "/{x}", "moves to /a/", "ends Err(NotFound)"]
        );
        assert_eq!(one.0, other.0);
    }
}
