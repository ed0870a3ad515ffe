//! Limits of a route or of a part of an application, beside those of the server.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::ClientDeadline;
use crate::request::Allowed;
use crate::seconds::Seconds;

/// The shortest time after which a client that sets its deadline is looked at, as long as the route is unknown.
const SOONEST_OF_CLIENTS: Duration = Duration::from_millis(10);

/// Limits of a route, or of everything below a mount or behind [`Hooks`](crate::Hooks): larger or smaller than the
/// [`Limits`](crate::Limits) of the server.
///
/// ```
/// use hansel::{App, Hooks, Request, RouteLimits, Routes, test::Client};
/// use std::time::Duration;
///
/// fn upload(request: &Request) -> hansel::Result<String> {
///     let size = std::io::copy(&mut request.body(), &mut std::io::sink())?;
///     Ok(format!("{size} bytes"))
/// }
///
/// fn comment(request: &Request) -> hansel::Result<String> {
///     Ok(request.text()?.to_owned())
/// }
///
/// let large = RouteLimits::new().body(1 << 30).deadline(Duration::from_secs(600)).concurrency(4);
/// let routes = Routes::new()
///     .post("/upload", upload).route_limits(large)
///     .post("/comments", comment).route_body_limit(1000);
///
/// let client = Client::new(App::new(Hooks::on(routes).concurrency(100)));
/// assert_eq!(client.post("/upload", vec![0; 3_000_000]).text(), "3000000 bytes");
/// assert_eq!(client.post("/comments", vec![b'x'; 1001]).status(), 413);
/// ```
///
/// | limit | beyond it | where several levels set it |
/// |---|---|---|
/// | [`body`](RouteLimits::body) | 413 | the innermost counts |
/// | [`deadline`](RouteLimits::deadline) | 503, as with [`Limits::handler`](field@crate::Limits::handler) | the innermost counts |
/// | [`client_deadline`](RouteLimits::client_deadline) | 503, as with `deadline`; 400 if it is malformed | the innermost counts |
/// | [`concurrency`](RouteLimits::concurrency) | 503 with Retry-After | each bounds what is in it |
///
/// What no level sets is the server's. A request is refused where it reaches an endpoint, before the endpoint is
/// called: so a hook's 401 comes before a 413, and so do 404 and 405.
///
/// # Bodies
/// The server does not know the route before the head of a request has arrived and hooks have run, so what it spends
/// before that is bounded by its own limits: it gathers no more of a body than the smaller of
/// [`Limits::body_buffer`](field@crate::Limits::body_buffer) and [`Limits::body`](field@crate::Limits::body), whatever
/// a route allows. A body that is announced as larger than `Limits::body` is not read before the handler of a route
/// that allows it reads it. Anywhere else the response is 413, and nothing of the body is read.
///
/// A limit that is smaller than the server's protects the handler. A body up to `body_buffer` may have arrived before
/// the route is known; the response is 413 all the same, and the connection closes. A client that waits for
/// `100 Continue` is not told to send a body that is too large.
///
/// A body of unknown length is cut off where it passes the limit: before the handler starts, if that much was gathered;
/// else its reader gets [`BodyError::TooLarge`](crate::BodyError::TooLarge).
///
/// # Your own dispatchers
/// [`Walk::limited`](super::Walk::limited) and [`Map::limited`](super::Map::limited) limit what a dispatcher of your
/// own leads to. Clones share the count of what is running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "limits do nothing until a route or hooks have them"]
pub struct RouteLimits {
    body: Option<u64>,
    deadline: Option<Option<Duration>>,
    client_deadline: Option<ClientDeadline>,
    concurrency: Option<Arc<Concurrency>>,
}

impl RouteLimits {
    /// Creates limits that limit nothing yet.
    pub fn new() -> RouteLimits {
        RouteLimits::default()
    }

    /// Sets the largest body, in bytes.
    pub fn body(mut self, bytes: u64) -> RouteLimits {
        self.body = Some(bytes);
        self
    }

    /// Sets how long a handler may take to respond, not counting the time it waits for its client; `None` is for ever.
    ///
    /// It counts from the beginning of the call, so it includes hooks. A time of zero is up at once. In the
    /// [test client](crate::test::Client) there are no deadlines.
    pub fn deadline(mut self, time: impl Into<Option<Duration>>) -> RouteLimits {
        self.deadline = Some(time.into());
        self
    }

    /// Lets clients shorten the deadline by a header. Whatever they say, they never lengthen it.
    ///
    /// ```
    /// use hansel::{ClientDeadline, Hooks, RouteLimits, Routes};
    /// use std::time::Duration;
    ///
    /// let limits = RouteLimits::new()
    ///     .deadline(Duration::from_secs(10))
    ///     .client_deadline(ClientDeadline::seconds("Request-Timeout"));
    /// let hooks = Hooks::on(Routes::new().get("/", || "Hello")).limits(limits);
    /// ```
    pub fn client_deadline(mut self, deadline: ClientDeadline) -> RouteLimits {
        self.client_deadline = Some(deadline);
        self
    }

    /// Sets how many requests may be handled at once. One more gets 503 at once: it never waits.
    ///
    /// A request counts from the call of its handler to the response, or until the response's stream has ended. A
    /// handler that has missed its deadline counts until it returns.
    pub fn concurrency(mut self, most: usize) -> RouteLimits {
        self.concurrency = Some(Arc::new(Concurrency {
            most,
            running: AtomicUsize::new(0),
        }));
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        let has_deadline = self.deadline.is_some() || self.client_deadline.is_some();
        self.body.is_none() && !has_deadline && self.concurrency.is_none()
    }

    pub(super) fn body_bytes(&self) -> Option<u64> {
        self.body
    }

    pub(super) fn allowed(&self) -> Option<Allowed> {
        self.deadline.map(|deadline| match deadline {
            Some(time) => Allowed::Time(time),
            None => Allowed::Always,
        })
    }

    /// Returns the header by which clients shorten the deadline.
    pub(super) fn of_clients(&self) -> Option<&ClientDeadline> {
        self.client_deadline.as_ref()
    }

    pub(super) fn concurrent(&self) -> Option<&Arc<Concurrency>> {
        self.concurrency.as_ref()
    }

    /// Adds those limits of `other` that it sets, in place of those that are here.
    pub(super) fn set(&mut self, other: RouteLimits) {
        let RouteLimits {
            body,
            deadline,
            client_deadline,
            concurrency,
        } = other;
        self.body = body.or(self.body);
        self.deadline = deadline.or(self.deadline);
        self.client_deadline = client_deadline.or(self.client_deadline.take());
        self.concurrency = concurrency.or(self.concurrency.take());
    }

    /// Returns what holds where these limits are inside `outer` ones. Of two bounds on concurrency it is the smaller.
    pub(super) fn within(&self, outer: &RouteLimits) -> RouteLimits {
        let smaller = match (&self.concurrency, &outer.concurrency) {
            (Some(one), Some(other)) => Some(if other.most < one.most { other } else { one }),
            (one, other) => one.as_ref().or(other.as_ref()),
        };
        RouteLimits {
            body: self.body.or(outer.body),
            deadline: self.deadline.or(outer.deadline),
            client_deadline: self
                .client_deadline
                .as_ref()
                .or(outer.client_deadline.as_ref())
                .cloned(),
            concurrency: smaller.cloned(),
        }
    }
}

/// Lists the limits that are set: `body 1000 bytes, within 600s, 4 at once`.
impl fmt::Display for RouteLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = || std::mem::replace(&mut separator, ", ");
        if let Some(bytes) = self.body {
            write!(f, "{}body {bytes} bytes", next())?;
        }
        match self.deadline {
            Some(Some(time)) => write!(f, "{}within {}", next(), Seconds(time))?,
            Some(None) => write!(f, "{}no deadline", next())?,
            None => {}
        }
        if let Some(deadline) = &self.client_deadline {
            write!(f, "{}within `{}`", next(), deadline.name())?;
        }
        if let Some(concurrency) = &self.concurrency {
            write!(f, "{}{} at once", next(), concurrency.most)?;
        }
        Ok(())
    }
}

/// The extremes of the limits that the parts of an application set: see
/// [`Application::limit_extremes`](crate::Application::limit_extremes).
///
/// ```
/// use hansel::{App, Application, Routes};
///
/// let app = App::new(Routes::new().post("/upload", || ()).route_body_limit(1 << 30).post("/login", || ()).route_body_limit(1000));
/// assert_eq!(app.limit_extremes().body, Some(1000..=1 << 30));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitExtremes {
    /// The smallest and the largest limit of a body, if any is set.
    pub body: Option<RangeInclusive<u64>>,
    /// The shortest deadline, if any is set; [`Duration::MAX`] if none of them ever passes. Where clients set theirs it is
    /// 10 ms or less, by which a shorter one may be late if its hooks take that long.
    pub deadline: Option<Duration>,
}

impl LimitExtremes {
    pub(super) fn add(&mut self, limits: &RouteLimits) {
        self.merge(&LimitExtremes {
            body: limits.body.map(|body| body..=body),
            deadline: limits.deadline.map(|deadline| deadline.unwrap_or(Duration::MAX)),
        });
        if limits.client_deadline.is_some() {
            self.merge(&LimitExtremes {
                body: None,
                deadline: Some(SOONEST_OF_CLIENTS),
            });
        }
    }

    pub(super) fn merge(&mut self, other: &LimitExtremes) {
        self.body = match (self.body.take(), &other.body) {
            (Some(one), Some(other)) => Some(*one.start().min(other.start())..=*one.end().max(other.end())),
            (one, other) => one.or_else(|| other.clone()),
        };
        self.deadline = match (self.deadline, other.deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Returns the largest limit of a body that is set, or 0.
    pub(crate) fn largest_body(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| *body.end())
    }

    /// Returns the smallest limit of a body that is set, or the largest number.
    pub(crate) fn least_body(&self) -> u64 {
        self.body.as_ref().map_or(u64::MAX, |body| *body.start())
    }

    /// Notes a part that may set deadlines of which nothing is known.
    pub(super) fn add_unknown_deadline(&mut self) {
        self.deadline.get_or_insert(Duration::MAX);
    }
}

/// A bound on how many requests are handled at once, and how many are.
#[derive(Debug)]
pub(super) struct Concurrency {
    most: usize,
    running: AtomicUsize,
}

impl Concurrency {
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Counts one more, if that is within the bound.
    pub(super) fn enter(self: &Arc<Concurrency>) -> Option<Running> {
        let more = |running: usize| (running < self.most).then_some(running + 1);
        // Compared and exchanged, so that one that is refused is never counted: it would keep another out.
        self.running.fetch_update(SeqCst, SeqCst, more).ok()?;
        Some(Running(Arc::clone(self)))
    }
}

/// Equal bounds are equal, whatever runs.
impl PartialEq for Concurrency {
    fn eq(&self, other: &Concurrency) -> bool {
        self.most == other.most
    }
}

impl Eq for Concurrency {}

/// A request that is being handled. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Running(Arc<Concurrency>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_run_than_may_and_each_makes_room_when_it_ends() {
        let limits = RouteLimits::new().concurrency(2);
        let (one, other) = (limits.clone(), limits);
        let (one, other) = (one.concurrent().unwrap(), other.concurrent().unwrap());
        let first = one.enter().unwrap();
        let _second = other.enter().unwrap();
        assert!(
            one.enter().is_none() && other.enter().is_none(),
            "clones share the count"
        );
        drop(first);
        assert!(other.enter().is_some());
        assert!(
            RouteLimits::new()
                .concurrency(0)
                .concurrent()
                .unwrap()
                .enter()
                .is_none()
        );
    }

    #[test]
    fn limits_are_shown_as_far_as_they_are_set() {
        let seconds = Duration::from_secs;
        for (limits, text) in [
            (RouteLimits::new(), ""),
            (RouteLimits::new().body(7), "body 7 bytes"),
            (
                RouteLimits::new().concurrency(3).deadline(None),
                "no deadline, 3 at once",
            ),
            (
                RouteLimits::new().deadline(seconds(600)).body(1).concurrency(1),
                "body 1 bytes, within 600s, 1 at once",
            ),
            (
                RouteLimits::new().client_deadline(ClientDeadline::seconds("Request-Timeout")),
                "within `Request-Timeout`",
            ),
        ] {
            assert_eq!(limits.to_string(), text);
            assert_eq!(limits.is_empty(), text.is_empty());
        }
    }

    #[test]
    fn where_clients_set_deadlines_the_server_looks_soon_however_long_the_route_has() {
        let mut extremes = LimitExtremes::default();
        extremes.add(&RouteLimits::new().deadline(None));
        assert_eq!(extremes.deadline, Some(Duration::MAX));
        extremes.add(&RouteLimits::new().client_deadline(ClientDeadline::seconds("X-Wait")));
        assert_eq!(extremes.deadline, Some(SOONEST_OF_CLIENTS));
        assert_eq!(extremes.body, None);
    }

    #[test]
    fn the_innermost_counts_and_of_concurrency_the_smaller() {
        let outer = RouteLimits::new().body(10).deadline(None).concurrency(2);
        let inner = RouteLimits::new().body(20).concurrency(5);
        let both = inner.within(&outer);
        assert_eq!(both, RouteLimits::new().body(20).deadline(None).concurrency(2));
        let client = |name: &str| RouteLimits::new().client_deadline(ClientDeadline::seconds(name));
        assert_eq!(client("X-In").within(&client("X-Out")), client("X-In"));
        assert_eq!(
            inner.within(&client("X-Out")).client_deadline,
            client("X-Out").client_deadline
        );
        assert_eq!(
            outer.within(&inner),
            RouteLimits::new().body(10).deadline(None).concurrency(2)
        );
    }
}
