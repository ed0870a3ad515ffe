//! The handle by which a program sends to a client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hansel_proto::websocket::CloseCode;

use super::closed::{CloseCause, Closed};
use super::line::Line;
use super::message::ToMessage;
use super::send_error::SendError;
use crate::topic::Topic;

/// An open WebSocket, with the state that the program has given it.
///
/// Clones are the same socket, and any thread may use one, also when the handler that was given it has returned. When the
/// socket has ended, a handle only keeps its state.
///
/// ```
/// use hansel::websocket::{Message, Socket};
///
/// /// Sends back what comes, with the name of who sends it.
/// fn chat(socket: &Socket<String>, message: Message<'_>) -> Result<(), hansel::Error> {
///     let text = message.text().unwrap_or("bytes");
///     socket.send(format!("{}: {text}", socket.state()))?;
///     Ok(())
/// }
/// ```
pub struct Socket<S = ()> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    id: u64,
    line: Arc<Line>,
    state: S,
}

impl<S> Clone for Socket<S> {
    fn clone(&self) -> Socket<S> {
        Socket {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S> Socket<S> {
    pub(crate) fn new(state: S, line: Arc<Line>) -> Socket<S> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Socket {
            inner: Arc::new(Inner { id, line, state }),
        }
    }

    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.inner.line)
    }

    /// Returns the state with which it was [opened](crate::websocket::WebSocket::open).
    pub fn state(&self) -> &S {
        &self.inner.state
    }

    /// Returns a number that no other socket of this process has.
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    /// Sends a message, after everything that was sent before. Returns at once: the message leaves as soon as the client
    /// takes it.
    ///
    /// While a client does not, messages wait, up to the [backlog](super::SocketSettings::backlog); then the socket is closed,
    /// or messages are left out, as the [settings](super::SocketSettings::slow) say.
    ///
    /// # Errors
    /// If the socket is closed, or is closed because of this message.
    pub fn send(&self, message: impl ToMessage) -> Result<(), SendError> {
        self.inner.line.send(message.to_message())
    }

    /// Sends a value as JSON, in a text.
    ///
    /// Requires the feature `json`.
    ///
    /// # Errors
    /// If the value has no JSON, and if [`send`](Socket::send) does.
    #[cfg(feature = "json")]
    pub fn send_json(&self, value: &impl serde::Serialize) -> Result<(), SendError> {
        match serde_json::to_string(value) {
            Ok(json) => self.send(json),
            Err(error) => Err(SendError::no_json(&error)),
        }
    }

    /// Closes it, after everything that was sent before. The client is told the code, and a reason of up to 123 bytes. No
    /// message is received any more.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.inner
            .line
            .close(Closed::new(CloseCause::Program, Some(code), reason));
    }

    /// Joins a topic: the client is sent the data of each event that is sent to it from now on, in the order of the topic
    /// and after everything that was sent to this socket before. It is a text if it is UTF-8, or else bytes.
    ///
    /// No message is replayed, so a topic of sockets only needs no [replay](crate::TopicSettings::replay): messages that are kept
    /// for it take memory.
    ///
    /// What the topic does with [slow subscribers](crate::TopicSettings::slow) applies here as well. A socket that ends
    /// leaves its topics.
    pub fn join(&self, topic: &Topic) {
        self.inner.line.join(topic);
    }

    /// Leaves a topic.
    pub fn leave(&self, topic: &Topic) {
        self.inner.line.leave(topic);
    }
}

impl<S> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}
