//! The loop: warming up, then measuring.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::answers::{Check, Lengths};
use crate::connection::{Common, Connection, Failure, Turn};
use crate::options::Options;
use crate::report::{Errors, Report, Tally};
use crate::requests::Requests;
use crate::server::{self, Usage};

/// What is read at once.
const READ: usize = 256 * 1024;
/// So many broken connections are not worth going on for.
const TOO_MANY_BROKEN: u64 = 1000;

/// Runs the load.
pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let requests = Requests::new(options);
    let mut rounds = Rounds::new(options, &requests)?;
    rounds.go_on_for(options.warm_up)?;
    rounds.forget();

    let (server, load) = (Usage::now(&options.server)?, server::own()?);
    let start = Instant::now();
    rounds.go_on_for(options.time)?;
    let time = start.elapsed();
    let (server, load) = (Usage::now(&options.server)?.since(server), server::own()? - load);

    rounds.look_for_stuck();
    let sampled = rounds
        .connections
        .iter()
        .flatten()
        .map(|connection| connection.answers.sampled)
        .sum();
    let report = rounds.tally.report(time, server, load, rounds.errors);
    Ok(Report { sampled, ..report })
}

struct Rounds<'r> {
    common: Common<'r>,
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    /// Whether something has come on a connection since measuring began.
    heard: Vec<bool>,
    tally: Tally,
    errors: Errors,
}

impl<'r> Rounds<'r> {
    fn new(options: &Options, requests: &'r Requests) -> io::Result<Rounds<'r>> {
        let common = Common {
            address: options.address,
            check: Check {
                requests,
                bodies: options.checks_bodies,
            },
            lengths: Lengths::default(),
            depth: options.depth,
            closes: options.closes,
            buffer: vec![0; READ],
        };
        let mut rounds = Rounds {
            common,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            heard: vec![false; options.connections],
            tally: Tally::new(),
            errors: Errors::default(),
        };
        for index in 0..options.connections {
            let connection = Connection::open(index, 0, &rounds.common, rounds.poll.registry())?;
            rounds.connections.push(Some(connection));
        }
        Ok(rounds)
    }

    /// Begins to measure.
    fn forget(&mut self) {
        self.tally = Tally::new();
        self.heard.fill(false);
    }

    fn go_on_for(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                self.go_on(event.token().0, event.is_read_closed())?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn go_on(&mut self, index: usize, has_ended: bool) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else {
            return Ok(());
        };
        self.heard[index] = true;
        let errors = &mut self.errors;
        let turn = connection.go_on(&mut self.common, has_ended, |wrong| errors.wrong(wrong));
        match turn {
            Ok(Turn::Waits) => Ok(()),
            Ok(Turn::Closed) => self.replace(index),
            Ok(Turn::Answered(kind, took)) => {
                self.tally.answered(kind, took, self.common.depth as u64);
                // No further event comes for an end that was there already.
                match (has_ended, self.common.closes) {
                    (false, _) => Ok(()),
                    (true, true) => self.replace(index),
                    (true, false) => self.fail(index, Failure::Cut),
                }
            }
            Err(failure) => self.fail(index, failure),
        }
    }

    fn fail(&mut self, index: usize, failure: Failure) -> io::Result<()> {
        self.errors.failure(failure);
        if self.errors.broken_connections() > TOO_MANY_BROKEN {
            return Err(io::Error::other(format!("too many errors: {:?}", self.errors)));
        }
        self.replace(index)
    }

    /// Opens a connection in place of one that is over.
    fn replace(&mut self, index: usize) -> io::Result<()> {
        let next = self.connections[index]
            .take()
            .map_or(0, |connection| connection.turn() + 1);
        let opened = Connection::open(index, next, &self.common, self.poll.registry());
        match opened {
            Ok(connection) => self.connections[index] = Some(connection),
            Err(error) => self.errors.broken(&error),
        }
        Ok(())
    }

    /// Counts the connections that have come to nothing.
    fn look_for_stuck(&mut self) {
        for (connection, heard) in self.connections.iter().zip(&self.heard) {
            match connection {
                Some(connection) if connection.is_over && !heard => self.errors.not_closed += 1,
                Some(_) if !heard => self.errors.silent += 1,
                _ => {}
            }
        }
    }
}
