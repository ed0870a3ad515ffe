//! The report that is printed at the end.

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::connection::Failure;
use crate::histogram::{Histogram, Latency};
use crate::requests::Kind;
use crate::responses::Wrong;
use crate::server::Usage;

/// The result of a run. Errors are those of the whole run; the rest is of the measured time.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// Nanoseconds of the server's processor time for each request.
    pub(crate) cpu: f64,
    pub(crate) cpu_user: f64,
    /// The part of the time in which the server, and this process, kept a processor busy.
    pub(crate) server_busy: f64,
    pub(crate) load_busy: f64,
    pub(crate) quick: Latency,
    pub(crate) slow: Latency,
    /// Both together.
    pub(crate) all: Latency,
    /// Responses that were parsed completely.
    pub(crate) sampled: u64,
    pub(crate) errors: Errors,
    /// Idle connections that are still open at the end.
    pub(crate) idle_open: usize,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Errors {
    pub(crate) status: u64,
    pub(crate) body: u64,
    pub(crate) malformed: u64,
    /// Closed or reset in the middle.
    pub(crate) cut: u64,
    /// Connections that the server should have closed, and had not when the run ended.
    pub(crate) not_closed: u64,
    /// Connections on which nothing arrived for the whole measured time.
    pub(crate) silent: u64,
    /// The first error of the system, if there was one.
    pub(crate) first: Option<String>,
}

impl Errors {
    pub(crate) fn wrong(&mut self, wrong: Wrong) {
        match wrong {
            Wrong::Status => self.status += 1,
            Wrong::Body => self.body += 1,
            Wrong::Malformed => self.malformed += 1,
        }
    }

    pub(crate) fn failure(&mut self, failure: Failure) {
        match failure {
            Failure::Wrong(wrong) => self.wrong(wrong),
            Failure::Cut => self.cut += 1,
            Failure::Broken(error) => self.broken(&error),
        }
    }

    pub(crate) fn broken(&mut self, error: &io::Error) {
        self.cut += 1;
        self.first.get_or_insert_with(|| error.to_string());
    }

    pub(crate) fn add(&mut self, other: Errors) {
        self.status += other.status;
        self.body += other.body;
        self.malformed += other.malformed;
        self.cut += other.cut;
        self.not_closed += other.not_closed;
        self.silent += other.silent;
        self.first = self.first.take().or(other.first);
    }

    /// Returns how many connections could not continue.
    pub(crate) fn broken_connections(&self) -> u64 {
        self.malformed + self.cut
    }
}

/// What is counted while measuring.
pub(crate) struct Tally {
    quick: Histogram,
    slow: Histogram,
    requests: u64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            quick: Histogram::new(),
            slow: Histogram::new(),
            requests: 0,
        }
    }

    pub(crate) fn answered(&mut self, kind: Kind, took: Duration, requests: u64) {
        self.requests += requests;
        match kind {
            Kind::Quick => self.quick.add(took, requests),
            Kind::Slow => self.slow.add(took, requests),
        }
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.quick.add_all(&other.quick);
        self.slow.add_all(&other.slow);
        self.requests += other.requests;
    }

    pub(crate) fn report(mut self, time: Duration, server: Usage, load: Duration, errors: Errors) -> Report {
        let requests = self.requests as f64;
        let (quick, slow) = (self.quick.latency(), self.slow.latency());
        self.quick.add_all(&self.slow);
        let each = server.total.as_nanos() as f64 / requests.max(1.0);
        Report {
            seconds: time.as_secs_f64(),
            requests: self.requests,
            per_second: requests / time.as_secs_f64(),
            cpu: each,
            cpu_user: each * server.user_part(),
            server_busy: server.total.as_secs_f64() / time.as_secs_f64(),
            load_busy: load.as_secs_f64() / time.as_secs_f64(),
            quick,
            slow,
            all: self.quick.latency(),
            sampled: 0,
            errors,
            idle_open: 0,
        }
    }
}
