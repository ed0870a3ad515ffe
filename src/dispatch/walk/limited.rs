//! The limits of routes on a walk: in force while it is inside of them, and checked when it arrives.

use super::{Purpose, Walk};
use crate::Response;
use crate::dispatch::{Decision, RouteLimits, Why};
use crate::request::TimeLimits;

/// The limits outside of a part that has its own.
pub(super) struct Outside {
    /// The limit of a body, if the part has another.
    body: Option<(u64, bool)>,
    time: TimeLimits,
    /// The number of bounds on concurrency, if anything is in force.
    levels: Option<usize>,
    /// The fault of the client's deadline outside, if the part has another deadline.
    malformed: Option<Option<String>>,
}

impl Walk<'_> {
    #[inline(never)]
    pub(super) fn enter(&mut self, limits: &RouteLimits) -> Outside {
        if self.observer.is_some() && !limits.is_empty() {
            self.tell("Limits", "", &limits.to_string(), Decision::Descend);
        }
        let mut outside = Outside {
            body: limits.body_bytes().map(|most| self.request.body.limit.set(most)),
            time: self.request.time_limits(),
            levels: self.in_force.as_ref().map(|limits| limits.levels()),
            malformed: None,
        };
        let mut time = outside.time;
        if let Some(allowed) = limits.allowed() {
            time.of_route = allowed;
        }
        if let Some(deadline) = limits.of_clients() {
            let (of_client, malformed) = match deadline.read(self.request) {
                Ok(of_client) => (of_client, None),
                Err(reason) => (None, Some(reason)),
            };
            time.of_client = of_client;
            outside.malformed = Some(self.set_malformed(malformed));
        }
        if self.purpose.keeps_refusals() {
            self.request.limit_time(time);
        }
        if let Some(concurrency) = limits.concurrent() {
            self.in_force.get_or_insert_default().add(concurrency);
        }
        outside
    }

    #[inline(never)]
    pub(super) fn exit(&mut self, outside: Outside, has_arrived: bool) {
        if let Some(body) = outside.body {
            self.request.body.limit.restore(body);
        }
        // Once an endpoint was called, its time is that of the response.
        if !(has_arrived && self.purpose == Purpose::Respond) {
            self.request.limit_time(outside.time);
        }
        if let Some(malformed) = outside.malformed {
            self.set_malformed(malformed);
        }
        match (&mut self.in_force, outside.levels) {
            (Some(limits), Some(levels)) => limits.truncate(levels),
            (limits, _) => *limits = None,
        }
    }

    /// Sets what is wrong with the client's deadline. Returns what was before.
    fn set_malformed(&mut self, malformed: Option<String>) -> Option<String> {
        if malformed.is_none() && self.in_force.is_none() {
            return None;
        }
        std::mem::replace(&mut self.in_force.get_or_insert_default().malformed, malformed)
    }

    /// Returns whether the limits allow the endpoint to be called. If not, the response is a refusal.
    #[cold]
    #[inline(never)]
    pub(super) fn admits(&mut self, dispatcher: &str, name: &str, checks_body: bool) -> bool {
        if !matches!(self.purpose, Purpose::Respond | Purpose::Explain) {
            return true;
        }
        let exceeded = checks_body.then(|| self.request.body.exceeded()).flatten();
        let malformed = self.in_force.as_ref().and_then(|limits| limits.malformed.as_deref());
        let (refusal, why) = if let Some(reason) = malformed {
            let refusal = Response::refusal(http::StatusCode::BAD_REQUEST, &reason);
            (refusal, Why::Other(reason.to_owned().into()))
        } else if let Some((len, most)) = exceeded {
            (Response::too_large(most), Why::TooLarge { len, most })
        } else if let Some(most) = self.fills_up() {
            let reason = "too many requests are being handled";
            let refusal = Response::refusal(http::StatusCode::SERVICE_UNAVAILABLE, &reason);
            (refusal, Why::TooMany { most })
        } else {
            return true;
        };
        if self.observer.is_some() {
            self.tell(dispatcher, "", name, Decision::Refuse(refusal.status(), why));
        }
        if self.purpose == Purpose::Respond {
            self.has_taken_any = false;
            self.response = Some(refusal);
        }
        false
    }

    /// Counts the request where concurrency is limited. Returns the limit if there is no room for it.
    fn fills_up(&mut self) -> Option<usize> {
        match (&mut self.in_force, self.purpose) {
            (Some(limits), Purpose::Respond) => limits.enter(),
            _ => None,
        }
    }

    /// Notes that the endpoint has responded. A stream counts until it has ended.
    #[cold]
    #[inline(never)]
    pub(super) fn leave(&mut self) {
        if let (Some(limits), Some(response)) = (&mut self.in_force, &mut self.response) {
            response.body.keep(limits.leave());
        }
    }
}
