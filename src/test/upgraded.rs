//! A connection of the in-process client that a handler has taken over.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Response;
use crate::deadline::after;
use crate::lock::lock;
use crate::pipe::{Reader, Writer, pipe};
use crate::response::{Duplex, Takeover};

/// A connection that a handler has taken over, as its client sees it: see [`Client::upgrade`](super::Client::upgrade).
///
/// The program runs on a separate thread. When this is dropped, the client has left.
///
/// Requires the feature `upgrade`.
pub struct Upgraded {
    response: Response,
    sending: Option<Writer>,
    arriving: Half,
    program: Option<JoinHandle<io::Result<()>>>,
}

/// What arrives by a pipe, piece by piece.
struct Half {
    reader: Reader,
    rest: io::Cursor<Vec<u8>>,
}

impl Half {
    fn new(reader: Reader) -> Half {
        Half {
            reader,
            rest: io::Cursor::default(),
        }
    }

    fn read(&mut self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        if self.rest.position() == self.rest.get_ref().len() as u64 {
            self.rest = io::Cursor::new(match self.reader.take(deadline) {
                // Who has left without a word has sent everything.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Vec::new(),
                outcome => outcome?,
            });
        }
        self.rest.read(into)
    }
}

impl Upgraded {
    pub(super) fn new(response: Response, takeover: Takeover) -> Upgraded {
        let ((sending, received), (sent, arriving)) = (pipe(), pipe());
        let wire = Wire {
            received: Arc::new(Mutex::new(Half::new(received))),
            sent: Arc::new(Mutex::new(Some(sent))),
            patience: None,
        };
        let closes = Arc::clone(&wire.sent);
        let program = thread::spawn(move || {
            let outcome = (takeover.run)(crate::response::Upgraded::new(Box::new(wire)));
            if let Some(sent) = lock(&closes).take() {
                sent.end();
            }
            outcome
        });
        Upgraded {
            response,
            sending: Some(sending),
            arriving: Half::new(arriving),
            program: Some(program),
        }
    }

    /// Returns the response that has switched the protocol.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Closes the connection, and returns what the program has returned.
    ///
    /// # Errors
    /// Returns the error of the program. A panic is an error as well.
    pub fn leave(mut self) -> io::Result<()> {
        self.finish_sending();
        let mut rest = Vec::new();
        let _ = self.read_to_end(&mut rest);
        let Some(program) = self.program.take() else {
            return Ok(());
        };
        program
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the program has panicked")))
    }

    /// Tells the program that nothing more comes.
    pub fn finish_sending(&mut self) {
        if let Some(sending) = self.sending.take() {
            sending.end();
        }
    }
}

impl Read for Upgraded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.arriving.read(into, None)
    }
}

impl Write for Upgraded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(sending) = &self.sending else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        sending.send(bytes, || None)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded")
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

/// The program's side.
struct Wire {
    received: Arc<Mutex<Half>>,
    sent: Arc<Mutex<Option<Writer>>>,
    patience: Option<Duration>,
}

impl Duplex for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let deadline = self.patience.map(|time| after(Instant::now(), time));
        lock(&self.received).read(into, deadline)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*lock(&self.sent) {
            Some(sent) => sent.send(bytes, || None).map(|()| bytes.len()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(sent) = lock(&self.sent).take() {
            sent.end();
        }
        Ok(())
    }

    fn set_patience(&mut self, time: Option<Duration>) {
        self.patience = time;
    }

    fn another(&self) -> Box<dyn Duplex> {
        Box::new(Wire {
            received: Arc::clone(&self.received),
            sent: Arc::clone(&self.sent),
            patience: self.patience,
        })
    }
}
