//! The body of a request on its way to a service, while it is still arriving: the handler's thread reads a piece of it
//! when the service asks for one, so that one piece at a time is in memory.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::lock::lock;

/// Returns the two ends. `asked` is woken when the service asks for a piece.
pub(super) fn feed(asked: Waker) -> (Feeder, Fed) {
    let state = Arc::new(Mutex::new(State {
        asked,
        waiting: None,
        here: None,
        is_left: false,
        is_over: false,
    }));
    (Feeder(Arc::clone(&state)), Fed(state))
}

/// The end that the handler's thread feeds. Once it is dropped, nothing more comes.
pub(super) struct Feeder(Arc<Mutex<State>>);

/// The end that the service reads.
pub(super) struct Fed(Arc<Mutex<State>>);

struct State {
    asked: Waker,
    /// The service's task, while it waits for a piece.
    waiting: Option<Waker>,
    here: Option<io::Result<Piece>>,
    /// True if the other end is dropped.
    is_left: bool,
    /// True if the service has received the end, or an error.
    is_over: bool,
}

/// A part of a body.
pub(super) enum Piece {
    Data(Bytes),
    /// The end, with the trailer section, which may be empty.
    End(HeaderMap),
}

impl Feeder {
    /// Returns true if the service waits for the next piece.
    pub(super) fn is_asked(&self) -> bool {
        lock(&self.0).waiting.is_some()
    }

    /// Hands over the next piece, which was asked for.
    pub(super) fn give(&self, piece: io::Result<Piece>) {
        let waiting = {
            let mut state = lock(&self.0);
            state.here = Some(piece);
            state.waiting.take()
        };
        // Waking may run code that is not hansel's.
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.is_left = true;
            state.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl Fed {
    /// Returns true if the service has received everything.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.0).is_over
    }

    /// Returns the next frame, or asks for it.
    pub(super) fn poll_frame(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = lock(&self.0);
        if let Some(here) = state.here.take() {
            state.is_over = !matches!(here, Ok(Piece::Data(_)));
            return Poll::Ready(match here {
                Ok(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Ok(Piece::End(trailers)) if trailers.is_empty() => None,
                Ok(Piece::End(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Err(error) => Some(Err(error)),
            });
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        if state.is_left {
            state.is_over = true;
            return Poll::Ready(Some(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the body of a request can be read until its service has responded",
            ))));
        }
        state.waiting = Some(context.waker().clone());
        let asked = state.asked.clone();
        drop(state);
        asked.wake();
        Poll::Pending
    }
}
