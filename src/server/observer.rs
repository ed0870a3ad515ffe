//! What is told of the answers that are made: lines of the access log.

use std::time::{Duration, Instant};

use crate::date::Date;
use crate::exchange::Answered;
use crate::operations::{Entry, OpenLog};
use crate::{Request, Response};

use super::connection::Connection;

/// What an operator wants to hear of answers.
pub(super) struct Observation {
    pub(super) log: Option<OpenLog>,
    /// Answers tell the request's id.
    pub(super) sends_ids: bool,
}

impl Observation {
    /// Whether anybody wants to hear of each answer.
    pub(super) fn is_wanted(&self) -> bool {
        self.log.is_some()
    }

    /// Takes note of an answer that the server has given by itself, if there is one.
    pub(super) fn note_refusal(&self, connection: &mut Connection, now: Instant, date: &Date) {
        if !self.is_wanted() {
            return;
        }
        let Some(work) = &mut connection.work else { return };
        let Some(answered) = work.exchange.answered.take() else {
            return;
        };
        let request = answered.has_request.then_some(&work.exchange.request);
        let told = Told {
            answered,
            peer: connection.peer,
            request,
            duration: Duration::ZERO,
        };
        self.tell(connection.home, &told, now, date, &mut Vec::new());
    }

    fn tell(&self, index: usize, told: &Told<'_>, now: Instant, date: &Date, line: &mut Vec<u8>) {
        if let Some(log) = &self.log {
            let entry = Entry {
                date,
                millisecond: date.millisecond(now),
                peer: told.peer,
                request: told.request,
                status: told.answered.status,
                content: told.answered.content,
                duration: told.duration,
            };
            log.write(index, &entry, line);
        }
    }
}

/// One answer.
struct Told<'t> {
    answered: Answered,
    peer: Option<std::net::SocketAddr>,
    request: Option<&'t Request>,
    duration: Duration,
}

/// A thread's part: it knows since when the request at hand is under way.
pub(super) struct Observer {
    since: Instant,
    /// Where lines are written, again and again.
    line: Vec<u8>,
}

impl Observer {
    pub(super) fn new() -> Observer {
        Observer {
            since: Instant::now(),
            line: Vec::new(),
        }
    }

    /// A request is about to be answered, which has been whole since then.
    pub(super) fn begin(&mut self, since: Instant) {
        self.since = since;
    }

    /// It has been answered. What follows on the same connection begins now.
    pub(super) fn end(
        &mut self,
        observation: &Observation,
        index: usize,
        request: &Request,
        answered: Answered,
        date: &mut Date,
    ) {
        let now = Instant::now();
        date.refresh(now);
        let told = Told {
            answered,
            peer: request.peer(),
            request: Some(request),
            duration: now.saturating_duration_since(self.since),
        };
        observation.tell(index, &told, now, date, &mut self.line);
        self.since = now;
    }
}

/// Tells the client what its request is called here.
pub(super) fn send_id(request: &Request, response: &mut Response) {
    let mut room = [0; 16];
    // An id is made of characters that may stand in a field.
    let _ = response.try_set_header("X-Request-Id", request.id().text(&mut room));
}
