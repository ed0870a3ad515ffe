//! The handlers of a socket, with the types that the program has given them.

use std::io;

use crate::Error;
use crate::sealed::Seal;
use crate::socket::{Closed, HandlerError, Handlers, Message, Socket};

/// What a handler of a socket returns: nothing, or a result. An error closes the socket with 1011, and is logged.
pub trait SocketOutcome {
    #[doc(hidden)]
    const SEAL: Seal;

    #[doc(hidden)]
    fn into_result(self) -> Result<(), HandlerError>;
}

impl SocketOutcome for () {
    const SEAL: Seal = Seal;

    fn into_result(self) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl<E: Into<Error>> SocketOutcome for Result<(), E> {
    const SEAL: Seal = Seal;

    fn into_result(self) -> Result<(), HandlerError> {
        self.map_err(|error| io::Error::from(error.into()).into())
    }
}

pub(super) type Opening<S> = Box<dyn FnOnce(&Socket<S>) -> Result<(), HandlerError> + Send>;
pub(super) type OnMessage<S> = Box<dyn FnMut(&Socket<S>, Message<'_>) -> Result<(), HandlerError> + Send>;
pub(super) type Closing<S> = Box<dyn FnOnce(&Socket<S>, &Closed) + Send>;

/// The handlers of a program, and the socket that each is given.
pub(crate) struct Program<S> {
    pub(crate) socket: Socket<S>,
    pub(crate) on_open: Option<Opening<S>>,
    pub(crate) on_message: OnMessage<S>,
    pub(crate) on_close: Option<Closing<S>>,
}

impl<S: Send + Sync + 'static> Handlers for Program<S> {
    fn wants_opening(&self) -> bool {
        self.on_open.is_some()
    }

    fn opened(&mut self) -> Result<(), HandlerError> {
        self.on_open.take().map_or(Ok(()), |open| open(&self.socket))
    }

    fn message(&mut self, message: Message<'_>) -> Result<(), HandlerError> {
        (self.on_message)(&self.socket, message)
    }

    fn wants_closing(&self) -> bool {
        self.on_close.is_some()
    }

    fn closed(&mut self, closed: &Closed) {
        if let Some(close) = self.on_close.take() {
            close(&self.socket, closed);
        }
    }
}
