//! A body that is asked for frame by frame.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http_body::{Frame, SizeHint};

use crate::response::Sink;

/// How many pieces may wait for the server before their writer waits.
const WAITING: usize = 8;

type Data = io::Cursor<Vec<u8>>;

/// The body of a request or a response, on its way between the two worlds.
#[derive(Debug)]
pub struct Body(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Vec<u8>>),
    Arriving(Arc<Pipe>),
}

/// Between a thread that writes a body and the server that takes it.
#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    taken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
    end: Option<End>,
    is_given_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    BrokenOff,
}

/// A body that is written piece by piece, and the end to write to.
pub(super) fn channel() -> (Sender, Body) {
    let pipe = Arc::new(Pipe::default());
    (Sender(Arc::clone(&pipe)), Body(Inner::Arriving(pipe)))
}

impl Body {
    pub(super) fn empty() -> Body {
        Body(Inner::Whole(None))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body(Inner::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl http_body::Body for Body {
    type Data = Data;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Data>>>> {
        let framed = |piece| Ok(Frame::data(io::Cursor::new(piece)));
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(framed)),
            Inner::Arriving(pipe) => {
                let mut state = pipe.lock();
                if let Some(piece) = state.pieces.pop_front() {
                    pipe.taken.notify_one();
                    return Poll::Ready(Some(framed(piece)));
                }
                match state.end {
                    Some(End::Whole) => Poll::Ready(None),
                    // An error makes the server break the connection off, so that nobody takes a part
                    // for the whole.
                    Some(End::BrokenOff) => Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                    None => {
                        state.waker = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Vec::len) as u64),
            Inner::Arriving(_) => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Inner::Arriving(pipe) = &self.0 {
            pipe.lock().is_given_up = true;
            pipe.taken.notify_all();
        }
    }
}

/// Writes a [`Body`].
pub(super) struct Sender(Arc<Pipe>);

impl Sender {
    /// Says that nothing more comes, and whether that was all.
    pub(super) fn end(self, is_whole: bool) {
        let waker = {
            let mut state = self.0.lock();
            state.end = Some(if is_whole { End::Whole } else { End::BrokenOff });
            state.waker.take()
        };
        waker.iter().for_each(Waker::wake_by_ref);
    }
}

impl Sink for Sender {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let waker = {
            let mut state = self.0.lock();
            while state.pieces.len() >= WAITING && !state.is_given_up {
                state = self.0.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_given_up {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            state.pieces.push_back(bytes.to_vec());
            state.waker.take()
        };
        waker.iter().for_each(Waker::wake_by_ref);
        Ok(())
    }

    fn is_open(&self) -> bool {
        !self.0.lock().is_given_up
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;

    #[test]
    fn a_writer_learns_that_nobody_reads() {
        let (mut sender, body) = channel();
        assert!(sender.send(b"x").is_ok());
        drop(body);
        assert!(!sender.is_open());
        assert_eq!(sender.send(b"y").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_body_that_was_broken_off_ends_in_an_error() {
        let (sender, mut body) = channel();
        sender.end(false);
        let mut context = Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut body).poll_frame(&mut context);
        assert!(matches!(polled, Poll::Ready(Some(Err(_)))));
    }
}
