//! A body that is read frame by frame.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::alarm::{Alarm, Clock};
use super::feed::Fed;
use super::pool::Pool;
use crate::Done;
use crate::lock::lock;
use crate::pipe::Reader;
use crate::response::{FilePart, OnDone};
use crate::topic::Feed;

/// The amount of a file that is read at once.
const PIECE: usize = 64 * 1024;

/// The body of a request or a response, as `http-body` defines one.
///
/// Dropping it before its end has the effect of a client that goes away.
pub struct Body {
    source: Source,
    /// The number of bytes that have not been read, if that is known.
    left: Option<u64>,
    /// Who wants to know when it has been read.
    told: Option<Told>,
    /// Passes on what is still arriving of the request, whose handler has begun its response.
    passes_on: Option<PassOn>,
}

/// Behind a lock only because a body can be shared, which a function of the program's server need not be.
type PassOn = Mutex<Box<dyn FnMut(&mut Context<'_>) + Send>>;

/// A function of the program that is called by a thread of the pool, never by a task.
struct Told {
    on_done: Option<Box<OnDone>>,
    pool: Arc<Pool>,
}

impl Told {
    fn call(mut self, outcome: Done) {
        if let Some(on_done) = &mut self.on_done {
            on_done.set(outcome);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let on_done = self.on_done.take();
        self.pool.go_on(move || drop(on_done));
    }
}

enum Source {
    /// Bytes, and the trailers behind them.
    Whole(Option<Bytes>, Option<HeaderMap>),
    /// The handler's thread reads it from the client.
    Fed(Fed),
    /// A thread writes it.
    Arriving(Reader),
    File(Arc<FileSource>, Arc<Pool>),
    /// The messages of a topic.
    Pushed(Feed, Arc<Clock>, Option<(Instant, Alarm)>),
}

impl Body {
    pub(super) fn whole(bytes: Bytes) -> Body {
        Body {
            left: Some(bytes.len() as u64),
            source: Source::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()), None),
            told: None,
            passes_on: None,
        }
    }

    /// Has the function called when the body was read, or is dropped.
    pub(super) fn telling(mut self, on_done: Option<Box<OnDone>>, pool: &Arc<Pool>) -> Body {
        self.told = on_done.map(|on_done| Told {
            on_done: Some(on_done),
            pool: Arc::clone(pool),
        });
        self
    }

    /// Has `pass_on` called whenever the body is asked for more.
    pub(super) fn passing_on(mut self, pass_on: impl FnMut(&mut Context<'_>) + Send + 'static) -> Body {
        self.passes_on = Some(Mutex::new(Box::new(pass_on)));
        self
    }

    fn tell_sent(&mut self) {
        if let Some(told) = self.told.take() {
            told.call(Done::Sent);
        }
    }

    /// Adds trailers to a body that is whole.
    pub(super) fn with_trailers(mut self, trailers: HeaderMap) -> Body {
        if let Source::Whole(_, at_end) = &mut self.source {
            *at_end = Some(trailers).filter(|trailers| !trailers.is_empty());
        }
        self
    }

    /// Creates a body from what is still arriving.
    pub(super) fn fed(fed: Fed, len: Option<u64>) -> Body {
        Body {
            source: Source::Fed(fed),
            left: len,
            told: None,
            passes_on: None,
        }
    }

    /// Creates a body from what is sent to a topic.
    pub(super) fn pushed(feed: Feed, clock: Arc<Clock>) -> Body {
        Body {
            source: Source::Pushed(feed, clock, None),
            left: None,
            told: None,
            passes_on: None,
        }
    }

    /// Creates a body from what comes out of a pipe.
    pub(super) fn arriving(reader: Reader, len: Option<u64>) -> Body {
        Body {
            source: Source::Arriving(reader),
            left: len,
            told: None,
            passes_on: None,
        }
    }

    /// Creates a body from a part of a file. It needs a thread of the pool only while a piece is read from a disk, not
    /// while the client is slow.
    pub(super) fn file(part: FilePart, pool: Arc<Pool>) -> Body {
        Body {
            left: Some(part.left()),
            source: Source::File(Arc::new(FileSource(Mutex::new(Piece::No(part)))), pool),
            told: None,
            passes_on: None,
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::whole(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::whole(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(pass_on) = &self.passes_on {
            (*lock(pass_on))(context);
        }
        let left = self.left;
        let polled = match &mut self.source {
            Source::Whole(bytes, trailers) => {
                let bytes = bytes.take().map(|bytes| Ok(Frame::data(bytes)));
                let next = bytes.or_else(|| trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
                self.tell_sent();
                return Poll::Ready(next);
            }
            Source::Fed(fed) => {
                let polled = fed.poll_frame(context);
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    let data = frame.data_ref().map_or(0, Bytes::len) as u64;
                    self.left = left.map(|left| left.saturating_sub(data));
                }
                return polled;
            }
            // An error makes the outer server cut the connection, so that no client takes a part for the whole.
            Source::Arriving(reader) => reader.poll_take(context),
            Source::Pushed(feed, clock, alarm) => {
                let now = Instant::now();
                let polled = feed.poll(context, now);
                match &polled {
                    Poll::Pending => wake_in_time(feed, clock, alarm),
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => self.tell_sent(),
                }
                return polled.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes.into()))));
            }
            Source::File(..) if left == Some(0) => return Poll::Ready(None),
            Source::File(file, pool) => file.poll(pool, context),
        };
        polled.map(|taken| match taken {
            Ok(taken) if taken.is_empty() => None,
            Ok(taken) => {
                self.left = left.map(|left| left.saturating_sub(taken.len() as u64));
                if self.left == Some(0) {
                    self.tell_sent();
                }
                Some(Ok(Frame::data(taken.into())))
            }
            Err(error) => {
                self.source = Source::Whole(None, None);
                self.told = None;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Source::Fed(fed) => fed.is_over(),
            Source::Arriving(_) | Source::File(..) | Source::Pushed(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, self.left) {
            (Source::Whole(bytes, _), _) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            (_, Some(left)) => SizeHint::with_exact(left),
            (_, None) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Has a feed polled when it is due. An alarm that rings earlier stays: whoever is woken looks at the clock, and sets the
/// next, so there is one for many messages.
fn wake_in_time(feed: &Feed, clock: &Clock, alarm: &mut Option<(Instant, Alarm)>) {
    let Some(due) = feed.next_due() else { return };
    if alarm
        .as_ref()
        .is_none_or(|(rings, _)| *rings > due || *rings <= Instant::now())
    {
        let feed = feed.wake();
        *alarm = Some((due, clock.set(due, move || feed.wake())));
    }
}

/// A file that threads read piece by piece.
struct FileSource(Mutex<Piece>);

enum Piece {
    No(FilePart),
    /// A thread reads it, and wakes the waiting task.
    Wanted(Waker),
    Here(io::Result<Vec<u8>>, FilePart),
}

impl FileSource {
    fn poll(self: &Arc<Self>, pool: &Pool, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut piece = lock(&self.0);
        let wanted = Piece::Wanted(context.waker().clone());
        match std::mem::replace(&mut *piece, wanted) {
            Piece::No(mut part) => {
                let mut bytes = room(&part);
                if let Some(n) = part.read_cached(&mut bytes) {
                    *piece = Piece::No(part);
                    bytes.truncate(n);
                    return Poll::Ready(Ok(bytes));
                }
                drop(piece);
                let reading = Reading {
                    source: Arc::clone(self),
                    part: Some(part),
                };
                pool.go_on(move || reading.read(bytes));
                Poll::Pending
            }
            Piece::Wanted(_) => Poll::Pending,
            Piece::Here(read, part) => {
                *piece = Piece::No(part);
                Poll::Ready(read)
            }
        }
    }

    /// Hands a piece over to the waiting task.
    fn hand_over(&self, read: io::Result<Vec<u8>>, part: FilePart) {
        let before = std::mem::replace(&mut *lock(&self.0), Piece::Here(read, part));
        if let Piece::Wanted(waker) = before {
            waker.wake();
        }
    }
}

/// A piece of a file that a thread reads.
struct Reading {
    source: Arc<FileSource>,
    /// Taken when it is read.
    part: Option<FilePart>,
}

impl Reading {
    /// Reads the piece from a disk.
    fn read(mut self, mut into: Vec<u8>) {
        if let Some(mut part) = self.part.take() {
            let read = part.read_next(&mut into).map(|n| {
                into.truncate(n);
                into
            });
            self.source.hand_over(read, part);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            let error = io::Error::other("there is no thread to read the file");
            self.source.hand_over(Err(error), part);
        }
    }
}

/// Returns a buffer for the next piece.
fn room(part: &FilePart) -> Vec<u8> {
    vec![0; usize::try_from(part.left()).unwrap_or(PIECE).min(PIECE)]
}

#[cfg(test)]
mod tests {
    use super::super::hosted::block_on;
    use super::*;
    use http_body::Body as _;
    use std::future::poll_fn;
    use std::time::Duration;

    #[test]
    fn what_is_sent_to_a_topic_wakes_the_task_that_waits_for_it() {
        let topic = crate::Topic::new();
        let feed = Feed::new(topic.subscribe_plain().subscriber);
        let mut body = std::pin::pin!(Body::pushed(feed, Arc::new(Clock::new())));
        let waits = poll_fn(|context| Poll::Ready(body.as_mut().poll_frame(context).is_pending()));
        assert!(block_on(waits));
        let sender = std::thread::spawn(move || topic.send("news"));
        let frame = block_on(poll_fn(|context| body.as_mut().poll_frame(context)));
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "news");
        sender.join().unwrap();
    }

    #[test]
    fn a_subscription_has_heartbeats_and_an_end_although_nothing_is_sent() {
        let (beat, age) = (Duration::from_millis(5), Duration::from_millis(50));
        let settings = crate::TopicSettings::new().heartbeat(beat).greatest_age(age);
        let topic = crate::Topic::with(settings);
        let begin = Instant::now();
        let feed = Feed::new(topic.subscribe().subscriber);
        let mut body = std::pin::pin!(Body::pushed(feed, Arc::new(Clock::new())));
        let mut next = || block_on(poll_fn(|context| body.as_mut().poll_frame(context)));
        let mut beats = 0;
        while let Some(frame) = next() {
            assert_eq!(frame.unwrap().into_data().unwrap(), ":\n\n");
            beats += 1;
        }
        assert!((1..=10).contains(&beats), "{beats}");
        assert!(begin.elapsed() >= age);
    }

    #[test]
    fn a_file_for_which_no_thread_can_be_started_breaks_off() {
        let mut body = crate::Body::file(std::fs::File::open("Cargo.lock").unwrap()).unwrap();
        body.on_disk(Arc::new(|| {}));
        let crate::response::body::Kind::File(part) = body.kind else {
            panic!("not a file")
        };
        let pool = Arc::new(Pool::new(1, 0));
        pool.shared()
            .is_out_of_threads
            .store(true, std::sync::atomic::Ordering::SeqCst);
        let mut body = std::pin::pin!(Body::file(*part, pool));
        let frame = block_on(poll_fn(|context| body.as_mut().poll_frame(context)));
        assert!(frame.is_some_and(|frame| frame.is_err()));
    }

    #[test]
    fn a_file_on_a_slow_disk_is_read_by_threads_and_never_by_the_task() {
        let here = std::thread::current().id();
        let mut body = crate::Body::file(std::fs::File::open("Cargo.lock").unwrap()).unwrap();
        body.on_disk(Arc::new(move || assert_ne!(std::thread::current().id(), here)));
        let crate::response::body::Kind::File(part) = body.kind else {
            panic!("not a file")
        };
        let mut body = std::pin::pin!(Body::file(*part, Arc::new(Pool::new(1, 0))));
        let expected = std::fs::read("Cargo.lock").unwrap();
        assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
        let mut read = Vec::new();
        while let Some(frame) = block_on(poll_fn(|context| body.as_mut().poll_frame(context))) {
            read.extend(frame.unwrap().into_data().unwrap());
            assert_eq!(body.size_hint().exact(), Some((expected.len() - read.len()) as u64));
        }
        assert!(read == expected);
    }
}
