//! A body that its handler reads while it arrives, wherever its bytes come from.

use std::any::Any;
use std::sync::{Arc, Mutex};

use super::{Coming, Exchange, LiveInput};
use crate::lock::lock;
use crate::request::{BodyError, Content, EarlyCall, Gone, LiveBody};

/// The source of the bytes of a body, framed as in HTTP/1.1.
pub(crate) trait Incoming: Send + 'static {
    /// Waits for bytes and puts them into `room`. Returns how many; 0 means the end of the input.
    fn receive(&mut self, room: &mut [u8]) -> Result<usize, BodyError>;

    /// Sends an interim response that the client waits for before it sends the body.
    fn interim(&mut self, response: &[u8]) -> Result<(), BodyError>;
}

/// The body of a request that is read while its handler runs.
struct Reading<I> {
    input: LiveInput,
    incoming: I,
    /// The response, if it may begin meanwhile: no interim response comes after that.
    early: Option<Arc<dyn EarlyCall>>,
    failed: Option<BodyError>,
    /// True if somebody found it too large to read on. Somebody with another limit may read it all the same.
    was_too_large: bool,
}

impl Exchange {
    /// Makes the request read its body from `incoming`, until [`end_reading`](Exchange::end_reading).
    pub(crate) fn begin_reading<I: Incoming>(&mut self, incoming: I) {
        let reading = Reading {
            input: self.begin_live(),
            incoming,
            early: self.request.early.clone(),
            failed: None,
            was_too_large: false,
        };
        self.request.body.content = Content::Live(Arc::new(Mutex::new(Box::new(reading))));
    }

    /// Returns what the body was read from, if it was. What was received and not used stays with the exchange.
    pub(crate) fn end_reading<I: Incoming>(&mut self) -> Option<I> {
        let Content::Live(live) = std::mem::take(&mut self.request.body.content) else {
            return None;
        };
        // Whoever has an owned body may be waiting for the client, with a deadline.
        let live = std::mem::replace(&mut *lock(&live), Box::new(Gone));
        let reading = live.into_any().downcast::<Reading<I>>().ok()?;
        self.end_live(reading.input);
        if reading.failed.is_some() || reading.was_too_large {
            // Where the body ends is unknown.
            self.close_after_response();
        }
        Some(reading.incoming)
    }
}

impl<I: Incoming> Reading<I> {
    /// Receives until there is content, or the content ends.
    fn receive_content(&mut self) -> Result<(), BodyError> {
        loop {
            match self.input.advance().map_err(BodyError::refused)? {
                Coming::Content | Coming::End => return Ok(()),
                Coming::Nothing => {}
            }
            if let Some(interim) = self.input.interim() {
                match self.early.clone() {
                    Some(early) => early.before(&mut || self.incoming.interim(&interim))?,
                    None => self.incoming.interim(&interim)?,
                }
            }
            match self.incoming.receive(self.input.room())? {
                0 => return Err(BodyError::Disconnected),
                n => self.input.received(n),
            }
        }
    }
}

impl<I: Incoming> LiveBody for Reading<I> {
    fn await_content(&mut self, most: u64) -> Result<(), BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        // An announced length is checked before the client is told to send the body.
        if self.input.len_at_least() <= most {
            let outcome = self.receive_content();
            self.failed = outcome.err();
            outcome?;
        }
        if self.input.len_at_least() > most {
            self.was_too_large = true;
            return Err(BodyError::TooLarge);
        }
        Ok(())
    }

    fn len_at_least(&self) -> u64 {
        self.input.len_at_least()
    }

    fn is_at_end(&mut self) -> bool {
        self.failed.is_none() && matches!(self.input.advance(), Ok(Coming::End))
    }

    fn content(&self) -> &[u8] {
        self.input.content()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }

    fn trailers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input.trailers)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
