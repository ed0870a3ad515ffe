//! One connection: sends batches of requests and reads the responses.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::requests::{Kind, Requests};
use crate::responses::{Check, Lengths, Responses, Wrong};

pub(crate) struct Connection {
    stream: TcpStream,
    index: usize,
    turn: usize,
    /// The part of the current batch that was not sent.
    unsent: Range<usize>,
    sent_at: Instant,
    kind: Kind,
    pub(crate) responses: Responses,
    /// All responses have arrived, and the server should close.
    pub(crate) is_over: bool,
}

/// What all connections share.
pub(crate) struct Common<'r> {
    pub(crate) address: SocketAddr,
    pub(crate) check: Check<'r>,
    pub(crate) lengths: Lengths,
    pub(crate) depth: usize,
    pub(crate) closes: bool,
    /// How many batches each connection sends; as many as there is time for if `None`.
    pub(crate) turns: Option<usize>,
    pub(crate) buffer: Vec<u8>,
}

/// The result of a turn.
pub(crate) enum Turn {
    /// Nothing to be counted.
    Waits,
    /// All responses to a batch have arrived. The connection continues by itself, unless it is over.
    Answered(Kind, Duration),
    /// The server has closed after the last response, as it should.
    Closed,
}

/// Why a connection cannot continue.
#[derive(Debug)]
pub(crate) enum Failure {
    Wrong(Wrong),
    /// The server has closed in the middle.
    Cut,
    Broken(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Broken(error)
    }
}

impl Connection {
    /// Connects and sends the first batch, as far as that is possible without waiting.
    pub(crate) fn open(index: usize, turn: usize, common: &Common<'_>, registry: &Registry) -> io::Result<Connection> {
        let sent_at = Instant::now();
        let stream = TcpStream::connect(common.address)?;
        if !common.closes {
            stream.set_nodelay(true)?;
        }
        let mut connection = Connection {
            stream,
            index,
            turn,
            unsent: 0..0,
            sent_at,
            kind: Kind::Quick,
            responses: Responses::default(),
            is_over: false,
        };
        connection.ask(common, sent_at)?;
        // A notification that there is room for what was already sent would cost as much as a response.
        let interest = if common.closes && connection.unsent.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        registry.register(&mut connection.stream, Token(index), interest)?;
        Ok(connection)
    }

    pub(crate) fn turn(&self) -> usize {
        self.turn
    }

    /// Returns true if it has the responses to all its requests.
    pub(crate) fn has_done(&self, turns: Option<usize>) -> bool {
        turns.is_some_and(|turns| self.turn >= turns)
    }

    /// Does what is possible now. `has_ended` means that the server has closed its side.
    pub(crate) fn go_on(
        &mut self,
        common: &mut Common<'_>,
        has_ended: bool,
        mut complain: impl FnMut(Wrong),
    ) -> Result<Turn, Failure> {
        if !self.unsent.is_empty() {
            self.send(common.check.requests)?;
        }
        while !self.is_over {
            let n = match self.stream.read(&mut common.buffer) {
                Ok(0) => return Err(Failure::Cut),
                Ok(n) => n,
                Err(error) if is_not_ready(&error) => break,
                Err(error) => return Err(error.into()),
            };
            let input = &common.buffer[..n];
            self.responses
                .take(input, &mut common.lengths, &common.check, &mut complain)
                .map_err(Failure::Wrong)?;
            if self.responses.are_complete() {
                let now = Instant::now();
                let answered = Turn::Answered(self.kind, now - self.sent_at);
                if common.closes {
                    self.is_over = true;
                } else {
                    self.turn += 1;
                    if !self.has_done(common.turns) {
                        self.ask(common, now)?;
                    }
                }
                return Ok(answered);
            }
            if n < common.buffer.len() {
                break;
            }
        }
        match (has_ended, self.is_over) {
            (true, true) => Ok(Turn::Closed),
            (true, false) => Err(Failure::Cut),
            (false, _) => Ok(Turn::Waits),
        }
    }

    /// Sends the next batch.
    fn ask(&mut self, common: &Common<'_>, now: Instant) -> io::Result<()> {
        let requests = common.check.requests;
        let batch = requests.batch(self.index, self.turn);
        self.kind = requests.kind(batch);
        self.unsent = requests.range(batch);
        self.sent_at = now;
        self.responses.expect(batch, self.kind, common.depth);
        self.send(requests)
    }

    fn send(&mut self, requests: &Requests) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(requests.bytes(self.unsent.clone())) {
                Ok(n) => self.unsent.start += n,
                Err(error) if is_not_ready(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Returns true if this means to wait for the next event; a connection that is not established yet is not an error.
fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
