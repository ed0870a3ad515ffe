//! A response of a service as one of hansel's.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::time::Duration;

use bytes::Buf;
use http::header::CONTENT_LENGTH;

use super::runtime::Runtime;
use super::wait::{block_on, block_on_while};
use crate::{BodyWriter, Response};

type AnyError = Box<dyn Error + Send + Sync>;

/// Bodies up to this length are read completely. Longer ones, and those of unknown length, are passed on piece by
/// piece.
pub(super) const WHOLE: u64 = 64 * 1024;

/// The interval between checks whether the client is there while its service has nothing to send.
const LOOK: Duration = Duration::from_secs(1);

/// Returns a response for this server. What of its body is long is read in `runtime` while it is sent.
///
/// # Errors
/// If a short body breaks off.
pub(super) fn response<B>(made: http::Response<B>, is_head: bool, runtime: Runtime) -> Result<Response, AnyError>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    let (head, body) = made.into_parts();
    let length = body.size_hint().exact();
    let mut response = fields(&head);
    if is_head && length == Some(0) {
        // RFC 9110 §9.3.2: there is no content, and the fields are those that GET would have got.
        let announced = head.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|announced| announced.to_str().ok()?.parse().ok());
        response.set_body(match announced {
            Some(length) => crate::Body::sized_reader(io::empty(), length),
            None => crate::Body::reader(io::empty()),
        });
        return Ok(response);
    }
    let mut frames = Frames {
        body: Box::pin(body),
        piece: None,
    };
    match length {
        Some(length) if length <= WHOLE => {
            let mut whole = Vec::new();
            frames.read_to_end(&mut whole)?;
            response.set_body(crate::Body::untyped(whole));
        }
        Some(length) => response.set_body(crate::Body::sized_reader(Within { frames, runtime }, length)),
        None => response.set_body(crate::Body::stream(move |client| {
            let _entered = runtime.enter();
            frames.write_to(client)
        })),
    }
    Ok(response)
}

/// Returns a response with this status and these fields.
fn fields(head: &http::response::Parts) -> Response {
    let mut response = Response::default().with_status(head.status);
    for (name, value) in &head.headers {
        // Framing and connection belong to this server; refused fields are left out.
        let _ = response.fields.append(name.as_str(), value.as_bytes());
    }
    response
}

/// Reads a body frame by frame, waiting for each. Trailers are left out: they "can be discarded" (RFC 9110 §6.5.1).
struct Frames<B: http_body::Body> {
    body: Pin<Box<B>>,
    piece: Option<B::Data>,
}

impl<B> Read for Frames<B>
where
    B: http_body::Body,
    B::Error: Into<AnyError>,
{
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(piece) = self.piece.as_mut().filter(|piece| piece.has_remaining()) {
                let n = piece.remaining().min(into.len());
                piece.copy_to_slice(&mut into[..n]);
                return Ok(n);
            }
            let body = &mut self.body;
            match block_on(poll_fn(|context| body.as_mut().poll_frame(context))) {
                None => return Ok(0),
                Some(frame) => self.piece = frame.map_err(io::Error::other)?.into_data().ok(),
            }
        }
    }
}

impl<B> Frames<B>
where
    B: http_body::Body,
    B::Error: Into<AnyError>,
{
    /// Writes all frames as they come, until the client has left.
    fn write_to(mut self, client: &mut BodyWriter<'_>) -> io::Result<()> {
        loop {
            let body = &mut self.body;
            let next = poll_fn(|context| body.as_mut().poll_frame(context));
            let Some(next) = block_on_while(next, LOOK, || client.is_open()) else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            let Some(frame) = next else { return Ok(()) };
            let Ok(mut data) = frame.map_err(io::Error::other)?.into_data() else {
                continue;
            };
            while data.has_remaining() {
                let n = data.chunk().len();
                client.write_all(data.chunk())?;
                data.advance(n);
            }
        }
    }
}

/// Reads frames in a runtime.
struct Within<B: http_body::Body> {
    frames: Frames<B>,
    runtime: Runtime,
}

impl<B> Read for Within<B>
where
    B: http_body::Body,
    B::Error: Into<AnyError>,
{
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let _entered = self.runtime.enter();
        self.frames.read(into)
    }
}
