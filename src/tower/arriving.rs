//! The body of a request, as HTTP/1.1 would carry it.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Buf;
use hansel_proto::chunk;
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::{Body, Frame};

use super::call::Call;
use crate::Limits;
use crate::exchange::Incoming;
use crate::pace;
use crate::pipe::{Reader, Writer};
use crate::request::BodyError;

/// The framing of the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// The framing that the head announces.
    Given {
        is_chunked: bool,
    },
    /// There is nothing to frame.
    None,
    Length(u64),
    Chunked,
}

impl Framing {
    /// Returns the framing of a body after these fields. If they do not say, as those of HTTP/2 need not, the body
    /// decides.
    pub(super) fn of<B: Body>(head: &Parts, body: &B) -> Framing {
        let fields = &head.headers;
        if head.version < Version::HTTP_2 && fields.contains_key(TRANSFER_ENCODING) {
            Framing::Given { is_chunked: true }
        } else if fields.contains_key(CONTENT_LENGTH) {
            Framing::Given { is_chunked: false }
        } else if body.is_end_stream() {
            Framing::None
        } else {
            match body.size_hint().exact() {
                Some(0) => Framing::None,
                Some(length) => Framing::Length(length),
                None => Framing::Chunked,
            }
        }
    }

    /// Returns the field for it, if it must be added.
    pub(super) fn field(self) -> Option<(&'static str, String)> {
        match self {
            Framing::Given { .. } | Framing::None => None,
            Framing::Length(length) => Some(("content-length", length.to_string())),
            Framing::Chunked => Some(("transfer-encoding", "chunked".to_owned())),
        }
    }

    pub(super) fn is_chunked(self) -> bool {
        matches!(self, Framing::Chunked | Framing::Given { is_chunked: true })
    }
}

/// The rest of a body that has not arrived.
pub(super) struct Arriving<B> {
    body: Pin<Box<B>>,
    framing: Framing,
    is_over: bool,
}

impl<B: Body> Arriving<B> {
    pub(super) fn new(body: B, framing: Framing) -> Arriving<B> {
        Arriving {
            body: Box::pin(body),
            framing,
            is_over: false,
        }
    }

    /// Returns the next bytes, framed. `None` is the end, and an error means that the body was cut.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Vec<u8>>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let mut out = Vec::new();
        while out.is_empty() {
            match ready!(self.body.as_mut().poll_frame(context)) {
                Some(Ok(frame)) => self.append(frame, &mut out),
                Some(Err(_)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                None => {
                    self.is_over = true;
                    if !self.framing.is_chunked() {
                        return Poll::Ready(None);
                    }
                    chunk::finish(&mut out);
                }
            }
        }
        Poll::Ready(Some(Ok(out)))
    }

    /// Passes on what is here, as far as there is room for it.
    pub(super) fn pass_on(&mut self, to: &mut Option<Writer>, context: &mut Context<'_>) {
        while let Some(writer) = to {
            match writer.poll_room(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => *to = None,
                Poll::Pending => return,
            }
            let Some(writer) = to else { return };
            match self.poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => writer.push(&bytes),
                // Without an end it has broken off.
                Poll::Ready(Some(Err(_))) => *to = None,
                Poll::Ready(None) => {
                    if let Some(writer) = to.take() {
                        writer.end();
                    }
                }
                Poll::Pending => return,
            }
        }
    }

    fn append(&mut self, frame: Frame<B::Data>, out: &mut Vec<u8>) {
        let trailers = match frame.into_data() {
            Ok(mut data) => {
                while data.has_remaining() {
                    let piece = data.chunk();
                    if self.framing.is_chunked() {
                        chunk::encode(piece, out);
                    } else {
                        out.extend_from_slice(piece);
                    }
                    let n = piece.len();
                    data.advance(n);
                }
                return;
            }
            Err(frame) => frame.into_trailers(),
        };
        // RFC 9112 §7.1.2: the trailer section of a chunked body. After a Content-Length there is no place for one.
        if let (Ok(trailers), true) = (trailers, self.framing.is_chunked()) {
            self.is_over = true;
            out.extend_from_slice(b"0\r\n");
            for (name, value) in &trailers {
                for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    out.extend_from_slice(part);
                }
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A body that a thread reads while a task passes it on.
pub(super) struct Upload<R> {
    reader: Reader,
    here: io::Cursor<Vec<u8>>,
    received: u64,
    /// The time for which it was waited for.
    waited: Duration,
    limits: Limits,
    call: Weak<Call<R>>,
}

impl<R: Send + 'static> Upload<R> {
    pub(super) fn new(reader: Reader, limits: Limits, call: Weak<Call<R>>) -> Upload<R> {
        Upload {
            reader,
            here: io::Cursor::default(),
            received: 0,
            waited: Duration::ZERO,
            limits,
            call,
        }
    }

    fn await_client(&self, awaits_client: bool) {
        if let Some(call) = self.call.upgrade() {
            call.await_client(awaits_client);
        }
    }
}

impl<R: Send + 'static> Incoming for Upload<R> {
    fn receive(&mut self, room: &mut [u8]) -> Result<usize, BodyError> {
        if self.here.position() == self.here.get_ref().len() as u64 {
            pace::about_to_block();
            self.await_client(true);
            let began = Instant::now();
            let start = began.checked_sub(self.waited).unwrap_or(began);
            let deadline = self.limits.transfer_deadline(start, self.received);
            let taken = self.reader.take(Some(deadline));
            self.waited = self.waited.saturating_add(began.elapsed());
            self.await_client(false);
            self.here = io::Cursor::new(taken.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => BodyError::TimedOut,
                _ => BodyError::Disconnected,
            })?);
        }
        // Reading from memory cannot fail.
        let n = self.here.read(room).unwrap_or(0);
        self.received += n as u64;
        Ok(n)
    }

    fn interim(&mut self, _response: &[u8]) -> Result<(), BodyError> {
        // The outer server sends its own when it is asked for the body.
        self.reader.want();
        Ok(())
    }
}
