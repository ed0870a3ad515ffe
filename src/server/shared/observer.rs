//! Reports about responses: lines of the access log, counts of the metrics.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::date::Date;
use crate::exchange::{Answered, Logged};
use crate::operations::{Count, Entry, Exposition, Log, Places};
use crate::request::{Relayed, RequestCopy};
use crate::{Metrics, Request};

/// The access log, metrics and spans, which an operator wants to know of responses.
pub(crate) struct Observation {
    pub(crate) log: Option<Box<dyn Log>>,
    pub(crate) metrics: Option<Box<dyn Count>>,
    /// The program's own.
    pub(crate) own: Option<Box<dyn Expose>>,
}

/// Metrics of the program. The server knows only this trait, so the linker drops them from programs without any.
pub(crate) trait Expose: std::fmt::Debug + Send + Sync {
    fn expose(&self, text: &mut Exposition);
    /// Adds others.
    fn extend(&mut self, others: Metrics);
}

impl Expose for Metrics {
    fn expose(&self, text: &mut Exposition) {
        self.expose(text);
    }

    fn extend(&mut self, others: Metrics) {
        self.extend(others);
    }
}

impl Observation {
    /// Returns true if anybody wants to know about each response.
    pub(crate) fn is_wanted(&self) -> bool {
        self.log.is_some() || self.metrics.is_some()
    }

    /// Records a response that the server made by itself.
    pub(crate) fn refused(
        &self,
        index: usize,
        (peer, relayed, request): (Option<SocketAddr>, Relayed, Option<&Request>),
        answered: Answered,
        now: Instant,
        date: &Date,
    ) {
        let told = Told {
            answered,
            peer,
            relayed,
            request,
            duration: Duration::ZERO,
        };
        self.tell(index, &told, now, date, &mut Vec::new());
    }

    /// Records the end of a response that has lasted, with so many octets of content: a subscription, or a socket.
    #[cold]
    pub(crate) fn ended(&self, index: usize, logged: &Logged, content: u64, (now, date): (Instant, &Date)) {
        let Some(request) = logged.request.to_request() else {
            return;
        };
        let told = Told {
            answered: Answered {
                status: logged.status,
                content,
                has_request: true,
            },
            peer: request.peer(),
            relayed: request.relayed,
            request: Some(&request),
            duration: now.saturating_duration_since(logged.since),
        };
        self.tell(index, &told, now, date, &mut Vec::new());
    }

    fn tell(&self, index: usize, told: &Told<'_>, now: Instant, date: &Date, line: &mut Vec<u8>) {
        if let Some(log) = &self.log {
            let entry = Entry {
                date,
                millisecond: date.millisecond(now),
                peer: told.peer,
                relayed: told.relayed,
                request: told.request,
                status: told.answered.status,
                content: told.answered.content,
                duration: told.duration,
            };
            log.write(index, &entry, line);
        }
    }
}

/// One response.
struct Told<'t> {
    answered: Answered,
    peer: Option<SocketAddr>,
    relayed: Relayed,
    request: Option<&'t Request>,
    duration: Duration,
}

/// A thread's part: it knows since when the current request is in progress.
pub(crate) struct Observer {
    since: Instant,
    /// The buffer in which lines are formatted.
    line: Vec<u8>,
    places: Places,
}

impl Observer {
    pub(crate) fn new() -> Observer {
        Observer {
            since: Instant::now(),
            line: Vec::new(),
            places: Places::default(),
        }
    }

    /// Notes that a request is about to be handled, which has been complete since then.
    pub(crate) fn begin(&mut self, since: Instant) {
        self.since = since;
    }

    /// Returns since when the current request has been complete.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Returns what is to be logged of a response that ends later.
    pub(crate) fn later(&self, observation: &Observation, request: &Request, status: u16) -> Option<Box<Logged>> {
        observation.log.as_ref().map(|_| {
            Box::new(Logged {
                request: RequestCopy::for_log(request),
                status,
                since: self.since,
            })
        })
    }

    /// Notes that it has its response, which the log is told of if it is whole. What follows on the same connection begins
    /// now.
    pub(crate) fn end(
        &mut self,
        observation: &Observation,
        index: usize,
        request: &Request,
        answered: Answered,
        is_whole: bool,
        date: &mut Date,
    ) {
        let now = Instant::now();
        if let Some(metrics) = &observation.metrics {
            let labels = (&**request.endpoint_text(), request.method().as_str(), answered.status);
            let took = now.saturating_duration_since(self.since);
            metrics.count(&mut self.places, index, labels, took);
        }
        date.refresh(now);
        let told = Told {
            answered,
            peer: request.peer(),
            relayed: request.relayed,
            request: Some(request),
            duration: now.saturating_duration_since(self.since),
        };
        if is_whole {
            observation.tell(index, &told, now, date, &mut self.line);
        }
        self.since = now;
    }
}
