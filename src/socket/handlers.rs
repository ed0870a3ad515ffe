//! What a program does with a socket, whatever the types of its handlers are.

use std::error::Error;
use std::sync::Arc;

use super::closed::Closed;
use super::line::Line;
use super::message::Message;
use super::settings::SocketSettings;
use crate::pace::Pace;

/// An error of a handler.
pub(crate) type HandlerError = Box<dyn Error + Send + Sync>;

/// The handlers of a socket. One of them runs at a time.
pub(crate) trait Handlers: Send {
    /// Returns true if there is something to be done when it opens.
    fn wants_opening(&self) -> bool;
    fn opened(&mut self) -> Result<(), HandlerError>;
    fn message(&mut self, message: Message<'_>) -> Result<(), HandlerError>;
    /// Returns true if there is something to be done when it has closed.
    fn wants_closing(&self) -> bool;
    fn closed(&mut self, closed: &Closed);
}

/// A socket that a handler has opened, until its response is sent.
pub(crate) struct Opened {
    pub(crate) line: Arc<Line>,
    pub(crate) handlers: Box<dyn Handlers>,
    pub(crate) settings: Arc<SocketSettings>,
    pub(crate) is_compressed: bool,
    /// The pace of its handler for messages.
    pub(crate) pace: Pace,
    /// The count of sockets where it is served.
    pub(crate) counted: Option<Box<dyn Send>>,
}
