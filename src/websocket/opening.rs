//! The response that opens a socket.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use super::program::{self, OnMessage, Program, SocketOutcome};
use super::request::WebSocket;
use crate::pace::Pace;
use crate::socket::{Closed, Line, Message, Opened, Socket};
use crate::{Body, Error, IntoResponse, Response};

/// A socket that is about to be opened: return it from the handler.
///
/// Without a handler for messages they are received and dropped, which is right where only the server has something to say.
#[must_use = "the socket is opened when this is returned"]
pub struct Opening<S = ()> {
    request: WebSocket,
    socket: Socket<S>,
    handlers: Handlers<S>,
}

struct Handlers<S> {
    on_open: Option<program::Opening<S>>,
    on_message: Option<(OnMessage<S>, Pace)>,
    on_close: Option<program::Closing<S>>,
}

impl WebSocket {
    /// Opens the socket, with a state of its own that its handlers see. Nothing is sent before the handler returns the
    /// result.
    pub fn open<S: Send + Sync + 'static>(self, state: S) -> Opening<S> {
        Opening::new(self, state)
    }
}

impl<S: Send + Sync + 'static> Opening<S> {
    fn new(request: WebSocket, state: S) -> Opening<S> {
        let deflate = request.deflate.filter(|_| request.settings.compression);
        let line = Arc::new(Line::new(&request.settings, deflate));
        Opening {
            request,
            socket: Socket::new(state, line),
            handlers: Handlers {
                on_open: None,
                on_message: None,
                on_close: None,
            },
        }
    }

    /// Returns the socket: what is sent by it leaves as soon as it is open.
    pub fn socket(&self) -> &Socket<S> {
        &self.socket
    }

    /// Has `handler` called when the socket is open, before its first message.
    pub fn on_open<R: SocketOutcome>(mut self, handler: impl FnOnce(&Socket<S>) -> R + Send + 'static) -> Opening<S> {
        self.handlers.on_open = Some(Box::new(|socket| handler(socket).into_result()));
        self
    }

    /// Has `handler` called for each message, one at a time and in order. It may block. An error closes the socket with 1011.
    pub fn on_message<F, R>(mut self, mut handler: F) -> Opening<S>
    where
        F: FnMut(&Socket<S>, Message<'_>) -> R + Send + 'static,
        R: SocketOutcome,
    {
        // Sockets with the same handler are equally fast.
        let pace = Pace::of_key(&TypeId::of::<F>());
        let handler = move |socket: &Socket<S>, message: Message<'_>| handler(socket, message).into_result();
        self.handlers.on_message = Some((Box::new(handler), pace));
        self
    }

    /// Has `handler` called when the socket has ended, once, whatever the reason is. What it sends goes nowhere.
    pub fn on_close(mut self, handler: impl FnOnce(&Socket<S>, &Closed) + Send + 'static) -> Opening<S> {
        self.handlers.on_close = Some(Box::new(handler));
        self
    }
}

impl<S: Send + Sync + 'static> IntoResponse for Opening<S> {
    const LASTS: &'static str = " opens a socket";

    fn into_response(self) -> Response {
        let WebSocket {
            accept,
            settings,
            protocol,
            stranger,
            deflate,
            ..
        } = self.request;
        if let Some(origin) = stranger {
            let reason = format!("pages of {origin} can't open this socket");
            return Error::new(StatusCode::FORBIDDEN, reason).into_response();
        }
        let deflate = deflate.filter(|_| settings.compression);
        let Handlers {
            on_open,
            on_message,
            on_close,
        } = self.handlers;
        let line = self.socket.line();
        let (on_message, pace) =
            on_message.unwrap_or_else(|| (Box::new(|_, _| Ok(())), Pace::of_key(&TypeId::of::<()>())));
        let opened = Opened {
            line,
            handlers: Box::new(Program {
                socket: self.socket,
                on_open,
                on_message,
                on_close,
            }),
            settings,
            is_compressed: deflate.is_some(),
            pace,
            counted: None,
        };
        let mut response = Response::new(Body::opening(Box::new(opened))).with_status(StatusCode::SWITCHING_PROTOCOLS);
        response.set_header("Upgrade", "websocket");
        response.set_header("Sec-WebSocket-Accept", accept);
        if let Some(protocol) = protocol {
            response.set_header("Sec-WebSocket-Protocol", protocol);
        }
        if let Some(deflate) = deflate {
            response.set_header("Sec-WebSocket-Extensions", deflate.to_string());
        }
        response
    }
}

impl<S> fmt::Debug for Opening<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
