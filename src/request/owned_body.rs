//! The body of a request, for whoever reads it elsewhere.

use std::fmt;
use std::io::{self, BufRead, Cursor, Read};
use std::sync::{Arc, Mutex};

use super::{BodyError, Content, LiveBody, RequestBody};
use crate::lock::lock;

/// The body of a request, which may be read on another thread, or be kept by an object of another language: see
/// [`Request::owned_body`](crate::Request::owned_body).
///
/// It belongs to the call: once the handler has returned, a body that was still arriving ends with
/// [`BodyError::Over`]. A handler that returns while another thread waits for the body waits for it as well.
pub struct OwnedBody {
    source: Source,
}

enum Source {
    Here(Cursor<Vec<u8>>),
    Live {
        live: Arc<Mutex<Box<dyn LiveBody>>>,
        /// The largest body that may be read.
        most: u64,
        /// The bytes that were taken from the body and are not read yet.
        taken: Cursor<Vec<u8>>,
    },
}

/// The number of bytes of a body that is still arriving that are taken at once.
const TAKEN: usize = 64 * 1024;

impl OwnedBody {
    pub(super) fn of(body: &RequestBody, head_and_body: &[u8]) -> OwnedBody {
        let source = match (&body.content, body.unread(head_and_body)) {
            (Content::Live(live), None) => Source::Live {
                live: Arc::clone(live),
                most: body.most(),
                taken: Cursor::default(),
            },
            (_, unread) => Source::Here(Cursor::new(unread.unwrap_or(&[]).to_vec())),
        };
        OwnedBody { source }
    }
}

impl BufRead for OwnedBody {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.source {
            Source::Here(bytes) => bytes.fill_buf(),
            Source::Live { live, most, taken } => {
                if taken.fill_buf()?.is_empty() {
                    let mut live = lock(live);
                    live.await_content(*most)?;
                    let content = live.content();
                    let content = content.get(..TAKEN).unwrap_or(content);
                    let len = content.len();
                    taken.set_position(0);
                    let bytes = taken.get_mut();
                    bytes.clear();
                    bytes.extend_from_slice(content);
                    live.consume(len);
                }
                taken.fill_buf()
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.source {
            Source::Here(bytes) | Source::Live { taken: bytes, .. } => bytes.consume(amount),
        }
    }
}

impl Read for OwnedBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut content = self.fill_buf()?;
        let n = content.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl fmt::Debug for OwnedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Here(bytes) => write!(f, "OwnedBody({} bytes)", bytes.get_ref().len()),
            Source::Live { .. } => f.write_str("OwnedBody(still arriving)"),
        }
    }
}

/// Takes the place of a body whose call is over.
pub(crate) struct Gone;

impl LiveBody for Gone {
    fn await_content(&mut self, _: u64) -> Result<(), BodyError> {
        Err(BodyError::Over)
    }

    fn len_at_least(&self) -> u64 {
        0
    }

    fn is_at_end(&mut self) -> bool {
        false
    }

    fn content(&self) -> &[u8] {
        &[]
    }

    fn consume(&mut self, _: usize) {}

    fn trailers(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}
