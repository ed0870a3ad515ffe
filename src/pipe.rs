//! Bytes on their way from the writer of a body to its reader, which run separately.
//!
//! Only little is buffered: a writer that is ahead waits, and so does a reader. Each end may be used by a thread, which
//! waits, or by a task, which is woken.

use crate::lock::lock;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
#[cfg(feature = "tower")]
use std::task::{Context, Poll};
use std::time::Instant;

/// The most bytes that may be on their way.
const ROOM: usize = 64 * 1024;

/// Returns the two ends of a pipe.
pub(crate) fn pipe() -> (Writer, Reader) {
    let pipe = Arc::new(Pipe::default());
    (Writer(Arc::clone(&pipe)), Reader(pipe))
}

/// The end that writes. If it is dropped before it has [ended](Writer::end), the body is cut.
pub(crate) struct Writer(Arc<Pipe>);

/// The end that reads. Once it is dropped, writing fails.
pub(crate) struct Reader(Arc<Pipe>);

#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    end: Option<End>,
    /// True if nothing will be read any more.
    is_left: bool,
    /// True if nothing is wanted yet.
    #[cfg(feature = "tower")]
    is_held: bool,
    /// The waker of the task at one of the ends.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    BrokenOff,
}

impl Writer {
    /// Sends all of `bytes`. `deadline` is called if that has to wait; if the reader misses it, sending fails.
    pub(crate) fn send(&self, mut bytes: &[u8], deadline: impl FnOnce() -> Option<Instant>) -> io::Result<()> {
        let (mut deadline, mut by) = (Some(deadline), None);
        let mut state = lock(&self.0.state);
        loop {
            if state.is_left {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let (now, later) = bytes.split_at(bytes.len().min(ROOM.saturating_sub(state.bytes.len())));
            if !now.is_empty() {
                state.bytes.extend_from_slice(now);
                state = self.0.tell(state);
                bytes = later;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            if let Some(deadline) = deadline.take() {
                by = deadline();
            }
            let Some(woken) = self.0.wait(state, by) else {
                self.0.cut();
                return Err(io::ErrorKind::TimedOut.into());
            };
            state = woken;
        }
    }

    /// Returns true if what is sent may still be read.
    pub(crate) fn is_open(&self) -> bool {
        !lock(&self.0.state).is_left
    }

    /// Returns ready if there is room, for a task that has something to send. An error means that nothing is read any
    /// more.
    #[cfg(feature = "tower")]
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0.state);
        if state.is_left {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.bytes.len() < ROOM && !state.is_held {
            return Poll::Ready(Ok(()));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Makes the pipe have no room until the reader [wants](Reader::want) something.
    #[cfg(feature = "tower")]
    pub(crate) fn hold(&self) {
        lock(&self.0.state).is_held = true;
    }

    /// Sends bytes for which [there was room](Writer::poll_room), however many they are.
    #[cfg(feature = "tower")]
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut state = lock(&self.0.state);
        state.bytes.extend_from_slice(bytes);
        self.0.changed.notify_all();
    }

    /// Returns a function that cuts the body from elsewhere.
    #[cfg(feature = "tower")]
    pub(crate) fn cutter(&self) -> impl FnOnce() + Send + 'static {
        let pipe = Arc::clone(&self.0);
        move || pipe.cut()
    }

    /// Completes the body.
    pub(crate) fn end(self) {
        let mut state = lock(&self.0.state);
        state.end.get_or_insert(End::Whole);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.end.get_or_insert(End::BrokenOff);
        drop(self.0.tell(state));
    }
}

impl Reader {
    /// Takes the available bytes, waiting for them if needed. An empty result is the end.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(taken) = state.take() {
                drop(self.0.tell(state));
                return taken;
            }
            state = self.0.wait(state, deadline).ok_or(io::ErrorKind::TimedOut)?;
        }
    }
}

#[cfg(feature = "tower")]
impl Reader {
    /// Starts to want what the writer [holds](Writer::hold).
    pub(crate) fn want(&self) {
        let mut state = lock(&self.0.state);
        state.is_held = false;
        drop(self.0.tell(state));
    }

    /// Does what [`take`](Reader::take) does, for a task.
    pub(crate) fn poll_take(&self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut state = lock(&self.0.state);
        let Some(taken) = state.take() else {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        self.0.changed.notify_all();
        Poll::Ready(taken)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.is_left = true;
        state.bytes = Vec::new();
        drop(self.0.tell(state));
    }
}

impl State {
    /// Takes what is available, or the end.
    fn take(&mut self) -> Option<io::Result<Vec<u8>>> {
        if !self.bytes.is_empty() {
            return Some(Ok(std::mem::take(&mut self.bytes)));
        }
        match self.end? {
            End::Whole => Some(Ok(Vec::new())),
            End::BrokenOff => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl Pipe {
    /// Waits until something has changed. Returns `None` if the deadline has passed.
    fn wait<'p>(&self, state: MutexGuard<'p, State>, by: Option<Instant>) -> Option<MutexGuard<'p, State>> {
        let Some(by) = by else {
            return Some(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner));
        };
        let left = by
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())?;
        let (state, _) = self
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner);
        Some(state)
    }

    /// Notifies the other end that something has changed.
    fn tell<'p>(&'p self, mut state: MutexGuard<'p, State>) -> MutexGuard<'p, State> {
        self.changed.notify_all();
        let Some(waker) = state.waker.take() else { return state };
        // Waking may run code that is not hansel's.
        drop(state);
        waker.wake();
        lock(&self.state)
    }

    /// Cuts the body, for both ends.
    fn cut(&self) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(End::BrokenOff);
        state.is_left = true;
        drop(self.tell(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn all_that_is_sent_is_taken_in_order() {
        let (writer, reader) = pipe();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let writing = thread::spawn(move || writer.send(&sent, || None).map(|()| writer.end()));
        let mut taken = Vec::new();
        loop {
            let piece = reader.take(None).unwrap();
            assert!(piece.len() <= ROOM);
            if piece.is_empty() {
                break;
            }
            taken.extend(piece);
        }
        assert!(taken == expected);
        assert!(writing.join().unwrap().is_ok());
    }

    #[test]
    fn a_writer_learns_that_nobody_reads() {
        let (writer, reader) = pipe();
        assert!(writer.send(b"x", || None).is_ok() && writer.is_open());
        drop(reader);
        assert!(!writer.is_open());
        assert_eq!(
            writer.send(b"y", || None).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_writer_that_waits_learns_that_nobody_reads() {
        let (writer, reader) = pipe();
        let writing = thread::spawn(move || writer.send(&vec![0; 2 * ROOM], || None));
        assert_eq!(reader.take(None).unwrap().len(), ROOM);
        drop(reader);
        let outcome = writing.join().unwrap();
        assert!(outcome.is_ok() || outcome.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe));
    }

    #[test]
    fn a_reader_that_is_late_is_given_up() {
        let (writer, reader) = pipe();
        let error = writer.send(&vec![0; ROOM + 1], || Some(Instant::now())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!writer.is_open());
        assert_eq!(writer.send(b"", || None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(reader.take(None).unwrap().len(), ROOM);
        assert_eq!(reader.take(None).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_writer_that_is_late_is_given_up() {
        let (_writer, reader) = pipe();
        let late = reader.take(Some(Instant::now())).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_has_not_ended_has_broken_off() {
        let (writer, reader) = pipe();
        writer.send(b"x", || None).unwrap();
        drop(writer);
        assert_eq!(reader.take(None).unwrap(), b"x");
        assert_eq!(reader.take(None).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
