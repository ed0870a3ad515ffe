//! The body of a response: bytes, a file, a reader, or a closure that writes as it goes.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use hansel_proto::FieldValue;

use super::{BodyFilter, BodyWriter, Done, FilePart, OnDone, StreamFn};
#[cfg(feature = "websocket")]
use crate::socket::Opened;
use crate::topic::Push;

/// The body of a response: bytes, a file, a reader, or a closure that writes.
///
/// Strings and bytes are converted with `.into()`. Bytes and files need no thread while they are sent. A reader or a stream
/// keeps its thread until the client has received everything.
#[derive(Default)]
pub struct Body {
    pub(crate) kind: Kind,
    /// The Content-Type of these bytes, if it is known and the handler sets none.
    pub(crate) content_type: Option<FieldValue<'static>>,
    /// Called once with what became of the body.
    pub(crate) on_done: Option<Box<OnDone>>,
}

#[derive(Default)]
pub(crate) enum Kind {
    #[default]
    Empty,
    Static(&'static [u8]),
    Bytes(Vec<u8>),
    Shared(Arc<[u8]>),
    /// Bytes of a value of the program.
    Owned(Box<dyn AsRef<[u8]> + Send>),
    File(Box<FilePart>),
    Reader {
        reader: Box<dyn Read + Send>,
        len: Option<u64>,
    },
    Stream {
        write: StreamFn,
        len: Option<u64>,
    },
    /// A body that a handler writes while it runs.
    Early(Box<EarlyBody>),
    /// The messages of a topic.
    Pushed(Box<dyn Push>),
    /// A socket, to which the connection belongs from now on.
    #[cfg(feature = "websocket")]
    Socket(Box<Opened>),
    /// A function that has the connection once the head is sent.
    #[cfg(feature = "upgrade")]
    Takeover(Box<super::upgraded::Takeover>),
}

/// A body that is written by itself, while its head says this.
pub(crate) struct EarlyBody {
    /// The announced length, if it is known.
    len: Option<u64>,
    /// The filter that everything goes through that is written.
    filters: Vec<Box<dyn BodyFilter>>,
}

impl EarlyBody {
    pub(super) fn through(&mut self, filter: impl BodyFilter + 'static) {
        self.len = None;
        self.filters.push(Box::new(filter));
    }
}

/// The Content-Type of text.
pub(crate) const TEXT: FieldValue<'static> = FieldValue::new(b"text/plain; charset=utf-8").unwrap();
const OCTETS: FieldValue<'static> = FieldValue::new(b"application/octet-stream").unwrap();

impl Body {
    /// Creates a body without content.
    pub const fn empty() -> Body {
        Body {
            kind: Kind::Empty,
            content_type: None,
            on_done: None,
        }
    }

    /// Creates a body from a file, from its current position to its end. The server sends it in pieces, reads it on threads that
    /// may wait for a disk, and never moves the file's position.
    ///
    /// The length is that at the time of this call. If the file grows, the added part is not sent. If it shrinks, the connection
    /// is closed early, so that the client does not mistake a part for the whole.
    ///
    /// ```no_run
    /// use hansel::Body;
    ///
    /// fn report() -> std::io::Result<Body> {
    ///     Body::file(std::fs::File::open("report.pdf")?)
    /// }
    /// ```
    ///
    /// # Errors
    /// If its length cannot be found out, or it is a directory.
    pub fn file(mut file: File) -> io::Result<Body> {
        use std::io::Seek;
        let len = file_len(&file)?;
        let position = file.stream_position()?;
        Ok(Body::file_part(file, position, len.saturating_sub(position)))
    }

    /// Creates a body from these bytes of a file, counted from its beginning, wherever its position is. It is sent as
    /// [`file`](Body::file) sends one: without a thread while the client is slow, with a Content-Length, and the file's position
    /// never moves.
    ///
    /// The status is 200 unless you set another; a part that the client has asked for is a 206 with a Content-Range
    /// (RFC 9110 §14.4).
    ///
    /// ```no_run
    /// use hansel::{Body, Response, StatusCode};
    ///
    /// fn second_kibibyte() -> std::io::Result<Response> {
    ///     let file = std::fs::File::open("film.mp4")?;
    ///     let len = file.metadata()?.len();
    ///     Ok(Response::new(Body::file_range(file, 1024..2048)?)
    ///         .with_status(StatusCode::PARTIAL_CONTENT)
    ///         .with_header("Content-Range", format!("bytes 1024-2047/{len}")))
    /// }
    /// ```
    ///
    /// # Errors
    /// If the file does not have all of these bytes, its length cannot be found out, or it is a directory.
    pub fn file_range(file: File, range: impl RangeBounds<u64>) -> io::Result<Body> {
        let len = file_len(&file)?;
        let (start, end) = within(len, &range).ok_or_else(|| {
            let shown = |bound: Bound<&u64>, unbounded: u64| match bound {
                Bound::Included(byte) | Bound::Excluded(byte) => *byte,
                Bound::Unbounded => unbounded,
            };
            let (from, to) = (shown(range.start_bound(), 0), shown(range.end_bound(), len));
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the range from byte {from} to {to} is not within the file's {len} bytes"),
            )
        })?;
        Ok(Body::file_part(file, start, end - start))
    }

    /// Creates a body from several parts of a file, each after a text of its own, such as several ranges in one response
    /// (RFC 9110 §14.6). It is sent as [`file`](Body::file) sends one: without a thread while the client is slow, and with a
    /// Content-Length.
    ///
    /// ```no_run
    /// use hansel::Body;
    ///
    /// fn begin_and_end() -> std::io::Result<Body> {
    ///     let file = std::fs::File::open("report.txt")?;
    ///     let len = file.metadata()?.len();
    ///     Ok(Body::file_sections(file, [
    ///         (b"It begins:\n".to_vec(), 0..len.min(80)),
    ///         (b"\nIt ends:\n".to_vec(), len.saturating_sub(80)..len),
    ///         (b"\n".to_vec(), 0..0),
    ///     ]))
    /// }
    /// ```
    ///
    /// The file is not asked how long it is. If it does not have all of these bytes when they are sent, the connection is
    /// closed early, so that the client does not mistake a part for the whole.
    pub fn file_sections(file: File, sections: impl IntoIterator<Item = (Vec<u8>, Range<u64>)>) -> Body {
        Body::of(Kind::File(Box::new(FilePart::of_sections(file, sections))))
    }

    fn file_part(file: File, start: u64, len: u64) -> Body {
        Body::of(Kind::File(Box::new(FilePart::new(file, start, len))))
    }

    /// Makes a file behave as one on a slow disk.
    #[cfg(test)]
    pub(crate) fn on_disk(&mut self, disk: super::file::Disk) {
        if let Kind::File(part) = &mut self.kind {
            part.on(disk);
        }
    }

    /// Creates a body from everything that `reader` returns. It is sent in chunks, or up to the end of the connection to a client
    /// of HTTP/1.0. If reading fails after the head was sent, the connection is closed early, so that the client does not
    /// mistake a part for the whole.
    pub fn reader(reader: impl Read + Send + 'static) -> Body {
        Body::of(Kind::Reader {
            reader: Box::new(reader),
            len: None,
        })
    }

    /// Creates a body from exactly `len` bytes of `reader`, announced as Content-Length. If the reader ends early, the connection
    /// is closed.
    pub fn sized_reader(reader: impl Read + Send + 'static, len: u64) -> Body {
        Body::of(Kind::Reader {
            reader: Box::new(reader),
            len: Some(len),
        })
    }

    /// Creates a body from what `write` writes. It runs on a separate thread after the handler has returned and the head was
    /// sent. A `write!` is sent at once. Those that come quickly, within about a millisecond of each other, are gathered and leave
    /// together, and none waits for longer than that. Writing waits while the client does not read.
    ///
    /// The writer returns an error when the client is gone or the server stops: pass it on with `?`, and the loop ends. After an
    /// error or a panic the connection is closed early. `write` is not called for HEAD.
    ///
    /// ```
    /// use hansel::{Body, Response};
    /// use std::io::Write;
    ///
    /// fn ticks() -> Response {
    ///     let events = Body::stream(|client| {
    ///         for tick in 0..3 {
    ///             write!(client, "data: {tick}\n\n")?;
    ///         }
    ///         Ok(())
    ///     });
    ///     Response::new(events).with_header("Content-Type", "text/event-stream")
    /// }
    /// ```
    pub fn stream(write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static) -> Body {
        Body::of(Kind::Stream {
            write: Box::new(write),
            len: None,
        })
    }

    /// Creates a body from exactly `len` bytes that `write` writes, announced as Content-Length. Otherwise it is sent as
    /// [`stream`](Body::stream) sends one.
    ///
    /// A write beyond `len` is an error, of which nothing is sent. If `write` ends with fewer or after such an error, the
    /// connection is closed early, so that the client does not mistake a part for the whole.
    ///
    /// ```
    /// use hansel::{Response, Body, test::Client};
    /// use std::io::Write;
    ///
    /// let client = Client::new(|| Body::sized_stream(6, |client| {
    ///     write!(client, "ham")?;
    ///     write!(client, "egg")
    /// }));
    /// let response = client.get("/");
    /// assert_eq!((response.header("Content-Length"), response.text()), (Some("6"), "hamegg"));
    /// ```
    pub fn sized_stream(len: u64, write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static) -> Body {
        Body::of(Kind::Stream {
            write: Box::new(write),
            len: Some(len),
        })
    }

    /// Creates a body from the bytes of a value that somebody else has made, without copying them: a mapped file, or a
    /// string of another language. The value is dropped, by any thread, when all is sent or nothing more will be.
    ///
    /// `as_ref` is called several times, also by a thread that serves others meanwhile. So it must be quick, and return the
    /// same bytes each time.
    ///
    /// ```
    /// use hansel::Body;
    ///
    /// struct Table(Box<[u8]>);
    /// impl AsRef<[u8]> for Table {
    ///     fn as_ref(&self) -> &[u8] {
    ///         &self.0
    ///     }
    /// }
    /// let body = Body::owned(Table(b"a,b".as_slice().into()));
    /// assert_eq!(body.bytes(), Some(&b"a,b"[..]));
    /// ```
    pub fn owned(bytes: impl AsRef<[u8]> + Send + 'static) -> Body {
        Body::octets(Kind::Owned(Box::new(bytes)))
    }

    /// Creates a body without a Content-Type of its own: it is that of a header, or none.
    ///
    /// ```
    /// use hansel::Body;
    ///
    /// assert_eq!(Body::from("hello").content_type(), Some("text/plain; charset=utf-8"));
    /// assert_eq!(Body::untyped("hello").content_type(), None);
    /// ```
    pub fn untyped(body: impl Into<Body>) -> Body {
        Body {
            content_type: None,
            ..body.into()
        }
    }

    /// Has `hook` called exactly once, when the server has no more use for the body: it is sent, or given up, or was
    /// never to be sent. Hooks that were added before are called as well.
    ///
    /// It is called where the body ends: on a thread of the server that may block, never while an event loop waits for it,
    /// and not before all of a file, a reader or a stream is read. If the server ends first, it is called when its
    /// [`Handle`](crate::Handle) is dropped, at the latest. A panic is logged, and changes nothing.
    ///
    /// ```
    /// use hansel::{Body, Done, test::Client};
    /// use std::sync::mpsc::channel;
    ///
    /// let (tell, told) = channel();
    /// let client = Client::new(move || {
    ///     let tell = tell.clone();
    ///     Body::from("ham").on_done(move |done| tell.send(done).unwrap())
    /// });
    /// client.get("/");
    /// client.call("HEAD", "/");
    /// assert_eq!(told.try_iter().collect::<Vec<_>>(), [Done::Sent, Done::Omitted]);
    /// ```
    #[must_use]
    pub fn on_done(mut self, hook: impl FnOnce(Done) + Send + 'static) -> Body {
        self.on_done = Some(match self.on_done.take() {
            None => OnDone::new(hook),
            Some(before) => OnDone::new(move |done| {
                before.call(done);
                hook(done);
            }),
        });
        self
    }

    /// Returns the socket that is to be opened, if it is one.
    #[cfg(feature = "websocket")]
    pub(crate) fn opened(&mut self) -> Option<&mut Opened> {
        match &mut self.kind {
            Kind::Socket(opened) => Some(opened),
            _ => None,
        }
    }

    /// Creates the body of a response that opens a socket.
    #[cfg(feature = "websocket")]
    pub(crate) fn opening(opened: Box<Opened>) -> Body {
        Body::of(Kind::Socket(opened))
    }

    fn of(kind: Kind) -> Body {
        Body {
            kind,
            content_type: None,
            on_done: None,
        }
    }

    /// Returns the number of bytes, if it is known before they are sent.
    pub fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::File(part) => Some(part.left()),
            Kind::Reader { len, .. } => *len,
            Kind::Stream { len, .. } => *len,
            Kind::Early(early) => early.len,
            Kind::Pushed(_) => None,
            _ => self.bytes().map(|bytes| bytes.len() as u64),
        }
    }

    /// Returns true if it is known to have no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Returns the bytes, if they are in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.kind.bytes()
    }

    /// Returns true if it is a file, of which the server sends the bytes as they are on the disk.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// Returns true if it is a subscription to a [`Topic`](crate::Topic), which filters leave as it is.
    pub fn is_pushed(&self) -> bool {
        matches!(self.kind, Kind::Pushed(_))
    }

    /// Returns the Content-Type that the response gets unless a header sets another: that of text, of bytes or of JSON, and
    /// none for files, readers and streams.
    ///
    /// ```
    /// use hansel::Body;
    ///
    /// assert_eq!(Body::from("hello").content_type(), Some("text/plain; charset=utf-8"));
    /// assert_eq!(Body::from(vec![0, 255]).content_type(), Some("application/octet-stream"));
    /// assert_eq!(Body::reader(std::io::empty()).content_type(), None);
    /// ```
    pub fn content_type(&self) -> Option<&str> {
        std::str::from_utf8(self.content_type?.bytes()).ok()
    }

    /// Takes it out, and leaves none that has its Content-Type.
    pub(super) fn take(&mut self) -> Body {
        let left = Body {
            kind: Kind::Empty,
            content_type: self.content_type,
            on_done: None,
        };
        std::mem::replace(self, left)
    }

    /// Puts a body in the place of one that was taken out, whose Content-Type it gets.
    pub(super) fn put(&mut self, body: Body) {
        // Only a body that was taken leaves a type without content.
        let taken = if self.is_none() { self.content_type } else { None };
        *self = Body {
            kind: body.kind,
            content_type: taken.or(body.content_type),
            on_done: body.on_done,
        };
    }

    /// Returns true if no body was made, as opposed to one without bytes.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    /// Returns true if dropping it does nothing.
    pub(super) fn owns_nothing(&self) -> bool {
        self.on_done.is_none() && matches!(self.kind, Kind::Empty | Kind::Static(_))
    }

    /// Returns true if it was made of text.
    pub(crate) fn is_text(&self) -> bool {
        self.content_type.is_some_and(|kind| kind.bytes() == TEXT.bytes())
    }

    /// Keeps a value until a thread has sent the body, or it is dropped. If it needs no thread, the value is dropped now.
    pub(crate) fn keep(&mut self, value: impl Send + 'static) {
        self.kind = match std::mem::take(&mut self.kind) {
            Kind::Reader { reader, len } => Kind::Reader {
                reader: Box::new(Keeping { reader, _value: value }),
                len,
            },
            Kind::Stream { write, len } => Kind::Stream {
                write: Box::new(move |client| {
                    let _value = value;
                    write(client)
                }),
                len,
            },
            other => other,
        };
    }

    /// Makes it a body that the handler writes while it runs.
    pub(crate) fn write_early(&mut self, len: Option<u64>) {
        self.kind = Kind::Early(Box::new(EarlyBody {
            len,
            filters: Vec::new(),
        }));
    }

    /// Takes the filters of a body that the handler writes while it runs, the first to be passed first.
    /// Returns `None` of any other body.
    pub(crate) fn take_filters(&mut self) -> Option<Vec<Box<dyn BodyFilter>>> {
        match &mut self.kind {
            Kind::Early(early) => Some(std::mem::take(&mut early.filters)),
            _ => None,
        }
    }

    /// Returns true if a thread is needed to send it.
    pub(crate) fn needs_thread(&self) -> bool {
        match self.kind {
            Kind::Reader { .. } | Kind::Stream { .. } => true,
            #[cfg(feature = "upgrade")]
            Kind::Takeover(_) => true,
            _ => false,
        }
    }

    pub(super) fn text(kind: Kind) -> Body {
        Body {
            kind,
            content_type: Some(TEXT),
            on_done: None,
        }
    }

    pub(super) fn octets(kind: Kind) -> Body {
        Body {
            kind,
            content_type: Some(OCTETS),
            on_done: None,
        }
    }

    /// Creates a JSON body. Its Content-Type is that of JSON unless a header says otherwise.
    #[cfg(feature = "json")]
    pub(crate) fn json(text: Vec<u8>) -> Body {
        const JSON: FieldValue<'static> = FieldValue::new(b"application/json").unwrap();
        Body {
            kind: Kind::Bytes(text),
            content_type: Some(JSON),
            on_done: None,
        }
    }
}

impl Kind {
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Kind::Empty => Some(&[]),
            Kind::Static(bytes) => Some(bytes),
            Kind::Bytes(bytes) => Some(bytes),
            Kind::Shared(bytes) => Some(bytes),
            Kind::Owned(bytes) => Some((**bytes).as_ref()),
            Kind::File(_) | Kind::Reader { .. } | Kind::Stream { .. } | Kind::Pushed(_) | Kind::Early(_) => None,
            #[cfg(feature = "websocket")]
            Kind::Socket(_) => Some(&[]),
            #[cfg(feature = "upgrade")]
            Kind::Takeover(_) => Some(&[]),
        }
    }
}

/// Returns the length of a file.
fn file_len(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(metadata.len())
}

/// Returns start and end of a range, if all of it is within `len` bytes.
fn within(len: u64, range: &impl RangeBounds<u64>) -> Option<(u64, u64)> {
    let start = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.checked_add(1)?,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => len,
    };
    (start <= end && end <= len).then_some((start, end))
}

/// A reader, and what is kept as long as it is read.
struct Keeping<V> {
    reader: Box<dyn Read + Send>,
    _value: V,
}

impl<V> Read for Keeping<V> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Empty => "empty",
            Kind::Static(_) | Kind::Bytes(_) | Kind::Shared(_) | Kind::Owned(_) => "bytes",
            Kind::File(_) => "file",
            Kind::Reader { .. } => "reader",
            Kind::Stream { .. } => "stream",
            Kind::Early(_) => "written early",
            Kind::Pushed(_) => "subscription",
            #[cfg(feature = "websocket")]
            Kind::Socket(_) => "socket",
            #[cfg(feature = "upgrade")]
            Kind::Takeover(_) => "another protocol",
        };
        match self.len() {
            Some(len) => write!(f, "Body({kind}, {len} bytes)"),
            None => write!(f, "Body({kind})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_known_where_they_can_be() {
        assert_eq!(Body::from("héllo").len(), Some(6), "octets, not characters");
        assert_eq!(Body::from(vec![1, 2, 3]).len(), Some(3));
        assert_eq!(Body::sized_reader(io::empty(), 9).len(), Some(9));
        assert_eq!(Body::reader(io::empty()).len(), None);
        assert_eq!(Body::stream(|_| Ok(())).len(), None);
        assert!(Body::empty().is_empty());
    }

    #[test]
    fn a_file_counts_from_where_it_stands() {
        use std::io::{Seek, SeekFrom};
        let mut file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let whole = file.metadata().unwrap().len();
        file.seek(SeekFrom::Start(10)).unwrap();
        assert_eq!(Body::file(file).unwrap().len(), Some(whole - 10));
        assert!(Body::file(File::open(env!("CARGO_MANIFEST_DIR")).unwrap()).is_err());
    }

    #[test]
    fn a_range_of_a_file_is_within_it_or_an_error() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let whole = std::fs::read(manifest).unwrap();
        let len = whole.len() as u64;
        fn read(body: Body) -> Vec<u8> {
            let Kind::File(mut part) = body.kind else {
                panic!("not a file")
            };
            let mut read = Vec::new();
            part.read_to_end(&mut read).unwrap();
            read
        }
        let open = || {
            use std::io::Seek;
            let mut file = File::open(manifest).unwrap();
            file.seek(io::SeekFrom::Start(7)).unwrap();
            file
        };
        assert_eq!(read(Body::file_range(open(), 2..5).unwrap()), whole[2..5]);
        assert_eq!(read(Body::file_range(open(), 2..=5).unwrap()), whole[2..=5]);
        assert_eq!(read(Body::file_range(open(), 10..).unwrap()), whole[10..]);
        assert_eq!(read(Body::file_range(open(), ..10).unwrap()), whole[..10]);
        assert_eq!(read(Body::file_range(open(), ..).unwrap()), whole);
        assert_eq!(Body::file_range(open(), len..).unwrap().len(), Some(0));
        assert_eq!(Body::file_range(open(), 3..3).unwrap().len(), Some(0));
        let after_first = (Bound::Excluded(1), Bound::Included(3));
        assert_eq!(read(Body::file_range(open(), after_first).unwrap()), whole[2..=3]);

        let error = |range: (Bound<u64>, Bound<u64>)| Body::file_range(open(), range).unwrap_err().kind();
        let (included, excluded) = (Bound::Included::<u64>, Bound::Excluded::<u64>);
        for range in [
            (included(0), excluded(len + 1)),
            (included(0), included(len)),
            (included(len + 1), Bound::Unbounded),
            (included(5), excluded(4)),
            (included(0), included(u64::MAX)),
            (excluded(u64::MAX), Bound::Unbounded),
        ] {
            assert_eq!(error(range), io::ErrorKind::InvalidInput, "{range:?}");
        }
        assert!(Body::file_range(File::open(env!("CARGO_MANIFEST_DIR")).unwrap(), ..).is_err());
    }
}
