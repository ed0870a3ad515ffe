//! The trail: all crumbs of one walk.

use std::cell::RefCell;
use std::fmt;

use http::{Method, StatusCode};

use super::{Crumb, Decision, MethodSet, Miss, Observer, Why};
use crate::Request;
use crate::response::status_text;

/// The decisions of dispatch about one request, in order.
///
/// It can be printed:
///
/// ```
/// use hansel::{App, Method, Routes};
///
/// fn person(id: u32) -> String { id.to_string() }
///
/// let app = App::new(Routes::new().get("/people/{id}", person));
/// let trail = app.explain(Method::GET, "/people/gretel");
/// assert_eq!(trail.status(), 404);
/// assert!(trail.to_string().contains("`gretel` is not a u32"), "{trail}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trail {
    /// The method of the request.
    pub method: Method,
    /// The path as it was sent.
    pub path: String,
    /// All decisions, in order.
    pub crumbs: Vec<TrailCrumb>,
    /// The result.
    pub outcome: Outcome,
}

/// A [`Crumb`] in a [`Trail`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrailCrumb {
    /// The number of steps that were taken before.
    pub depth: usize,
    /// The kind of dispatcher that decided.
    pub dispatcher: String,
    /// The part of the path that the step takes, if any.
    pub taken: Option<String>,
    /// The name of what the way leads to.
    pub handler: String,
    /// True at the endpoint.
    pub is_endpoint: bool,
    /// The methods that the endpoint takes.
    pub methods: Option<MethodSet>,
    /// Why the way was declined, if it was.
    pub declined: Option<Why<'static>>,
}

/// The result of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// An endpoint was found.
    Found,
    /// The client is redirected to this path, which differs by a slash at its end.
    Moved(String),
    /// No endpoint was found.
    Missed(Miss),
    /// An endpoint was found and not called, because of a limit: 413 or 503.
    Refused(StatusCode),
    /// The request is invalid, for this reason.
    Invalid(String),
}

impl Trail {
    /// Creates the trail of an invalid request, which is not dispatched.
    pub(crate) fn invalid(method: Method, target: &str, reason: &dyn fmt::Display) -> Trail {
        Trail {
            method,
            path: target.to_owned(),
            crumbs: Vec::new(),
            outcome: Outcome::Invalid(reason.to_string()),
        }
    }

    /// Returns whether an endpoint was found.
    pub fn is_found(&self) -> bool {
        self.outcome == Outcome::Found
    }

    /// Returns the endpoint that was found.
    pub fn endpoint(&self) -> Option<&TrailCrumb> {
        self.crumbs.iter().rfind(|crumb| crumb.is_endpoint)
    }

    /// Returns the status that dispatch alone leads to: 200, 204 (for OPTIONS), 308, 400, 404, 405, 413 or 503.
    pub fn status(&self) -> u16 {
        match &self.outcome {
            Outcome::Found => 200,
            Outcome::Moved(_) => 308,
            Outcome::Missed(Miss::NotFound) => 404,
            Outcome::Missed(Miss::MethodNotAllowed(_)) if self.method == Method::OPTIONS => 204,
            Outcome::Missed(Miss::MethodNotAllowed(_)) => 405,
            Outcome::Refused(status) => status.as_u16(),
            Outcome::Invalid(_) => 400,
        }
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.path)?;
        for crumb in &self.crumbs {
            crumb.fmt(f)?;
        }
        match &self.outcome {
            Outcome::Found => writeln!(f, "found"),
            Outcome::Refused(status) => writeln!(f, "{}", status_text(*status)),
            Outcome::Moved(location) => writeln!(f, "308 Permanent Redirect to {location}"),
            Outcome::Missed(Miss::NotFound) => writeln!(f, "404 Not Found"),
            Outcome::Missed(Miss::MethodNotAllowed(allowed)) if self.method == Method::OPTIONS => {
                writeln!(f, "204, Allow: {}", allowed.allow())
            }
            Outcome::Missed(Miss::MethodNotAllowed(allowed)) => {
                writeln!(f, "405 Method Not Allowed, Allow: {}", allowed.allow())
            }
            Outcome::Invalid(reason) => writeln!(f, "400 Bad Request: {reason}"),
        }
    }
}

impl fmt::Display for TrailCrumb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match (&self.declined, self.is_endpoint) {
            (Some(_), _) => '✗',
            (None, true) => '✓',
            (None, false) => '→',
        };
        write!(
            f,
            "{:indent$}{mark} {}",
            "",
            self.dispatcher,
            indent = 2 + 2 * self.depth
        )?;
        if !self.handler.is_empty() {
            write!(f, " {}", self.handler)?;
        }
        if let Some(taken) = &self.taken {
            write!(f, " takes `{taken}`")?;
        }
        if let Some(why) = &self.declined {
            write!(f, ": {why}")?;
        }
        writeln!(f)
    }
}

/// An observer that keeps the crumbs of a walk.
#[derive(Default)]
pub(crate) struct Recorder {
    crumbs: RefCell<Vec<TrailCrumb>>,
    /// `None` until a walk begins.
    outcome: RefCell<Option<Outcome>>,
}

impl Recorder {
    /// Returns the trail of the walk for `request`, if there was one.
    pub(crate) fn into_trail(self, request: &Request) -> Option<Trail> {
        let outcome = self.outcome.take()?;
        Some(self.with_outcome(request, outcome))
    }

    /// Returns the trail of a walk with a known result, unless a limit has refused the request.
    pub(crate) fn with_outcome(self, request: &Request, outcome: Outcome) -> Trail {
        let outcome = match self.outcome.take() {
            Some(refused @ Outcome::Refused(_)) if outcome == Outcome::Found => refused,
            _ => outcome,
        };
        Trail {
            method: request.method().clone(),
            path: request.path().to_owned(),
            crumbs: self.crumbs.into_inner(),
            outcome,
        }
    }
}

impl Observer for Recorder {
    fn begins(&self, _: &Request) {
        self.crumbs.borrow_mut().clear();
        // If the endpoint panics, nothing says later that it was found.
        self.outcome.replace(Some(Outcome::Found));
    }

    fn crumb(&self, crumb: &Crumb<'_>) {
        let (is_endpoint, methods, declined) = match &crumb.decision {
            Decision::Descend => (false, None, None),
            Decision::Arrive(methods) => (true, Some((*methods).clone()), None),
            Decision::Decline(why) => (false, None, Some(why.clone().into_owned())),
            Decision::Refuse(status, why) => {
                self.outcome.replace(Some(Outcome::Refused(*status)));
                (false, None, Some(why.clone().into_owned()))
            }
        };
        self.crumbs.borrow_mut().push(TrailCrumb {
            depth: crumb.depth,
            dispatcher: crumb.dispatcher.to_owned(),
            taken: (!crumb.taken.is_empty()).then(|| crumb.taken.to_owned()),
            handler: crumb.handler.to_owned(),
            is_endpoint,
            methods,
            declined,
        });
    }

    fn moves(&self, _: &Request, location: &str) {
        self.outcome.replace(Some(Outcome::Moved(location.to_owned())));
    }

    fn ends(&self, _: &Request, outcome: Result<(), &Miss>) {
        if let Err(miss) = outcome {
            self.outcome.replace(Some(Outcome::Missed(miss.clone())));
        }
    }
}
