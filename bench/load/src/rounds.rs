//! The measurement: warming up, then measuring.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::connection::{Common, Connection, Failure, Turn};
use crate::options::Options;
use crate::report::{Errors, Report, Tally};
use crate::requests::Requests;
use crate::responses::{Check, Lengths};
use crate::server::{self, Usage};

/// How much is read at once.
const READ: usize = 256 * 1024;
/// With this many broken connections the run is ended.
const TOO_MANY_BROKEN: u64 = 1000;

/// Runs the load: each thread has a part of the connections, and this thread has the first.
pub(crate) fn run(options: &Options) -> io::Result<Report> {
    let requests = Requests::new(options);
    let mut first = Rounds::new(options, &requests, 0)?;
    let mut others = (1..options.threads)
        .map(|part| Rounds::new(options, &requests, part))
        .collect::<io::Result<Vec<_>>>()?;
    // If turns are given, they end the run.
    let (warm_up, time) = match options.turns {
        Some(_) => (Duration::ZERO, Duration::from_secs(24 * 3600)),
        None => (options.warm_up, options.time),
    };
    let start = Instant::now() + warm_up;
    let end = start + time;
    let (time, server, load) = thread::scope(|scope| {
        let beside: Vec<_> = others
            .iter_mut()
            .map(|rounds| scope.spawn(move || rounds.warm_up(start).and_then(|()| rounds.go_on_until(end))))
            .collect();
        first.warm_up(start)?;
        let (server, load, start) = (Usage::now(&options.server)?, server::own()?, Instant::now());
        first.go_on_until(end)?;
        let time = start.elapsed();
        let (server, load) = (Usage::now(&options.server)?.since(server), server::own()? - load);
        for rounds in beside {
            rounds.join().map_err(|_| io::Error::other("a thread panicked"))??;
        }
        io::Result::Ok((time, server, load))
    })?;
    for rounds in others {
        first.add(rounds);
    }
    Ok(first.report(time, server, load))
}

struct Rounds<'r> {
    common: Common<'r>,
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    /// For each connection, true if something has arrived since measuring began.
    heard: Vec<bool>,
    tally: Tally,
    errors: Errors,
}

impl<'r> Rounds<'r> {
    /// Creates the rounds of one thread, with all its connections.
    fn new(options: &Options, requests: &'r Requests, part: usize) -> io::Result<Rounds<'r>> {
        // All parts together are all connections, however they divide.
        let connections = (options.connections + part) / options.threads;
        let common = Common {
            address: options.address,
            check: Check {
                requests,
                bodies: options.checks_bodies,
                status: options.work.status(),
            },
            lengths: Lengths::default(),
            depth: options.depth,
            closes: options.closes,
            turns: options.turns,
            buffer: vec![0; READ],
        };
        let mut rounds = Rounds {
            common,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            heard: vec![false; connections],
            tally: Tally::new(),
            errors: Errors::default(),
        };
        for index in 0..connections {
            let connection = Connection::open(index, 0, &rounds.common, rounds.poll.registry())?;
            rounds.connections.push(Some(connection));
        }
        Ok(rounds)
    }

    /// Runs until it is time to measure.
    fn warm_up(&mut self, end: Instant) -> io::Result<()> {
        self.go_on_until(end)?;
        self.tally = Tally::new();
        self.heard.fill(false);
        Ok(())
    }

    fn go_on_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.have_done() {
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

    /// Returns true if all connections have had their turns.
    fn have_done(&self) -> bool {
        let mut connections = self.connections.iter().flatten();
        self.common.turns.is_some() && connections.all(|connection| connection.has_done(self.common.turns))
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
                // No further event comes for an end that had already arrived.
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

    /// Adds the counts of another thread.
    fn add(&mut self, other: Rounds<'_>) {
        self.tally.add(&other.tally);
        self.errors.add(other.errors);
        self.connections.extend(other.connections);
        self.heard.extend(other.heard);
    }

    fn report(mut self, time: Duration, server: Usage, load: Duration) -> Report {
        self.look_for_stuck();
        let connections = self.connections.iter().flatten();
        let sampled = connections.map(|connection| connection.responses.sampled).sum();
        let report = self.tally.report(time, server, load, self.errors);
        Report { sampled, ..report }
    }

    /// Counts the connections on which nothing happened.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn threads_share_all_the_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = format!("{} hello --connections 5 --threads 3", listener.local_addr().unwrap());
        let options = Options::of(line.split(' ').map(str::to_owned)).unwrap();
        let requests = Requests::new(&options);
        let open = |part| Rounds::new(&options, &requests, part).unwrap().connections.len();
        assert_eq!([0, 1, 2].map(open), [1, 2, 2]);
    }

    #[test]
    fn each_connection_has_as_many_turns_as_were_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer_all = || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut input, mut answered) = ([0; 1024], 0);
            while stream.read(&mut input).is_ok_and(|n| n > 0) {
                let response = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
                stream.write_all(response.as_bytes()).unwrap();
                answered += 1;
            }
            answered
        };
        let line = format!("{address} smallest --connections 2 --turns 70");
        let options = Options::of(line.split(' ').map(str::to_owned)).unwrap();
        thread::scope(|scope| {
            let servers = [scope.spawn(answer_all), scope.spawn(answer_all)];
            let report = serde_json::to_value(run(&options).unwrap()).unwrap();
            assert_eq!(report["requests"], 140);
            assert_eq!(servers.map(|server| server.join().unwrap()), [70, 70]);
        });
    }
}
